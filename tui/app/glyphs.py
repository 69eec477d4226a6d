"""The characters that pictures are drawn with: Unicode's blocks, or ASCII where a terminal has no others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Glyphs:
    """One set of characters. `bar` and `spark` are in steps of eighths, the last one full."""

    bar: str
    spark: str
    checked: str
    unchecked: str
    cursor: str
    fastest: str
    baseline: str
    up: str
    down: str
    left: str
    right: str
    ellipsis: str
    interval: str
    missing: str
    shades: str
    """From empty to full, for heat maps without colour."""


UNICODE = Glyphs(
    bar=" ▏▎▍▌▋▊▉█",
    spark="▁▂▃▄▅▆▇█",
    checked="■",
    unchecked="□",
    cursor="▸",
    fastest="*",
    baseline="=",
    up="▲",
    down="▼",
    left="◂",
    right="▸",
    ellipsis="…",
    interval="±",
    missing="·",
    shades=" ░▒▓█",
)

ASCII = Glyphs(
    bar=" #",
    spark="_.-=*#",
    checked="x",
    unchecked=" ",
    cursor=">",
    fastest="*",
    baseline="=",
    up="^",
    down="v",
    left="<",
    right=">",
    ellipsis="~",
    interval="+-",
    missing=".",
    shades=" .:*#",
)
