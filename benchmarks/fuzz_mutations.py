"""Broken, hostile and contradictory session files, made of whole ones. Seeded: a seed makes one file."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

Lines = list[bytes]

_MOST_SHAPES = 2  # of a plan, so that files stay small
_MOST_OF_KIND = 3
_HOSTILE_TOKENS = (
    b"1e400",
    b"-1e400",
    b"1e308",
    b"-1",
    b"0",
    b"-0.0",
    b"5e-324",
    b"1" * 25,
    b"9" * 5000,
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b'""',
    b"[" * 600 + b"]" * 600,
    b"[" * 100_000,
    b'{"a":' * 500 + b"1" + b"}" * 500,
    b'"\\ud800"',
    b'"\\u0000"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
)
_HOSTILE_TEXTS = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-2+3",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "[bold]markup[/bold]",
    "[/nothing]",
    "[link=file:///etc/passwd]x[/link]",
    "<script>alert(1)</script>",
    "](javascript:alert(1))",
    "a|b\nc|d",
    "line\u2028break",
    "\u202ereversed",
    "e\u0301" * 30,
    "中" * 50,
    "\x00",
    "x" * 3000,
    "../../etc/passwd",
    "{0.__class__}",
    "%s%n",
    "`rm -rf`",
    "",
    " ",
)
_NOISE = (b"", b"   ", b"null", b"[1,2]", b"{}", b'{"type":"weather"}', b'{"type":1}', b"\x89PNG")
_NAMES = ("pytorch", "flash2", "sdpa-cudnn", "torch", "cuda:0", "gpt2", "NVIDIA H100 80GB HBM3")
_NUMBERS = (0, -1, 1, 2, 3, 1e-320, 1e-9, 1e12, 1e300, 1.7e308, -5.5, 2**31, 2**53, 2**63, 2**64, 10**30)


def bases(folder: Path) -> list[Lines]:
    """What files are made of: the beginnings of real sessions, of a few shapes or rows each."""
    found = [_shortened(path.read_bytes().splitlines()) for path in sorted(folder.glob("*.jsonl"))]
    if not found:
        raise SystemExit(f"there are no sessions in {folder} to make broken ones of")
    return found


def _shortened(lines: Lines) -> Lines:
    """The header, a plan of its first shapes, and a few events of each kind about their cases."""
    kept: Lines = []
    seen: dict[str, int] = {}
    most_cases = 2
    for line in lines:
        event = json.loads(line)
        kind = event["type"]
        seen[kind] = seen.get(kind, 0) + 1
        if kind == "catalog":
            event["implementations"] = event["implementations"][:2]
        elif kind in ("plan", "training_plan"):
            rows = "workloads" if kind == "plan" else "trainings"
            event["plan"][rows] = event["plan"][rows][:_MOST_SHAPES]
        elif kind == "kernels":
            event["kernels"] = event["kernels"][:3]
        elif kind in ("samples", "steps"):
            for name, value in event.items():
                if isinstance(value, list):
                    event[name] = value[:7]
        if event.get("case", 0) < most_cases and seen[kind] <= _MOST_OF_KIND:
            kept.append(json.dumps(event, separators=(",", ":")).encode())
    return kept


def broken(some: Sequence[Lines], seed: int) -> bytes:
    """One file: a base, or two, after one to four things have happened to it."""
    chance = random.Random(seed)
    lines = list(chance.choice(some))
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 4))):
        change: Callable[[random.Random, Lines, Sequence[Lines]], Lines] = chance.choice(_CHANGES)
        lines = change(chance, lines, some) or [b""]
    data = b"\n".join(lines) + b"\n"
    return _bytewise(chance, data) if chance.random() < 0.25 else data


def _bytewise(chance: random.Random, data: bytes) -> bytes:
    at = chance.randrange(len(data))
    match chance.randrange(6):
        case 0:
            return data[:at]
        case 1:
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        case 2:
            return data[:at] + b"\0" * chance.randrange(1, 50) + data[at:]
        case 3:
            return data[:at] + data[at + chance.randrange(1, 200) :]
        case 4:
            return data.replace(b"\n", b"\r\n")
        case _:
            return data[:at] + chance.randbytes(chance.randrange(1, 20)) + data[at:]


def _shuffle(chance: random.Random, lines: Lines, _: Sequence[Lines]) -> Lines:
    body = lines[1:]
    chance.shuffle(body)
    return lines[:1] + body


def _repeat(chance: random.Random, lines: Lines, _: Sequence[Lines]) -> Lines:
    at = chance.randrange(len(lines))
    return lines[:at] + [lines[at]] * chance.randrange(2, 4) + lines[at + 1 :]


def _repeat_later(chance: random.Random, lines: Lines, _: Sequence[Lines]) -> Lines:
    return [*lines, chance.choice(lines)]


def _delete(chance: random.Random, lines: Lines, _: Sequence[Lines]) -> Lines:
    gone = {chance.randrange(len(lines)) for _ in range(chance.randrange(1, 4))}
    return [line for index, line in enumerate(lines) if index not in gone]


def _insert_noise(chance: random.Random, lines: Lines, _: Sequence[Lines]) -> Lines:
    noise = chance.choice(_NOISE)
    at = chance.randrange(len(lines) + 1)
    return [*lines[:at], noise, *lines[at:]]


def _splice(chance: random.Random, lines: Lines, some: Sequence[Lines]) -> Lines:
    other = chance.choice(some)
    cut, on = chance.randrange(1, len(lines) + 1), chance.randrange(len(other))
    return lines[:cut] + other[on:]


def _interleave(chance: random.Random, lines: Lines, some: Sequence[Lines]) -> Lines:
    merged = [(chance.random(), line) for line in (*lines[1:], *chance.choice(some)[1:])]
    return lines[:1] + [line for _, line in sorted(merged)]


def _newer(chance: random.Random, lines: Lines, _: Sequence[Lines]) -> Lines:
    schema = chance.choice((b"[1,99]", b"[2,0]", b"[1,0]", b"[0,1]", b"[-1,5]", b"[1]", b'"1.4"', b"[1e9,1]"))
    return [lines[0].replace(b'"schema":[1,4]', b'"schema":' + schema), *lines[1:]]


def _renumber(chance: random.Random, lines: Lines, _: Sequence[Lines]) -> Lines:
    """Cases that go by another's number."""

    def change(event: dict[str, Any]) -> None:
        if "case" in event:
            event["case"] = chance.choice((0, 0, 1, -1, 7, 10**30))

    return [_edited(line, change) if chance.random() < 0.3 else line for line in lines]


