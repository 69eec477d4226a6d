"""What all cases of a row share: the parameters and the optimizer's states, which exist once.

Cases differ in their activations alone, so each has the memory that it would have by itself, and
visiting them in turn costs none.
"""

from __future__ import annotations

import torch

from profiler.training.model import Training
from profiler.worker.devices import Device
from profiler.worker.training.gpt import empty_model
from profiler.worker.training.optimizers import make_optimizer, make_states, state_bytes


class SharedModel:
    """A row's model and optimizer on the device, as they are before the first step.

    Raises:
        NotImplementedError: the optimizer's package is missing.
    """

    def __init__(self, training: Training, device: Device, seed: int) -> None:
        self.training = training
        self.seed = seed
        self._device = device
        self.model = empty_model(training.model, training.context, device.name)
        self.optimizer = make_optimizer(training.optimizer, self.model.parameters())
        self.renew()

    def renew(self) -> None:
        """As before the first step: nothing is left of what was trained, or went wrong."""
        self.drop_gradients()
        self.optimizer.state.clear()
        # Or new states would lie among what is left of activations, which then could not be given back.
        self._device.release()
        make_states(self.optimizer)
        self.model.initialise(self.seed)

    def drop_gradients(self) -> None:
        """A step that failed may have left some."""
        self.optimizer.zero_grad(set_to_none=True)

    def is_finite(self) -> bool:
        """Whether every parameter is a number."""
        norms = torch._foreach_norm(tuple(each.detach() for each in self.model.parameters()))
        return bool(torch.stack(norms).isfinite().all())

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def nbytes(self) -> int:
        """What parameters and states hold between steps."""
        held = sum(parameter.nbytes for parameter in self.model.parameters())
        return held + state_bytes(self.optimizer)
