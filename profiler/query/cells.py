"""Values of fields as text: short for a person, whole for a program."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from profiler.query.fields import Entry, Field, Value
from profiler.training.wording import tokens_per_s
from profiler.units import figure, mib, ms, percent, plain_text, ratio, tflops, yes_no

_BY_UNIT: dict[str, Callable[[float], str]] = {
    "ms": ms,
    "bytes": mib,
    "%": percent,
    "x": ratio,
    "TFLOP/s": tflops,
    "MHz": "{:.0f}".format,
    "W": "{:.0f}".format,
    "tokens/s": tokens_per_s,
    "J": "{:.4g}".format,
    "s": figure,
}
_SHOWN_UNIT = {"bytes": "MiB", "x": ""}  # a ratio shows what it is
_NOTHING = "-"
_DOUBTFUL = ("wrong", "NaN", "partial", "diverged")

TELLING = ("status", "verdict")
"""The columns that say of a whole row whether its figures are to be trusted."""


def title(field: Field[Entry]) -> tuple[str, str]:
    """What a column of the field is called, and its unit where the name does not say it."""
    unit = _SHOWN_UNIT.get(field.unit, field.unit)
    said = field.name.endswith((f"_{unit.casefold()}", "percent", "tflops", "tokens_per_s")) if unit else True
    return field.name, "" if said else unit


def cell(field: Field[Entry], entry: Entry, *, marked: bool = True) -> str:
    """A row's value for a person to read; of what could not be measured, the word for why.

    A figure that is not to be trusted is `marked` with that word, "0.1383 wrong".
    """
    value = field.value(entry)
    is_measured = bool(field.unit) and field.column != "memory_limit_bytes"
    word = entry.status(field.which) if is_measured else "ok"
    if value is None:
        return word if word != "ok" else _NOTHING
    return f"{text(field, value)} {word}" if marked and word in _DOUBTFUL else text(field, value)


def cells_of(field: Field[Entry], entries: Iterable[Entry], beside: Iterable[Field[Entry]]) -> list[str]:
    """The cells of a column; unmarked where a column `beside` it says of each row what became of it."""
    marked = field.which is not None or not any(each.column in TELLING for each in beside)
    return [cell(field, entry, marked=marked) for entry in entries]


def figure_of(field: Field[Entry], entries: Sequence[Entry]) -> str:
    """What stands where a pivot's row and column meet: the figure and how far it can be trusted, or why none.

    Where a field says which row it is, such as the implementation, several may stand there.
    """
    if not entries:
        return _NOTHING
    return ", ".join(dict.fromkeys(cell(field, entry) for entry in entries))


def text(field: Field[Entry], value: Value) -> str:
    """A value for a person to read."""
    match value:
        case None:
            return "none"
        case bool():
            return yes_no(value)
        case tuple():
            return plain_text("; ".join(value)) or _NOTHING
        case str():
            return plain_text(value)
        case int() | float() if field.unit in _BY_UNIT:
            return _BY_UNIT[field.unit](value)
        case float():
            return f"{value:.4g}"
        case int():
            return str(value)
