"""Attention's share of the GPU's time in a step, from the kernels.

One call of it, forward and backward, as the model calls it (views of one projection, under autocast,
compiled by itself where the model is compiled), times the layers, over all kernels of a step. What a
layout costs around it, transposes and the gradient's being put together again, is the model's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from profiler.events import Kernel
from profiler.training.model import Mode
from profiler.worker.compiled import forget_compiled
from profiler.worker.kernels import kernels_of
from profiler.worker.training.gpt import heads_of, laid_out
from profiler.worker.training.modes import in_mode
from profiler.worker.training.optimizers import precision
from profiler.worker.training.trainer import Trainer


@dataclass(frozen=True)
class Share:
    """Kernel time of one step, and attention's of it; on the CPU the operators'."""

    step_ms: float
    attention_percent: float


def attention_share(trainer: Trainer) -> Share:
    """What part of a step attention is. In reduce-overhead the trainer's CUDA graphs are gone after it.

    Raises:
        RuntimeError: torch's profiler recorded nothing.
    """
    on_gpu = trainer.device.kind == "cuda"
    loss = torch.empty((), device=trainer.device.name)
    step, _ = kernels_of(lambda: trainer.step(lambda: None, loss), on_gpu=on_gpu)
    if trainer.shared.training.mode == "reduce-overhead":  # their memory is nearly all there is
        trainer.let_go()
        forget_compiled()
        trainer.device.release()
    attention, _ = kernels_of(_one_call(trainer), on_gpu=on_gpu)
    layers, step_us = trainer.shared.training.model.layers, _together_us(step)
    return Share(step_us / 1000, 100 * layers * _together_us(attention) / step_us)


def operators_of(trainer: Trainer) -> set[str]:
    """The names of the operators of one call of attention, by which a dispatch is told."""
    from torch.profiler import ProfilerActivity, profile

    call = _one_call(trainer, eager=True)
    with profile(activities=[ProfilerActivity.CPU], acc_events=True) as profiled:  # CUPTI is not woken
        call()
    return {event.name for event in profiled.events() or ()}


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


def _together_us(kernels: tuple[Kernel, ...]) -> float:
    return sum(kernel.time_us for kernel in kernels)
