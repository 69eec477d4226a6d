"""A case's first calls: does it run, what ran, is it right, what memory does it take.

Made alone, with nothing else of the shape on the device, so that running out of memory is
the case's own doing and the peak is its own.
"""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

from impls.contract import Implementation
from profiler.events import Accuracy, Memory
from profiler.worker.accuracy import Reference
from profiler.worker.calls import Calls
from profiler.worker.devices import Device, Tracked
from profiler.worker.failures import Explanation, explain
from profiler.worker.inputs import Tensors, make_inputs
from profiler.workload import Attention, Pass

T = TypeVar("T")

# A trial at batch 1 tells what would fit, unless it would itself take seconds.
_MOST_TRIAL_FLOP = {"cuda": 1e13, "cpu": 1e10}


class WrongOutput(TypeError):
    """An implementation returned something that is no attention output."""


@dataclass
class Checked:
    """What the first calls told. `lost` are passes that cannot be measured, and why."""

    first_call_ms: dict[Pass, float]
    memory: dict[Pass, Memory]
    lost: dict[Pass, Explanation]
    backend: str | None = None
    accuracy: Accuracy | None = None


class CannotRun(Exception):
    """No pass of the case can be measured, because of `explanation`."""

    def __init__(self, explanation: Explanation) -> None:
        super().__init__(explanation.message)
        self.explanation = explanation


def check(
    implementation: Implementation,
    workload: Attention,
    passes: tuple[Pass, ...],
    device: Device,
    seed: int,
    reference: Reference | None,
) -> Checked:
    """Make the first calls of each pass and look at what they did.

    Raises:
        CannotRun: nothing is left to measure.
    """
    device.release()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")  # SDPA's backends give their reasons for refusing as warnings
        try:
            calls, inputs = _set_up(implementation, workload, device, seed)
            checked, out = _check_forward(calls, inputs, device, implementation)
        except Exception as error:
            raise CannotRun(explain(error, caught)) from None
        grads = None
        if passes != ("fwd",):
            try:
                grads = _check_backward(calls, inputs, device, out, checked)
            except Exception as error:
                explanation = explain(error, caught)
                checked.lost = {which: explanation for which in passes if which != "fwd"}
                if "fwd" not in passes:
                    raise CannotRun(explanation) from None
    if reference is not None:
        checked.accuracy = reference.judge(out.detach(), grads, implementation.layout)
    return checked


def _set_up(
    implementation: Implementation, workload: Attention, device: Device, seed: int
) -> tuple[Calls, Tensors]:
    attend = implementation.prepare(workload, device.name)
    inputs = make_inputs(workload, implementation.layout, device.name, seed)
    return Calls(attend, lambda: inputs, device), inputs


def _check_forward(
    calls: Calls, inputs: Tensors, device: Device, implementation: Implementation
) -> tuple[Checked, torch.Tensor]:
    out, first_ms = _timed(calls.forward, device)
    if not isinstance(out, torch.Tensor):
        raise WrongOutput(f"returned {type(out).__name__}, not a tensor")
    if out.shape != inputs.q.shape or out.dtype != inputs.q.dtype:
        raise WrongOutput(
            f"returned {tuple(out.shape)} {out.dtype}; q is {tuple(inputs.q.shape)} {inputs.q.dtype}"
        )
    del out  # or the second call's peak would stand on the first's graph
    tracked = device.track(calls.forward)
    memory = _memory(tracked, inputs, device, above_bytes=0)
    backend = implementation.backend_of(_operators(calls.forward)) if implementation.backend_of else None
    return Checked({"fwd": first_ms}, {"fwd": memory}, {}, backend), tracked.result


def _check_backward(
    calls: Calls, inputs: Tensors, device: Device, out: torch.Tensor, checked: Checked
) -> tuple[torch.Tensor, ...]:
    saved = checked.memory["fwd"].saved_bytes or 0
    grads, first_ms = _timed(lambda: calls.backward(out), device)
    del grads
    tracked = device.track(lambda: calls.backward(out))
    backward = _memory(tracked, inputs, device, above_bytes=saved)
    forward = checked.memory["fwd"]
    checked.first_call_ms["bwd"] = first_ms
    checked.memory |= {
        "bwd": backward,
        # Both in a row: whichever of the two peaks is higher.
        "fwd_bwd": max(forward, backward, key=lambda memory: memory.working_bytes),
    }
    return tracked.result


def _timed(call: Callable[[], T], device: Device) -> tuple[T, float]:
    device.synchronize()
    began_ns = time.perf_counter_ns()
    result = call()
    device.synchronize()
    return result, (time.perf_counter_ns() - began_ns) / 1e6


def _memory(tracked: Tracked[T], inputs: Tensors, device: Device, *, above_bytes: int) -> Memory:
    """`above_bytes` were held above the inputs when the tracked call began: the graph, in backward."""
    working = above_bytes + tracked.peak_bytes
    return Memory(
        working_bytes=working,
        absolute_bytes=inputs.nbytes + working,
        saved_bytes=above_bytes or tracked.held_bytes,
        reserved_bytes=device.reserved_bytes(),
    )


def _operators(call: Callable[[], object]) -> set[str]:
    """Names of the operators that a call dispatches to (host side only: CUPTI is not woken)."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiled:
        call()
    return {event.name for event in profiled.events() or ()}


def largest_batch(
    implementation: Implementation, workload: Attention, passes: tuple[Pass, ...], device: Device
) -> int | None:
    """After running out of memory: the largest batch expected to fit, from a trial at batch 1.

    0 if not even one fits; None where the batch is 1 already or the trial would take long.
    """
    one = workload.with_batch(1)
    if workload.batch == 1 or one.flop("fwd_bwd") > _MOST_TRIAL_FLOP[device.name.partition(":")[0]]:
        return None
    device.release()
    available = device.available_bytes()
    try:
        trial = check(implementation, one, passes, device, 0, None)
    except CannotRun:
        return 0
    finally:
        gc.collect()
    largest = max(trial.memory.values(), key=lambda memory: memory.absolute_bytes)
    # What the allocator held beyond what was alive (workspaces, splinters) does not grow with the batch.
    beyond = max((largest.reserved_bytes or 0) - largest.absolute_bytes, 0)
    return min(workload.batch - 1, max(available - beyond, 0) // largest.absolute_bytes)
