"""CSV that a spreadsheet takes as it is: cells without formulas, under a header line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

from profiler.units import plain_text

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@")


def csv_text(columns: Sequence[str], records: Iterable[Mapping[str, object]]) -> str:
    """The records under these columns; what a record has not is left empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(cell, columns))
    for record in records:
        writer.writerow(cell(record.get(name)) for name in columns)
    return text.getvalue()


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
