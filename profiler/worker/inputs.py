"""Random inputs of one workload, the same values in every layout, and whether a call has changed them."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from impls.contract import Layout
from profiler.workload import Attention

Fingerprint = tuple[int, ...]

# Half words at a time: 24 MiB of int64 while they are weighed, whatever the size of the tensor.
_CHUNK = 2**20


@dataclass(frozen=True)
class Tensors:
    """q, k, v that require gradients, and the gradient of the output; all in one layout, contiguous."""

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    grad_out: torch.Tensor

    @property
    def nbytes(self) -> int:
        return sum(tensor.nbytes for tensor in (self.q, self.k, self.v, self.grad_out))

    def fingerprints(self) -> dict[str, Fingerprint]:
        """Of each tensor by its name, for changed_inputs."""
        return {name: fingerprint(getattr(self, name)) for name in ("q", "k", "v", "grad_out")}


def make_inputs(workload: Attention, layout: Layout, device: str, seed: int) -> Tensors:
    """Standard normal inputs: (batch, heads, seq, head_dim), or with heads and seq exchanged for "bshd"."""
    generator = torch.Generator(device).manual_seed(seed)
    dtype: torch.dtype = getattr(torch, workload.dtype)

    def draw(heads: int, seq: int) -> torch.Tensor:
        shape = (workload.batch, heads, seq, workload.head_dim)
        values = torch.randn(shape, generator=generator, device=device, dtype=dtype)
        return values if layout == "bhsd" else values.transpose(1, 2).contiguous()

    q = draw(workload.heads, workload.seq_q).requires_grad_()
    k = draw(workload.kv_heads, workload.seq_k).requires_grad_()
    v = draw(workload.kv_heads, workload.seq_k).requires_grad_()
    return Tensors(q, k, v, draw(workload.heads, workload.seq_q))


def to_bhsd(tensor: torch.Tensor, layout: Layout) -> torch.Tensor:
    """A view of `tensor` as (batch, heads, seq, head_dim)."""
    return tensor if layout == "bhsd" else tensor.transpose(1, 2)


def fingerprint(tensor: torch.Tensor) -> Fingerprint:
    """Sums over the bits of a contiguous tensor that tell whether they are the same later, NaN or not.

    One changed element is always noticed; anything else, a swap say, but for a chance of 1 in 2^27.
    Takes no copy of the tensor and leaves nothing on its device.
    """
    halves = tensor.detach().view(torch.int16).view(-1)
    # Odd weights below 2^28 on 2^20 numbers below 2^15: no sum overflows, and no difference of one
    # number is lost. They differ, or numbers could change places unnoticed.
    generator = torch.Generator(tensor.device).manual_seed(0)
    size = min(_CHUNK, halves.numel())
    weights = torch.randint(2**27, (size,), generator=generator, device=tensor.device) * 2 + 1
    sums = [(part * weights[: len(part)]).sum() for part in halves.split(_CHUNK)]
    return tuple(torch.stack(sums).tolist())


def changed_inputs(before: dict[str, Fingerprint], after: dict[str, Fingerprint]) -> tuple[str, ...]:
    """Names of the tensors whose fingerprints are not the same any more."""
    return tuple(name for name in before if before[name] != after[name])
