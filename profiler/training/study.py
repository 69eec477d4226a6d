"""The table of the study that attnprof train repeats: batch and tokens/s side by side, by length of context.

The study is "Benchmarking FlashAttention and FlashAttention-2 on a Consumer GPU", whose figures stand in
benchmarks/gpt2_study.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from profiler.events import LEAST_SAMPLES, Estimate
from profiler.results.rows import holds_one
from profiler.training.model import Gpt, Mode, Optimizer
from profiler.training.recording import TrainingRecord
from profiler.training.rows import TrainingRow, TrainingStatus, percent_of, ratio_of_rounds


@dataclass(frozen=True)
class StudyCell:
    """What the study's table says of one implementation: its batch and throughput, None where it has none.

    What was not trained to the end has the batch that was found for it, and no throughput; `ended` is whether
    it never will be. `speedup` is over the baseline, with the interval where the two shared rounds.
    """

    status: TrainingStatus
    batch: int | None = None
    tokens_per_s: float | None = None
    speedup: Estimate | None = None
    ended: bool = False


@dataclass(frozen=True)
class StudyRow:
    """One context, `cells` by implementation, and what the last has over the one before it.

    `difference` is in tokens/s, `difference_percent` that over the last one's own tokens/s.
    `is_told_apart` is whether the rounds show it, and the same one ahead; None where they are too few to say,
    or not known.
    """

    context: int
    cells: Mapping[str, StudyCell]
    difference: float | None = None
    difference_percent: float | None = None
    is_told_apart: bool | None = None


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

    @property
    def is_ordered_twice(self) -> bool:
        """Whether somewhere tokens/s and speedups order two implementations differently."""
        return any(_is_ordered_twice(row, self.baseline) for row in self.rows)


def study_tables(
    rows: Sequence[TrainingRow], trainings: Mapping[int, TrainingRecord] | None = None
) -> list[StudyTable]:
    """The tables in the form of the study of FlashAttention on a consumer GPU that attnprof repeats.

    One a model, mode, optimizer and dtype, in the rows' order, and its own rows by context. The difference
    is that of the last two implementations, the last minus the one before, as the study has
    flash-attn's own minus PyTorch's, in percent of the former. `trainings` are the recording's, by case:
    their rounds say whether the two are told apart.
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
        of_contexts = tuple(
            _study_row(context, contexts[context], compared, trainings or {}) for context in sorted(contexts)
        )
        tables.append(StudyTable(model, mode, optimizer, dtype, names, baseline, of_contexts, compared))
    return tables


def _study_row(
    context: int,
    rows: Mapping[str, TrainingRow],
    compared: tuple[str, str] | None,
    trainings: Mapping[int, TrainingRecord],
) -> StudyRow:
    cells = {name: _study_cell(row) for name, row in rows.items()}
    if compared is None or not all(name in rows for name in compared):
        return StudyRow(context, cells)
    one, other = (cells[name].tokens_per_s for name in compared)
    if one is None or other is None:
        return StudyRow(context, cells)
    of_both = [trainings.get(rows[name].case) for name in compared]
    told = _is_told_apart(*of_both, is_ahead=one > other)
    return StudyRow(context, cells, one - other, percent_of(one - other, one), told)


def _is_told_apart(
    one: TrainingRecord | None, other: TrainingRecord | None, *, is_ahead: bool
) -> bool | None:
    """Whether the rounds show that one is ahead of the other, or behind it; None where they cannot say."""
    ratio = ratio_of_rounds(other, one) if one and other else None
    if ratio is None or ratio.count < LEAST_SAMPLES:
        return None
    return not holds_one(ratio) and (ratio.median > 1) == is_ahead


def _is_ordered_twice(row: StudyRow, baseline: str | None) -> bool:
    known = []
    for name, cell in row.cells.items():
        speedup = 1.0 if name == baseline else cell.speedup.median if cell.speedup else None
        if cell.tokens_per_s is not None and speedup is not None:
            known.append((cell.tokens_per_s, speedup))
    speedups = [speedup for _, speedup in sorted(known)]
    return speedups != sorted(speedups)


def _study_cell(row: TrainingRow) -> StudyCell:
    """Only what was measured to the end, and is right, has a throughput."""
    if row.status == "ok":
        return StudyCell(row.status, row.batch, row.tokens_per_s, row.speedup)
    if row.status == "partial" and row.tokens_per_s is None:
        return StudyCell("pending", row.batch, ended=row.ended)
    batch = row.batch if row.status in ("running", "partial") else None
    return StudyCell(row.status, batch, ended=row.ended)