def _change_value(chance: random.Random, lines: Lines, some: Sequence[Lines]) -> Lines:
    """Something else in the place of values: of another type, out of range, or hostile text."""
    at = chance.randrange(len(lines))

    def change(event: dict[str, Any]) -> None:
        holder, key = _place(chance, event)
        if holder is None:
            return
        match chance.randrange(5):
            case 0:
                holder[key] = chance.choice(_NUMBERS)
            case 1:
                holder[key] = chance.choice(_HOSTILE_TEXTS)
            case 2:
                holder[key] = _TOKEN.format(chance.randrange(len(_HOSTILE_TOKENS)))
            case 3:
                other, name = _place(chance, event)
                if other is not None:
                    holder[key], other[name] = other[name], holder[key]
            case _:
                holder.pop(key)

    line = _edited(lines[at], change)
    for index, token in enumerate(_HOSTILE_TOKENS):
        line = line.replace(f'"{_TOKEN.format(index)}"'.encode(), token)
    return [*lines[:at], line, *lines[at + 1 :]]


def _change_texts(chance: random.Random, lines: Lines, _: Sequence[Lines]) -> Lines:
    """One hostile text wherever a name stands."""
    hostile = chance.choice(_HOSTILE_TEXTS)
    name = json.dumps(chance.choice(_NAMES)).encode()
    return [line.replace(name, json.dumps(hostile).encode()) for line in lines]


def _change_numbers(chance: random.Random, lines: Lines, _: Sequence[Lines]) -> Lines:
    """One number in the place of every number of a few lines, which so stay events."""
    number = chance.choice(_NUMBERS)

    def change(event: dict[str, Any]) -> None:
        _replace_floats(event, number)

    return [_edited(line, change) if chance.random() < 0.2 else line for line in lines]


def _replace_floats(value: Any, number: float) -> None:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in list(items):
        if isinstance(each, float):
            value[key] = number
        elif isinstance(each, dict | list):
            _replace_floats(each, number)


_TOKEN = "@@token {}@@"

_CHANGES: tuple[Callable[[random.Random, Lines, Sequence[Lines]], Lines], ...] = (
    _shuffle,
    _repeat,
    _repeat_later,
    _delete,
    _insert_noise,
    _splice,
    _interleave,
    _newer,
    _renumber,
    _change_value,
    _change_value,
    _change_value,
    _change_value,
    _change_texts,
    _change_numbers,
)


def _edited(line: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return line
    if isinstance(event, dict):
        change(event)
    return json.dumps(event, separators=(",", ":")).encode()


def _place(chance: random.Random, event: dict[str, Any]) -> tuple[Any, Any]:
    """Some place in an event: what holds it, and its key there."""
    holder: Any = event
    while holder:
        key = chance.choice(list(holder)) if isinstance(holder, dict) else chance.randrange(len(holder))
        if not isinstance(holder[key], dict | list) or not holder[key] or chance.random() < 0.2:
            return holder, key
        holder = holder[key]
    return None, None
