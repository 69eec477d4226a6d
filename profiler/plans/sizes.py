"""Sizes of memory as they are typed."""

from __future__ import annotations

import re

from profiler.plans.plan import PlanError
from profiler.units import byte_count

_SIZE = re.compile(r"(\d+\.?\d*|\.\d+)\s*([mgt])(i?b?)", re.ASCII | re.IGNORECASE)
_BINARY = {"m": 2**20, "g": 2**30, "t": 2**40}
_DECIMAL = {"m": 10**6, "g": 10**9, "t": 10**12}
_MOST_BYTES = 2**50  # a session file's numbers have 64 bits; no machine comes near


def parse_bytes(text: str, name: str, least: int) -> int:
    """A size such as "12GiB" in bytes; "12G" is the same, "12GB" is 12 * 10^9.

    Without a unit it is refused: "12" may mean GiB as well as bytes.

    Raises:
        PlanError: it is no size, or below `least` bytes.
    """
    match = _SIZE.fullmatch(text.strip())
    if not match:
        raise PlanError(
            f"{name} takes a size with its unit, such as 12GiB (or 12G), 512MiB (512M) or 12GB, not '{text}'"
        )
    number, unit, suffix = match.groups()
    size = float(number) * (_DECIMAL if suffix.lower() == "b" else _BINARY)[unit.lower()]
    if size < least:
        raise PlanError(f"{name} must be at least {byte_count(least)}, not {text.strip()}")
    if size > _MOST_BYTES:
        raise PlanError(f"{name} must be at most {byte_count(_MOST_BYTES)}, not {text.strip()}")
    return round(size)
