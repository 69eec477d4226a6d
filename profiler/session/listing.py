"""What the sessions in a folder are, told from the ends of their files: a thousand of them in a second.

A file is never read whole, and none is too odd to be listed: what is wrong with one is said in its row.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Literal

import msgspec

from profiler.engine.work import AnyPlan
from profiler.events import (
    SCHEMA,
    Finished,
    Labelled,
    Note,
    Planned,
    SessionEvent,
    SessionStarted,
    TrainingPlanned,
)
from profiler.plans.plan import Plan
from profiler.results.wording import device_name
from profiler.session import lock as session_lock
from profiler.session.file import SUFFIX, SessionError, session_name
from profiler.session.line_reader import open_file
from profiler.session.unread import UNREADABLE
from profiler.training.columns import training_columns
from profiler.training.recording import TrainingEvent
from profiler.units import plain_text, shape_columns

State = Literal["completed", "interrupted", "failed", "running", "not closed"]

_TAIL_BYTES = 64 * 2**10  # holds the notes that a person writes, and the end before them
_LONGEST_LINE_BYTES = 4 * 2**20  # a plan of ten thousand shapes has half of that
_MOST_SEARCHED_BYTES = 64 * 2**20
_MOST_LINES_TO_PLAN = 100  # the catalog lies between, and what the engine said while torch loaded

_EVENTS: msgspec.json.Decoder[SessionEvent] = msgspec.json.Decoder(SessionEvent)


@dataclass(frozen=True)
class SessionSummary:
    """One session file: what was measured, where, and how it ended. Text is plain already.

    `shapes` and `implementations` are how many the first plan has, `has_more` whether others follow,
    and `has_both` whether the last of these is of the other kind; `shape` is what its shapes have in
    common, `varied` what they differ in. Where it `is_training` they are rows, models with a context
    each, instead of shapes. `ending` is "running" where a process holds the file, "not closed" where
    none does and the end is missing. `notes` are those at the end of the file. `problem` is why the
    rest is not known, in a few words.
    """

    path: Path
    started: datetime | None = None
    device: str = ""
    command: str = ""
    label: str = ""
    shapes: int = 0
    implementations: int = 0
    shape: str = ""
    varied: tuple[str, ...] = ()
    is_training: bool = False
    has_more: bool = False
    has_both: bool = False
    ending: State = "not closed"
    reason: str = ""
    size_bytes: int = 0
    changed_ns: int = 0
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def is_resumable(self) -> bool:
        """Whether some of its plan was left unmeasured, by a run that has ended."""
        return self.shapes > 0 and self.ending not in ("completed", "running")

    @property
    def age_key(self) -> tuple[bool, float, str]:
        """By when it began; one that does not say is older than all that do. Names part equals."""
        if self.started is None:
            return False, self.changed_ns / 1e9, self.path.name
        return True, self.started.timestamp(), self.path.name


def summaries(folder: Path) -> list[SessionSummary]:
    """Every session file in `folder`, the newest first; none where there is no such folder.

    Raises:
        SessionError: the folder cannot be read.
    """
    return newest_first(map(summary, session_files(folder)))


def newest_first(some: Iterable[SessionSummary]) -> list[SessionSummary]:
    """The summaries, the session that began last first."""
    return sorted(some, key=lambda session: session.age_key, reverse=True)


def session_files(folder: Path) -> list[Path]:
    """The session files in `folder`, in no order; links to nothing too, for what they hide should be seen.

    Raises:
        SessionError: the folder cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return [
                Path(entry.path) for entry in entries if entry.name.endswith(SUFFIX) and _may_be_one(entry)
            ]
    except FileNotFoundError:
        return []
    except OSError as error:
        reason = error.strerror or str(error)
        raise SessionError(f"the folder '{plain_text(str(folder))}' cannot be read ({reason})") from error


def _may_be_one(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists())
    except OSError:
        return True  # its row will say why


def summary(path: Path) -> SessionSummary:
    """One file's summary; what cannot be read of it is left out, and said in its `problem`."""
    known = SessionSummary(path)
    try:
        with open_file(path) as file:
            status = os.fstat(file.fileno())
            known = replace(known, size_bytes=status.st_size, changed_ns=status.st_mtime_ns)
            if session_lock.is_held(file.fileno()):
                known = replace(known, ending="running")
            known = _with_head(known, file)
            if known.problem:
                return known
            known = _with_tail(known, file)
            return known if _is_named(known) else replace(known, label=_label_within(file) or known.label)
    except FileNotFoundError:
        return replace(known, problem="a link to nothing" if path.is_symlink() else "gone")
    except OSError as error:
        return replace(known, problem=f"cannot be read ({error.strerror or error})")


