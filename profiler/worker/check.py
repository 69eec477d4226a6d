"""A case's first calls: does it run, what ran, is it right, what memory does it take.

Made alone, with nothing else of the shape on the device, so that running out of memory is
the case's own doing and the peak is its own.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch

from impls.contract import Attend, Implementation
from profiler.events import Accuracy, FailureKind, Memory
from profiler.worker import cut
from profiler.worker.accuracy import Reference
from profiler.worker.calls import Calls
from profiler.worker.compiled import forget_compiled, watch_compilation
from profiler.worker.devices import Device
from profiler.worker.failures import Explanation, explain
from profiler.worker.host_record import recorded
from profiler.worker.inputs import changed_inputs, make_inputs
from profiler.workload import Attention, Pass

T = TypeVar("T")

_USABLE = 0.95  # what is free is not all in one piece: better a batch too few than one too many
# A trial at batch 1 tells what would fit, unless it would itself take seconds.
_MOST_TRIAL_FLOP = {"cuda": 1e13, "cpu": 1e10}


_NO_BACKWARD = "has no backward: measure it with --pass fwd"
_NO_GRADIENT = "its output carries no gradient, so it has no backward: measure it with --pass fwd"
_BACKWARD_ONCE = "its backward cannot be repeated on a graph that is kept: forward+backward has it"


class WrongOutput(TypeError):
    """An implementation returned something that is no attention output."""


@dataclass
class Checked:
    """What the first calls told. `lost` are passes that cannot be measured, and why.

    `compiled` is the call itself, where it compiled something that is worth keeping.
    """

    first_call_ms: dict[Pass, float] = field(default_factory=dict)
    memory: dict[Pass, Memory] = field(default_factory=dict)
    lost: dict[Pass, Explanation] = field(default_factory=dict)
    backend: str | None = None
    accuracy: Accuracy | None = None
    writes_inputs: tuple[str, ...] = ()
    graph_breaks: dict[str, int] | None = None
    notes: list[str] = field(default_factory=list)
    compiled: Attend | None = None


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
    checked, grads = Checked(), None
    with warnings.catch_warnings(record=True) as caught, watch_compilation() as compilation:
        warnings.simplefilter("always")  # SDPA's backends give their reasons for refusing as warnings
        try:
            first = _FirstCalls(implementation, workload, device, seed)
            out = first.forward(checked)
        except Exception as error:
            raise CannotRun(explain(error, caught)) from None
        if passes != ("fwd",):
            try:
                out, grads = first.gradients(out, passes, checked)
            except Exception as error:
                checked.lost = dict.fromkeys(_with_backward(passes), explain(error, caught))
        out = out.detach()  # its graph has done its service
        if reference is not None:
            try:
                with device.without_limit():
                    checked.accuracy = reference.judge(out, grads, implementation.layout_of(workload))
            except Exception as error:
                checked.notes.append(f"accuracy was not checked: {explain(error).message}")
        del out, grads  # what follows needs the memory
        if "fwd_bwd" in passes and "fwd_bwd" not in checked.lost:
            try:
                first.forward_backward(checked)
            except Exception as error:
                checked.lost["fwd_bwd"] = explain(error, caught)
    if set(checked.lost) == set(passes):
        raise CannotRun(next(iter(checked.lost.values())))
    try:
        with device.without_limit():
            checked.writes_inputs = first.changed_inputs()
    except Exception as error:
        checked.notes.append(f"whether its inputs were changed was not checked: {explain(error).message}")
    checked.graph_breaks = compilation.graph_breaks
    checked.compiled = first.attend if implementation.compiled else None
    return checked


def _with_backward(passes: tuple[Pass, ...]) -> list[Pass]:
    return [which for which in passes if which != "fwd"]


class _FirstCalls:
    """The calls of one case that are not samples, and what each tells."""

    def __init__(
        self, implementation: Implementation, workload: Attention, device: Device, seed: int
    ) -> None:
        prepared = device.track(lambda: implementation.prepare(workload, device.name))
        self._implementation = implementation
        self._device = device
        self._inputs = make_inputs(workload, implementation.layout_of(workload), device.name, seed)
        with device.without_limit():
            self._fingerprints = self._inputs.fingerprints()
        device.release()  # what they took must not count as reserved by the case
        self.attend: Attend = prepared.result
        self._calls = Calls(self.attend, device)
        self._prepared_bytes = prepared.held_bytes
        self._saved_bytes = 0

    def forward(self, checked: Checked) -> torch.Tensor:
        """The output, with its graph."""
        inputs, implementation = self._inputs, self._implementation
        out, checked.first_call_ms["fwd"] = _timed(lambda: self._calls.forward(inputs), self._device)
        if not isinstance(out, torch.Tensor):
            raise WrongOutput(f"returned {type(out).__name__}, not a tensor")
        if out.shape != inputs.q.shape or out.dtype != inputs.q.dtype:
            raise WrongOutput(
                f"returned {tuple(out.shape)} {out.dtype}; q is {tuple(inputs.q.shape)} {inputs.q.dtype}"
            )
        del out  # or the next calls' peaks would stand on this one's graph
        operators: set[str] = set()

        def forward() -> torch.Tensor:
            return self._calls.forward(inputs)

        if implementation.backend_of is None:
            tracked = self._device.track(forward)
        elif self._device.kind == "cpu":  # where tracking is a profile itself
            _named(forward, operators)
            tracked = self._device.track(forward)
        else:
            # In one call: torch.compile records its CUDA graph in the second, and a replay, the third,
            # calls no operator and allocates nothing.
            tracked = self._device.track(lambda: _named(forward, operators))
        if implementation.backend_of:
            checked.backend = implementation.backend_of(operators)
        self._saved_bytes = tracked.held_bytes
        checked.memory["fwd"] = self._memory(tracked.peak_bytes)
        return tracked.result

    def gradients(
        self, out: torch.Tensor, passes: tuple[Pass, ...], checked: Checked
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """`out`, and the gradients of q, k and v.

        Raises:
            NotImplementedError: there is no backward.
        """
        if not self._implementation.backward:
            raise NotImplementedError(_NO_BACKWARD)
        if not out.requires_grad:
            raise NotImplementedError(_NO_GRADIENT)
        if self._implementation.repeats_backward:
            return out, self.backward(out, checked)
        if "bwd" in passes:
            checked.lost["bwd"] = Explanation("unsupported", _BACKWARD_ONCE)
        kept = out.detach().clone()  # the next call may write where this output stands
        return kept, self.forward_backward(checked)

    def backward(self, out: torch.Tensor, checked: Checked) -> tuple[torch.Tensor, ...]:
        """The gradients of q, k and v."""
        grads, checked.first_call_ms["bwd"] = _timed(
            lambda: self._calls.backward(self._inputs, out), self._device
        )
        del grads
        tracked = self._device.track(lambda: self._calls.backward(self._inputs, out))
        checked.memory["bwd"] = self._memory(self._saved_bytes + tracked.peak_bytes)
        return tracked.result

    def forward_backward(self, checked: Checked) -> tuple[torch.Tensor, ...]:
        """The gradients of q, k and v from both passes in one call, and its peak."""
        cut.heed()
        tracked = self._device.track(lambda: self._calls.forward_backward(self._inputs))
        checked.memory["fwd_bwd"] = self._memory(tracked.peak_bytes)
        return tracked.result

    def changed_inputs(self) -> tuple[str, ...]:
        """The names of inputs that are not what they were before the first call."""
        return changed_inputs(self._fingerprints, self._inputs.fingerprints())

    def _memory(self, peak_bytes: int) -> Memory:
        working = self._prepared_bytes + peak_bytes
        return Memory(
            working_bytes=working,
            absolute_bytes=self._inputs.nbytes + working,
            saved_bytes=self._saved_bytes,
            reserved_bytes=self._device.reserved_bytes(),
            process_bytes=self._device.process_bytes(),
        )


def _timed(call: Callable[[], T], device: Device) -> tuple[T, float]:
    cut.heed()
    device.synchronize()
    began_ns = time.perf_counter_ns()
    result = call()
    device.synchronize()
    return result, (time.perf_counter_ns() - began_ns) / 1e6


def _named(call: Callable[[], T], operators: set[str]) -> T:
    """What a call returns; names of the operators that it dispatches to are added to `operators`."""
    result, events = recorded(call)
    operators.update(event.name() for event in events)
    return result


def largest_batch(
    implementation: Implementation, workload: Attention, passes: tuple[Pass, ...], device: Device
) -> int | None:
    """After running out of memory: a batch that fits, by trials; about the largest that does.

    0 if not even one fits; None where the batch is 1 already, or a trial would take long or fails.
    """

    def trial(batch: int) -> Checked | FailureKind:
        """The first calls at that batch, or what kept one of them from being made."""
        try:
            checked = check(implementation, workload.with_batch(batch), passes, device, 0, None)
        except CannotRun as refusal:
            return refusal.explanation.kind
        finally:
            forget_compiled()
            device.release()
        return next((lost.kind for lost in checked.lost.values()), checked)

    one_flop, most_flop = workload.with_batch(1).flop("fwd_bwd"), _MOST_TRIAL_FLOP[device.kind]
    if workload.batch == 1 or one_flop > most_flop:
        return None
    device.release()
    available, before = device.available_bytes(), device.reserved_bytes() or 0
    single = trial(1)
    if not isinstance(single, Checked):
        return 0 if single == "oom" else None
    # By what the allocator held, not by what was alive: small tensors split large freed blocks,
    # and what is left of these cannot serve the next large one, in a batch of any size.
    one_bytes = max(
        max((memory.reserved_bytes or 0) - before, memory.absolute_bytes) for memory in single.memory.values()
    )
    ones = int(_USABLE * available) // one_bytes
    estimate = max(min(workload.batch - 1, _batch_of(ones, implementation, workload)), 1)
    if estimate * one_flop > most_flop:
        return estimate
    # How memory splinters depends on what was there before: only a try can tell.
    candidates = dict.fromkeys((estimate, max(estimate - 1, 1), max(estimate // 2, 1)))
    return next((batch for batch in candidates if isinstance(trial(batch), Checked)), 1)


def _batch_of(ones: int, implementation: Implementation, workload: Attention) -> int:
    """How many sequences fit where the longest fits so often: packed, a shorter one takes less."""
    if implementation.layout_of(workload) != "thd":
        return ones
    most = ones * workload.seq_q
    return sum(workload.with_batch(batch).queries <= most for batch in range(1, workload.batch))
