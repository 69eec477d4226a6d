"""What an exception of a case means, in one sentence for the user."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from impls.own.running import BrokenFile, place_of
from profiler.events import FailureKind

_UNITS = {
    "bytes": 1,
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "PiB": 2**50,
    "EiB": 2**60,
}
# torch.OutOfMemoryError: "Tried to allocate 32.00 GiB"; the CPU: "you tried to allocate 4096 bytes".
_REQUESTED = re.compile(r"tried to allocate (?:more than )?([\d.]+) ?(\w+)", re.IGNORECASE)
_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUBLAS_STATUS_NOT_INITIALIZED",  # there was no memory for its handle
    "CUDNN_STATUS_ALLOC_FAILED",
    "std::bad_alloc",
)
_NO_BACKEND = ("No available kernel", "No viable backend")
# torch appends where in its C++ sources a warning was raised.
_RAISED_AT = re.compile(r"\s*\(Triggered internally at .*?\)\s*$", re.DOTALL)
_LONGEST_MESSAGE = 400


@dataclass(frozen=True)
class Explanation:
    """A failure's kind, what to tell the user, and for "oom" the bytes of the allocation that failed."""

    kind: FailureKind
    message: str
    requested_bytes: int | None = None


def explain(error: BaseException, caught: Iterable[warnings.WarningMessage] = ()) -> Explanation:
    """Say what `error` means; `caught` are the warnings that came before it."""
    text = str(error)
    if isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        sign in text for sign in _OUT_OF_MEMORY
    ):
        return Explanation("oom", "out of memory", _requested_bytes(text))
    if any(sign in text for sign in _NO_BACKEND):
        reasons = _refusals(caught)
        return Explanation("unsupported", "; ".join(reasons) or "this backend does not take this shape")
    if isinstance(error, ImportError):
        return Explanation("unsupported", f"its package does not load: {_one_line(text)}")
    if isinstance(error, NotImplementedError):
        return Explanation("unsupported", _one_line(text) or "not implemented")
    if isinstance(error, BrokenFile):
        return Explanation("error", _one_line(text))
    place = place_of(error)
    return Explanation(
        "error", f"{type(error).__name__}: {_one_line(text)}" + (f" ({place})" if place else "")
    )


def _requested_bytes(text: str) -> int | None:
    match = _REQUESTED.search(text)
    if not match or match[2] not in _UNITS:
        return None
    return int(float(match[1]) * _UNITS[match[2]])


def _refusals(caught: Iterable[warnings.WarningMessage]) -> list[str]:
    """The reasons that SDPA gave as warnings, without the lines that only announce a reason."""
    reasons = (_one_line(_RAISED_AT.sub("", str(warning.message))) for warning in caught)
    return list(
        dict.fromkeys(
            reason.rstrip(".")
            for reason in reasons
            if not reason.endswith("not used because:") and "runtime disabled" not in reason
        )
    )


def _one_line(text: str) -> str:
    # CUDA's advice comes after an empty line, torch's C++ frames after "Exception raised from".
    line = " ".join(text.split("\n\n", maxsplit=1)[0].partition("Exception raised from")[0].split())
    return line if len(line) <= _LONGEST_MESSAGE else line[: _LONGEST_MESSAGE - 3] + "..."
