"""Pictures as SVG or PNG: the one module that knows matplotlib's figures.

It uses no pyplot: nothing of a figure outlives its drawing. matplotlib is loaded by the first one.
"""

from __future__ import annotations

import io
import logging
import re
import textwrap
import threading
import warnings
from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from profiler.export.charts.look import FAINT, RC, WIDTHS_IN
from profiler.export.charts.picture import Panel, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ChartFormat = Literal["svg", "png"]

_PANEL_IN = {"bars": 2.9, "lines": 2.9, "stacks": 1.0}
_STACK_IN = 0.36  # a bar of a step
_LINE_IN = 0.23  # of the legend, and of the notes
_PNG_DPI = 180
_MOST_NOTE_LINES = 5
_CHARACTERS_PER_IN = 12.6  # of notes
_LEGEND_MARK_IN = 0.62  # a legend's mark with the gaps around it
_CHARACTER_IN = 0.092  # the mean letter of a legend

# matplotlib's settings are the process's own, and the app draws beside its screens.
_drawing = threading.Lock()


def draw(picture: Picture, format: ChartFormat) -> bytes:
    """The picture as a file's content. Takes a second or two for the first one."""
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells stderr of its font cache
    with _drawing, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a name may have letters that the font lacks
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        with mpl.rc_context(RC):
            layout = _Layout(picture)
            figure = Figure(figsize=(layout.width_in, layout.height_in))
            FigureCanvasAgg(figure)
            layout.lay_out(figure)
            content = io.BytesIO()
            if format == "svg":
                nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
                figure.savefig(content, format="svg", metadata=nothing)
                return _compact(content.getvalue().decode()).encode()
            figure.savefig(content, format="png", dpi=_PNG_DPI, metadata={"Software": None})
            return content.getvalue()


def _compact(svg: str) -> str:
    """The same drawing in half the bytes: places to a hundredth of a point, no comments, no empty space."""
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r"scale\([^)]*\)|\d+\.\d{3,}", _rounded, svg)
    return re.sub(r"\s*\n\s*", "\n", svg)


def _rounded(found: re.Match[str]) -> str:
    return found[0] if found[0].startswith("scale") else f"{float(found[0]):.2f}".rstrip("0").rstrip(".")


