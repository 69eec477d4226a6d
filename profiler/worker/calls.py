"""The calls that are timed: forward, backward on a kept graph, and both together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from impls.contract import Attend
from profiler.worker.devices import Device
from profiler.worker.inputs import Tensors
from profiler.worker.timer import CallTimer, Timing
from profiler.workload import Pass


@dataclass
class Calls:
    """One implementation on one set of inputs, with a timer for each pass."""

    attend: Attend
    inputs: Callable[[], Tensors]
    device: Device
    timers: dict[Pass, CallTimer] = field(default_factory=dict)

    def forward(self) -> torch.Tensor:
        """As in training: the graph is kept with the output."""
        tensors = self.inputs()
        return self.attend(tensors.q, tensors.k, tensors.v)

    def backward(self, out: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """dq, dk, dv by autograd.grad: nothing is accumulated, and the graph stays for the next time."""
        tensors = self.inputs()
        return torch.autograd.grad(
            out, (tensors.q, tensors.k, tensors.v), tensors.grad_out, retain_graph=True
        )

    def forward_backward(self) -> tuple[torch.Tensor, ...]:
        tensors = self.inputs()
        out = self.attend(tensors.q, tensors.k, tensors.v)
        return torch.autograd.grad(out, (tensors.q, tensors.k, tensors.v), tensors.grad_out)

    def time(self, which: Pass, *, wall: bool) -> Timing:
        """One sample of a pass. Backward's forward is run before its clock starts."""
        timer = self.timers.get(which) or self.timers.setdefault(which, self.device.timer())
        if which == "fwd":
            return timer.sample(self.forward, wall=wall)
        if which == "fwd_bwd":
            return timer.sample(self.forward_backward, wall=wall)
        out = self.forward()
        return timer.sample(lambda: self.backward(out), wall=wall)
