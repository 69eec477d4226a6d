"""A row's model with one implementation of attention at one batch: what makes its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from impls import DeviceInfo
from impls.contract import Attend, Implementation
from profiler.worker.devices import Device
from profiler.worker.training.gpt import Mix, mixing
from profiler.worker.training.modes import LossOf, in_mode
from profiler.worker.training.optimizers import make_scaler, precision
from profiler.worker.training.shared import SharedModel

# Random tokens teach nothing: a few batches in turn keep a model from learning one by heart at once.
_BATCHES = 4


@dataclass
class _Prepared:
    """What a trainer makes when it is first needed."""

    attend: Attend
    loss_of: LossOf
    batches: list[tuple[torch.Tensor, torch.Tensor]]
    nbytes: int


class Trainer:
    """Makes steps; what it needs for that is made at the first, and may be let go of between two.

    Raises:
        NotImplementedError: the implementation does not take what the model asks of it.
    """

    def __init__(self, shared: SharedModel, implementation: Implementation, batch: int, device: Device):
        self.shared = shared
        self.implementation = implementation
        self.batch = batch
        self.device = device
        self.scaler = make_scaler(device.kind, shared.training.dtype)
        self._made: _Prepared | None = None
        self._steps = 0
        if reason := refusal(implementation, shared, batch, device):
            raise NotImplementedError(reason)

    @property
    def attend(self) -> Attend:
        """Attention as it was prepared."""
        return self._prepared.attend

    @property
    def loss_of(self) -> LossOf:
        """The loss in the row's mode."""
        return self._prepared.loss_of

    @property
    def first_batch(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Tokens and targets of the first step, (batch, context) each."""
        return self._prepared.batches[0]

    @property
    def nbytes(self) -> int:
        """What is held between steps: the shared model, the tokens, and what attention was prepared with."""
        return self.shared.nbytes + self._prepared.nbytes

    def step(self, mark: Callable[[], object], loss_into: torch.Tensor) -> None:
        """One step; `mark` is called at the end of forward, of backward, and of the whole."""
        made, optimizer, scaler = self._prepared, self.shared.optimizer, self.scaler
        tokens, targets = made.batches[self._steps % len(made.batches)]
        self._steps += 1
        loss = made.loss_of(tokens, targets)
        loss_into.copy_(loss.detach())  # a CUDA graph's next replay would write over it
        mark()
        scaler.scale(loss).backward()
        mark()
        scaler.step(optimizer)
        scaler.update()
        # Or gradients would be added to at addresses that a CUDA graph takes back.
        optimizer.zero_grad(set_to_none=True)
        mark()

    def unread_step(self) -> Callable[[], None]:
        """A step to be made any number of times, of which neither the parts nor the loss are looked at."""
        loss = torch.empty((), device=self.device.name)
        return lambda: self.step(_no_mark, loss)

    def renew(self) -> None:
        """Begin as before the first step."""
        self.shared.renew()
        self.scaler = make_scaler(self.device.kind, self.shared.training.dtype)
        self._steps = 0

    def recover(self) -> None:
        """After a step that failed half way."""
        self.shared.drop_gradients()
        kept = self.scaler.get_scale()
        self.scaler = make_scaler(self.device.kind, self.shared.training.dtype)
        if self.scaler.is_enabled():
            self.scaler.load_state_dict({**self.scaler.state_dict(), "scale": kept})

    def let_go(self) -> None:
        """Drop what is made again when it is needed."""
        self._made = None

    @property
    def _prepared(self) -> _Prepared:
        if self._made is None:
            self._made = self._prepare()
        return self._made

    def _prepare(self) -> _Prepared:
        shared, device = self.shared, self.device
        training = shared.training
        tracked = device.track(
            lambda: self.implementation.prepare(training.attention(self.batch), device.name)
        )
        mix = mixing(tracked.result, self.implementation, training.model)
        batches = make_batches(shared, self.batch, device.name)
        tokens_bytes = sum(tensor.nbytes for pair in batches for tensor in pair)
        loss_of = in_mode(_loss_of(shared, mix, device), training.mode)
        return _Prepared(tracked.result, loss_of, batches, tracked.held_bytes + tokens_bytes)


def _no_mark() -> None:
    pass


def _loss_of(shared: SharedModel, mix: Mix, device: Device) -> LossOf:
    model, kind, dtype = shared.model, device.kind, shared.training.dtype

    def loss_of(tokens: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        with precision(kind, dtype):
            loss: torch.Tensor = model(tokens, targets, mix)
        return loss

    return loss_of


def make_batches(shared: SharedModel, batch: int, device: str) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Random tokens and the token that follows each, the same for each batch of that size."""
    training = shared.training
    generator = torch.Generator(device).manual_seed(shared.seed)
    shape = (batch, training.context + 1)
    batches = []
    for _ in range(_BATCHES):
        drawn = torch.randint(training.model.vocab, shape, generator=generator, device=device)
        batches.append((drawn[:, :-1].contiguous(), drawn[:, 1:].contiguous()))
    return batches


def refusal(implementation: Implementation, shared: SharedModel, batch: int, device: Device) -> str | None:
    """Why the model cannot be trained with it at that batch, or None."""
    if not implementation.backward:
        return "has no backward, so nothing can be trained with it"
    if "cudagraphs" in implementation.name.split("+"):
        return "has one CUDA graph, whose output each layer would write over: use --mode reduce-overhead"
    facts = device.facts()
    info = DeviceInfo(device.kind, facts.device_name, facts.compute_capability)
    return implementation.supports(shared.training.attention(batch), info)
