"""The words for what became of a training, and what the figures of its tables mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from profiler.events import Agreement, BatchTried
from profiler.results.wording import MEANINGS, NOT_CONVERGED, NOT_MEASURED, STATUS_WORDS, with_backend
from profiler.training.model import Training
from profiler.training.rows import TrainingRow, TrainingStatus
from profiler.training.study import StudyCell, StudyRow, StudyTable
from profiler.units import byte_count, count, plain_text, ratio, three_digits

_OF_ATTENTION: dict[str, str] = dict(STATUS_WORDS.items())
TRAINING_STATUS_WORDS: dict[TrainingStatus, str] = {
    status: _OF_ATTENTION.get(status, status) for status in get_args(TrainingStatus)
}

UNSUPPORTED = "n/a"
"""In a table, where it has no room for the word itself; the remarks say why."""

NOT_TOLD_APART = "~"
"""Before a difference that the rounds do not show."""

NOT_TOLD_APART_MEANS = f"{NOT_TOLD_APART} a difference that the rounds do not show: either may be ahead"

THROUGHPUT_AND_SPEEDUP = (
    "Tokens/s are of all measured steps, speedups of each round's median step: a late step counts in the "
    "first alone, so the two can order two implementations differently"
)

TRAINING_MEANINGS: dict[str, str] = {
    "wrong": (
        "the first step's loss or gradients are further from the float32 ones than twice plain PyTorch's in "
        "the same dtype plus a rounding allowance; it has no speedup, and no place in the study's tables"
    ),
    "NaN": "the first step's loss or gradients are not finite; it has no speedup either",
    "OOM": (
        "out of memory: not even a batch of one fits, or not the batch that was asked for, or one that had "
        "fitted no longer did"
    ),
    "diverged": "the loss, or a parameter, stopped being finite",
    UNSUPPORTED: "the implementation does not support it",
    NOT_MEASURED: "the session ended before it was measured; its batch is there if that had been found",
    "partial": "the session ended while this was trained; the figures are those of its steps so far",
    **{word: MEANINGS[word] for word in (STATUS_WORDS["crashed"], STATUS_WORDS["timeout"])},
    NOT_CONVERGED: "all steps were made with the 95 % interval of the median step wider than asked for",
}
"""What each mark of a training means, in the order that reports explain them."""

TRAINING_COLUMN_MEANINGS: dict[str, str] = {
    "batch": "sequences a step: the most that fit, or as many as were asked for",
    "tokens/s": "tokens of all measured steps over the time of all of them",
    "speedup": (
        "median over the rounds of a token's time in the baseline's median step over that in its own, with "
        "the wider side of its 95 % interval, or tie where that holds 1; each at its own batch"
    ),
    "difference": (
        "tokens/s of the last implementation less those of the one before it, in percent of the last one's; "
        f"{NOT_TOLD_APART} before it where the rounds do not show it: either may be ahead"
    ),
    "step": "median time from one step's end to the next one's, with the wider side of its 95 % interval",
    "forward, backward, optimizer": (
        "medians of a step's parts; the optimizer's holds all that is neither of the others: scaling, "
        "clearing of gradients"
    ),
    "attention": "attention's own kernels in one step, in percent of the time of all of its kernels",
    "GPU busy": "the time of all kernels of a step in percent of it; for the rest the GPU waits for the host",
    "memory": "the most that tensors held at once in a step",
    "reserved": "what the allocator held then",
    "process": "what NVML says that the training process held",
    "MFU": (
        "model FLOP utilization by PaLM's formula (arXiv:2204.02311, appendix B): 6 N + 12 L W C FLOP a "
        "token (N parameters but for the positions', L layers, W width, C context) times tokens/s, in "
        "percent of the data sheet's matmul rate for the dtype"
    ),
    "of measured": "the same in percent of the matmul rate that was measured in this session",
    "SM": "median SM clock by NVML during the measured steps",
    "power": "mean power by NVML during the measured steps; energy a token is that over tokens/s",
    "compile": "what of the first step's time is over a later step's",
    "loss": "of the first step, as it was trained",
    "gradient": (
        "distance of the first step's gradient of the projections to queries, keys and values from the "
        "float32 one, over plain PyTorch's in the same dtype; of the three the one that is nearest its limit"
    ),
}
"""By the column's name in tables and reports, in the order that they are explained."""


def training_status_word(row: TrainingRow) -> str:
    """The word for what became of a row; one that the end of the session overtook was not measured."""
    if row.ended and row.tokens_per_s is None and row.status in ("pending", "partial"):
        return NOT_MEASURED
    return TRAINING_STATUS_WORDS[row.status]


def study_word(cell: StudyCell) -> str:
    """What stands in the study's tables where there is no throughput; "" for what is still to come."""
    if cell.status == "unsupported":
        return UNSUPPORTED
    if cell.status == "pending":
        return NOT_MEASURED if cell.ended else ""
    return "" if cell.status == "running" else TRAINING_STATUS_WORDS[cell.status]


