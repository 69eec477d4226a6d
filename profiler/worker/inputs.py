"""Random inputs of one workload, the same values in every layout, and whether a call has changed them.

Where the sequences of a batch differ in length, (batch, heads, seq, head_dim) is padded: its
padding holds values like any others, but no gradient of the output, so that nothing flows back
from there. Packed ("thd") there is no padding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from impls.contract import Layout
from impls.masks import real_tokens
from profiler.workload import Attention

Fingerprint = tuple[int, ...]

# Half words at a time: 24 MiB of int64 while they are weighed, whatever the size of the tensor.
_CHUNK = 2**20


@dataclass(frozen=True)
class Tensors:
    """q, k, v, which require gradients unless decoding, and the gradient of the output.

    All in one layout, contiguous.
    """

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
    """Standard normal inputs: (batch, heads, seq, head_dim), or with heads and seq exchanged for "bshd".

    For "thd" (tokens, heads, head_dim).
    """
    generator = torch.Generator(device).manual_seed(seed)
    dtype: torch.dtype = getattr(torch, workload.dtype)

    def draw(heads: int, seq: int) -> torch.Tensor:
        shape = (workload.batch, heads, seq, workload.head_dim)
        values = torch.randn(shape, generator=generator, device=device, dtype=dtype)
        if layout == "bhsd":
            return values
        by_token = values.transpose(1, 2)
        return by_token[tokens] if layout == "thd" else by_token.contiguous()

    tokens = real_tokens(workload, device)
    q = draw(workload.heads, workload.seq_q)
    k = draw(workload.kv_heads, workload.seq_k)
    v = draw(workload.kv_heads, workload.seq_k)
    grad_out = draw(workload.heads, workload.seq_q)
    if workload.lengths is not None and layout != "thd":
        to_bhsd(grad_out, layout, workload).masked_fill_(~tokens[:, None, :, None], 0)
    if workload.has_backward:
        q, k, v = (tensor.requires_grad_() for tensor in (q, k, v))
    return Tensors(q, k, v, grad_out)


def to_bhsd(tensor: torch.Tensor, layout: Layout, workload: Attention) -> torch.Tensor:
    """`tensor` as (batch, heads, seq, head_dim); a view, unless it is packed."""
    if layout == "bhsd":
        return tensor
    if layout == "bshd":
        return tensor.transpose(1, 2)
    padded = tensor.new_zeros(workload.batch, workload.seq_q, *tensor.shape[1:])
    padded[real_tokens(workload, str(tensor.device))] = tensor.detach()
    return padded.transpose(1, 2)


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
