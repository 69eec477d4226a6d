"""Whether a model with an implementation computes the same loss and gradients as with plain PyTorch.

Both are held to a float32 computation with plain PyTorch, on the same parameters and tokens. An
implementation may be twice as far from it as plain PyTorch is in the same dtype, as in
profiler.worker.accuracy, plus what rounding may add. Gradients are those of the projections to
queries, keys and values: whatever attention does wrong is in them. They are looked at apart, for at
the beginning of training those of queries and keys are so small beside those of values that an error
in them would be lost in the length of the whole.

The plain ones are computed a few sequences at a time and added up in float32, so that they fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import msgspec
import torch

import impls
from profiler.events import Agreement, Verdict
from profiler.training.model import Training
from profiler.worker import cut
from profiler.worker.devices import Device
from profiler.worker.failures import explain
from profiler.worker.training.gpt import mixing
from profiler.worker.training.optimizers import precision
from profiler.worker.training.shared import SharedModel
from profiler.worker.training.trainer import Trainer

# In float32 plain PyTorch has no error at all, but sums may be taken in another order: at least
# torch.testing's own absolute tolerance, of the loss and of the length of a gradient.
_LEAST = 1e-5
# The loss is the mean over thousands of tokens, each with logits that are rounded to the dtype. Were all
# errors alike the mean would be off by a unit; they are not.
_LOSS_UNITS = 1 / 16
_MOST_SEQUENCES = 8


@dataclass(frozen=True)
class _Outcome:
    """A loss, and the gradients of q's, k's and v's weights in every layer, on the host."""

    loss: float
    gradients: tuple[torch.Tensor, ...]

    @property
    def is_finite(self) -> bool:
        return math.isfinite(self.loss) and all(bool(each.isfinite().all()) for each in self.gradients)


class Judge:
    """Judges the cases of a row; what plain PyTorch gives is computed once for a batch."""

    def __init__(self, shared: SharedModel, device: Device) -> None:
        self._shared = shared
        self._device = device
        self._plain: tuple[int, _Outcome, _Outcome] | None = None

    def agreement(self, trainer: Trainer) -> tuple[Agreement | None, str | None]:
        """What `trainer` gives at the parameters of now beside plain PyTorch; or None, and why not."""
        if self._shared.training.model.dropout:
            return None, "agreement was not checked: with dropout no two steps are alike"
        try:
            with self._device.without_limit():
                reference, plain = self._of_plain(trainer)
                self._device.release()
                own = self._own(trainer)
        except Exception as error:
            why = explain(error).message
        else:
            if plain.is_finite and reference.is_finite:
                return judged(own, plain, reference, self._shared.training.dtype), None
            why = "plain PyTorch's own gradients are not finite"
        return None, f"agreement was not checked: {why}"

    def _own(self, trainer: Trainer) -> _Outcome:
        scale = _scale(self._shared.training, trainer.batch)
        loss = trainer.loss_of(*trainer.first_batch)
        projections = self._shared.model.projections
        gradients = torch.autograd.grad(loss * scale, projections)
        return _outcome(float(loss.detach()), gradients, scale, self._shared.training)

    def _of_plain(self, trainer: Trainer) -> tuple[_Outcome, _Outcome]:
        if self._plain is None or self._plain[0] != trainer.batch:
            self._plain = None
            dtypes = ("float32", self._shared.training.dtype)
            reference, plain = (self._in_parts(trainer, dtype) for dtype in dtypes)
            self._plain = trainer.batch, reference, plain
        return self._plain[1:]

    def _in_parts(self, trainer: Trainer, dtype: str) -> _Outcome:
        """Plain PyTorch, as many sequences at a time as fit for sure."""
        model, training, device = self._shared.model, self._shared.training, self._device
        tokens, targets = trainer.first_batch
        scale = _scale(training, trainer.batch) if dtype != "float32" else 1.0
        plain = impls.find("pytorch")
        total = 0.0
        sums = [torch.zeros_like(weight) for weight in model.projections]
        device.release()
        at_once = _sequences_at_once(training, device.available_bytes())
        for part, following in zip(tokens.split(at_once), targets.split(at_once), strict=True):
            cut.heed()
            attention = msgspec.structs.replace(training.attention(len(part)), dtype=dtype)
            mix = mixing(plain.prepare(attention, device.name), plain, training.model)
            with precision(device.kind, dtype):
                loss = model(part, following, mix) * (len(part) / trainer.batch)
            gradients = torch.autograd.grad(loss * scale, model.projections)
            torch._foreach_add_(sums, gradients)
            total += float(loss.detach())
        return _outcome(total, sums, scale, training)


def _scale(training: Training, batch: int) -> float:
    """In float16, what keeps gradients of a mean over all tokens from vanishing: about their number."""
    if training.dtype != "float16":
        return 1.0
    return 2.0 ** int(math.log2(batch * training.context))


def _sequences_at_once(training: Training, available_bytes: int) -> int:
    """A few, and no more than half the memory is certain to hold in float32."""
    model, context = training.model, training.context
    # Scores, weights and their gradients; some forty numbers of each token's width (Korthikanti et al.
    # 2022, arXiv:2205.05198, count 34 bytes in half precision); logits, their logarithms and gradients.
    numbers = model.layers * context * (3 * model.heads * context + 40 * model.width)
    numbers += 4 * context * model.vocab
    return max(1, min(_MOST_SEQUENCES, available_bytes // 2 // (4 * numbers)))


def _outcome(
    loss: float, gradients: list[torch.Tensor] | tuple[torch.Tensor, ...], scale: float, training: Training
) -> _Outcome:
    model = training.model
    keys = model.kv_heads * model.head_dim
    of_layers = torch.stack([gradient.detach().float().cpu() for gradient in gradients]) / scale
    return _Outcome(loss, of_layers.split([model.width, keys, keys], dim=1))


def judged(own: _Outcome, plain: _Outcome, reference: _Outcome, dtype: str) -> Agreement:
    """The verdict, and what it stands on: of the three gradients the one that is nearest its limit."""
    unit = torch.finfo(getattr(torch, dtype)).eps
    loss_limit = 2 * abs(plain.loss - reference.loss) + max(_LOSS_UNITS * unit, _LEAST) * abs(reference.loss)
    # A gradient is rounded to the dtype where the plain one is added up in float32: one unit more.
    allowance = max(unit, _LEAST)
    parts = []
    for mine, theirs, right in zip(own.gradients, plain.gradients, reference.gradients, strict=True):
        plain_error = _distance(theirs, right)
        parts.append((_distance(mine, right), plain_error, 2 * plain_error + allowance))
    error, plain_error, limit = max(parts, key=lambda part: part[0] / part[2])
    verdict: Verdict = "ok"
    if not own.is_finite:
        verdict = "nan"
    elif error > limit or abs(own.loss - reference.loss) > loss_limit:
        verdict = "wrong"
    return Agreement(
        verdict=verdict,
        loss=own.loss if math.isfinite(own.loss) else None,
        plain_loss=plain.loss,
        reference_loss=reference.loss,
        loss_limit=loss_limit,
        gradient_error=error if own.is_finite else None,
        plain_gradient_error=plain_error,
        gradient_limit=limit,
    )


def _distance(gradient: torch.Tensor, right: torch.Tensor) -> float:
    """How far it is from the right one, over the length of that (if it has any: with one key dq is zero)."""
    length = float(torch.linalg.vector_norm(right))
    return float(torch.linalg.vector_norm(gradient - right)) / (length or 1.0)
