"""Heat maps: a table of figures by two parameters, its tiles coloured by how good each is.

Every tile holds its figure or its word, so that the colour only repeats what is written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.text import Text

# Matplotlib's viridis at equal steps: even in lightness, so it also reads as grey.
_RAMP = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))
_LIGHT = 140.0  # the luminance (0 to 255) from which black reads better than white
_WIDEST_TILE = 14
_TALLEST_TILE = 3

Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Tile:
    """What stands at a place: its text, and a level from 0 (worst) to 1, or a colour of its own."""

    text: str
    level: float | None = None
    colour: str | None = None
    note: str = ""
    """A second line, where tiles are tall enough for one."""


@dataclass(frozen=True)
class HeatMap:
    """Tiles by (down, across): the labels of each axis in order, and the name of each."""

    title: str
    down: str
    across: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    tiles: Mapping[tuple[str, str], Tile]


def levels(
    values: Mapping[tuple[str, str], float], better: Literal["lower", "higher"]
) -> dict[tuple[str, str], float]:
    """How good each value is, from 0 to 1; by ratio where they differ by more than ten."""
    if not values:
        return {}
    low, high = min(values.values()), max(values.values())
    by_ratio = low > 0 and high / low > 10
    scaled = {place: math.log(value) if by_ratio else value for place, value in values.items()}
    low, high = min(scaled.values()), max(scaled.values())
    found = {place: (value - low) / (high - low) if high > low else 0.5 for place, value in scaled.items()}
    return found if better == "higher" else {place: 1 - level for place, level in found.items()}


def draw(chart: HeatMap, width: int, height: int, *, shades: str, painted: bool = True) -> Text:
    """The map in at most `width` by `height` cells, its title first; `shades` from none to full.

    `painted` tiles have a background. Where there are too few colours for that, tiles have one of
    the `shades` before their text. What does not fit is cut off, and named.
    """
    from rich.text import Text

    head = max(len(chart.down), *map(len, chart.rows)) + 1
    longest = max(len(text) for tile in chart.tiles.values() for text in (tile.text, tile.note))
    longest = max(longest, *map(len, chart.columns)) + (2 if painted else 3)
    room = max(1, width - head)
    tile_width = max(longest, min(_WIDEST_TILE, room // len(chart.columns)))
    columns = chart.columns[: max(1, room // tile_width)]
    left = max(1, height - 3)  # the title, the name of the axis across, its labels
    tile_height = max(1, min(_TALLEST_TILE, left // len(chart.rows)))
    rows = chart.rows[: left // tile_height]
    top = Text(f"{chart.across:>{head + len(chart.across)}}", style="dim")
    names = Text.assemble((f"{chart.down:<{head}}", "dim"))
    names.append("".join(f"{name:^{tile_width}}" for name in columns), style="bold")
    lines = [Text(_title(chart, rows, columns), style="bold"), top, names]
    for row in rows:
        tiles = [chart.tiles.get((row, column)) for column in columns]
        lines += _row(row, tiles, head, tile_width, tile_height, shades if not painted else None)
    return Text("\n").join(lines)


def _title(chart: HeatMap, rows: Sequence[str], columns: Sequence[str]) -> str:
    cut = len(chart.rows) * len(chart.columns) - len(rows) * len(columns)
    return f"{chart.title} ({cut} more do not fit)" if cut else chart.title


def _row(
    name: str, tiles: Sequence[Tile | None], head: int, width: int, height: int, shades: str | None
) -> list[Text]:
    """The lines of a row of tiles, its texts in the middle one and its notes below them."""
    from rich.text import Text

    middle = (height - 1) // 2
    lines = []
    for index in range(height):
        line = Text.assemble((f"{name if index == middle else '':<{head}}", "bold"))
        for tile in tiles:
            text = "" if tile is None else tile.text if index == middle else ""
            if tile is not None and height > 1 and index == middle + 1:
                text = tile.note
            line.append(*_cell(tile, text, width, shades))
        lines.append(line)
    return lines


def _cell(tile: Tile | None, text: str, width: int, shades: str | None) -> tuple[str, str]:
    """A tile's text in its width, and its style; a shade stands before it in place of a background."""
    if tile is None:
        return f"{text:^{width}}", "dim"
    if shades is not None:
        mark = _shade(tile, shades) if text else " "
        return f"{f'{mark} {text}':^{width}}", f"bold {tile.colour}" if tile.colour else ""
    if tile.level is None and tile.colour is None:
        return f"{text:^{width}}", "dim"
    return f"{text:^{width}}", painted_style(_rgb(tile.colour) if tile.colour else _ramp(tile.level or 0.0))


def _shade(tile: Tile, shades: str) -> str:
    if tile.level is None:
        return " "
    return shades[round(tile.level * (len(shades) - 1))]


def painted_style(colour: Rgb) -> str:
    """A background with what reads on it, black or white, as a rich style."""
    red, green, blue = colour
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601
    return f"{'#000000' if luminance >= _LIGHT else '#ffffff'} on #{red:02x}{green:02x}{blue:02x}"


def _ramp(level: float) -> Rgb:
    """The colour of a level from 0 to 1."""
    at = min(max(level, 0.0), 1.0) * (len(_RAMP) - 1)
    index = min(int(at), len(_RAMP) - 2)
    share = at - index
    red, green, blue = (
        round(low + (high - low) * share) for low, high in zip(_RAMP[index], _RAMP[index + 1], strict=True)
    )
    return red, green, blue


def _rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
