"""What has no figure, in its place: the crossed mark of the implementation, and the word for why.

Lines have a lane for it below the figures, as naniar (Tierney and Cook, Journal of Statistical Software 105
(2023)) has for missing values; bars have it at their foot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from profiler.export.charts.look import FAINT, INK, WIDTHS_IN, marker_of, marker_points, shade
from profiler.export.charts.picture import Panel, Picture, Series, Tick

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LANE = 0.17  # of a panel's height
_MARK_UP, _WORD_UP = 0.68, 0.2  # of the lane's height
_APART, _LEAST_ROOM = 11.0, 30.0  # points between two marks of one place, and for all of them
_LARGER = 1.15  # than a line's markers, so that they are known under their crosses
_WORD_SIZE = 8.5
_LETTER = 0.62  # of a word's height, the mean width
_SIDE_IN = 0.8  # of a panel, left of its lines
_OF_BAR: dict[str, Any] = {"markersize": 6.0, "markeredgewidth": 2.0}
_CROSS: dict[str, Any] = {"marker": "x", "color": INK, "markersize": 8.0, "markeredgewidth": 1.0}


def has_missing(panels: Sequence[Panel]) -> bool:
    """Whether something has a word in the place of its figure."""
    return any(point.value is None and point.word for panel in panels for point in panel.points())


def make_lane(axes: Axes, low: float, high: float, *, is_log: bool) -> None:
    """Put a lane below the figures, which are from `low` to `high`; it has no ticks."""
    from matplotlib.ticker import FixedLocator

    ticks = [tick for tick in axes.get_yticks() if low <= tick <= high * (1 + 1e-9)]
    share = _LANE / (1 - _LANE)
    axes.set_ylim(low / (high / low) ** share if is_log else low - share * (high - low), high)
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.axhline(low, color=FAINT, linewidth=0.8, zorder=1)


def mark_lane(axes: Axes, picture: Picture, panel: Panel) -> None:
    """In the lane at each place the marks of those that have no figure there, and why if it is one reason."""
    gap = _narrowest_gap(picture, panel)
    for index, tick in enumerate(panel.ticks):
        gone = [one for one in panel.series if one.points[index].value is None and one.points[index].word]
        apart = min(_APART, max(gap, _LEAST_ROOM) / max(1, len(gone)))
        for place, one in enumerate(gone):
            _mark(axes, tick, one, apart * (place - (len(gone) - 1) / 2))
        words = {one.points[index].word for one in gone}
        if len(words) == 1 and _LETTER * _WORD_SIZE * len(word := words.pop()) <= max(gap, 3 * _APART):
            where = axes.get_xaxis_transform()
            up = _LANE * _WORD_UP
            axes.text(
                tick.at, up, word, transform=where, size=_WORD_SIZE, color=INK, ha="center", va="center"
            )


def _mark(axes: Axes, tick: Tick, one: Series, across: float) -> None:
    """The implementation's own marker, crossed out, so many points beside the place."""
    from matplotlib.transforms import ScaledTranslation

    moved = ScaledTranslation(across / 72, 0, axes.figure.dpi_scale_trans)
    at: dict[str, Any] = {
        "transform": axes.get_xaxis_transform() + moved,
        "linestyle": "none",
        "clip_on": False,
    }
    marker = marker_of(one.place)
    look: dict[str, Any] = {"marker": marker, "color": one.colour, "markeredgecolor": shade(one.colour)}
    where = [tick.at], [_LANE * _MARK_UP]
    axes.plot(*where, **at, **look, markersize=_LARGER * marker_points(marker), markeredgewidth=0.9, zorder=4)
    axes.plot(*where, **at, **_CROSS, zorder=4.1)


def _narrowest_gap(picture: Picture, panel: Panel) -> float:
    """Points between the two neighbouring places that are nearest to each other, on their logarithms."""
    whole = (WIDTHS_IN[picture.columns] / picture.columns - _SIDE_IN) * 72
    places = [math.log2(tick.at) for tick in panel.ticks if tick.at > 0]
    gaps = [second - first for first, second in pairwise(places)]
    return whole * min(gaps) / (1.18 * (places[-1] - places[0])) if gaps else whole


def mark_bar(axes: Axes, at: float, colour: str, word: str, size: float) -> None:
    """At the foot of where a bar would be."""
    where = axes.get_xaxis_transform()
    axes.plot([at], [0.03], transform=where, marker="x", color=shade(colour), **_OF_BAR)
    axes.text(at, 0.075, word, transform=where, rotation=90, size=size, color=INK, ha="center", va="bottom")


def mark_stack(axes: Axes, index: int, colour: str, word: str) -> None:
    """The same of a bar that would go to the right."""
    from matplotlib.transforms import ScaledTranslation

    moved = axes.transData + ScaledTranslation(9 / 72, 0, axes.figure.dpi_scale_trans)
    axes.plot([0], [index], transform=moved, marker="x", color=shade(colour), **_OF_BAR)
    axes.annotate(word, (0, index), (18, 0), textcoords="offset points", va="center", size=9.5, color=INK)
