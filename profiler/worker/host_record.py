"""What torch's profiler records of a call on the host: its operators, and the memory of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch.autograd.profiler import profile

T = TypeVar("T")


def recorded(call: Callable[[], T], *, memory: bool = False) -> tuple[T, Sequence[Any]]:
    """What the call returns, and Kineto's events of the host meanwhile, those of allocations if `memory`.

    By the profiler beneath torch.profiler's: that one loads all of torch.compile where it starts, a second
    and a hundred MiB. CUPTI is not woken.
    """
    with profile(use_kineto=True, profile_memory=memory) as profiled:
        result = call()
    kineto = profiled.kineto_results
    assert kineto is not None
    return result, kineto.events()