class _Layout:
    """Where the parts of a picture stand: title, legend, panels, notes, from the top down, in inches."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self.width_in = WIDTHS_IN[picture.columns]
        self._rows = -(-len(picture.panels) // picture.columns)
        self._title = textwrap.wrap(picture.title, round(self.width_in * 8.5))
        self._fixed = textwrap.wrap(picture.fixed, round(self.width_in * 12.2))
        self._notes = _wrapped([picture.footnote, *picture.notes], self.width_in)
        self._labels = _labels(picture)
        self._legend_columns = _legend_columns(list(self._labels), self.width_in)
        legend_lines = -(-len(self._labels) // self._legend_columns) if self._labels else 0
        self._head_in = 0.14 + 0.26 * len(self._title) + _LINE_IN * (len(self._fixed) + legend_lines) + 0.04
        self._foot_in = 0.1 + 0.2 * len(self._notes)
        self.height_in = self._head_in + self._foot_in + self._rows * self._panel_in

    @property
    def _panel_in(self) -> float:
        most = max((len(panel.ticks) for panel in self._picture.panels), default=1)
        if self._picture.kind == "stacks":
            return _PANEL_IN["stacks"] + _STACK_IN * most
        return _PANEL_IN[self._picture.kind]

    def lay_out(self, figure: Figure) -> None:
        """Draw everything."""
        from matplotlib.layout_engine import ConstrainedLayoutEngine

        from profiler.export.charts.bars import draw_bars, draw_stacks
        from profiler.export.charts.lines import draw_lines

        picture = self._picture
        foot = self._foot_in / self.height_in
        top = 1 - self._head_in / self.height_in
        layout = ConstrainedLayoutEngine(rect=(0.008, foot, 0.984, top - foot), h_pad=0.06, w_pad=0.06)
        figure.set_layout_engine(layout)
        self._put_head(figure)
        paint = {"bars": draw_bars, "lines": draw_lines, "stacks": draw_stacks}[picture.kind]
        axes = figure.subplots(
            self._rows,
            picture.columns,
            squeeze=False,
            sharey=picture.shares_scale,
            sharex="all" if picture.kind == "stacks" else False,
        )
        flat = list(axes.flat)
        for index, (panel, one) in enumerate(zip(picture.panels, flat, strict=False)):
            self._dress(one, panel, index)
            paint(one, picture, panel)
        for unused in flat[len(picture.panels) :]:
            unused.set_axis_off()
        self._put_notes(figure)

    def _dress(self, axes: Axes, panel: Panel, index: int) -> None:
        picture = self._picture
        if panel.title:
            room = round(self.width_in / picture.columns * 10)
            axes.set_title("\n".join(textwrap.wrap(panel.title, room)), loc="left", fontweight="bold")
        is_last = index + picture.columns >= len(picture.panels)
        if picture.x_label and is_last:
            room = round(self.width_in / picture.columns * 9.5)
            axes.set_xlabel("\n".join(textwrap.wrap(picture.x_label, room)))
        if picture.kind != "stacks" and (index % picture.columns == 0 or not picture.shares_scale):
            axes.set_ylabel(panel.y_label)

    def _put_head(self, figure: Figure) -> None:
        at_in = self.height_in - 0.14
        for line in self._title:
            figure.text(0.1 / self.width_in, at_in / self.height_in, line, size=13, weight="bold", va="top")
            at_in -= 0.26
        for line in self._fixed:
            figure.text(0.1 / self.width_in, at_in / self.height_in, line, size=11, color=FAINT, va="top")
            at_in -= _LINE_IN
        if self._labels:
            figure.legend(
                self._handles(),
                list(self._labels),
                loc="upper left",
                bbox_to_anchor=(0.06 / self.width_in, (at_in + 0.03) / self.height_in),
                ncols=self._legend_columns,
                frameon=False,
                fontsize=11,
                borderpad=0.15,
                borderaxespad=0,
                handlelength=1.9 if self._picture.kind == "lines" else 1.4,
                columnspacing=1.4,
                labelspacing=0.28,
            ).set_in_layout(False)

    def _handles(self) -> Sequence[Any]:
        from profiler.export.charts.bars import handle_of_bars, handle_of_part
        from profiler.export.charts.lines import handle_of_line

        make = {"bars": handle_of_bars, "lines": handle_of_line, "stacks": handle_of_part}
        return [make[self._picture.kind](*look) for look in self._labels.values()]

    def _put_notes(self, figure: Figure) -> None:
        at_in = self._foot_in - 0.02
        for line in self._notes:
            figure.text(0.1 / self.width_in, at_in / self.height_in, line, size=9.5, color=FAINT, va="top")
            at_in -= 0.2


def _labels(picture: Picture) -> dict[str, tuple[str, int]]:
    """The legend: each name with its colour and place; none where there is but one, which the title tells."""
    found = {one.name: (one.colour, one.place) for panel in picture.panels for one in panel.series}
    return {
        f"{name} (baseline)" if name == picture.baseline and len(found) > 1 else name: look
        for name, look in found.items()
    }


def _legend_columns(labels: Sequence[str], width_in: float) -> int:
    """As many as fit beside each other; the legend fills them from the top down, the first ones fuller."""
    for columns in range(len(labels), 1, -1):
        least, fuller = divmod(len(labels), columns)
        left = iter(labels)
        longest = [max(map(len, islice(left, least + (at < fuller)))) for at in range(columns)]
        if sum(_LEGEND_MARK_IN + _CHARACTER_IN * letters for letters in longest) < width_in - 0.2:
            return columns
    return 1


def _wrapped(notes: Sequence[str], width_in: float) -> list[str]:
    """The notes as lines; what is too much is left to the tables."""
    lines = [
        line
        for note in notes
        if note
        for line in textwrap.wrap(note, round(width_in * _CHARACTERS_PER_IN), subsequent_indent="   ")
    ]
    if len(lines) > _MOST_NOTE_LINES:
        return [*lines[: _MOST_NOTE_LINES - 1], "and more, which the tables name"]
    return lines
