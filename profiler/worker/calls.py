"""The calls that are timed: forward, backward on a kept graph, and both together."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from impls.contract import Attend
from profiler.worker.devices import Device
from profiler.worker.inputs import Tensors
from profiler.worker.timer import Call, CallTimer, Timing
from profiler.workload import Pass


@dataclass
class Calls:
    """One implementation on a device, with a timer for each pass."""

    attend: Attend
    device: Device
    timers: dict[Pass, CallTimer] = field(default_factory=dict)

    def forward(self, inputs: Tensors) -> torch.Tensor:
        """As in training: the graph is kept with the output."""
        return self.attend(inputs.q, inputs.k, inputs.v)

    def backward(self, inputs: Tensors, out: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """dq, dk, dv by autograd.grad: nothing is accumulated, and the graph stays for the next time."""
        wanted = (inputs.q, inputs.k, inputs.v)
        return torch.autograd.grad(out, wanted, inputs.grad_out, retain_graph=True)

    def forward_backward(self, inputs: Tensors) -> tuple[torch.Tensor, ...]:
        """Both in a row; the graph is gone afterwards."""
        out = self.attend(inputs.q, inputs.k, inputs.v)
        return torch.autograd.grad(out, (inputs.q, inputs.k, inputs.v), inputs.grad_out)

    def ready(self, which: Pass, inputs: Tensors) -> Call:
        """One call of a pass, to be made any number of times; backward's forward is run here."""
        if which == "fwd":
            return lambda: self.forward(inputs)
        if which == "fwd_bwd":
            return lambda: self.forward_backward(inputs)
        out = self.forward(inputs)
        return lambda: self.backward(inputs, out)

    def time(self, which: Pass, inputs: Tensors, *, wall: bool) -> Timing:
        """One sample of a pass."""
        timer = self.timers.get(which) or self.timers.setdefault(which, self.device.timer())
        return timer.sample(self.ready(which, inputs), wall=wall)
