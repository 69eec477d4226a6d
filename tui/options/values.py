"""The values of options that several commands take, and the one sentence for those that are none."""

from __future__ import annotations

import re
from collections.abc import Iterable

import psutil

from profiler.machine.environment import Device
from profiler.plans import sizes
from profiler.plans.plan import PlanError
from profiler.units import byte_count

# Against slips of the unit; how much of a limit CUDA itself takes, only the worker can tell.
_LEAST_MEMORY_LIMIT_BYTES = 256 * 2**20


def split_names(texts: Iterable[str]) -> list[str]:
    """The names in the lists of --impl.

    Raises:
        PlanError: one is empty.
    """
    names = [part.strip() for text in texts for part in text.split(",")]
    if not all(names):
        raise PlanError("--impl has an empty name in its list")
    return names


def memory_limit(text: str | None, device: Device) -> int | None:
    """What --memory-limit holds the worker to, in bytes.

    Raises:
        PlanError: it is no size, or more than `device` has.
    """
    if text is None:
        return None
    limit = sizes.parse_bytes(text, "--memory-limit", least=_LEAST_MEMORY_LIMIT_BYTES)
    there = psutil.virtual_memory().total if device.info.kind == "cpu" else None
    if device.gpu is not None and device.info.kind == "cuda":
        there = device.gpu.memory_bytes
    if there is not None and limit > there:
        raise PlanError(
            f"--memory-limit {text.strip()} is more than the {byte_count(there)} of {device.info.name}; "
            "give less, or drop it"
        )
    return limit


def fraction(text: str, name: str = "--precision") -> float:
    """What --precision, or another such option, asks for: "1%" and "0.01" are the same.

    Raises:
        PlanError: it is no share.
    """
    match = re.fullmatch(r"\s*(\d*\.?\d+)\s*(%?)\s*", text)
    value = float(match[1]) / (100 if match[2] else 1) if match else 0.0
    if not 0 < value < 1:
        raise PlanError(f"{name} takes a share such as 1% or 0.01, not '{text}'")
    return value


def number(text: str, name: str, takes: str) -> float:
    """A number; `takes` says what is possible where it is none.

    Raises:
        PlanError: it is none.
    """
    try:
        return float(text)
    except ValueError:
        raise PlanError(f"{name} takes {takes}, not '{text}'") from None


def dropout(text: str | None) -> float:
    """The probability of --dropout, none where nothing was typed.

    Raises:
        PlanError: it is no number.
    """
    return 0.0 if text is None else number(text, "--dropout", "a probability such as 0.1")


def seed(value: int) -> int:
    """What --seed may be.

    Raises:
        PlanError: torch would not take it.
    """
    if not 0 <= value < 2**63:
        raise PlanError(f"--seed must be a whole number from 0 to 2^63 - 1, not {value}")
    return value


def positive(seconds: float, name: str) -> float:
    """A length of time that there is.

    Raises:
        PlanError: it is none, or has no end.
    """
    if not 0 < seconds < float("inf"):
        raise PlanError(f"{name} must be a number of seconds above 0, not {seconds:g}")
    return seconds
