"""`python -m benchmarks.features_child DEVICE`: tries one cell after the other, as asked for on stdin.

The first line on stdout says what the device is, each further one what became of a cell. A cell may
take the process with it: benchmarks.features starts another.
"""

from __future__ import annotations

import gc
import math
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace

import msgspec
import torch

import impls
from benchmarks.features_protocol import Task, Tried
from impls.contract import Attend, Implementation, Workload
from profiler.engine.protocol import Ready
from profiler.events import Accuracy
from profiler.worker.accuracy import Reference
from profiler.worker.calls import Calls
from profiler.worker.check import CannotRun, Checked, check
from profiler.worker.compiled import forget_compiled
from profiler.worker.devices import Device, open_device
from profiler.worker.failures import explain
from profiler.worker.inputs import Tensors, make_inputs, to_bhsd
from profiler.workload import Attention, Pass

Find = Callable[[str], Implementation]

EXIT_DEVICE_LOST = 4
_SEED = 0
_REPEATS = 5  # of a backward that is to be the same each time
_FEWEST_KEYS = 16  # with fewer, what dropout does on average is too seldom seen


def main(find: Find = impls.find) -> int:
    """Serve until stdin closes, or the device is lost."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "9")
    # What libraries print goes to stderr, which is looked at when this process dies.
    channel = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def say(message: Ready | Tried) -> None:
        channel.write(msgspec.json.encode(message) + b"\n")
        channel.flush()

    device = open_device(sys.argv[1])
    say(device.facts())
    trial = Trial(device)
    gc.collect()
    gc.freeze()  # or the collection of each cell would go through all that torch has loaded
    for line in sys.stdin.buffer:
        task = msgspec.json.decode(line, type=Task)
        tried = trial.attempt(find(task.name), task.workload, insist=task.insist)
        say(tried)
        if tried.outcome == "lost":
            return EXIT_DEVICE_LOST
    return 0


class Trial:
    """Tries cells on a device. References are kept: the shapes of a grid come again and again."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._references: dict[Attention, Reference] = {}

    def attempt(self, implementation: Implementation, workload: Attention, *, insist: bool = False) -> Tried:
        """Make the first calls, whatever the rules say, and judge what they give."""
        if insist:
            implementation = replace(implementation, backward=True, repeats_backward=True)
        said: list[str] = []

        def prepare(workload: Workload, device: str) -> Attend:
            try:
                return implementation.prepare(workload, device)
            except NotImplementedError as error:
                said.append(str(error))
                raise

        forget_compiled()
        # Which backend ran is not asked: it would take a profile of a call.
        tried = self._judged(replace(implementation, prepare=prepare, backend_of=None), workload)
        if said and tried.outcome == "raised":
            tried = Tried("declined", said[0])
        try:
            self._device.synchronize()
        except Exception as error:
            return Tried("lost", tried.message or explain(error).message)
        return tried

    def _judged(self, implementation: Implementation, workload: Attention) -> Tried:
        passes = _passes(implementation, workload)
        reference = None if workload.dropout else self._reference(workload)
        try:
            checked = check(implementation, workload, passes, self._device, _SEED, reference)
        except CannotRun as error:
            return Tried("raised", error.explanation.message)
        if checked.lost:
            which, explanation = next(iter(checked.lost.items()))
            return Tried("raised", f"{which}: {explanation.message}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # check() has met them already
            try:
                faults = self._faults(implementation, workload, passes, checked)
            except Exception as error:
                return Tried("raised", explain(error).message)
        return Tried("wrong", "; ".join(faults)) if faults else Tried("right")

    def _faults(
        self,
        implementation: Implementation,
        workload: Attention,
        passes: tuple[Pass, ...],
        checked: Checked,
    ) -> list[str]:
        """What is wrong with a call that ran."""
        if workload.dropout:
            whole = self._reference(msgspec.structs.replace(workload, dropout=0.0))
            return dropout_faults(implementation, workload, self._device, whole, backward=passes != ("fwd",))
        if checked.accuracy is None:
            return checked.notes or ["accuracy was not checked"]
        faults = accuracy_faults(checked.accuracy)
        if "deterministic" in implementation.name.split("+") and passes != ("fwd",):
            faults += repetition_faults(implementation, workload, self._device)
        return faults

    def _reference(self, workload: Attention) -> Reference:
        if workload not in self._references:
            self._references[workload] = Reference.compute(
                workload, self._device.name, _SEED, backward=workload.has_backward
            )
        return self._references[workload]


def _passes(implementation: Implementation, workload: Attention) -> tuple[Pass, ...]:
    if not implementation.backward or not workload.has_backward:
        return ("fwd",)
    return ("fwd", "bwd") if implementation.repeats_backward else ("fwd", "fwd_bwd")


def accuracy_faults(accuracy: Accuracy) -> list[str]:
    """Each tensor that is not finite, or off by more than it may be."""
    return [
        f"{name} is not finite"
        if error is None
        else f"{name} off by {error:.2g} (limit {accuracy.limits[name]:.2g})"
        for name, error in accuracy.errors.items()
        if error is None or error > accuracy.limits[name]
    ]


def repetition_faults(implementation: Implementation, workload: Attention, device: Device) -> list[str]:
    """Whether the gradients are the same to the bit, time after time."""
    inputs = make_inputs(workload, implementation.layout_of(workload), device.name, _SEED)
    calls = Calls(implementation.prepare(workload, device.name), device)
    first, *others = (calls.forward_backward(inputs) for _ in range(_REPEATS))
    unlike = [
        name
        for index, name in enumerate(("dq", "dk", "dv"))
        if not all(torch.equal(first[index], other[index]) for other in others)
    ]
    return [f"{', '.join(unlike)} differ from call to call"] if unlike else []


def dropout_faults(
    implementation: Implementation,
    workload: Attention,
    device: Device,
    reference: Reference,
    *,
    backward: bool,
) -> list[str]:
    """What dropout is not as it must be on average; no two outputs are alike, so none is compared.

    But the one without dropout is, with the `reference`: what is dropped from must be right.

    Each weight is 0 with probability p, and else 1 / (1 - p) of what it was. So an output is the one
    without dropout plus noise of p / (1 - p) times its power, for values that are independent; and
    since it is linear in v, the gradient of v times v sums up to the output times its gradient, if
    both passes drop the same.
    """
    torch.manual_seed(_SEED)
    layout = implementation.layout_of(workload)
    inputs = make_inputs(workload, layout, device.name, _SEED)
    arguments = inputs.q, inputs.k, inputs.v
    without = implementation.prepare(msgspec.structs.replace(workload, dropout=0.0), device.name)
    attend = implementation.prepare(workload, device.name)
    # CUDA graphs write where their last call wrote: what is kept beside another call is kept as a copy.
    whole, other = without(*arguments).detach().clone(), attend(*arguments).detach().clone()
    out = attend(*arguments)
    if wrong := accuracy_faults(reference.judge(whole, None, layout)):
        return [f"without dropout: {fault}" for fault in wrong]
    if torch.equal(out, other):
        return ["two calls give the same output: nothing is dropped, or always the same"]
    seen = _seeing_many(workload, device.name)
    whole_rows, rows = (
        to_bhsd(tensor, layout, workload).transpose(1, 2)[seen].double() for tensor in (whole, out.detach())
    )
    power = float((whole_rows**2).sum())
    scale = float((rows * whole_rows).sum()) / power
    noise = float(((rows - whole_rows) ** 2).sum()) / power
    expected = workload.dropout / (1 - workload.dropout)
    faults = []
    if not abs(scale - 1) < 0.05:
        faults.append(f"with dropout the output is {scale:.2f} times that without, on average")
    if not 0.5 < noise / expected < 1.5:
        faults.append(f"dropout's noise has {noise:.2f} times the output's power, not {expected:.2f}")
    return faults + (_mask_faults(inputs, out) if backward else [])


def _seeing_many(workload: Attention, device: str) -> torch.Tensor:
    """(batch, seq_q): the queries, padding aside, that see more than a few keys."""
    places = torch.arange(workload.seq_q, device=device)
    lengths = torch.tensor(workload.lengths or (workload.seq_q,) * workload.batch, device=device)
    return (places < lengths[:, None]) & (places + workload.seq_k - workload.seq_q >= _FEWEST_KEYS)


def _mask_faults(inputs: Tensors, out: torch.Tensor) -> list[str]:
    """Whether backward drops what forward dropped."""
    *_, dv = grads = torch.autograd.grad(out, (inputs.q, inputs.k, inputs.v), inputs.grad_out)
    if not all(grad.isfinite().all() for grad in grads):
        return ["with dropout a gradient is not finite"]
    terms = out.detach().double() * inputs.grad_out.double()
    difference = float(terms.sum() - (dv.double() * inputs.v.detach().double()).sum())
    # Another mask would move the sum by about this; rounding moves it by a hundredth of it.
    deviation = math.sqrt(float((terms**2).sum()))
    return [] if abs(difference) < 0.1 * deviation else ["forward and backward do not drop the same"]


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # the interpreter's own shutdown may stumble over what a kernel has left
