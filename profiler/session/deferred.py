"""Lines of a large session that are decoded when somebody asks for their case, and not before.

Most of a session's bytes are what is told of cases that have begun: checks, samples, results. Of a
file of a hundred megabytes a person looks at a few; a line takes a fraction of the room and of the
time of what stands in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import msgspec

from profiler.events import (
    CaseChecked,
    CaseStarted,
    Energy,
    Kernels,
    Number,
    Replayed,
    Result,
    Samples,
    SessionEvent,
    Telemetry,
)
from profiler.session.unread import UNREADABLE, Notices, unread

OfCase = CaseChecked | Samples | Result | Replayed | Energy | Kernels
"""What is told of a case once it has begun."""

KINDS = frozenset(str(kind.__struct_config__.tag) for kind in get_args(OfCase))
CASELESS = str(Telemetry.__struct_config__.tag)
BETWEEN = frozenset((str(CaseStarted.__struct_config__.tag), CASELESS))
"""What stands between such lines, and is decoded at once; of no case are readings alone."""

NO_CASE = -1

_EVENTS: msgspec.json.Decoder[SessionEvent] = msgspec.json.Decoder(SessionEvent)


class Glance(msgspec.Struct, gc=False):
    """As much of a line as its place in the session takes: its kind, its time, and whose case it tells of."""

    type: str
    case: int = NO_CASE
    at_s: Number = 0.0


_GLANCES = msgspec.json.Decoder(Glance)


def glances_of(lines: bytes) -> list[Glance]:
    """A glance at each of some lines.

    Raises:
        msgspec.MsgspecError, ...: there is a line that is not even worth a glance (UNREADABLE).
    """
    return _GLANCES.decode_lines(lines)


@dataclass(frozen=True)
class Batch:
    """Lines of a session file in order, of KINDS and BETWEEN alone; `between` are the latter's events."""

    kinds: list[str]
    cases: list[int]
    lines: list[bytes]
    between: list[SessionEvent]
    last_s: float
    """The session's time at the latest of them."""


def event_of(line: bytes, case: int, notices: Notices) -> OfCase | None:
    """What a deferred line tells of its case; None where that cannot be read, which is noticed."""
    try:
        event = _EVENTS.decode(line)
    except UNREADABLE as error:
        notices.note(unread(_GLANCES.decode(line).type, error), case)
        return None
    return event if isinstance(event, OfCase) else None
