"""What became of the cells of benchmarks/features.py: whether claims hold, and refusals are true."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from benchmarks.features_pool import Report
from profiler.workload import Attention

Status = Literal["passed", "failed", "crashed", "declined", "confirmed", "understated", "untried"]

_ASKED_FOR = re.compile(r", not [\d.]+$")
_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One cell of one implementation; `refused` is the reason its rules gave, None if it claims the cell.

    What is claimed has passed, failed or crashed, or was declined when it was prepared, for a reason
    that cannot be known before. What is refused was tried all the same: that it cannot be done was
    confirmed, or is understated. `message` says what happened, or why the cell is untried.
    """

    name: str
    about: str
    workload: Attention
    refused: str | None = None
    status: Status
    message: str = ""

    @property
    def is_bad(self) -> bool:
        return self.status in ("failed", "crashed")


def judge(refused: str | None, report: Report) -> tuple[Status, str]:
    """A cell's status, and what is to be said of it."""
    if report.skipped:
        return "untried", report.skipped
    if report.tried is None:
        return ("crashed", report.lost) if refused is None else ("confirmed", f"crashed: {report.lost}")
    outcome, message = report.tried.outcome, report.tried.message
    if outcome == "right":
        return ("passed" if refused is None else "understated"), ""
    if refused is not None:
        return "confirmed", message
    return ("declined" if outcome == "declined" else "failed"), message


def kind_of_reason(reason: str) -> str:
    """A refusal without what was asked for: "takes head dims up to 128, not 136" without its end."""
    return _ASKED_FOR.sub("", reason)


def kind_of_message(message: str) -> str:
    """What messages have in common that differ in their numbers only."""
    return _NUMBER.sub("N", message)
