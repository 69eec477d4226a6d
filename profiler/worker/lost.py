"""A device that answers no more: the worker must go, after whose fault it is has been said."""

from __future__ import annotations

from collections.abc import Callable

from profiler.worker.devices import Device
from profiler.worker.failures import Explanation, explain


class DeviceLost(RuntimeError):
    """A kernel faulted: CUDA answers every further call with the same error, so the worker must go."""


def raise_if_lost(
    device: Device,
    cause: Explanation | Exception,
    report: Callable[[Explanation], None] = lambda lost: None,
) -> None:
    """Raise DeviceLost, after reporting it, if the device does not answer any more."""
    try:
        device.synchronize()
    except Exception as error:
        first = explain(error).message if isinstance(cause, Exception) else cause.message
        report(Explanation("crashed", f"the GPU faulted: {first}"))
        raise DeviceLost(first) from error


def answers(device: Device) -> bool:
    """Whether the device can still be used."""
    try:
        device.synchronize()
    except Exception:
        return False
    return True
