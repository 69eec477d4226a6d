"""Implementations that go wrong in the ways real kernels do."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from impls import Implementation, Workload, registry
from impls.contract import Attend

if TYPE_CHECKING:
    import torch

_honest_catalog = registry.catalog


def install() -> None:
    """Add them to the registry of this process."""
    registry.catalog = lambda: (*_honest_catalog(), *FAULTY)  # type: ignore[assignment]
    registry._by_name.cache_clear()


def _faulty(name: str, fault: Callable[[torch.Tensor], torch.Tensor], *, after: int = 0) -> Implementation:
    """Plain attention that does `fault` to its output from call number `after` on."""

    def prepare(workload: Workload, device: str) -> Attend:
        honest = registry.find("pytorch").prepare(workload, device)
        calls = 0

        def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            nonlocal calls
            calls += 1
            out = honest(q, k, v)
            return fault(out) if calls > after else out

        return attend

    return Implementation(name=name, label=name, summary=name, prepare=prepare)


def _hang(out: torch.Tensor) -> torch.Tensor:
    time.sleep(3600)
    return out


def _die(out: torch.Tensor) -> torch.Tensor:
    os.kill(os.getpid(), signal.SIGKILL)
    return out


def _segfault(out: torch.Tensor) -> torch.Tensor:
    os.kill(os.getpid(), signal.SIGSEGV)
    return out


def _raise(out: torch.Tensor) -> torch.Tensor:
    raise ValueError("the kernel has a bug")


def _ask_for_too_much(out: torch.Tensor) -> torch.Tensor:
    return out.new_empty(1 << 50)


def _read_out_of_bounds(out: torch.Tensor) -> torch.Tensor:
    """On a GPU a device-side assertion, after which CUDA answers nothing any more."""
    import torch

    return out.flatten()[torch.full((1,), 1 << 40, device=out.device)] + out


def _read_out_of_bounds_in_backward(out: torch.Tensor) -> torch.Tensor:
    import torch

    class Faults(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, out: torch.Tensor) -> torch.Tensor:
            return out.clone()

        @staticmethod
        def backward(ctx: object, grad: torch.Tensor) -> torch.Tensor:
            return _read_out_of_bounds(grad)

    faulting: torch.Tensor = Faults.apply(out)  # type: ignore[no-untyped-call]
    return faulting


# In rounds means: after the first calls that check a case, and its warm-up's first.
FAULTY = (
    _faulty("hangs", _hang),
    _faulty("hangs-in-rounds", _hang, after=6),
    _faulty("dies", _die),
    _faulty("dies-in-rounds", _die, after=6),
    _faulty("segfaults", _segfault),
    _faulty("raises", _raise),
    _faulty("raises-in-rounds", _raise, after=6),
    _faulty("wrong", lambda out: out * 1.01),
    _faulty("nan", lambda out: out * float("nan")),
    _faulty("wrong-shape", lambda out: out[:, :1]),
    _faulty("too-much", _ask_for_too_much),
    _faulty("faults-the-gpu", _read_out_of_bounds),
    _faulty("faults-in-backward", _read_out_of_bounds_in_backward),
)
