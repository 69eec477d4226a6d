"""FlashAttention-1, written in Triton.

Dao, Fu, Ermon, Rudra, Re, "FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness"
(2022, arXiv:2205.14135), algorithms 1 and 4. The outer loop goes over blocks of K and V, which stay on
chip; the inner one over blocks of Q, whose output, maximum and sum stand in memory and are read, rescaled
and written at each visit: the traffic that version 2 did away with by exchanging the loops. The output is
divided by the sum at the last visit only, not at each. Backward has the same loops, with dK and dV on chip
and dQ in memory, and computes the probabilities again from the logsumexp of each query, which is all that
forward keeps beside its output.

The paper gives each head of a batch one program. Where these do not fill the GPU the work is split
further, as flash-attn 1.0.9 did (`num_splits` in csrc/flash_attn/src/fmha_fwd_launch_template.h and
fmha_bwd_launch_template.h): forward into ranges of queries, so too that the L2 cache holds the outputs
under way; backward into blocks of K and V, whose programs add to dQ atomically, so that its last bits differ
from call to call. The variant "deterministic" leaves backward whole.

Beyond the paper: float32, grouped heads, windows, causal where seq_q != seq_k, any length and head dim.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from impls._head_dims import power_of_two
from impls.contract import Attend, Implementation, Requirement, Variant, Workload

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Tiles:
    """What a program works on at a time, and with what."""

    block_q: int
    block_k: int
    warps: int
    stages: int
    """Triton's num_stages: how far ahead blocks of Q are loaded."""
    per_sm: int
    """How many programs a multiprocessor runs at a time."""


@dataclass(frozen=True)
class Plan:
    """How the work of one workload is laid over a GPU."""

    forward: Tiles
    backward: Tiles
    span: int
    """Queries of a program of forward: a multiple of its block_q."""
    split: bool
    """Whether a program of backward has one block of K and V, and not all of them."""


@dataclass(frozen=True)
class Gpu:
    """What of a GPU decides how the work is laid over it."""

    capability: tuple[int, int]
    sms: int
    l2_bytes: int

    @property
    def shared_kib(self) -> int:
        """Shared memory of a multiprocessor (CUDA programming guide, technical specifications)."""
        if self.capability in ((8, 6), (8, 9)) or self.capability >= (12, 0):
            return 100
        return 164 if self.capability < (9, 0) else 228


# Of forward and of backward, by the most that a head is padded to.
_Table = Mapping[int, tuple[Tiles, Tiles]]
# By the shared memory of a multiprocessor in KiB: what fits there with hardly a register spilled.
_HALF: Mapping[int, _Table] = {
    228: {
        64: (Tiles(64, 256, 4, 1, per_sm=2), Tiles(64, 128, 8, 3, per_sm=1)),
        128: (Tiles(64, 128, 8, 3, per_sm=1), Tiles(32, 128, 8, 3, per_sm=1)),
        256: (Tiles(64, 64, 8, 1, per_sm=1), Tiles(32, 64, 8, 2, per_sm=1)),
    },
    164: {
        64: (Tiles(64, 128, 4, 1, per_sm=2), Tiles(64, 128, 8, 2, per_sm=1)),
        128: (Tiles(64, 128, 8, 2, per_sm=1), Tiles(64, 64, 8, 2, per_sm=1)),
        256: (Tiles(32, 32, 4, 1, per_sm=2), Tiles(32, 32, 8, 2, per_sm=1)),
    },
    100: {
        64: (Tiles(64, 128, 4, 1, per_sm=1), Tiles(64, 64, 4, 2, per_sm=1)),
        128: (Tiles(64, 64, 4, 1, per_sm=1), Tiles(32, 64, 8, 1, per_sm=1)),
        256: (Tiles(32, 32, 4, 1, per_sm=1), Tiles(32, 32, 8, 1, per_sm=1)),
    },
}
# float32 is computed without tensor cores, every product of a dot an instruction of its own.
_SINGLE: _Table = {
    64: (Tiles(32, 32, 4, 1, per_sm=2), Tiles(32, 32, 8, 1, per_sm=1)),
    128: (Tiles(64, 32, 8, 1, per_sm=1), Tiles(32, 32, 8, 1, per_sm=1)),
    256: (Tiles(16, 32, 4, 1, per_sm=1), Tiles(16, 16, 8, 1, per_sm=1)),
}


def plan(workload: Workload, gpu: Gpu) -> Plan:
    """How `workload` is laid over `gpu`."""
    table = _SINGLE if workload.dtype == "float32" else _HALF[gpu.shared_kib]
    forward, backward = next(tiles for most, tiles in table.items() if workload.head_dim <= most)
    return Plan(forward, backward, _span(workload, forward, gpu), _splits(workload, backward, gpu))


def _filled(programs: int, at_a_time: int) -> float:
    """How much of the GPU is at work while `programs` run, `at_a_time` of them in each wave."""
    return programs / at_a_time / math.ceil(programs / at_a_time)


def _span(workload: Workload, tiles: Tiles, gpu: Gpu) -> int:
    """As many queries as fill the GPU well, and whose outputs, with those of other programs, the L2 holds."""
    blocks = math.ceil(workload.seq_q / tiles.block_q)
    pairs, at_a_time = workload.batch * workload.heads, gpu.sms * tiles.per_sm
    output_bytes = 4 * tiles.block_q * power_of_two(workload.head_dim)
    fewest = math.ceil(blocks / max(4, gpu.l2_bytes // at_a_time // output_bytes))
    filled = {spans: _filled(pairs * spans, at_a_time) for spans in range(fewest, blocks + 1)}
    # Within 5 % of the best, as flash-attn 1.0.9 has it.
    spans = next(spans for spans, share in filled.items() if share >= 0.95 * max(filled.values()))
    return math.ceil(blocks / spans) * tiles.block_q


def _splits(workload: Workload, tiles: Tiles, gpu: Gpu) -> bool:
    """Whether a fuller GPU is worth setting dQ to zero before and converting it after."""
    blocks = math.ceil(workload.seq_k / tiles.block_k)
    pairs, at_a_time = workload.batch * workload.kv_heads, gpu.sms * tiles.per_sm
    # flash-attn 1.0.9 weighs them so.
    return _filled(pairs, at_a_time) < _filled(pairs * blocks, at_a_time) / (1 + 1 / blocks)


def prepare(workload: Workload, device: str, *, deterministic: bool = False) -> Attend:
    import torch

    from impls.operators.flash1_triton import Call, Flash1

    found = torch.cuda.get_device_properties(device)
    gpu = Gpu((found.major, found.minor), found.multi_processor_count, found.L2_cache_size)
    planned = plan(workload, gpu)
    call = Call(workload, replace(planned, split=planned.split and not deterministic))
    differentiable: Callable[..., torch.Tensor] = Flash1.apply

    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return differentiable(q, k, v, call)

    return attend


IMPLEMENTATION = Implementation(
    name="flash1-triton",
    label="FlashAttention 1 (Triton)",
    summary="FlashAttention-1's algorithm in Triton",
    aliases=("flash1_triton", "fa1-triton"),
    prepare=prepare,
    variants={"deterministic": Variant(partial(prepare, deterministic=True))},
    layout="bhsd",
    devices=("cuda",),
    min_compute_capability=(8, 0),
    max_head_dim=max(_SINGLE),
    padded_head_dim=power_of_two,
    requires=Requirement("triton", "pip install triton"),
)
