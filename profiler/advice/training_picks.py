"""The fastest implementation of each training, and how the choice goes along the length of the context."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

import msgspec

from profiler.advice.courses import Course, stretches
from profiler.advice.picks import Choice, Over, Pick, kernel, not_slower, of_no_rounds
from profiler.events import Estimate
from profiler.results.axes import Axis
from profiler.results.rows import is_imported
from profiler.session.recording import Recording
from profiler.stats import CONFIDENCE
from profiler.training.columns import training_columns
from profiler.training.model import Training
from profiler.training.rows import TrainingRow, ratio_of_rounds, training_rows
from profiler.training.wording import training_name


@dataclass(frozen=True, kw_only=True)
class TrainingPick(Pick):
    """What to train with: ratios are of tokens/s. Each has its own batch, so memory is no argument."""

    training: Training
    batch: int | None = None
    tokens_per_s: float | None = None

    @property
    def is_tie(self) -> bool:
        """Tokens/s and rounds may order them differently: it takes rounds to name the fastest."""
        return bool(self.undecided)


def training_picks(recording: Recording) -> list[TrainingPick]:
    """A pick for every training with a result or a failure, in the rows' order; none of what was imported."""
    if is_imported(recording):
        return []
    recording = recording.latest()
    by_training: dict[Training, list[TrainingRow]] = {}
    for row in training_rows(recording):
        by_training.setdefault(row.training, []).append(row)
    return [
        _pick(recording, training, group)
        for training, group in by_training.items()
        if any(_is_right(row) or row.failure for row in group)
    ]


def _pick(recording: Recording, training: Training, group: Sequence[TrainingRow]) -> TrainingPick:
    finished = [row for row in group if _is_right(row)]
    over = _Over(recording, finished)
    ordered = _by_rounds(finished, over)
    right = tuple(map(_choice, ordered))
    equal, undecided = not_slower(right, over)
    base = next((row for row in group if row.is_baseline), None)
    done = [row for row in group if row.tokens_per_s is not None or row.failure is not None]
    wrong = [row for row in done if row not in ordered and row.status not in _NOT_OVER]
    return TrainingPick(
        training=training,
        batch=ordered[0].batch if ordered else None,
        tokens_per_s=ordered[0].tokens_per_s if ordered else None,
        right=right,
        equal=equal,
        undecided=undecided,
        over=over,
        baseline=base.implementation if base else None,
        failed=tuple((row.implementation, row.status) for row in wrong),
        measured=tuple(row.implementation for row in done),
    )


def _by_rounds(rows: Sequence[TrainingRow], over: Over) -> list[TrainingRow]:
    """The fastest first by what ratios are of, rounds' medians: a mean holds a host that was late once."""
    first = max(rows, key=_throughput, default=None)
    if first is None:
        return []
    ratios = {row.case: over(row.implementation, first.implementation) for row in rows}
    return sorted(rows, key=lambda row: ratio.median if (ratio := ratios[row.case]) else inf)


_NOT_OVER = ("unsupported", "running", "partial")


def _is_right(row: TrainingRow) -> bool:
    return row.status == "ok" and row.tokens_per_s is not None


def _throughput(row: TrainingRow) -> float:
    return row.tokens_per_s or 0.0


def _choice(row: TrainingRow) -> Choice:
    return Choice(
        row.implementation,
        training_name(row),
        None,
        row.converged,
        is_checked=row.agreement is not None,
        kernel=kernel(row.implementation, row.backend),
    )


@dataclass(frozen=True)
class _Over:
    """Tokens/s of the faster over those of the slower, of the same rounds; else of all steps (`count` 0)."""

    recording: Recording
    rows: Sequence[TrainingRow]

    def __call__(self, slower: str, faster: str, confidence: float = CONFIDENCE) -> Estimate | None:
        by_name = {row.implementation: row for row in self.rows}
        one, other = by_name[slower], by_name[faster]
        records = self.recording.trainings
        return ratio_of_rounds(records[one.case], records[other.case], confidence) or of_no_rounds(
            _throughput(other), _throughput(one)
        )


def training_courses(picks: Sequence[TrainingPick]) -> list[Course]:
    """The picks of each model, trained in one way, along its context."""
    columns = training_columns(pick.training for pick in picks)
    contexts = sorted({pick.training.context for pick in picks})
    axis = Axis("context", tuple(map(str, contexts))) if len(contexts) > 1 else None
    groups: dict[Training, list[TrainingPick]] = {}
    for pick in picks:
        groups.setdefault(msgspec.structs.replace(pick.training, context=1), []).append(pick)
    return [
        Course(
            (),
            tuple(_subject(group[0].training, columns.varying)),
            axis,
            stretches(group, [str(pick.training.context) for pick in group], axis),
            is_training=True,
        )
        for group in groups.values()
    ]


def _subject(training: Training, varying: Sequence[str]) -> Iterator[str]:
    told = {
        name: value
        for name, value in training_columns([training]).constant.items()
        if name in varying and name != "context"
    }
    if told:
        yield ", ".join(told.values())
