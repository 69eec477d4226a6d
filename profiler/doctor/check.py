"""One line of a diagnosis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "problem"]


@dataclass(frozen=True)
class Check:
    """What was looked at, how it stands, and what to type about it.

    A "problem" is what cannot work: torch, the GPU, saving, or an implementation that is installed
    and broken. A "warn" makes numbers poorer or the choice smaller. Both come with a `remedy`.
    """

    group: str
    name: str
    status: Status
    finding: str
    remedy: str | None = None


def gib(count: float) -> str:
    """Bytes as a person reads memory: "79.6 GiB"."""
    return f"{count / 2**30:.1f} GiB"
