"""One metric of several implementations as horizontal bars from zero, the best first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from profiler.results import wording
from profiler.results.colours import colour_of
from tui.app.glyphs import Glyphs
from tui.app.metrics import Metric, ranked
from tui.app.pictures.look import PLAIN, Look
from tui.app.pictures.names import cut, variant_of
from tui.tables.columns import INTERVAL, Line

_LONGEST_NAME = 20
_LEAST_BAR = 8  # a shorter one compares nothing
_GOOD_BAR = 16  # what units and margins have to leave of it
_LONGEST_BAR = 72  # the eye does not follow longer ones from name to end
_COLUMN_GAP = 3

_BASELINE = "baseline"
_WRONG = (wording.STATUS_WORDS["wrong"], wording.STATUS_WORDS["nan"])
_QUIET = (wording.STATUS_WORDS["running"], wording.STATUS_WORDS["unsupported"], wording.NOT_MEASURED)


@dataclass(frozen=True)
class Bar:
    """One implementation's bar. Without a value there is only `word`, that says why.

    `speedup` and `margin` stand behind the bar: ("2.31x", "±0.02"), or ("baseline", "").
    """

    name: str
    colour: str
    value: float | None
    shown: str = ""
    speedup: str = ""
    margin: str = ""
    word: str = ""
    is_fastest: bool = False
    is_running: bool = False


def bars_of(lines: Sequence[Line], metric: Metric) -> list[Bar]:
    """The bars of a metric, the best first, those without a value last."""
    return [_bar(line, metric) for line in ranked(lines, metric)]


def _bar(line: Line, metric: Metric) -> Bar:
    row = metric.row(line) or line.headline
    value = metric.value(line)
    speedup, margin = (_BASELINE, "") if row.is_baseline else wording.speedup(row)
    if row.status in ("wrong", "nan"):
        speedup, margin = wording.STATUS_WORDS[row.status], ""
    return Bar(
        name=wording.name_with_backend(row),
        colour=colour_of(row.implementation),
        value=value,
        shown="" if value is None else metric.show(value),
        speedup=speedup,
        margin=margin,
        word=wording.NOT_MEASURED if row.status in ("ok", "partial") else wording.status_word(row),
        is_fastest=row.is_fastest,
        is_running=row.status == "running",
    )


def bars_picture(
    bars: Sequence[Bar], metric: Metric, width: int, height: int, glyphs: Glyphs, look: Look = PLAIN
) -> list[Text]:
    """A title and the bars in at most `height` lines, in several columns where one is not high enough.

    All bars have one scale, from zero. What there is no room for is counted in the title.
    """
    if not bars or width < _LEAST_BAR or height < 1:
        return []
    lines = max(height - 1, 1)
    least = _name_width(bars) + _value_width(bars) + 4 + _LEAST_BAR
    columns = max(1, min(ceil(len(bars) / lines), (width + _COLUMN_GAP) // (least + _COLUMN_GAP)))
    kept = bars[: columns * lines]
    lines = ceil(len(kept) / columns)
    layout = _Layout.fitting(kept, metric, (width + _COLUMN_GAP) // columns - _COLUMN_GAP, glyphs.interval)
    length = layout.length(kept)
    picture = [_title(metric, len(bars) - len(kept), width, look)] if height > 1 else []
    for line in range(lines):
        cells = [layout.draw(bar, length, glyphs, look) for bar in kept[line::lines]]
        picture.append(Text(" " * _COLUMN_GAP).join(cells))
    return picture


def _title(metric: Metric, left_out: int, width: int, look: Look) -> Text:
    """What the bars are, and as much of what is to be said of them as there is room for."""
    better, more = f"  {metric.better} is better", f"  and {left_out} more"
    notes = [f"{better}{more}: make room, or filter", better + more, more] if left_out else [better]
    room = width - cell_len(metric.title)
    note = next((note for note in notes if cell_len(note) <= room), notes[-1])
    return Text.assemble((metric.title, look.header), (note, look.muted))


@dataclass(frozen=True)
class _Layout:
    """The widths of the parts of a bar's line, and which of what may be left out there is room for."""

    width: int
    name: int
    value: int
    unit: str
    speedups: bool
    margins: bool
    top: float
    """The value of the longest bar."""
    interval: str
    """What stands for ±."""

    @classmethod
    def fitting(cls, bars: Sequence[Bar], metric: Metric, width: int, interval: str) -> _Layout:
        """All that leaves the bars a good length: speedups first, then the unit, then margins."""
        name, value = _name_width(bars), _value_width(bars)
        top = max((bar.value for bar in bars if bar.value is not None), default=0.0)
        possible = (
            (cls(width, name, value, metric.unit, True, True, top, interval), _GOOD_BAR),
            (cls(width, name, value, metric.unit, True, False, top, interval), _GOOD_BAR),
            (cls(width, name, value, "", True, False, top, interval), _LEAST_BAR),
        )
        bare = cls(width, name, value, "", False, False, top, interval)
        return next((layout for layout, least in possible if layout.length(bars) >= least), bare)

    def length(self, bars: Sequence[Bar]) -> int:
        """The longest bar's, so that what stands behind each of them still fits."""
        room = self.width - self.name - self.value - 4 - (len(self.unit) + 1 if self.unit else 0)
        lengths = [
            (room - len(self.behind(bar))) * self.top / bar.value
            for bar in bars
            if bar.value and bar.value > 0
        ]
        return int(min([*lengths, room, _LONGEST_BAR]))

    def behind(self, bar: Bar) -> str:
        """What stands behind a bar, with a blank before it; that a result is wrong is never left out."""
        margin = bar.margin.replace(INTERVAL, self.interval)
        speedup = bar.speedup if self.speedups or bar.speedup in _WRONG else ""
        parts = [speedup, margin if self.margins else ""]
        return "".join(f" {part}" for part in parts if part)

    def draw(self, bar: Bar, length: int, glyphs: Glyphs, look: Look) -> Text:
        """One bar's line, filled with blanks to the whole width; the longest bar has `length`."""
        fastest = look.fastest if bar.is_fastest else Style.null()
        text = Text(no_wrap=True, end="")
        name = cut(bar.name, self.name, glyphs, end=variant_of(bar.name))
        text.append(set_cell_size(name, self.name), style=fastest)
        text.append(f" {glyphs.fastest if bar.is_fastest else ' '}", style=fastest)
        if bar.value is None:
            text.append(f" {bar.word}", style=look.muted if bar.word in _QUIET else look.warning)
        else:
            text.append(f" {bar.shown:>{self.value}}", style=look.muted if bar.is_running else fastest)
            text.append(f" {self.unit} " if self.unit else " ", style=look.muted)
            drawn = _drawn(bar.value, self.top, length, glyphs.bar)
            text.append(drawn, style=Style(color=bar.colour, dim=bar.is_running))
            quiet = bar.is_running or bar.speedup == _BASELINE
            text.append(
                self.behind(bar),
                style=look.bad if bar.speedup in _WRONG else look.muted if quiet else Style.null(),
            )
        text.truncate(self.width, pad=True)
        return text


def _name_width(bars: Sequence[Bar]) -> int:
    return min(max(cell_len(bar.name) for bar in bars), _LONGEST_NAME)


def _value_width(bars: Sequence[Bar]) -> int:
    return max(len(bar.shown) for bar in bars)


def _drawn(value: float, top: float, width: int, steps: str) -> str:
    """A bar to scale in the finest steps there are; what is not zero has one step at least."""
    fine = len(steps) - 1
    filled = round(max(value, 0) / top * width * fine) if top > 0 else 0
    full, rest = divmod(max(filled, 1 if value > 0 else 0), fine)
    return steps[-1] * full + (steps[rest] if rest else "")
