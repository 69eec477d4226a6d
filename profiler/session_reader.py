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
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise SessionError(f"'{plain_text(str(path))}' cannot be read ({reason})") from error
    return _Reader(path).read(data)


class _Reader:
    """One reading of one file: events in order, and problems grouped by what they are."""

    def __init__(self, path: Path) -> None:
        self._name = plain_text(str(path))
        self._file = SessionFile(path=path, events=[])
        self._noticed: dict[str, list[int]] = {}

    def read(self, data: bytes) -> SessionFile:
        lines = data.split(b"\n")
        last = len(lines) if lines[-1] else None  # a whole file ends with a newline
        for number, line in enumerate(lines, 1):
            if not line.strip():
                if number < len(lines):
                    self._notice("blank", number)
            elif not self._file.events:
                self._file.events.append(self._header(line))
            elif not self._event(number, line, torn=number == last):
                break
        if not self._file.events:
            raise SessionError(f"'{self._name}' is empty: it holds no session")
        self._file.problems += [f"{_lines(numbers)}: {what}" for what, numbers in self._noticed.items()]
        return self._file

    def _notice(self, what: str, number: int) -> None:
        self._noticed.setdefault(what, []).append(number)

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
            self._file.problems.append(
                f"written by a newer attnprof (schema {major}.{minor}; this one knows "
                f"{SCHEMA[0]}.{SCHEMA[1]}): what is new in it is left out"
            )
        self._notice_fields(1, line, header)
        return header

    def _event(self, number: int, line: bytes, *, torn: bool) -> bool:
        """Take in one line; False where the session ends."""
        try:
            event = _EVENTS.decode(line)
        except _UNREADABLE as error:
            self._notice(_why_unread(line, error, torn), number)
            return True
        if isinstance(event, SessionStarted):
            self._notice("another session begins here: what follows is left out", number)
            return False
        self._file.events.append(event)
        self._notice_fields(number, line, event)
        return True

    def _notice_fields(self, number: int, line: bytes, event: Event) -> None:
        for name in _unknown_fields(msgspec.json.decode(line), event):
            tag = event.__struct_config__.tag
            self._notice(f"unknown field '{plain_text(name)}' of '{tag}', left out", number)


def _why_unread(line: bytes, error: Exception, torn: bool) -> str:
    try:
        kind = msgspec.json.decode(line, type=_Kind).type
    except _UNREADABLE:
        if torn:
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
