"""Attention's share of the GPU's time in a step, from the kernels.

One call of it, forward and backward, as the model calls it (views of one projection, under autocast,
compiled by itself where the model is compiled), tells which kernels are attention's. Those that a step
has as often as its layers make such calls are nothing else's there, and count with their time in the
step. The others (a matmul that linear layers use as well, one that is fused with what is around it in
the step) count with their time in the call: that is made alone, at what clock an idle GPU has. What a
layout costs around attention, transposes and the gradient's being put together again, is the model's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from profiler.events import Kernel
from profiler.training.model import Mode
from profiler.worker.compiled import forget_compiled
from profiler.worker.devices import Device
from profiler.worker.host_record import recorded
from profiler.worker.kernels import kernels_of
from profiler.worker.training.first_steps import timed_ms
from profiler.worker.training.gpt import heads_of, laid_out
from profiler.worker.training.modes import in_mode
from profiler.worker.training.optimizers import precision
from profiler.worker.training.trainer import Trainer

# A power cap and the clock that it leaves settle within some tenths of a second.
_LEAD_IN_MS = 200.0
_MOST_LEAD_IN = 5


@dataclass(frozen=True)
class Share:
    """Kernel time of one step, and attention's of it; on the CPU the operators'."""

    step_ms: float
    attention_percent: float | None
    """None where attention's calls by themselves came to more than the step."""


def attention_share(trainer: Trainer) -> Share:
    """What part of a step attention is. In reduce-overhead the trainer's CUDA graphs are gone after it.

    Raises:
        RuntimeError: torch's profiler recorded nothing.
    """
    on_gpu = trainer.device.kind == "cuda"
    one_step = trainer.unread_step()
    step, _ = kernels_of(one_step, on_gpu=on_gpu, before=_others(one_step, trainer.device))
    if trainer.shared.training.mode == "reduce-overhead":  # their memory is nearly all there is
        trainer.let_go()
        forget_compiled()
        trainer.device.release()
    attention, _ = kernels_of(_one_call(trainer), on_gpu=on_gpu)
    layers, step_us = trainer.shared.training.model.layers, sum(kernel.time_us for kernel in step)
    part = attention_us(step, attention, layers) / step_us
    return Share(step_us / 1000, 100 * part if part <= 1 else None)


def attention_us(step: Sequence[Kernel], call: Sequence[Kernel], layers: int) -> float:
    """What of the kernels of a step is attention's, of which each layer makes one such call."""
    in_step = {kernel.name: kernel for kernel in step}
    total_us = 0.0
    for kernel in call:
        found = in_step.get(kernel.name)
        is_its_alone = found is not None and found.count == layers * kernel.count
        total_us += found.time_us if found and is_its_alone else layers * kernel.time_us
    return total_us


def _others(step: Callable[[], object], device: Device) -> Callable[[], object] | None:
    """Steps to make before the one that counts, so that its clock is that of a GPU at work."""
    if device.kind == "cpu":
        return None
    count = round(_LEAD_IN_MS / max(timed_ms(step, device), 1e-3))
    return lambda: [step() for _ in range(min(max(1, count), _MOST_LEAD_IN))]


def operators_of(trainer: Trainer) -> set[str]:
    """The names of the operators of one call of attention, by which a dispatch is told."""
    _, events = recorded(_one_call(trainer, eager=True))
    return {event.name() for event in events}


def _one_call(trainer: Trainer, *, eager: bool = False) -> Callable[[], object]:
    """One call of attention, forward and backward, to be made any number of times."""
    training, device, implementation = trainer.shared.training, trainer.device, trainer.implementation
    model = training.model
    dtype: torch.dtype = getattr(torch, training.dtype)
    shape = (trainer.batch, training.context)
    generator = torch.Generator(device.name).manual_seed(trainer.shared.seed)

    def draw(width: int) -> torch.Tensor:
        return torch.randn(*shape, width, generator=generator, device=device.name, dtype=dtype)

    projected = draw(model.width + 2 * model.kv_heads * model.head_dim)
    inputs = tuple(part.detach().requires_grad_() for part in heads_of(projected, implementation, model))
    grad_out = laid_out(draw(model.width).unflatten(-1, (model.heads, -1)), implementation)
    # Alone, CUDA graphs would only add copies of its inputs.
    alone: Mode = "compile" if training.mode == "reduce-overhead" else training.mode
    mode: Mode = "eager" if eager else alone
    attend = in_mode(trainer.attend, mode)

    def call() -> object:
        with precision(device.kind, training.dtype):
            out = attend(*inputs)
        return torch.autograd.grad(out, inputs, grad_out.to(out.dtype))

    return call
