"""CSV that a spreadsheet takes as it is: cells without formulas, under a header line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence

from profiler.units import plain_text

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@")
_WRITTEN_AS_IT_IS = frozenset((float, int, type(None)))
"""What csv writes as `cell` does: nearly all that there is."""

_PART_CHARACTERS = 2**16


def csv_parts(columns: Sequence[str], records: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """The records under these columns, so many lines at a time; what a record has not is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(cell, columns))
    for record in records:
        values = map(record.get, columns)
        writer.writerow([value if type(value) in _WRITTEN_AS_IT_IS else cell(value) for value in values])
        if text.tell() >= _PART_CHARACTERS:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def cell(value: object) -> str:
    """A value as it stands in CSV: nothing for None, and no text that a spreadsheet would compute."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            text = plain_text(value)
            return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
        case list() | tuple():
            return cell("; ".join(map(str, value)))
        case _:
            return str(value)
