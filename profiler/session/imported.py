"""What is to be said of a session that was imported: where from, and what is not known of it."""

from __future__ import annotations

from profiler.session.recording import Recording
from profiler.units import listed, plain_text


def imported_words(recording: Recording) -> list[str]:
    """Where the results were read from and what is unknown, in sentences; none for what was measured here."""
    imported = recording.header.imported if recording.header else None
    if imported is None:
        return []
    files = listed([plain_text(name) for name in imported.files])
    return [
        f"This session was imported from {files}: who measured it, when, on what and how is not known.",
        "Each time is one figure: how many calls it is of and how far they lay apart is not known, so it has "
        "no interval. The labs' script writes mean wall time, not device time, and one peak of memory for "
        "all passes.",
        "Without samples tables have no speedups, and mark nothing as the fastest.",
    ]
