"""Reads session files, also those that were cut short, or written by a newer attnprof.

Files are data: nothing in one is ever executed, and its text is made plain
(profiler.units.plain_text) before it is shown.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import BinaryIO

import msgspec

from profiler.events import SCHEMA, Event, SessionEvent, SessionStarted
from profiler.garbage import collecting_no_garbage
from profiler.session.deferred import BETWEEN, CASELESS, KINDS, NO_CASE, Batch, glances_of
from profiler.session.file import SessionError
from profiler.session.line_reader import LineReader, open_file
from profiler.session.recording import Recording
from profiler.session.unread import UNREADABLE, Notices, clause, quoted, unread
from profiler.units import plain_text

DEFERRING_BYTES = 16 * 2**20
"""From this size on a file's lines about cases are decoded when they are asked for."""


@dataclass
class SessionFile:
    """What a session file holds, and in words what in it could not be read."""

    path: Path
    events: list[Event]
    problems: list[str] = field(default_factory=list)


@dataclass
class RecordedFile:
    """A session file as it adds up, and in words what in it could not be read.

    What cannot be read in lines that are decoded later is told by the recording's `unread`.
    """

    path: Path
    recording: Recording
    problems: list[str] = field(default_factory=list)


class _Opening(msgspec.Struct):
    """What is read of a first line before its schema is known."""

    type: str
    schema: tuple[int, int]


class _Kind(msgspec.Struct):
    type: str


_EVENTS: msgspec.json.Decoder[SessionEvent] = msgspec.json.Decoder(SessionEvent)
_KINDS: dict[type[Event], str] = {kind: str(kind.__struct_config__.tag) for kind in Event.__subclasses__()}
_KNOWN = frozenset(_KINDS.values())
_BATCHED = KINDS | BETWEEN


def read_session(path: Path) -> SessionFile:
    """Every event of a session file that this version understands, and what it could not.

    Raises:
        SessionError: it cannot be opened, is no session, or its major schema is a newer one.
    """
    lines = SessionLines(path)
    events: list[Event] = []
    with _reading(path) as file:
        reader = LineReader(file)
        while block := reader.read():
            events += lines.take_all(block)
        if (last := lines.take(reader.torn)) is not None:
            events.append(last)
    if not events:
        raise empty(path)
    return SessionFile(path=path, events=events, problems=lines.problems())


def read_recording(path: Path) -> RecordedFile:
    """What a session file adds up to; a large one in a fraction of the time and memory of its events.

    Raises:
        SessionError: as read_session.
    """
    lines = SessionLines(path)
    recording = Recording()
    with _reading(path) as file:
        take = lines.take_batch if is_large(file) else lines.take_all
        reader = LineReader(file)
        while block := reader.read():
            for part in take(block):
                recording.add(part)
        if (last := lines.take(reader.torn)) is not None:
            recording.add(last)
    if recording.header is None:
        raise empty(path)
    return RecordedFile(path=path, recording=recording, problems=lines.problems())


@contextmanager
def _reading(path: Path) -> Iterator[BinaryIO]:
    try:
        # Looking for cycles in half a million events takes as long as reading them.
        with open_file(path) as file, collecting_no_garbage(freezing=is_large(file)):
            yield file
    except OSError as error:
        raise unreadable(path, error) from error


def is_large(file: BinaryIO) -> bool:
    """Whether what a session file tells of its cases is better left undecoded."""
    return os.fstat(file.fileno()).st_size >= DEFERRING_BYTES


def unreadable(path: Path, error: OSError) -> SessionError:
    """What to say of a session file that cannot be opened or read."""
    reason = error.strerror or str(error)
    return SessionError(f"'{plain_text(str(path))}' cannot be read ({reason})")


def empty(path: Path) -> SessionError:
    """What to say of a session file in which nothing stands."""
    return SessionError(f"'{plain_text(str(path))}' is empty: it holds no session")


