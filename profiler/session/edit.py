"""What a person adds to a session afterwards: a label, which is part of the file's name, and notes.

The file stays append-only: both are events at its end, and what was measured is never touched. A
session that a run is still writing is left alone.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from profiler.events import Event, Labelled, Note
from profiler.session.file import SessionError, SessionWriter, create_unique, session_name, sync_folder
from profiler.session.listing import SessionSummary, summary
from profiler.units import plain_text

MOST_LABEL = 80
MOST_NOTE = 1000


def label_problem(text: str) -> str | None:
    """Why `text` cannot be a label; None if it can. An empty one takes the label away."""
    return _too_long(text, MOST_LABEL, "a label")


def note_problem(text: str) -> str | None:
    """Why `text` cannot be a note; None if it can."""
    return _too_long(text, MOST_NOTE, "a note") if plain_text(text) else "write a note, or leave with escape"


def _too_long(text: str, most: int, what: str) -> str | None:
    length = len(plain_text(text))
    return f"{what} has at most {most:,} characters, not {length:,}" if length > most else None


def relabel(path: Path, label: str) -> Path:
    """Give the session another label, and its file the name that goes with it. Returns the file's path.

    A name that is taken gets -2, -3, ...; a file that was given a name of its own keeps it.

    Raises:
        SessionError: it is no session, a run is writing it, or it cannot be written or renamed.
    """
    label = plain_text(label)
    if problem := label_problem(label):
        raise SessionError(problem)
    known = _editable(path)
    _append(path, Labelled(label=label))
    stem = _stem(known, label)
    if re.fullmatch(rf"{re.escape(stem)}(-\d+)?", path.stem):
        return path
    try:
        renamed = _rename(path, stem)
    except OSError as error:
        raise SessionError(
            f"the label is saved, but '{plain_text(path.name)}' could not be renamed "
            f"({error.strerror or error})"
        ) from error
    sync_folder(path.parent)
    return renamed


def add_note(path: Path, text: str) -> None:
    """Add a note to the session, with the time of now.

    Raises:
        SessionError: it is empty or too long, there is no session there, a run is writing it, or it
            cannot be written.
    """
    text = plain_text(text)
    if problem := note_problem(text):
        raise SessionError(problem)
    _editable(path)
    _append(path, Note(text=text, written=datetime.now(UTC).isoformat(timespec="seconds")))


def _editable(path: Path) -> SessionSummary:
    known = summary(path)
    if known.problem:
        raise SessionError(f"'{plain_text(path.name)}' cannot be edited: {known.problem}")
    return known


def _append(path: Path, event: Event) -> None:
    with SessionWriter.reopen(path) as writer:
        writer.append(event, durable=True)


def _stem(known: SessionSummary, label: str) -> str:
    """The name for that label, without a suffix: the file's own if it is not one that a run gives."""
    if known.started is None:
        return known.path.stem
    unlabelled = session_name(known.started, known.device, "")
    own = known.path.stem != unlabelled and not known.path.stem.startswith(f"{unlabelled}-")
    return known.path.stem if own else session_name(known.started, known.device, label)


def _rename(path: Path, stem: str) -> Path:
    """Move the file, and the log beside it, to a name that nothing has.

    A rename takes the place of what is there: so an empty file of the new name is made first,
    which fails if there is one, and that is what the rename replaces.
    """
    renamed = _move(path, stem)
    log = path.with_suffix(".log")
    if log.is_file():
        with suppress(OSError):  # what workers printed: the session does not need it
            _move(log, renamed.stem)
    return renamed


def _move(path: Path, stem: str) -> Path:
    target, descriptor = create_unique(path.parent, stem, path.suffix)
    os.close(descriptor)
    try:
        path.replace(target)
    except OSError:
        target.unlink()
        raise
    return target
