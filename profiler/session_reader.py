"""Reads session files, also those that were cut short, or written by a newer attnprof.

Files are data: nothing in one is ever executed, and its text is made plain
(profiler.units.plain_text) before it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from profiler.events import SCHEMA, Event, SessionEvent, SessionStarted
from profiler.session import SessionError, listed
from profiler.units import plain_text


@dataclass
class SessionFile:
    """What a session file holds, and in words what in it could not be read."""

    path: Path
    events: list[Event]
    problems: list[str] = field(default_factory=list)


class _Opening(msgspec.Struct):
    """What is read of a first line before its schema is known."""

    type: str
    schema: tuple[int, int]


class _Kind(msgspec.Struct):
    type: str


_EVENTS: msgspec.json.Decoder[SessionEvent] = msgspec.json.Decoder(SessionEvent)
_KNOWN = frozenset(str(event.__struct_config__.tag) for event in Event.__subclasses__())
# What decoding bytes that are no event can raise: RecursionError for JSON nested too deep.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def read_session(path: Path) -> SessionFile:
    """Every event of a session file that this version understands, and what it could not.

    Raises:
        SessionError: it cannot be opened, is no session, or its major schema is a newer one.
    """
    try:
        with path.open("rb") as file:
            written = file.readlines()
    except OSError as error:
        raise unreadable(path, error) from error
    lines = SessionLines(path)
    events: list[Event] = [event for line in written if (event := lines.take(line)) is not None]
    if not events:
        raise empty(path)
    return SessionFile(path=path, events=events, problems=lines.problems())


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
        self._noticed: dict[str, list[int]] = {}

    def take(self, line: bytes) -> SessionEvent | None:
        """The event of the next line, None if there is none in it. A line without its newline is torn.

        Raises:
            SessionError: it is the first, and this is no session, or its major schema is a newer one.
        """
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

    def problems(self) -> list[str]:
        """What could not be read, in words, grouped by what it is."""
        grouped = [f"{_lines(numbers)}: {what}" for what, numbers in self._noticed.items()]
        return grouped if self._newer is None else [self._newer, *grouped]

    def _notice(self, what: str) -> None:
        self._noticed.setdefault(what, []).append(self._number)

    def _header(self, line: bytes) -> SessionStarted:
        """The first line's event, once its schema is one that can be read."""
        try:
            opening = msgspec.json.decode(line, type=_Opening)
        except _UNREADABLE as error:
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
        except _UNREADABLE as error:
            raise SessionError(f"'{self._name}' is no attnprof session: {_clause(error)}") from error
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
        except _UNREADABLE as error:
            self._notice(_why_unread(line, error))
            return None
        if isinstance(event, SessionStarted):
            self._notice("another session begins here: what follows is left out")
            self.ended = True
            return None
        self._notice_fields(line, event)
        return event

    def _notice_fields(self, line: bytes, event: Event) -> None:
        for name in _unknown_fields(msgspec.json.decode(line), event):
            tag = event.__struct_config__.tag
            self._notice(f"unknown field '{plain_text(name)}' of '{tag}', left out")


def _why_unread(line: bytes, error: Exception) -> str:
    try:
        kind = msgspec.json.decode(line, type=_Kind).type
    except _UNREADABLE:
        if not line.endswith(b"\n"):  # a whole file ends with a newline
            return "cut short (the run was killed while writing, or is still going), left out"
        return "not a whole event, left out"
    if kind not in _KNOWN:
        return f"unknown event '{plain_text(kind)}', left out"
    return f"a '{kind}' that cannot be read ({_clause(error)}), left out"


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


def _clause(error: Exception) -> str:
    return plain_text(str(error)).rstrip(".")


def _lines(numbers: list[int]) -> str:
    if len(numbers) == 1:
        return f"line {numbers[0]}"
    return f"lines {listed([str(number) for number in numbers])}"