class SessionLines:
    """Takes the lines of one session file in order, and notes what in them it cannot read.

    `ended` is set where another session begins in the same file: what follows is left out.
    """

    def __init__(self, path: Path) -> None:
        self.ended = False
        self._name = plain_text(str(path))
        self._number = 0
        self._has_header = False
        self._newer: str | None = None
        self._notices = Notices("line")
        self._kinds: set[str] = set()  # never "session", for another header is a line to look at
        """Those of which a line has been compared with what is known of them."""

    def take(self, line: bytes) -> SessionEvent | None:
        """The event of the next line, None if there is none in it. A line without its newline is torn.

        What follows the last newline of a file is one too, and most often nothing.

        Raises:
            SessionError: it is the first, and this is no session, or its major schema is a newer one.
        """
        if not line:
            return None
        self._number += 1
        if self.ended:
            return None
        if not line.strip():
            self._notice("blank")
            return None
        if self._has_header:
            return self._event(line)
        self._has_header = True
        return self._header(line)

    def take_all(self, lines: list[bytes]) -> list[SessionEvent]:
        """The events of the next lines, which are whole, and given without their newlines.

        Raises:
            SessionError: as take.
        """
        if self._is_plain:
            with suppress(*UNREADABLE):
                events = _EVENTS.decode_lines(b"\n".join(lines))
                if (
                    len(events) == len(lines)
                    and {_KINDS[kind] for kind in set(map(type, events))} <= self._kinds
                ):
                    self._number += len(lines)
                    return events
        return [event for line in lines if (event := self.take(line + b"\n")) is not None]

    def take_batch(self, lines: list[bytes]) -> list[Batch] | list[SessionEvent]:
        """The same, but what is told of cases may stay as it is written.

        Raises:
            SessionError: as take.
        """
        if self._is_plain:
            with suppress(*UNREADABLE):
                glances = glances_of(b"\n".join(lines))
                kinds = [glance.type for glance in glances]
                cases = [glance.case for glance in glances]
                has_cases = cases.count(NO_CASE) == kinds.count(CASELESS)
                if len(glances) == len(lines) and has_cases and self._kinds & _BATCHED >= set(kinds):
                    between = [line for kind, line in zip(kinds, lines, strict=True) if kind in BETWEEN]
                    batch = Batch(
                        kinds=kinds,
                        cases=cases,
                        lines=lines,
                        between=_EVENTS.decode_lines(b"\n".join(between)),
                        last_s=max(map(attrgetter("at_s"), glances)),
                    )
                    self._number += len(lines)
                    return [batch]
        return self.take_all(lines)

    @property
    def _is_plain(self) -> bool:
        """Whether lines need no look at each, as far as is known before there is one at them."""
        return self._has_header and not self.ended and self._newer is None

    def problems(self) -> list[str]:
        """What could not be read, in words, grouped by what it is."""
        told = self._notices.told()
        return told if self._newer is None else [self._newer, *told]

    def _notice(self, what: str) -> None:
        self._notices.note(what, self._number)

    def _header(self, line: bytes) -> SessionStarted:
        """The first line's event, once its schema is one that can be read."""
        try:
            opening = msgspec.json.decode(line, type=_Opening)
        except UNREADABLE as error:
            raise SessionError(
                f"'{self._name}' is no attnprof session: its first line is not a session's header"
            ) from error
        major, minor = opening.schema
        if opening.type == "session" and major > SCHEMA[0]:
            raise SessionError(
                f"'{self._name}' has schema {major}.{minor} and this attnprof reads up to {SCHEMA[0]}.x: "
                "update attnprof"
            )
        try:
            header = _EVENTS.decode(line)
        except UNREADABLE as error:
            raise SessionError(f"'{self._name}' is no attnprof session: {clause(error)}") from error
        if not isinstance(header, SessionStarted):
            raise SessionError(f"'{self._name}' is no attnprof session: it begins with '{opening.type}'")
        if major == SCHEMA[0] and minor > SCHEMA[1]:
            self._newer = (
                f"written by a newer attnprof (schema {major}.{minor}; this one knows "
                f"{SCHEMA[0]}.{SCHEMA[1]}): what is new in it is left out"
            )
        self._notice_fields(line, header)
        return header

    def _event(self, line: bytes) -> SessionEvent | None:
        try:
            event = _EVENTS.decode(line)
        except UNREADABLE as error:
            self._notice(_why_unread(line, error))
            return None
        if isinstance(event, SessionStarted):
            self._notice("another session begins here: what follows is left out")
            self.ended = True
            return None
        self._notice_fields(line, event)
        return event

    def _notice_fields(self, line: bytes, event: Event) -> None:
        """Say which fields are new. Who writes a file of this schema gives the lines of a kind the same."""
        tag = _KINDS[type(event)]
        if self._newer is None and tag in self._kinds:
            return
        if tag != "session":
            self._kinds.add(tag)
        with suppress(*UNREADABLE):  # what is left out may be a number that Python cannot hold
            for name in _unknown_fields(msgspec.json.decode(line), event):
                self._notice(f"unknown field '{quoted(name)}' of '{tag}', left out")


def _why_unread(line: bytes, error: Exception) -> str:
    try:
        kind = msgspec.json.decode(line, type=_Kind).type
    except UNREADABLE:
        if not line.endswith(b"\n"):  # a whole file ends with a newline
            return "cut short (the run was killed while writing, or is still going), left out"
        return "not a whole event, left out"
    if kind not in _KNOWN:
        return f"unknown event '{quoted(kind)}', left out"
    return unread(kind, error)


def _unknown_fields(raw: object, known: object, path: str = "") -> Iterator[str]:
    """Dotted names of the fields of `raw` JSON that the struct decoded from it has no place for."""
    if isinstance(raw, dict) and isinstance(known, msgspec.Struct):
        names = dict(zip(known.__struct_encode_fields__, known.__struct_fields__, strict=True))
        for key, value in raw.items():
            if key in names:
                yield from _unknown_fields(value, getattr(known, names[key]), f"{path}{key}.")
            elif path or key != "type":
                yield f"{path}{key}"
    elif isinstance(raw, list) and isinstance(known, tuple) and raw and isinstance(raw[0], dict):
        # Items of one list have the same fields: what the first lacks no name for, none does.
        yield from _unknown_fields(raw[0], known[0], path)
