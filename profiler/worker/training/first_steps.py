"""A case's first steps at a batch: whether it fits, what compiling took, what memory a step takes."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from impls.contract import Implementation
from profiler.worker import cut
from profiler.worker.compiled import watch_compilation
from profiler.worker.devices import Device
from profiler.worker.failures import Explanation, explain
from profiler.worker.training.modes import FIRST_STEPS, Counts
from profiler.worker.training.shared import SharedModel
from profiler.worker.training.trainer import Trainer


@dataclass
class FirstSteps:
    """What they told. `peak_bytes` is the most that tensors held during one step."""

    trainer: Trainer
    first_step_ms: float
    later_step_ms: float
    peak_bytes: int
    reserved_bytes: int | None
    process_bytes: int | None
    graph_breaks: dict[str, int] | None
    notes: list[str] = field(default_factory=list)

    @property
    def compile_ms(self) -> float | None:
        """What of the first step went into compiling; None where nothing was compiled."""
        if self.graph_breaks is None:
            return None
        return max(self.first_step_ms - self.later_step_ms, 0.0)


def first_steps(
    shared: SharedModel, implementation: Implementation, batch: int, device: Device
) -> FirstSteps | Explanation:
    """Make them with nothing else on the device; or say why they cannot be made, with nothing left of it."""
    device.release()
    failed: Explanation | None = None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")  # SDPA's backends give their reasons for refusing as warnings
        try:
            return _made(Trainer(shared, implementation, batch, device))
        except Exception as error:
            failed = explain(error, caught)
    # Only here are the frames gone that the error held, and with them what they had on the device.
    shared.drop_gradients()
    with suppress(RuntimeError):  # from a device that is lost, which whoever hears of this sees
        device.release()
    return failed


def _made(trainer: Trainer) -> FirstSteps:
    device, mode = trainer.device, trainer.shared.training.mode
    held_bytes, before = trainer.nbytes, Counts.read()
    step = trainer.unread_step()
    with watch_compilation() as compilation:
        first_ms = timed_ms(step, device)
    cut.heed()
    # With CUDA graphs this one is recorded; in a replay nothing is allocated.
    tracked = device.track(step)
    reserved_bytes, process_bytes = device.reserved_bytes(), device.process_bytes()
    for _ in range(FIRST_STEPS[mode] - 2):
        later_ms = timed_ms(step, device)
    return FirstSteps(
        trainer=trainer,
        first_step_ms=first_ms,
        later_step_ms=later_ms,
        peak_bytes=held_bytes + tracked.peak_bytes,
        reserved_bytes=reserved_bytes,
        process_bytes=process_bytes,
        graph_breaks=compilation.graph_breaks,
        notes=Counts.read().remarks_since(before),
    )


def timed_ms(call: Callable[[], object], device: Device) -> float:
    """The host's time until the device is done with the call."""
    cut.heed()
    device.synchronize()
    began_ns = time.perf_counter_ns()
    call()
    device.synchronize()
    return (time.perf_counter_ns() - began_ns) / 1e6
