"""Reads a benchmark_result.json: JSON of objects, in which every number is one that a session can hold."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from profiler.importing.refusal import ImportRefused
from profiler.units import byte_count, plain_text

_MOST_BYTES = 256 * 2**20  # ten thousand cases with their kernels take half of that
_MOST = 2**63 - 1  # what JSON readers take for a whole number; no figure of a measurement comes near
_LONGEST_SHOWN = 40
OWN_KEY = "attnprof"
"""Under which attnprof writes what the labs have no keys for."""


@dataclass(frozen=True)
class FoundObject:
    """One object of a file, and how a sentence calls it: "'b.json'", or "result 3 of 'b.json'"."""

    file: str
    where: str
    values: dict[str, Any]

    @property
    def says_what(self) -> bool:
        """Whether attnprof wrote it, and with it what was measured."""
        own = self.values.get(OWN_KEY)
        return isinstance(own, dict) and isinstance(own.get("parameters"), dict)


def read_objects(path: Path) -> list[FoundObject]:
    """The objects of a file: one, or those of its list. Every number in them is finite.

    Raises:
        ImportRefused: it cannot be read, is not JSON, or is something else; the key is named.
    """
    name = plain_text(path.name)
    content = _decoded(_text(path, name), name)
    if isinstance(content, dict):
        content = [content]
        places = [f"'{name}'"]
    elif isinstance(content, list) and content:
        places = [f"result {number} of '{name}'" for number in range(1, len(content) + 1)]
    else:
        raise ImportRefused(
            f"'{name}' holds {shown(content)}: a benchmark_result.json is an object, or a list of them"
        )
    found = []
    for where, values in zip(places, content, strict=True):
        if not isinstance(values, dict):
            raise ImportRefused(f"{where} is {shown(values)}, and should be an object")
        _check_numbers(values, where)
        found.append(FoundObject(name, where, values))
    return found


def shown(value: object) -> str:
    """A value as a refusal quotes it, short and harmless."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            text = plain_text(value[: 2 * _LONGEST_SHOWN])
            return f'the text "{text[:_LONGEST_SHOWN]}{"..." if len(text) > _LONGEST_SHOWN else ""}"'
        case dict():
            return "an object"
        case list():
            return "a list" if value else "an empty list"
        case float():
            return "NaN" if math.isnan(value) else f"{value:g}"
        case _:
            return f"{value}"


def _text(path: Path, name: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ImportRefused(
            f"'{plain_text(str(path))}' cannot be read ({error.strerror or error})"
        ) from error
    if len(data) > _MOST_BYTES:
        raise ImportRefused(
            f"'{name}' has over {byte_count(_MOST_BYTES)}: no benchmark_result.json is as large"
        )
    if not data.strip():
        raise ImportRefused(f"'{name}' is empty")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ImportRefused(f"'{name}' is not JSON: it is no UTF-8 text") from None


def _decoded(text: str, name: str) -> object:
    try:
        return json.loads(text, parse_int=_whole)
    except json.JSONDecodeError as error:
        if text.startswith('{"type":"session"'):
            raise ImportRefused(f"'{name}' is a session already: `attnprof show` takes it as it is") from None
        raise ImportRefused(
            f"'{name}' is not JSON (line {error.lineno}, column {error.colno}: {error.msg})"
        ) from None
    except RecursionError:
        raise ImportRefused(f"'{name}' is nested too deep to be a benchmark_result.json") from None


def _whole(digits: str) -> int | float:
    """A whole number; one of hundreds of digits as a float, which Python converts at any length."""
    return int(digits) if len(digits) <= 20 else float(digits)


def _check_numbers(value: object, where: str, key: str = "") -> None:
    """Refuse a number that is none or beyond all measure, at any depth.

    Raises:
        ImportRefused: there is one; its key is named.
    """
    match value:
        case dict():
            for name, inner in value.items():
                _check_numbers(inner, where, f"{key}.{name}" if key else name)
        case list():
            for index, inner in enumerate(value):
                _check_numbers(inner, where, f"{key}[{index}]")
        case bool():
            pass
        case int() | float() if not math.isfinite(value) or abs(value) > _MOST:
            raise ImportRefused(f"{where}: {plain_text(key)} is {shown(value)}, which nothing measures")
