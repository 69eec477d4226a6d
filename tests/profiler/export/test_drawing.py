"""Charts as files: whatever is in them, they are drawn, and nothing from a session is markup in them."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING
from xml.etree import ElementTree

import pytest

from profiler.export.charts import pictures
from profiler.export.charts.bars import draw_bars, draw_stacks, figure_text
from profiler.export.charts.drawing import draw
from profiler.export.charts.lines import draw_lines, labelled
from profiler.export.charts.look import HATCHES, MARKERS, PAPER, shade
from profiler.export.charts.picture import Kind, Panel, Picture, Point, Scale, Series, Tick
from tests.examples import lab6
from tests.training_examples import study

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HOSTILE = "$x^2$ <script>alert(1)</script> \\frac{ --> & ünï中文 %s"


def picture(
    kind: Kind = "lines",
    names: int = 2,
    values: tuple[float | None, ...] = (1.0, 2.0, 4.0),
    *,
    scale: Scale = "linear",
    shares_scale: bool = True,
    panels: int = 1,
) -> Picture:
    ticks = tuple(Tick(f"{2**at}k", 1024.0 * 2**at, "#E69F00") for at in range(len(values)))
    points = tuple(
        Point(word="OOM") if value is None else Point(value, 0.9 * value, 1.2 * value) for value in values
    )
    series = tuple(Series(f"name-{at}", "#56B4E9", at, points) for at in range(names))
    return Picture(
        name="attention-time",
        kind=kind,
        title="Time",
        fixed="batch 1",
        alt="Lines",
        x_label="seq",
        panels=tuple(Panel(f"panel {at}", ticks, series, "ms") for at in range(panels)),
        columns=min(panels, 3),
        scale=scale,
        shares_scale=shares_scale,
        baseline="name-0",
        notes=("OOM: a",),
    )


@pytest.mark.parametrize(
    "shown",
    [
        picture("bars"),
        picture("bars", names=14),
        picture("bars", values=(None, None, 3.0), panels=5, shares_scale=False),
        picture(names=14, panels=3),
        picture(values=(5.0,)),
        picture(values=(None, None)),
        picture(values=(1e-6, None, 1e9), scale="log"),
        picture(values=(1e-6, None, 1e9), shares_scale=False),
        picture("stacks", names=3),
    ],
)
def test_whatever_a_picture_holds_it_is_drawn(shown: Picture) -> None:
    root = ElementTree.fromstring(draw(shown, "svg"))
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_picture_is_the_same_file() -> None:
    shown = pictures(lab6())[0]
    assert draw(shown, "svg") == draw(shown, "svg")


def test_text_of_a_session_is_neither_markup_nor_mathematics_in_a_drawing() -> None:
    shown = picture("bars", names=1)
    (panel,) = shown.panels
    hostile = replace(panel, title=HOSTILE, series=(replace(panel.series[0], name=HOSTILE),))
    drawn = draw(replace(shown, title=HOSTILE, fixed=HOSTILE, panels=(hostile,), notes=(HOSTILE,)), "svg")
    names = {element.tag.rpartition("}")[2] for element in ElementTree.fromstring(drawn).iter()}
    assert "script" not in names and b"alert" not in drawn
    assert names <= {"svg", "defs", "style", "g", "path", "use", "clipPath", "rect", "pattern"}


@pytest.mark.parametrize("kind", ["bars", "lines"])
def test_a_median_of_few_samples_is_hollow(kind: Kind) -> None:
    shown = picture(kind, names=1)
    (panel,) = shown.panels
    few = replace(panel.series[0], points=(Point(1.0, of_few=True), *panel.series[0].points[1:]))
    hollow = replace(shown, panels=(replace(panel, series=(few,)),))
    assert paper_marks(hollow) == paper_marks(shown) + 1


def paper_marks(shown: Picture) -> int:
    """How many marks are filled with the paper's colour and have an edge of the implementation's."""
    drawn = draw(shown, "svg").decode()
    edge = f"stroke: {shade('#56B4E9')}; stroke-width: 1.4"
    return len(re.findall(rf"fill: {PAPER}; {edge}", drawn))


def test_a_png_is_one() -> None:
    assert draw(pictures(study())[0], "png").startswith(b"\x89PNG\r\n")


def test_every_marker_and_hatch_is_another() -> None:
    assert len(set(MARKERS)) == len(set(HATCHES)) == 14


def test_nothing_of_pyplot_is_loaded() -> None:
    draw(picture(), "svg")
    assert "matplotlib.pyplot" not in sys.modules


@pytest.mark.parametrize(
    ("value", "counts", "written"),
    [
        (0.0498, False, "0.050"),
        (0.0465, False, "0.046"),
        (0.0999, False, "0.10"),
        (0.47, False, "0.47"),
        (64.0, False, "64.0"),
        (64.0, True, "64"),
        (4226.4, False, "4,226"),
    ],
)
def test_a_figure_over_a_bar_has_as_many_digits_as_the_one_beside_it(
    value: float, counts: bool, written: str
) -> None:
    assert figure_text(value, counts=counts) == written


def crossed(*series: tuple[float | None, ...], is_log: bool = False, word: str = "OOM") -> Axes:
    """These lines as they are drawn, None where one has no figure."""
    from matplotlib.figure import Figure

    ticks = tuple(Tick(str(at), 2.0**at) for at in range(len(series[0])))
    lines = tuple(
        Series(str(at), "#56B4E9", at, tuple(Point(word=word) if y is None else Point(y) for y in points))
        for at, points in enumerate(series)
    )
    panel = Panel("", ticks, lines, "ms")
    axes = Figure(figsize=(4, 3)).subplots()
    scale: Scale = "log" if is_log else "linear"
    draw_lines(axes, replace(picture(scale=scale, shares_scale=False), panels=(panel,)), panel)
    return axes


def words(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def crosses(axes: Axes) -> list[float]:
    """The places that have a crossed mark."""
    marks = [line for line in axes.lines if line.get_marker() == "x"]
    return [float(next(iter(line.get_xdata()))) for line in marks]  # type: ignore[arg-type]


@pytest.mark.parametrize("is_log", [False, True])
def test_what_has_no_figure_is_crossed_at_its_place_in_a_lane_below_the_figures(is_log: bool) -> None:
    axes = crossed((5.0, 5.0, None, None), (2.0, None, 3.0, None), is_log=is_log)
    assert crosses(axes) == [2.0, 4.0, 8.0, 8.0]
    assert words(axes) == ["OOM", "OOM", "OOM"]
    lowest = min(tick for tick in axes.get_yticks())
    assert axes.get_ylim()[0] < lowest
    assert lowest == 0 or is_log


def test_there_is_no_lane_where_every_figure_is_there() -> None:
    axes = crossed((5.0, 5.0))
    assert (crosses(axes), axes.get_ylim()[0]) == ([], 0)


def test_a_word_that_has_no_room_in_the_lane_is_left_to_the_notes() -> None:
    assert words(crossed((5.0, *([None] * 9)), word="not measured")) == []


@pytest.mark.parametrize("kind", ["bars", "stacks"])
def test_a_bar_that_is_missing_is_crossed_at_its_foot_and_says_why(kind: Kind) -> None:
    from matplotlib.figure import Figure

    shown = picture(kind, names=1, values=(3.0, None))
    axes = Figure(figsize=(4, 3)).subplots()
    {"bars": draw_bars, "stacks": draw_stacks}[kind](axes, shown, shown.panels[0])
    assert len(crosses(axes)) == 1
    assert "OOM" in words(axes)


def test_of_many_values_every_few_have_a_label_and_the_last_one() -> None:
    ticks = tuple(Tick(str(at), float(2**at)) for at in range(20))
    assert [tick.label for tick in labelled(ticks, letters=24)] == ["3", "7", "11", "15", "19"]
    assert len(labelled(ticks[:8], letters=24)) == 8
