"""Selected rows, and pivots of them, for programs: records of values, and these as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from profiler.query.cells import text
from profiler.query.fields import Entry, Field, Value
from profiler.query.pivot import Pivot, PivotFields

Record = Mapping[str, Value]


def records(fields: Sequence[Field[Entry]], entries: Iterable[Entry]) -> Iterator[Record]:
    """The rows as values by the names of fields, as these were asked for."""
    return ({field.name: field.value(entry) for field in fields} for entry in entries)


def pivot_records(
    fields: PivotFields[Entry], tables: Sequence[Pivot[Entry]]
) -> tuple[list[str], list[Record]]:
    """The names of the columns, and a record for each row of each table.

    It has what sets the table apart, what goes down, and a value for each that goes across.
    """
    apart = [field.name for field, _ in tables[0].fixed] if tables else []
    own = [*apart, *(field.name for field in fields.rows)]
    values = list(dict.fromkeys(value for table in tables for value in table.across))
    names = _names(fields.across, values, own)
    found: list[Record] = []
    for table in tables:
        fixed = [value for _, value in table.fixed]
        for row in table.rows:
            cells = [_value(fields.value, table.cells.get((row, value), ())) for value in values]
            found.append(dict(zip((*own, *names), (*fixed, *row, *cells), strict=True)))
    return [*own, *names], found


def _names(field: Field[Entry], values: Sequence[Value], taken: Sequence[str]) -> list[str]:
    """What the columns of these values are called, each like no other: by the text, else as `impl=seq`."""
    texts = [text(field, value) for value in values]
    times = Counter((*taken, *texts))
    names: list[str] = []
    for value, short in zip(values, texts, strict=True):
        # Numbers with one text differ where that is rounded.
        is_number = field.kind == "number" and value is not None
        whole = f"{field.name}={value if is_number else short}"
        name = short if times[short] == 1 else whole
        number = 1
        while name in names or (name != short and name in times):
            number += 1
            name = f"{whole} ({number})"
        names.append(name)
    return names


def _value(field: Field[Entry], entries: Sequence[Entry]) -> Value:
    """The one value there; of several, as of implementations that tie, all as a list."""
    values = list(dict.fromkeys(value for entry in entries if (value := field.value(entry)) is not None))
    return values[0] if len(values) == 1 else tuple(map(str, values)) or None


def json_parts(some: Iterable[Record]) -> Iterator[str]:
    """The records as an array of objects, a line each; null where nothing was measured."""
    between = "["
    for record in some:
        yield f"{between}\n{msgspec.json.encode(dict(record)).decode()}"
        between = ","
    yield "[\n]\n" if between == "[" else "\n]\n"
