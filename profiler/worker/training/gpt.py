"""GPT-2 with its attention left open: any implementation of impls/ can be put in.

Radford, Wu, Child, Luan, Amodei, Sutskever, "Language Models are Unsupervised Multitask Learners"
(2019): a decoder of pre-norm blocks with learned positions, GELU, and the tokens' embedding for a
head. Its initialisation is the paper's: normal with 0.02, and what is added to the residual stream
divided by the root of the number of such additions. Queries, keys and values come from one
projection; implementations are given views of it, as a model would.

Under autocast attention is called like all else of the model: what plain PyTorch computes in it
(the softmax) is float32 then, as in any program that trains so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from impls.contract import Attend, Implementation
from profiler.training.model import Gpt

SPREAD = 0.02

Mix = Callable[[torch.Tensor], torch.Tensor]
"""Attention as the model calls it: the projection (batch, context, width + 2 kv_heads * head_dim), in
which queries, keys and values stand one behind the other, -> (batch, context, width)."""


class GptModel(nn.Module):
    """The whole model: (batch, context) tokens and the targets that follow each -> the mean loss."""

    def __init__(self, gpt: Gpt, context: int) -> None:
        super().__init__()
        self.gpt = gpt
        self.tokens = nn.Embedding(gpt.vocab, gpt.width)
        self.positions = nn.Embedding(context, gpt.width)
        self.blocks = nn.ModuleList(_Block(gpt) for _ in range(gpt.layers))
        self.norm = nn.LayerNorm(gpt.width, bias=gpt.bias)

    def forward(self, tokens: torch.Tensor, targets: torch.Tensor, mix: Mix) -> torch.Tensor:
        """Cross entropy in float32, whatever autocast computes the rest in."""
        x = self.tokens(tokens) + self.positions.weight
        x = _dropped(x, self.gpt.dropout)
        for block in self.blocks:
            x = block(x, mix)
        logits = functional.linear(self.norm(x), self.tokens.weight)
        return functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())

    def initialise(self, seed: int) -> None:
        """Set all parameters, in place; the same for the same seed and device."""
        generator = torch.Generator(self.tokens.weight.device).manual_seed(seed)
        additions = 2 * self.gpt.layers
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if name.endswith("bias"):
                    parameter.zero_()
                elif parameter.dim() == 1:  # of a layer norm
                    parameter.fill_(1)
                else:
                    spread = SPREAD / additions**0.5 if name.endswith("out.weight") else SPREAD
                    parameter.normal_(0, spread, generator=generator)

    @property
    def projections(self) -> list[nn.Parameter]:
        """The weights from which each layer's queries, keys and values come, (width + 2 kv, width)."""
        return [block.qkv.weight for block in self.blocks]  # type: ignore[union-attr, misc]


class _Block(nn.Module):
    """Attention and feed-forward, each behind a layer norm and added to what came in."""

    def __init__(self, gpt: Gpt) -> None:
        super().__init__()
        self.dropout = gpt.dropout
        self.attention_norm = nn.LayerNorm(gpt.width, bias=gpt.bias)
        self.qkv = nn.Linear(gpt.width, gpt.width + 2 * gpt.kv_heads * gpt.head_dim, bias=gpt.bias)
        self.attention_out = nn.Linear(gpt.width, gpt.width, bias=gpt.bias)
        self.forward_norm = nn.LayerNorm(gpt.width, bias=gpt.bias)
        self.forward_in = nn.Linear(gpt.width, 4 * gpt.width, bias=gpt.bias)
        self.forward_out = nn.Linear(4 * gpt.width, gpt.width, bias=gpt.bias)

    def forward(self, x: torch.Tensor, mix: Mix) -> torch.Tensor:
        attended = self.attention_out(mix(self.qkv(self.attention_norm(x))))
        x = x + _dropped(attended, self.dropout)
        fed = self.forward_out(functional.gelu(self.forward_in(self.forward_norm(x)), approximate="tanh"))
        return x + _dropped(fed, self.dropout)


def _dropped(x: torch.Tensor, dropout: float) -> torch.Tensor:
    return functional.dropout(x, dropout) if dropout else x


def empty_model(gpt: Gpt, context: int, device: str) -> GptModel:
    """The model on a device ("meta" for its shapes alone), to be initialised."""
    with torch.device("meta"):  # or torch would draw values that nobody wants
        model = GptModel(gpt, context)
    return model if device == "meta" else model.to_empty(device=device)


def mixing(attend: Attend, implementation: Implementation, gpt: Gpt) -> Mix:
    """Attention by `attend`, in the layout that its implementation takes."""

    def mix(qkv: torch.Tensor) -> torch.Tensor:
        out = attend(*heads_of(qkv, implementation, gpt))
        if not implementation.strided:
            out = _in_one_piece(out)
        by_token = out.transpose(1, 2) if implementation.layout == "bhsd" else out
        return by_token.reshape(qkv.shape[0], qkv.shape[1], gpt.width)

    return mix


def heads_of(
    qkv: torch.Tensor, implementation: Implementation, gpt: Gpt
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """q, k and v of a projection, each (batch, seq, heads, head_dim), or as its layout has it.

    They are views; copies only for an implementation that takes none.
    """
    keys = gpt.kv_heads * gpt.head_dim
    q, k, v = (
        laid_out(part.unflatten(-1, (-1, gpt.head_dim)), implementation)
        for part in qkv.split([gpt.width, keys, keys], dim=-1)
    )
    return q, k, v


def laid_out(by_token: torch.Tensor, implementation: Implementation) -> torch.Tensor:
    """(batch, seq, heads, head_dim) as the implementation takes it."""
    if implementation.layout == "bhsd":
        by_token = by_token.transpose(1, 2)
    elif implementation.layout == "thd":
        by_token = by_token.flatten(0, 1)
    return by_token if implementation.strided else by_token.contiguous()


def _in_one_piece(out: torch.Tensor) -> torch.Tensor:
    """`out`, whose gradient will be contiguous, as what it is measured with is."""
    same: torch.Tensor = _GradientInOnePiece.apply(out)  # type: ignore[no-untyped-call]
    return same


class _GradientInOnePiece(torch.autograd.Function):
    """What comes in, unchanged; its gradient is contiguous."""

    @staticmethod
    def forward(ctx: Any, out: torch.Tensor) -> torch.Tensor:
        return out.view_as(out)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0].contiguous()
