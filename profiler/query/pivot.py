"""Rows folded into tables of two axes: a figure by shape and implementation, say.

What else differs between the rows makes further tables; nothing is averaged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from profiler.query.fields import Entry, Field, QueryError, Value, Vocabulary

_EXAMPLE = "seq:impl:forward_ms, or seq,heads:impl:backward_ms"

Key = tuple[Value, ...]


def pivot_names(text: str) -> tuple[tuple[str, ...], str, str]:
    """The names of fields in ROWS:COLUMNS:VALUE, of which the rows may be several.

    Raises:
        QueryError: it has another form.
    """
    parts = [part.strip() for part in text.split(":")]
    rows = tuple(name.strip() for name in parts[0].split(","))
    if len(parts) != 3 or not all((*rows, *parts)):
        raise QueryError(f"a pivot is ROWS:COLUMNS:VALUE, such as {_EXAMPLE}")
    if "," in parts[1] or "," in parts[2]:
        raise QueryError(
            f"a pivot has one field across and one within; put others among the rows: {_EXAMPLE}"
        )
    return rows, parts[1], parts[2]


@dataclass(frozen=True)
class PivotFields(Generic[Entry]):
    """What goes down, what goes across, and what stands where the two meet."""

    rows: tuple[Field[Entry], ...]
    across: Field[Entry]
    value: Field[Entry]

    @classmethod
    def of(cls, names: tuple[tuple[str, ...], str, str], vocabulary: Vocabulary[Entry]) -> PivotFields[Entry]:
        """The fields of these names.

        Raises:
            QueryError: one is none, or stands in two places.
        """
        rows, across, value = names
        made = cls(
            tuple(vocabulary.get(name) for name in rows), vocabulary.get(across), vocabulary.get(value)
        )
        columns = [field.column for field in (*made.rows, made.across, made.value)]
        if len(set(columns)) < len(columns):
            raise QueryError(f"a pivot has each field in one place; for example: {_EXAMPLE}")
        return made


@dataclass(frozen=True)
class Pivot(Generic[Entry]):
    """One table: `fixed` is what sets it apart from others of the same query, `cells` by row and column."""

    fixed: tuple[tuple[Field[Entry], Value], ...]
    rows: tuple[Key, ...]
    across: tuple[Value, ...]
    cells: Mapping[tuple[Key, Value], Sequence[Entry]]

    @property
    def entries(self) -> Iterator[Entry]:
        """Every row that stands in it."""
        for found in self.cells.values():
            yield from found


def pivots(
    fields: PivotFields[Entry],
    entries: Sequence[Entry],
    vocabulary: Vocabulary[Entry],
    axes: Sequence[str],
    *,
    sort: bool = True,
) -> list[Pivot[Entry]]:
    """The tables that the rows make. `axes` are the fields that together say which row it is.

    Rows and columns go up where they are numbers and `sort` is wanted, else in the order they come in.
    """
    if not any(not field.of_case for field in (*fields.rows, fields.across, fields.value)):
        entries = list({each.case: each for each in reversed(entries)}.values())[::-1]
        axes = [axis for axis in axes if vocabulary.get(axis).of_case]
    taken = {field.column for field in (*fields.rows, fields.across, fields.value)}
    left = [vocabulary.get(axis) for axis in axes if axis not in taken]
    open_ = _open(fields, entries, left)
    groups: dict[Key, list[Entry]] = {}
    for each in entries:
        groups.setdefault(tuple(field.value(each) for field in open_), []).append(each)
    return [
        _table(fields, of_group, tuple(zip(open_, key, strict=True)), sort=sort)
        for key, of_group in groups.items()
    ]


def open_fields(tables: Sequence[Pivot[Entry]]) -> list[tuple[str, int]]:
    """What sets the tables apart: names of fields, and how many values of each there are."""
    names = [field.name for field, _ in tables[0].fixed] if tables else []
    return [(name, len({table.fixed[index][1] for table in tables})) for index, name in enumerate(names)]


def _open(
    fields: PivotFields[Entry], entries: Sequence[Entry], left: Sequence[Field[Entry]]
) -> list[Field[Entry]]:
    """Of the fields that have no place, those that a row or a column, and each other, leave a choice."""
    down = [tuple(field.value(each) for field in fields.rows) for each in entries]
    across = [fields.across.value(each) for each in entries]
    found: list[Field[Entry]] = []
    so_far: list[Key] = [() for _ in entries]
    for field in left:
        values = [field.value(each) for each in entries]
        if len(set(values)) < 2 or any(_settles(known, values) for known in (down, across, so_far)):
            continue
        found.append(field)
        so_far = [(*known, value) for known, value in zip(so_far, values, strict=True)]
    return found


def _settles(known: Sequence[Any], other: Sequence[Value]) -> bool:
    return len(set(known)) == len(set(zip(known, other, strict=True)))


def _table(
    fields: PivotFields[Entry],
    entries: Sequence[Entry],
    fixed: tuple[tuple[Field[Entry], Value], ...],
    *,
    sort: bool,
) -> Pivot[Entry]:
    cells: dict[tuple[Key, Value], list[Entry]] = {}
    for each in entries:
        key = tuple(field.value(each) for field in fields.rows), fields.across.value(each)
        cells.setdefault(key, []).append(each)
    rows, across = dict.fromkeys(row for row, _ in cells), dict.fromkeys(value for _, value in cells)
    if not sort:
        return Pivot(fixed, tuple(rows), tuple(across), cells)
    down = [_ranks(field, [row[index] for row in rows]) for index, field in enumerate(fields.rows)]
    order = _ranks(fields.across, list(across))
    return Pivot(
        fixed,
        tuple(sorted(rows, key=lambda row: [rank[value] for rank, value in zip(down, row, strict=True)])),
        tuple(sorted(across, key=order.__getitem__)),
        cells,
    )


def _ranks(field: Field[Entry], values: Sequence[Value]) -> dict[Value, int]:
    """Where each value stands: by size what has one, nothing behind it, texts as they came."""
    unique = list(dict.fromkeys(values))
    if field.kind in ("number", "time"):
        unique.sort(key=_with_nothing_last)
    return {value: rank for rank, value in enumerate(unique)}


def _with_nothing_last(value: Any) -> tuple[bool, Any]:
    return value is None, 0 if value is None else value
