"""The table of the study that attnprof train repeats: batch and tokens/s side by side, by length of context.

The study is "Benchmarking FlashAttention and FlashAttention-2 on a Consumer GPU", whose figures stand in
benchmarks/gpt2_study.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from profiler.events import Estimate
from profiler.training.model import Gpt, Mode, Optimizer
from profiler.training.rows import TrainingRow, TrainingStatus, percent_of


@dataclass(frozen=True)
class StudyCell:
    """What the study's table says of one implementation: its batch and throughput, None where it has none.

    `speedup` is over the baseline, with the interval where the two shared rounds.
    """

    status: TrainingStatus
    batch: int | None = None
    tokens_per_s: float | None = None
    speedup: Estimate | None = None


@dataclass(frozen=True)
class StudyRow:
    """One context, `cells` by implementation, and what the last has over the one before it.

    `difference` is in tokens/s, `difference_percent` that over the last one's own tokens/s.
    """

    context: int
    cells: Mapping[str, StudyCell]
    difference: float | None = None
    difference_percent: float | None = None


@dataclass(frozen=True)
class StudyTable:
    """A model trained in one way, by length of context. `compared` are the two of the difference."""

    model: Gpt
    mode: Mode
    optimizer: Optimizer
    dtype: str
    implementations: tuple[str, ...]
    baseline: str | None
    rows: tuple[StudyRow, ...]
    compared: tuple[str, str] | None


def study_tables(rows: Sequence[TrainingRow]) -> list[StudyTable]:
    """The tables in the form of the study of FlashAttention on a consumer GPU that attnprof repeats.

    One a model, mode, optimizer and dtype, in the rows' order, and its own rows by context. The difference
    is that of the last two implementations, the last minus the one before, as the study has
    flash-attn's own minus PyTorch's, in percent of the former.
    """
    groups: dict[tuple[Gpt, Mode, Optimizer, str], dict[int, dict[str, TrainingRow]]] = {}
    for row in rows:
        training = row.training
        key = (training.model, training.mode, training.optimizer, training.dtype)
        groups.setdefault(key, {}).setdefault(training.context, {})[row.implementation] = row
    order = dict.fromkeys(row.implementation for row in rows)
    baseline = next((row.implementation for row in rows if row.is_baseline), None)
    tables = []
    for (model, mode, optimizer, dtype), contexts in groups.items():
        names = tuple(name for name in order if any(name in cells for cells in contexts.values()))
        compared = (names[-1], names[-2]) if len(names) > 1 else None
        of_contexts = tuple(_study_row(context, contexts[context], compared) for context in sorted(contexts))
        tables.append(StudyTable(model, mode, optimizer, dtype, names, baseline, of_contexts, compared))
    return tables


def _study_row(context: int, rows: Mapping[str, TrainingRow], compared: tuple[str, str] | None) -> StudyRow:
    cells = {name: _study_cell(row) for name, row in rows.items()}
    difference, percent = None, None
    if compared is not None:
        one, other = (cells[name].tokens_per_s if name in cells else None for name in compared)
        if one is not None and other is not None:
            difference, percent = one - other, percent_of(one - other, one)
    return StudyRow(context, cells, difference, percent)


def _study_cell(row: TrainingRow) -> StudyCell:
    """Only what was measured to the end, and is right, has figures."""
    if row.status == "partial" and row.tokens_per_s is None:
        return StudyCell("pending")
    if row.status != "ok":
        return StudyCell(row.status)
    return StudyCell(row.status, row.batch, row.tokens_per_s, row.speedup)
