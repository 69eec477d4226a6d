"""Numbers with units as they are typed beside a field: 4k, 512MiB, 500us, 50%."""

from __future__ import annotations

from profiler.query.fields import Entry, Field, QueryError
from profiler.query.syntax import Number

Quantity = bool | float | str

_KIB = 1024
_TIMES = {"ns": 1e-6, "us": 1e-3, "ms": 1.0, "s": 1e3, "min": 6e4}
_SIZES = {
    "b": 1.0,
    **{
        name: float(_KIB**power)
        for power, letter in enumerate("kmgt", start=1)
        for name in (letter, f"{letter}ib")  # as --memory-limit has it, 12G is 12GiB
    },
    **{f"{letter}b": 1000.0**power for power, letter in enumerate("kmgt", start=1)},
}
_COUNTS = {"k": float(_KIB), "m": float(_KIB**2)}
_FACTORS: dict[str, dict[str, float]] = {
    "": _COUNTS,
    "ms": _TIMES,
    "s": {unit: factor / 1e3 for unit, factor in _TIMES.items()},
    "bytes": _SIZES,
    "tokens/s": {"k": 1e3, "m": 1e6},
    "J": {"j": 1.0, "mj": 1e-3},
}
_HINTS = {
    "": "a plain number, or one of 1024s such as 4k",
    "ms": "a time such as 1.5, 1.5ms or 500us",
    "s": "a time such as 1.5, 1.5s or 500ms",
    "bytes": "a size such as 512MiB or 12GiB",
}


def quantity(field: Field[Entry], number: Number) -> float:
    """What a number comes to in the field's own unit.

    Raises:
        QueryError: the unit is of something else, or bytes have none where the field's name does not say so.
    """
    unit = number.unit.casefold()
    if not unit:
        if field.unit == "bytes" and number.value and not field.name.endswith("bytes"):
            raise QueryError(
                f"{field.name} is in bytes, so a size needs its unit: "
                f"{number.text}MiB, {number.text}GiB or {number.text}B"
            )
        return number.value
    factor = _FACTORS.get(field.unit, {}).get(unit)
    if factor is None:
        if unit != field.unit.casefold():
            hint = _HINTS.get(field.unit, f"a number of {field.unit}")
            raise QueryError(f"{field.name} takes {hint}, not {number.text}")
        factor = 1.0
    return number.value * factor
