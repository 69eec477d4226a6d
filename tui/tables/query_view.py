"""The answer of `attnprof show` to a query: selected rows as the usual tables, as columns, or folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Generic

from profiler.export.markdown.text import Column as MarkdownColumn
from profiler.export.markdown.text import escape, table
from profiler.export.spreadsheet import csv_parts
from profiler.query.cells import cells_of, figure_of, text, title
from profiler.query.entries import (
    PassEntry,
    TrainingEntry,
    each_pass_entry,
    pass_entries,
    training_entries,
)
from profiler.query.fields import Entry, Field, QueryError, Vocabulary
from profiler.query.formats import Record, json_parts, pivot_records, records
from profiler.query.pass_fields import PASS_AXES, PASS_FIELDS
from profiler.query.pivot import Pivot, pivots
from profiler.query.selection import Bound, Query, bind
from profiler.query.training_fields import TRAINING_AXES, TRAINING_FIELDS
from profiler.session.recording import Recording
from profiler.training.columns import training_columns
from profiler.units import shape_columns
from profiler.workload import Pass
from tui.tables.query import apart_words, check_number, pivot_tables, rows_table

if TYPE_CHECKING:
    from rich.console import RenderableType

_OF_PASSES = ("impl", "pass", "device_ms", "tflops", "memory", "speedup", "status")
_OF_TRAININGS = ("impl", "batch", "tokens_per_s", "step_ms", "memory", "mfu", "speedup", "status")
_MOST_VALUES = 8  # of a field, when nothing matches


@dataclass(frozen=True)
class Answer(Generic[Entry]):
    """What a query finds among rows of one kind."""

    bound: Bound[Entry]
    entries: Sequence[Entry]
    axes: Sequence[str]
    describe: Callable[[Sequence[Entry]], str]
    varying: Callable[[Sequence[Entry]], list[str]]
    """The fields in which the shapes, or trainings, of some rows differ."""
    figures: Sequence[str]
    """The fields that are looked at most."""
    usual: Callable[[Sequence[Entry], int | None], Iterator[RenderableType]] | None
    """The tables that such rows are shown in where no columns are asked for; None where they do not fit."""

    def first(self, number: int) -> Answer[Entry]:
        """The same with at most so many rows; a pivot is a summary already."""
        return self if self.bound.pivot is not None else replace(self, entries=self.entries[:number])

    @property
    def vocabulary(self) -> Vocabulary[Entry]:
        return self.bound.vocabulary

    def columns(self) -> Sequence[Field[Entry]]:
        """The columns asked for; else what tells the rows apart, and what is looked at most.

        With figures of several passes the pass, too: else nothing would tell them apart.
        """
        names = [] if self.bound.columns else [*self.varying(self.entries), *self.figures]
        found = [*self.bound.columns, *map(self.vocabulary.get, names)]
        which = self.vocabulary.find("pass")
        if which is None or which.column in {field.column for field in found}:
            return found
        varies = len({which.value(each) for each in self.entries}) > 1
        return [which, *found] if varies and any(not field.of_case for field in found) else found

    def caption(self, table: Pivot[Entry]) -> str:
        """What the rows of a pivot have in common, and what else differs: it goes with its row or column."""
        pivot, entries = self.bound.pivot, list(table.entries)
        assert pivot is not None
        placed = {field.column for field in (*pivot.rows, pivot.across, pivot.value)}
        along = [name for name in self.varying(entries) if self.vocabulary.get(name).column not in placed]
        common = ", ".join(filter(None, (self.describe(entries), *apart_words(table))))
        return "; ".join(filter(None, (common, f"{' and '.join(along)} along with it" if along else "")))

    def tables(self) -> list[Pivot[Entry]]:
        """The pivot that was asked for."""
        assert self.bound.pivot is not None
        by_size = not self.bound.sort
        return pivots(self.bound.pivot, self.entries, self.vocabulary, self.axes, sort=by_size)


def answers(recording: Recording, query: Query, passes: Sequence[Pass] | None) -> list[Answer[Any]]:
    """What the query finds, of each kind of rows that it can be asked of; nothing found is an answer too.

    Raises:
        QueryError: it can be asked of none.
    """
    present: list[Vocabulary[Any]] = []
    if recording.cases or not recording.trainings:
        present.append(PASS_FIELDS)
    if recording.trainings and passes is None:
        present.append(TRAINING_FIELDS)
    if not present:
        raise QueryError("--pass is of attention, and this session has training alone: a step has all passes")
    absent = [each for each in (PASS_FIELDS, TRAINING_FIELDS) if each not in present]
    bound = bind(query, present, absent)
    found: list[Answer[Any]] = []
    if PASS_FIELDS.subject in bound:
        found.append(_of_passes(recording, bound[PASS_FIELDS.subject], passes))
    if TRAINING_FIELDS.subject in bound:
        found.append(_of_trainings(recording, bound[TRAINING_FIELDS.subject]))
    return found


def _of_passes(
    recording: Recording, bound: Bound[PassEntry], passes: Sequence[Pass] | None
) -> Answer[PassEntry]:
    of_all = each_pass_entry(recording)
    entries = bound.select(each for each in of_all if passes is None or each.row.which in passes)
    asked_of_cases = bool(bound.columns) and bound.is_of_cases
    if asked_of_cases:
        entries = list({each.case: each for each in reversed(entries)}.values())[::-1]
    usual = None
    if bound.is_of_cases and _have_same_passes(entries):
        usual = lambda some, width: _usual_passes(recording, some, width)  # noqa: E731
    return Answer(bound, entries, PASS_AXES, _describe_passes, _varying_passes, _OF_PASSES, usual)


def _of_trainings(recording: Recording, bound: Bound[TrainingEntry]) -> Answer[TrainingEntry]:
    measured = training_entries(recording)
    entries = bound.select(measured)

    def usual(some: Sequence[TrainingEntry], width: int | None) -> Iterator[RenderableType]:
        from tui.tables.training import training_view

        sorted_rows, cases = [each.row for each in some], {each.case for each in some}
        rows = [each.row for each in measured if each.case in cases]
        return training_view(recording, width=width, some_rows=rows, in_order=sorted_rows)

    return Answer(
        bound, entries, TRAINING_AXES, _describe_trainings, _varying_trainings, _OF_TRAININGS, usual
    )


def _usual_passes(
    recording: Recording, some: Sequence[PassEntry], width: int | None
) -> Iterator[RenderableType]:
    from tui.tables.results import results_table

    yield results_table(recording, width=width, some_rows=[each.row for each in some])


def _have_same_passes(entries: Sequence[PassEntry]) -> bool:
    """Whether each case has a row of the same passes, as a table with a line a case needs it."""
    by_case: dict[int, set[Pass]] = {}
    for each in entries:
        by_case.setdefault(each.case, set()).add(each.row.which)
    return len({frozenset(passes) for passes in by_case.values()}) < 2


def _describe_passes(entries: Sequence[PassEntry]) -> str:
    return shape_columns(each.row.workload for each in entries).caption()


def _describe_trainings(entries: Sequence[TrainingEntry]) -> str:
    return training_columns(each.row.training for each in entries).caption()


def _varying_passes(entries: Sequence[PassEntry]) -> list[str]:
    varying = shape_columns(each.row.workload for each in entries).varying
    return [name.replace(" ", "_") for name in varying]


def _varying_trainings(entries: Sequence[TrainingEntry]) -> list[str]:
    varying = training_columns(each.row.training for each in entries).varying
    return [name.replace(" ", "_") for name in varying]


def found_nothing(found: Sequence[Answer[Any]], recording: Recording) -> str:
    """What to say where no row matches: what there is of the fields that were asked about."""
    said: dict[str, None] = {}
    for answer in found:
        entries: Sequence[Any] = (
            pass_entries(recording)
            if answer.vocabulary.subject == PASS_FIELDS.subject
            else training_entries(recording)
        )
        for field in answer.bound.condition.fields if answer.bound.condition else ():
            said[f"{field.name} is {_occurring(field, entries)}"] = None
    return "; ".join(
        ["no row matches", *(f"here {clause}" if not index else clause for index, clause in enumerate(said))]
    )


def _occurring(field: Field[Entry], entries: Sequence[Entry]) -> str:
    values = [value for each in entries if (value := field.value(each)) is not None]
    if not values:
        return "never known"
    unique = list(dict.fromkeys(values))
    if len(unique) > _MOST_VALUES and field.kind == "number":
        return f"{text(field, min(values))} to {text(field, max(values))}"
    shown = [text(field, value) for value in unique[:_MOST_VALUES]]
    more = f" and {len(unique) - _MOST_VALUES} more" if len(unique) > _MOST_VALUES else ""
    return f"{', '.join(shown)}{more}"


def for_programs(found: Sequence[Answer[Any]], format_: str) -> Iterator[str]:
    """The answers as CSV or JSON, one kind of rows after the other, part by part."""
    columns: dict[str, None] = {}
    some: list[Iterable[Record]] = []
    for answer in found:
        if answer.bound.pivot is not None:
            names, folded = pivot_records(answer.bound.pivot, answer.tables())
            columns |= dict.fromkeys(names)
            some.append(folded)
        else:
            fields = answer.bound.columns or answer.vocabulary.fields
            columns |= dict.fromkeys(field.name for field in fields)
            some.append(records(fields, answer.entries))
    every = chain.from_iterable(some)
    yield from csv_parts(list(columns), every) if format_ == "csv" else json_parts(every)


def as_markdown(answer: Answer[Entry]) -> Iterator[str]:
    """An answer as tables of Markdown, each under what its rows have in common."""
    pivot = answer.bound.pivot
    if pivot is None:
        fields = answer.columns()
        columns = [_markdown_column(field, answer.entries, fields) for field in fields]
        yield f"{escape(answer.describe(answer.entries))}\n\n{table(columns)}\n"
        return
    tables = answer.tables()
    check_number(pivot, tables)
    name, unit = title(pivot.value)
    for each in tables:
        heading = escape(answer.caption(each))
        rows = [
            MarkdownColumn(field.name, [escape(text(field, row[index])) for row in each.rows])
            for index, field in enumerate(pivot.rows)
        ]
        cells = [
            MarkdownColumn(
                escape(text(pivot.across, value)),
                [escape(figure_of(pivot.value, each.cells.get((row, value), ()))) for row in each.rows],
            )
            for value in each.across
        ]
        yield f"{heading}: {name}{f' ({unit})' if unit else ''}\n\n{table([*rows, *cells])}\n"


def _markdown_column(
    field: Field[Entry], entries: Sequence[Entry], beside: Sequence[Field[Entry]]
) -> MarkdownColumn:
    name, unit = title(field)
    cells = list(map(escape, cells_of(field, entries, beside)))
    return MarkdownColumn(f"{name} ({unit})" if unit else name, cells, right=field.kind == "number")


def tables_of(answer: Answer[Entry], *, width: int | None) -> Iterator[RenderableType]:
    """An answer as tables for the terminal."""
    if answer.bound.pivot is not None:
        yield from pivot_tables(answer.bound.pivot, answer.tables(), answer.caption, width=width)
    elif answer.usual is not None and not answer.bound.columns:
        yield from answer.usual(answer.entries, width)
    else:
        caption = answer.describe(answer.entries)
        yield rows_table(answer.columns(), answer.entries, caption, width=width)
