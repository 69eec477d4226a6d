"""Whether an implementation is right, by the rule of FlashAttention-3's own tests.

An error may be twice plain PyTorch's in the same dtype plus an allowance for rounding,
2 max|(ref + 0.3 - 0.3) - ref| (hopper/test_flash_attn.py of Dao-AILab/flash-attention). The
rule was made for half precision and for values of some size. In float32 plain PyTorch is nearly
exact on short sums, and a kernel that adds in another order would fail at the seventh digit;
where the right answer is zero (the gradients of a query that sees one key) so would any that
is not exactly zero. So the limit is at least torch.testing's own absolute tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch

from impls.contract import Layout
from profiler.events import Accuracy, Verdict
from profiler.worker.inputs import make_inputs, to_bhsd
from profiler.worker.reference import TENSORS, Four, Sample, attention_by_definition, choose_sample, take
from profiler.workload import Attention

_LEAST_LIMIT = 1e-5  # torch.testing's atol, the same for float32, float16 and bfloat16


@dataclass(frozen=True)
class Reference:
    """The right answer on a sample of a shape, plain PyTorch's errors there, and the limits that follow.

    `tensors` wait in the host's memory: the device's is the case's.
    """

    workload: Attention
    sample: Sample
    tensors: Four
    plain_errors: dict[str, float]
    limits: dict[str, float]

    @classmethod
    def compute(cls, workload: Attention, device: str, seed: int, *, backward: bool) -> Reference:
        """From the same inputs that make_inputs gives for `seed`; in float64 for float32 workloads.

        Shapes of any size: choose_sample keeps the cost.
        """
        dtype: torch.dtype = getattr(torch, workload.dtype)
        exact = torch.float64 if dtype == torch.float32 else torch.float32
        inputs = make_inputs(workload, "bhsd", device, seed)
        sample = choose_sample(workload, device, seed)
        with torch.no_grad():
            tensors = _joined(attention_by_definition(workload, inputs, sample, exact, backward=backward))
            plain_errors = dict.fromkeys(tensors, 0.0)
            for part, plain in attention_by_definition(workload, inputs, sample, dtype, backward=backward):
                for name, values in plain.items():
                    plain_errors[name] = max(plain_errors[name], max_error(values, tensors[name][part]))
        limits = {
            name: max(2 * plain_errors[name] + 2 * _rounding(values.to(dtype)), _LEAST_LIMIT)
            for name, values in tensors.items()
        }
        kept = {name: values.cpu() for name, values in tensors.items()}
        return cls(workload, sample, kept, plain_errors, limits)

    def judge(self, out: torch.Tensor, grads: tuple[torch.Tensor, ...] | None, layout: Layout) -> Accuracy:
        """Compare an implementation's output, and its gradients of q, k, v if it gave them."""
        errors: dict[str, float] = {}
        for name, tensor in zip(TENSORS, (out, *(grads or ())), strict=False):
            if name in self.tensors:
                queries = self.sample.queries if name in ("out", "dq") else None
                values = self._sampled(to_bhsd(tensor, layout, self.workload), queries)
                wanted = self.tensors[name].to(values.device)
                errors[name] = max_error(values.reshape(wanted.shape), wanted)
        ratios = [
            errors[name] / plain for name, plain in self.plain_errors.items() if plain and name in errors
        ]
        return Accuracy(
            verdict=_verdict(errors, self.limits),
            errors={name: error if math.isfinite(error) else None for name, error in errors.items()},
            plain_errors=self.plain_errors,
            limits=self.limits,
            ratio=max(ratios) if ratios and all(map(math.isfinite, ratios)) else None,
            heads_checked=len(self.sample.pairs) * (self.workload.heads // self.workload.kv_heads),
            heads_total=self.workload.batch * self.workload.heads,
            queries_checked=self.sample.queries_checked,
        )

    def _sampled(self, tensor: torch.Tensor, queries: list[slice] | None) -> torch.Tensor:
        """The sample's part of (batch, heads, seq, head_dim), with zeros for what stands in padding."""
        values = take(tensor, self.sample.pairs, self.workload.kv_heads, queries)
        if self.workload.lengths is None:
            return values
        parts = queries or [slice(0, tensor.shape[2])]
        places = torch.cat([torch.arange(part.start, part.stop) for part in parts])
        lengths = torch.tensor([self.workload.lengths[pair.batch] for pair in self.sample.pairs])
        padding = (places >= lengths[:, None]).to(values.device)
        return values.masked_fill(padding[:, None, :, None], 0)


def _joined(parts: Iterable[tuple[slice, Four]]) -> Four:
    """The tensors of all pairs."""
    fours = [four for _, four in parts]
    return {name: torch.cat([four[name] for four in fours]) for name in fours[0]}


def max_error(values: torch.Tensor, wanted: torch.Tensor) -> float:
    """The largest absolute difference; NaN or infinity if there is one in `values`."""
    return float((values.to(wanted.dtype) - wanted).abs().max())


def _rounding(reference: torch.Tensor) -> float:
    """What adding and taking away 0.3 in the tensor's own dtype loses."""
    return float((reference + 0.3 - 0.3 - reference).abs().max())


def _verdict(errors: dict[str, float], limits: dict[str, float]) -> Verdict:
    if not all(math.isfinite(error) for error in errors.values()):
        return "nan"
    return "ok" if all(error <= limits[name] for name, error in errors.items()) else "wrong"
