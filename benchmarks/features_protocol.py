"""What benchmarks.features and its children say to each other, one JSON object a line."""

from __future__ import annotations

from typing import Literal

import msgspec

from profiler.workload import Attention

Outcome = Literal["right", "wrong", "raised", "declined", "lost"]


class Task(msgspec.Struct, frozen=True):
    """To a child: try this. `insist`: on a backward, and on a second one, though there is said to be none."""

    name: str
    workload: Attention
    insist: bool = False


class Tried(msgspec.Struct, frozen=True):
    """From a child: what became of it, and how.

    "declined" is a reason that `prepare` gave, and "lost" that the device answers no more: the child
    ends then.
    """

    outcome: Outcome
    message: str = ""
