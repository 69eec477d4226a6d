"""AdamW in its three forms, and what of mixed precision stands around a step of it.

Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (ICLR 2019); states of 8 bits by
Dettmers et al., "8-bit Optimizers via Block-wise Quantization" (ICLR 2022), of bitsandbytes. The loss
is scaled in float16 as Micikevicius et al. have it, "Mixed Precision Training" (ICLR 2018).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch

from impls.contract import DeviceKind
from profiler.training.model import Optimizer

# Of GPT-3's small models (Brown et al. 2020, appendix B); norms and biases are not decayed.
_LEARNING_RATE = 6e-4
_BETAS = (0.9, 0.95)
_WEIGHT_DECAY = 0.1


def make_optimizer(name: Optimizer, parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW of that name.

    Raises:
        NotImplementedError: its package is missing; the message says what to type.
    """
    parameters = list(parameters)
    groups = [
        {"params": [each for each in parameters if each.dim() > 1], "weight_decay": _WEIGHT_DECAY},
        {"params": [each for each in parameters if each.dim() <= 1], "weight_decay": 0.0},
    ]
    if name == "adamw-8bit":
        try:
            from bitsandbytes.optim import AdamW8bit
        except ImportError as error:
            raise NotImplementedError(
                f"8-bit AdamW is of bitsandbytes, which does not load ({error}): pip install 'attnprof[bnb]'"
            ) from None
        eight_bit: torch.optim.Optimizer = AdamW8bit(groups, lr=_LEARNING_RATE, betas=_BETAS)
        return eight_bit
    fused = name == "adamw-fused"
    return torch.optim.AdamW(groups, lr=_LEARNING_RATE, betas=_BETAS, fused=fused, foreach=not fused)


def make_states(optimizer: torch.optim.Optimizer) -> None:
    """Have it make all its states, as they are before the first step; the parameters are spoilt.

    One parameter after the other: all gradients at once would be as much memory again as parameters.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
            optimizer.step()
            parameter.grad = None
    for state in optimizer.state.values():
        if isinstance(made := state.get("step"), torch.Tensor):
            made.zero_()
        elif made is not None:
            state["step"] = 0


def updates_of(optimizer: torch.optim.Optimizer) -> torch.Tensor | int:
    """How many updates it has made, read without waiting for the device.

    A step that the scaling of the loss has it skip is none.
    """
    made = next((state["step"] for state in optimizer.state.values() if "step" in state), 0)
    return made.clone() if isinstance(made, torch.Tensor) else int(made)


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """What its states hold on the device, each tensor once."""
    tensors = {
        id(value): value
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    }
    return sum(tensor.nbytes for tensor in tensors.values())


def precision(kind: DeviceKind, dtype: str) -> AbstractContextManager[object]:
    """What forward runs under: autocast, or nothing in float32."""
    if dtype == "float32":
        return nullcontext()
    return torch.autocast(kind, dtype=getattr(torch, dtype))


def make_scaler(kind: DeviceKind, dtype: str) -> torch.amp.GradScaler:
    """What scales the loss in float16; in other dtypes it does nothing."""
    return torch.amp.GradScaler(kind, enabled=dtype == "float16")