def _with_head(known: SessionSummary, file: BinaryIO) -> SessionSummary:
    """The header, and the first plan if it stands where it is wont to."""
    line = file.readline(_LONGEST_LINE_BYTES)
    if not line.strip():
        return replace(known, problem="no session in it yet" if known.size_bytes == 0 else "not a session")
    header = _event(line)
    if not isinstance(header, SessionStarted):
        return replace(known, problem=_why_no_header(line))
    known = replace(
        known,
        started=_time(header.started),
        device=device_name(header.environment),
        command=plain_text(header.command),
    )
    for _ in range(_MOST_LINES_TO_PLAN):
        if not (line := file.readline(_LONGEST_LINE_BYTES)):
            break
        if b'"plan"' in line and isinstance(event := _event(line), Planned | TrainingPlanned):
            return _with_plan(known, event.plan)
    return known


def _with_plan(known: SessionSummary, plan: AnyPlan) -> SessionSummary:
    known = replace(known, label=plain_text(plan.label), implementations=len(plan.implementations))
    if isinstance(plan, Plan):
        shapes = shape_columns(plan.workloads)
        return replace(known, shapes=len(plan.workloads), shape=shapes.caption(), varied=shapes.varying)
    rows = training_columns(plan.trainings)
    return replace(
        known,
        shapes=len(plan.trainings),
        shape=rows.caption(),
        varied=rows.varying,
        is_training=True,
    )


def _with_tail(known: SessionSummary, file: BinaryIO) -> SessionSummary:
    """The end, and what a person wrote after it: the last lines that are no measurement."""
    notes: list[str] = []
    label, ended = None, False  # from the end backwards, so the first label is the latest
    for line in _last_lines(file, known.size_bytes):
        event = _event(line)
        if isinstance(event, Note):
            notes.insert(0, plain_text(event.text))
        elif isinstance(event, Labelled):
            label = plain_text(event.label) if label is None else label
        elif isinstance(event, Finished) and not ended and known.ending == "not closed":
            known = replace(known, ending=event.ending, reason=plain_text(event.reason))
        elif (case := getattr(event, "case", None)) is not None:
            has_more = case >= known.shapes * known.implementations > 0
            has_both = has_more and isinstance(event, TrainingEvent) != known.is_training
            known = replace(known, has_more=has_more, has_both=has_both)
            break
        ended = ended or not isinstance(event, Note | Labelled | None)
    return replace(known, notes=tuple(notes), label=known.label if label is None else label)


def _is_named(known: SessionSummary) -> bool:
    """Whether the name is the label's, or one that no run gives; a file too large to search counts too."""
    if known.started is None:
        return True
    unlabelled = session_name(known.started, known.device, "")
    expected = session_name(known.started, known.device, known.label)
    own = not known.path.stem.startswith(unlabelled) or known.size_bytes > _MOST_SEARCHED_BYTES
    return own or re.fullmatch(rf"{re.escape(expected)}(-\d+)?", known.path.stem) is not None


def _label_within(file: BinaryIO) -> str:
    """The latest label of a session that was gone on with after it was labelled: this reads it all."""
    file.seek(0)
    found = ""
    for line in file:
        if b'"labelled"' in line and isinstance(event := _event(line), Labelled):
            found = plain_text(event.label)
    return found


def _last_lines(file: BinaryIO, size_bytes: int) -> Iterator[bytes]:
    """The whole lines within the tail, the last first."""
    start = max(0, size_bytes - _TAIL_BYTES)
    file.seek(start)
    lines = file.read(_TAIL_BYTES).split(b"\n")
    for line in reversed(lines[1:] if start else lines):
        if line.strip():
            yield line


def _event(line: bytes) -> SessionEvent | None:
    try:
        return _EVENTS.decode(line)
    except UNREADABLE:
        return None


class _Opening(msgspec.Struct):
    """What is read of a header that this version does not know."""

    type: str
    schema: tuple[int, int]


def _why_no_header(line: bytes) -> str:
    try:
        opening = msgspec.json.decode(line, type=_Opening)
    except UNREADABLE:
        return "not a session"
    if opening.type == "session" and opening.schema[0] > SCHEMA[0]:
        return "of a newer attnprof (schema {}.{})".format(*opening.schema)
    return "not a session"


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
