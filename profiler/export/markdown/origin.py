"""Where an imported session's figures were read from, and what is unknown of them: ahead of all figures."""

from __future__ import annotations

from profiler.export.markdown.text import escape
from profiler.session.imported import imported_words
from profiler.session.recording import Recording


def origin(recording: Recording) -> str | None:
    """The words about the import as a quotation; None for what was measured here."""
    first, *rest = imported_words(recording) or [""]
    return f"> **{escape(first)}** {escape(' '.join(rest))}".rstrip() if first else None