def difference_words(row: StudyRow) -> tuple[str, str]:
    """The difference in tokens/s and in percent: ("-13,757", "-22.7"); "" where there is none."""
    if row.difference is None or row.difference_percent is None:
        return "", ""
    mark = NOT_TOLD_APART if row.is_told_apart is False else ""
    return f"{mark}{row.difference:+,.0f}", f"{mark}{row.difference_percent:+.1f}"


def training_name(row: TrainingRow) -> str:
    """The implementation, with the backend that ran where its name does not say it."""
    return with_backend(row.implementation, row.backend)


def tokens_per_s(value: float) -> str:
    """Throughput: "63,820", "41.7"."""
    return f"{value:,.0f}" if value >= 100 else three_digits(value)


def seconds(milliseconds: float) -> str:
    """A long time in seconds, for columns that name the unit: "12.3"."""
    return three_digits(milliseconds / 1000)


def study_title(table: StudyTable) -> str:
    """What the rows of a study table have in common: "gpt2-small, compile, float16, adamw-foreach"."""
    model = table.model
    parts = [
        plain_text(model.name),
        table.mode,
        table.dtype,
        table.optimizer,
        f"kv heads {model.kv_heads} of {model.heads}" if model.kv_heads != model.heads else "",
        f"vocab {model.vocab}",
        "bias" if model.bias else "",
        f"dropout {model.dropout:g}" if model.dropout else "",
    ]
    return ", ".join(filter(None, parts))


def of_study_table(training: Training, table: StudyTable) -> bool:
    """Whether a row of training stands in that table."""
    return (training.model, training.mode, training.optimizer, training.dtype) == (
        table.model,
        table.mode,
        table.optimizer,
        table.dtype,
    )


def tried(batches: Iterable[BatchTried]) -> str:
    """How the batch was looked for: "64 no, 32 yes, 48 no"."""
    return ", ".join(f"{one.batch} {'yes' if one.fits else 'no'}" for one in batches)


def graph_breaks(row: TrainingRow) -> str:
    """Their number and the reason of most: "3 graph breaks: no fake impl (2 x), and 1 other reason"."""
    broken = row.graph_breaks or {}
    total = count(sum(broken.values()), "graph break")
    (reason, number), *others = sorted(broken.items(), key=lambda item: -item[1])
    further = f", and {count(len(others), 'other reason')}" if others else ""
    return f"{total}: {plain_text(reason)} ({number} x){further}"


def training_remarks(row: TrainingRow, *, breaks: bool = True) -> list[str]:
    """What is to be said of a row beside its figures and what it was measured under, a clause each.

    Why it failed, or is wrong, comes first; without `breaks` its graph breaks are told elsewhere.
    """
    said = [plain_text(remark).rstrip(".") for remark in row.remarks]
    if row.failure is not None:
        asked = row.failure.requested_bytes
        said[0] = f"{training_status_word(row)}: {said[0]}" + (
            f" ({byte_count(asked)} asked for)" if asked is not None else ""
        )
    elif row.status in ("wrong", "nan") and row.agreement is not None:
        said.insert(0, f"{training_status_word(row)}: {_disagreement(row.agreement)}")
    elif row.status == "partial" or (row.status == "pending" and row.ended):
        steps = f": {count(row.step_ms.count, 'measured step')}" if row.step_ms else ""
        said.insert(0, f"{training_status_word(row)}{steps}")
    if row.tokens_per_s is not None and not row.converged and row.status == "ok":
        said.append(NOT_CONVERGED)
    if row.graph_breaks and breaks:
        said.append(graph_breaks(row))
    return said


def gradient_ratio(agreement: Agreement | None) -> str:
    """The gradient's error over plain PyTorch's; "" if it was not checked."""
    if agreement is None or agreement.gradient_error is None:
        return ""
    if not agreement.plain_gradient_error:
        return "ok" if agreement.verdict == "ok" else ""  # plain PyTorch was exact: nothing to divide by
    return ratio(agreement.gradient_error / agreement.plain_gradient_error)


def loss(value: float | None) -> str:
    """A loss in the digits that tell two apart: "9.7041"; "NaN" for one that is not finite."""
    return "NaN" if value is None else f"{value:.4f}"


def _disagreement(agreement: Agreement) -> str:
    """What of the first step is off, by how much, and what would be allowed."""
    parts = []
    if agreement.loss is None:
        parts.append("the loss is not finite")
    elif (off := abs(agreement.loss - agreement.reference_loss)) > agreement.loss_limit:
        parts.append(f"loss {loss(agreement.loss)} is off by {off:.2g}, limit {agreement.loss_limit:.2g}")
    if agreement.gradient_error is None:
        parts.append("the gradient is not finite")
    elif agreement.gradient_error > agreement.gradient_limit:
        parts.append(f"gradient off by {agreement.gradient_error:.2g}, limit {agreement.gradient_limit:.2g}")
    return "; ".join(parts) or "the first step does not agree with plain PyTorch's"
