"""The study's table as a grid: models and contexts down, implementations across."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from profiler.results.wording import TIE, ratio_and_margin
from profiler.training.columns import TrainingColumns, training_columns
from profiler.training.model import VOCAB, Training
from profiler.training.plan import TrainingPlan
from profiler.training.rows import TrainingRow
from profiler.training.study import StudyTable
from profiler.training.wording import TRAINING_STATUS_WORDS, difference_words, tokens_per_s
from tui.app.glyphs import Glyphs
from tui.app.pictures.cells import Cell, Grid, Tail
from tui.tables.columns import BAD, MUTED, WARNING

_CONTEXT = "context"
_TELLING = ("model", _CONTEXT, "mode", "dtype", "optimizer")
_BATCH, _TOKENS, _SPEEDUP, _SURE = 5, 8, 5, 6
_CAPTION = f"{'batch':>{_BATCH}} {'tokens/s':>{_TOKENS}}"

_SHORT = {"unsupported": "unsupp.", "timeout": "timeout"}
_STYLES = {"unsupported": MUTED, "pending": MUTED, "running": WARNING, "partial": WARNING, "ok": ""}

_UNDONE = ("pending", "running", "partial")

Key = tuple[Training, str]
"""A case: its row and its implementation."""


@dataclass(frozen=True)
class Study:
    """What there is to show of a session's trainings: their rows by case, in the tables' order."""

    trainings: tuple[Training, ...] = ()
    implementations: tuple[str, ...] = ()
    baseline: str | None = None
    rows: Mapping[Key, TrainingRow] | None = None
    differences: Mapping[Training, tuple[str, str]] | None = None
    """In tokens/s and percent, between the two that are compared, as they are shown."""
    compared: tuple[str, str] | None = None
    running: int | None = None
    """The number of the case under way."""
    asked: Collection[Key] | None = None
    """The cases of the latest plan, which are still to be trained where they are not done; None for all."""

    def row(self, training: Training, implementation: str) -> TrainingRow | None:
        """What is known of a case."""
        return (self.rows or {}).get((training, implementation))

    def of_case(self, case: int) -> TrainingRow | None:
        """The row of that number."""
        return next((row for row in (self.rows or {}).values() if row.case == case), None)

    def is_done(self, training: Training, implementation: str) -> bool:
        """Whether a case has a result, or a reason for none, or is not asked for, any more or at all."""
        row = self.row(training, implementation)
        if row is None or (self.asked is not None and (training, implementation) not in self.asked):
            return True
        return row.status not in _UNDONE

    @property
    def done(self) -> int:
        """How many cases have a result, or a reason for none, or are not asked for any more."""
        return sum(self.is_done(*case) for case in self.rows or {})

    @property
    def count(self) -> int:
        """How many cases there are."""
        return len(self.rows or {})


def study_of(
    tables: Sequence[StudyTable],
    rows: Sequence[TrainingRow],
    running: int | None = None,
    *,
    latest: TrainingPlan | None = None,
) -> Study:
    """The tables one below the other, with every case's row; one that was skipped ended with that.

    What the `latest` plan does not ask for is not missing.
    """
    at = next((row.training for row in rows if row.case == running), None)
    by_case = {
        (row.training, row.implementation): replace(row, status="partial", ended=True)
        if row.status == "running" and at not in (None, row.training)
        else row
        for row in rows
    }
    trainings: list[Training] = []
    differences = {}
    for table in tables:
        for each in table.rows:
            training = Training(
                model=table.model,
                context=each.context,
                dtype=table.dtype,
                optimizer=table.optimizer,
                mode=table.mode,
            )
            trainings.append(training)
            if any(told := difference_words(each)):
                differences[training] = told
    compared = {table.compared for table in tables}
    return Study(
        trainings=tuple(trainings),
        implementations=tuple(dict.fromkeys(name for table in tables for name in table.implementations)),
        baseline=tables[0].baseline if tables else None,
        rows=by_case,
        differences=differences,
        compared=compared.pop() if len(compared) == 1 else None,
        running=running,
        asked=None if latest is None else frozenset(product(latest.trainings, latest.implementations)),
    )


def study_grid(study: Study, glyphs: Glyphs) -> Grid:
    """Batch, tokens/s and the speedup in each cell; a word where there is no figure, dots where it moves.

    A speedup that may as well be none is a tie; how sure the others are is said where there is room for it.
    """
    return replace(_grid(study, glyphs, sure=False), wider=_grid(study, glyphs, sure=True))


def _grid(study: Study, glyphs: Glyphs, *, sure: bool) -> Grid:
    """The grid, with or without how sure speedups are."""
    columns = training_columns(study.trainings)
    if _CONTEXT not in columns.varying:
        columns = replace(columns, varying=(*columns.varying, _CONTEXT))
    others = [name for name in study.implementations if name != study.baseline]
    running = study.of_case(study.running) if study.running is not None else None
    return Grid(
        parameters=columns.varying,
        shapes=tuple(tuple(map(_short, columns.cells(row))) for row in study.trainings),
        implementations=study.implementations,
        cells=tuple(
            tuple(_cell(study, training, name, glyphs, sure=sure) for name in study.implementations)
            for training in study.trainings
        ),
        baseline=study.baseline if others else None,
        running=study.trainings.index(running.training) if running else None,
        captions=tuple(
            _CAPTION if name == study.baseline else f"{_CAPTION} {'':>{_room(sure)}}"
            for name in study.implementations
        ),
        tail=_tail(study),
    )


def caption(trainings: Sequence[Training]) -> str:
    """What all rows have in common, but for their context, which has a column, and for what is as ever."""
    columns = training_columns(trainings)
    left_out = {_CONTEXT, *(["vocab"] if columns.constant.get("vocab") == str(VOCAB) else [])}
    return _in_order(columns, left_out).caption()


def describe(training: Training) -> str:
    """A row in full, what tells rows apart first: "gpt2-medium, context 1024, eager, float16, ..."."""
    return _in_order(training_columns([training])).caption()


def _in_order(columns: TrainingColumns, left_out: Collection[str] = ()) -> TrainingColumns:
    """With what rows have in common in the order of how much it tells."""
    names = [name for name in dict.fromkeys((*_TELLING, *columns.constant)) if name in columns.constant]
    constant = {name: columns.constant[name] for name in names if name not in left_out}
    return replace(columns, constant=constant)


def title(training: Training, among: Sequence[Training]) -> str:
    """What tells a row from others, its context in any case: "gpt2-medium, context 1024"."""
    columns = training_columns(among)
    if _CONTEXT not in columns.varying:
        columns = replace(columns, varying=(*columns.varying, _CONTEXT))
    return columns.describe(training)


def _short(value: str) -> str:
    """A value of a column; every model is a GPT-2."""
    return value.removeprefix("gpt2-")


def _cell(study: Study, training: Training, name: str, glyphs: Glyphs, *, sure: bool) -> Cell:
    row = study.row(training, name)
    behind = 0 if name == study.baseline else 1 + _room(sure)
    if row is None:
        return _words(glyphs.missing, MUTED, None, behind)
    case = None if row.status == "pending" else row.case
    style = _STYLES.get(row.status, BAD)
    if row.status in ("ok", "running", "partial") and row.tokens_per_s is not None:
        more = "" if row.status == "ok" else glyphs.ellipsis
        figures = f"{row.batch or '':>{_BATCH}} {f'{tokens_per_s(row.tokens_per_s)}{more}':>{_TOKENS}}"
        return Cell(figures + (f" {_speedup(row, glyphs, sure=sure)}" if behind else ""), style, case)
    if row.status == "pending":
        return _words(glyphs.missing, style, case, behind)
    if row.status == "running":
        return _words(glyphs.ellipsis, style, case, behind, batch=row.batch)
    if row.status == "partial":
        return _words("-", style, case, behind, batch=row.batch)
    return _words(_SHORT.get(row.status, TRAINING_STATUS_WORDS[row.status]), style, case, behind)


def _speedup(row: TrainingRow, glyphs: Glyphs, *, sure: bool) -> str:
    """ "1.14x", or "tie"; with how sure it is "1.14x ±0.01", or "1.00x tie"."""
    value, certainty = ratio_and_margin(row.speedup)
    if not sure:
        return f"{TIE if certainty == TIE else value:>{_SPEEDUP}}"
    return f"{value:>{_SPEEDUP}} {certainty.replace('±', glyphs.interval):<{_SURE}}"


def _room(sure: bool) -> int:
    """What a speedup takes."""
    return _SPEEDUP + (1 + _SURE if sure else 0)


def _words(word: str, style: str, case: int | None, behind: int, batch: int | None = None) -> Cell:
    """A word where the tokens/s would stand, and room for what stands behind these."""
    return Cell(f"{batch or '':>{_BATCH}} {word:>{_TOKENS}}{'':{behind or ''}}", style, case)


def _tail(study: Study) -> Tail | None:
    """The difference of the two that the study compares, where some row has it."""
    if not study.differences:
        return None
    titles = ("difference", "tokens/s      %")
    if study.compared is not None:
        titles = (f"{study.compared[0]} - {study.compared[1]}", titles[1])
    texts = []
    for training in study.trainings:
        found = study.differences.get(training)
        texts.append(f"{found[0]} {found[1]:>6}" if found else "")
    return Tail(titles, tuple(texts))
