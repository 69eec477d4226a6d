"""How charts look: ink, markers and hatches, so that they are told apart in grey print too.

Colours are profiler.results.colours': the same for an implementation as everywhere.
"""

from __future__ import annotations

from typing import Any

# They stand for themselves in a file, and in a page for its own colours (profiler.export.html.drawings).
INK, FAINT, RULE, PAPER = "#1f2328", "#59636e", "#d1d9e0", "#ffffff"
PART = "#b8c0c8"
"""A part of a step in a legend, whatever the implementation."""

WIDTHS_IN = {1: 7.2, 2: 9.0, 3: 10.6}
"""Of a picture, by its columns."""

# Those that differ most come first: a filled cross and a filled plus look like squares when they are small.
MARKERS = ("o", "s", "^", "D", "v", "*", ">", "<", "p", "X", "P", "h", "d", "8")
_LARGER = {"*": 1.5}  # markers that look smaller than the others
_MARKER_POINTS = 6.5
# Straight strokes alone: a hatch of dots makes a file ten times as large.
HATCHES = (
    "",
    "///",
    "\\\\\\",
    "xxx",
    "---",
    "|||",
    "+++",
    "//////",
    "\\\\\\\\\\\\",
    "xxxxxx",
    "------",
    "||||||",
    "/-",
    "\\|",
)

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",  # matplotlib brings it: a chart looks the same wherever it is drawn
    "font.size": 11,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "hatch.linewidth": 0.6,
    "lines.linewidth": 2.0,
    "lines.markersize": _MARKER_POINTS,
    "text.parse_math": False,  # a name with a $ in it is a name
    "text.usetex": False,
    "svg.fonttype": "path",  # letters as outlines: no reader's fonts move them
    "svg.hashsalt": "attnprof",  # the same chart is the same file
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
}


def marker_of(place: int) -> str:
    """The marker of an implementation by its place among the colours (profiler.results.colours.places_of)."""
    return MARKERS[place % len(MARKERS)]


def marker_points(marker: str) -> float:
    """Its size in points, so that all look equally large."""
    return _MARKER_POINTS * _LARGER.get(marker, 1.0)


def hatch_of(place: int) -> str:
    """Its hatch in bars; the first has none."""
    return HATCHES[place % len(HATCHES)]


def shade(colour: str) -> str:
    """A colour darkened, for edges: yellow and pale blue would not show on paper without."""
    return "#" + "".join(f"{int(int(colour[at : at + 2], 16) * 0.62):02x}" for at in (1, 3, 5))
