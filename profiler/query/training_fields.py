"""The fields of a row of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

from profiler.events import Agreement, Estimate, Verdict
from profiler.query.entries import TrainingEntry
from profiler.query.fields import Field, Kind, Value, Vocabulary
from profiler.query.shared_fields import (
    BACKEND,
    CONDITION_FIELDS,
    CONVERGED,
    GRAPH_BREAK_FIELDS,
    IS_BASELINE,
    MESSAGE,
    NOTES,
    REQUESTED_BYTES,
    SESSION_FIELDS,
    estimate_fields,
)
from profiler.training.model import MODES, OPTIMIZERS, Gpt
from profiler.training.rows import Parts, TrainingRow, TrainingStatus
from profiler.workload import DTYPES

_Read = Callable[[TrainingRow], Value]
_TrainingField = Field[TrainingEntry]


def _field(
    name: str, meaning: str, value: _Read, *aliases: str, kind: Kind = "number", unit: str = ""
) -> _TrainingField:
    return Field(name, kind, meaning, lambda entry: value(entry.row), unit, aliases)


def _words(name: str, meaning: str, value: _Read, words: tuple[str, ...]) -> _TrainingField:
    return Field(name, "word", meaning, lambda entry: value(entry.row), words=words)


def _model(name: str, meaning: str, value: Callable[[Gpt], Value], kind: Kind = "number") -> _TrainingField:
    return _field(name, meaning, lambda row: value(row.training.model), kind=kind)


def _estimate(
    name: str, meaning: str, read: Callable[[TrainingRow], Estimate | None], unit: str
) -> tuple[_TrainingField, ...]:
    return estimate_fields(name, meaning, lambda entry: read(entry.row), unit)


def _part(name: str, meaning: str, read: Callable[[Parts], float]) -> _TrainingField:
    return _field(name, meaning, lambda row: read(row.parts) if row.parts else None, unit="ms")


def _agreement(name: str, meaning: str, read: Callable[[Agreement], float | None]) -> _TrainingField:
    return _field(name, meaning, lambda row: read(row.agreement) if row.agreement else None)


_WHAT: tuple[_TrainingField, ...] = (
    Field(
        "model",
        "text",
        "GPT-2 of that size",
        lambda entry: entry.row.training.model.name,
        spelled={name: f"gpt2-{name}" for name in ("small", "medium", "large", "xl")},
    ),
    _model("layers", "of the model", lambda model: model.layers),
    _model("heads", "query heads of a layer", lambda model: model.heads),
    _model("kv_heads", "key/value heads of a layer", lambda model: model.kv_heads),
    _model("width", "of the model: heads x head_dim", lambda model: model.width),
    _model("vocab", "tokens there are", lambda model: model.vocab),
    _model("bias", "linear layers and norms have one", lambda model: model.bias, "yes/no"),
    _model("dropout", "probability", lambda model: model.dropout),
    _field("parameters", "numbers that are trained", lambda row: row.training.parameters),
    _field("context", "tokens of a sequence", lambda row: row.training.context),
    Field(
        "dtype",
        "word",
        "what autocast computes in",
        lambda entry: entry.row.training.dtype,
        words=tuple(dict.fromkeys(DTYPES.values())),
        spelled=DTYPES,
    ),
    _words("optimizer", "AdamW, in one of its ways", lambda row: row.training.optimizer, OPTIMIZERS),
    _words("mode", "eager, or torch.compile's", lambda row: row.training.mode, MODES),
    _field("implementation", "of attention", lambda row: row.implementation, "impl", kind="text"),
    BACKEND,
    _words("status", "what became of it", lambda row: row.status, get_args(TrainingStatus)),
)

_RATES: tuple[_TrainingField, ...] = (
    _field("batch", "sequences a step; none where it is OOM", lambda row: row.batch, "batch_size"),
    _field("tokens_per_s", "throughput", lambda row: row.tokens_per_s, unit="tokens/s"),
    *_estimate("speedup", "of tokens/s over the baseline's", lambda row: row.speedup, "x"),
    IS_BASELINE,
    *_estimate("step_ms", "median time of a step", lambda row: row.step_ms, "ms"),
    _field("steps", "that were measured", lambda row: row.step_ms.count if row.step_ms else None),
    _part("forward_ms", "forward's part of a step", lambda parts: parts.forward_ms),
    _part("backward_ms", "backward's part of a step", lambda parts: parts.backward_ms),
    _part("optimizer_ms", "all the rest of a step", lambda parts: parts.optimizer_ms),
    _field("attention_percent", "attention's kernels in all", lambda row: row.attention_percent, unit="%"),
    _field("gpu_busy_percent", "kernels' time in a step's", lambda row: row.gpu_busy_percent, unit="%"),
    _field("mfu_percent", "of the data sheet's rate", lambda row: row.mfu_percent, "mfu", unit="%"),
    _field(
        "percent_of_measured_peak",
        "of the session's matmul rate",
        lambda row: row.of_measured_percent,
        "peak",
        unit="%",
    ),
)

_DEVICE: tuple[_TrainingField, ...] = (
    _field("peak_bytes", "most that tensors held", lambda row: row.peak_bytes, "memory", unit="bytes"),
    _field(
        "reserved_bytes", "held by the allocator", lambda row: row.reserved_bytes, "reserved", unit="bytes"
    ),
    _field(
        "process_bytes",
        "held by the process, says NVML",
        lambda row: row.process_bytes,
        "process",
        unit="bytes",
    ),
    _field("nvml_sm_mhz", "SM clock by NVML", lambda row: row.sm_mhz, "sm", unit="MHz"),
    _field("power_w", "mean power by NVML", lambda row: row.power_w, unit="W"),
    _field("joules_per_token", "power over throughput", lambda row: row.joules_per_token, unit="J"),
    *CONDITION_FIELDS,
)

_CHECK: tuple[_TrainingField, ...] = (
    _field("first_step_ms", "host time of the first step", lambda row: row.first_step_ms, unit="ms"),
    _field("compile_ms", "of it, for compilation", lambda row: row.compile_ms, unit="ms"),
    *GRAPH_BREAK_FIELDS,
    _words(
        "verdict",
        "of the first step's check",
        lambda row: row.agreement.verdict if row.agreement else None,
        get_args(Verdict),
    ),
    _agreement("loss", "of the first step", lambda found: found.loss),
    _agreement("plain_loss", "plain PyTorch's", lambda found: found.plain_loss),
    _agreement("reference_loss", "in float32", lambda found: found.reference_loss),
    _agreement("loss_limit", "how far it may be off", lambda found: found.loss_limit),
    _agreement("gradient_error", "of the first step", lambda found: found.gradient_error),
    _agreement("plain_gradient_error", "plain PyTorch's", lambda found: found.plain_gradient_error),
    _agreement("gradient_limit", "what it may be", lambda found: found.gradient_limit),
    CONVERGED,
    _field("skipped_steps", "whose update was left out", lambda row: row.skipped_steps),
    NOTES,
    REQUESTED_BYTES,
    MESSAGE,
)

TRAINING_FIELDS: Vocabulary[TrainingEntry] = Vocabulary(
    "training", (*SESSION_FIELDS, *_WHAT, *_RATES, *_DEVICE, *_CHECK)
)
"""In the order of CSV."""

TRAINING_AXES = (
    "model",
    "kv_heads",
    "vocab",
    "bias",
    "dropout",
    "context",
    "dtype",
    "optimizer",
    "mode",
    "implementation",
)
"""The fields that together say which row it is."""
