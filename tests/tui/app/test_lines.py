"""Line charts: their scales, their marks, and names beside the curves' ends."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from rich.text import Text

from tui.app.pictures.lines import (
    Curve,
    LineChart,
    Scale,
    apart,
    doubles,
    draw,
    x_scale,
    y_scale,
    y_ticks,
)

TICKS = ((1024.0, "1k"), (2048.0, "2k"), (4096.0, "4k"), (8192.0, "8k"))


def chart(*curves: Curve, ticks: tuple[tuple[float, str], ...] = TICKS) -> LineChart:
    return LineChart(curves, ticks, "forward, ms over seq")


def curve(name: str, *values: float, colour: str = "#E69F00", place: int = 0, note: str = "") -> Curve:
    points = tuple((at, value) for (at, _), value in zip(TICKS, values, strict=False))
    return Curve(name, colour, points, place, note)


def test_it_is_as_large_as_asked_for() -> None:
    text = draw(chart(curve("flash2", 1, 2, 4, 8)), 80, 20)
    assert len(text.plain.split("\n")) == 20
    assert max(Text(line).cell_len for line in text.plain.split("\n")) <= 80


def test_lengths_that_double_stand_as_far_apart_as_each_other() -> None:
    labels = draw(chart(curve("flash2", 1, 2, 4, 8)), 80, 20).plain.split("\n")[-1]
    at = [labels.index(label) for label in ("1k", "2k", "4k", "8k")]
    assert max(b - a for a, b in pairwise(at)) - min(b - a for a, b in pairwise(at)) <= 1


def test_values_that_do_not_double_have_a_linear_axis() -> None:
    assert not doubles([1024, 2048, 3072])
    assert not doubles([0, 1, 2])
    assert x_scale([1.0, 2.0, 3.0]).base is None
    assert x_scale([512.0, 1024.0, 4096.0]).base == 2


def test_over_two_decades_the_y_axis_is_logarithmic() -> None:
    assert y_scale([0.05, 4.9]).base is None
    assert y_scale([0.05, 5.1]).base == 10
    assert y_scale([0.0, 500.0]).base is None


@pytest.mark.parametrize("values", [(3.0, 650.0), (0.0, 0.004), (17.0, 17.0), (1e-4, 1e6), (-2.0, 5.0)])
@pytest.mark.parametrize("rows", [3, 12, 60])
def test_y_ticks_are_few_rise_and_lie_within(values: tuple[float, float], rows: int) -> None:
    scale = y_scale(values)
    ticks = y_ticks(scale, rows)
    assert ticks == sorted(set(ticks))
    assert 1 <= len(ticks) <= max(12, rows)
    assert all(-1e-6 <= scale.fraction(tick) <= 1 + 1e-6 for tick in ticks)


def test_a_scale_s_ends_are_zero_and_one() -> None:
    scale = Scale(1.0, 100.0, 10)
    assert [scale.fraction(value) for value in (1.0, 10.0, 100.0)] == pytest.approx([0, 0.5, 1])


def test_each_curve_is_named_at_its_end_with_its_own_mark() -> None:
    drawn = draw(chart(curve("slow", 1, 2, 4, 8), curve("fast", 0.5, 1, 2, 4, place=1)), 80, 20).plain
    lines = drawn.split("\n")
    slow = next(line for line in lines if "slow" in line)
    fast = next(line for line in lines if "fast" in line)
    assert "● slow" in slow and slow.count("●") == 2  # the last point, and the name's
    assert "■ fast" in fast and fast.count("■") == 2
    assert lines.index(slow) < lines.index(fast)


def test_marks_and_lines_have_the_curve_s_colour_and_names_the_terminal_s() -> None:
    text = draw(chart(curve("flash2", 1, 2, 4, 8, colour="#56B4E9")), 80, 20)
    coloured = [range(span.start, span.end) for span in text.spans if "56b4e9" in str(span.style).lower()]
    mark = text.plain.index("● flash2")
    assert any(mark in place for place in coloured)
    assert not any(mark + 2 in place for place in coloured)


def test_names_that_would_share_a_line_move_apart() -> None:
    assert apart([3, 3, 3], 10) == [3, 4, 5]
    assert apart([8, 9, 9], 10) == [7, 8, 9]
    assert apart([0, 0, 0], 2) == [-1, 0, 1]
    same = [curve(f"name{index}", 1, 2, 4, 8, place=index) for index in range(5)]
    plain = draw(chart(*same), 80, 20).plain
    assert all(f"name{index}" in plain for index in range(5))


def test_what_ends_a_curve_is_said_at_its_end() -> None:
    assert "pytorch OOM" in draw(chart(curve("pytorch", 1, 2, note="OOM")), 80, 12).plain


def test_ascii_only_is_ascii() -> None:
    text = draw(
        chart(curve("slow", 1, 2, 4, 8), curve("fast", 0.5, 1, 2, 4, place=1)), 80, 20, ascii_only=True
    )
    assert text.plain.isascii()
    assert "o slow" in text.plain and "* fast" in text.plain


def test_what_is_no_number_is_left_out() -> None:
    assert "no figures" in draw(chart(curve("nan", math.nan)), 80, 20).plain
    assert "no figures" in draw(chart(), 80, 20).plain
    assert "flash2" in draw(chart(curve("flash2", 1, math.nan, 4, math.inf)), 80, 20).plain


@pytest.mark.parametrize(("width", "height"), [(1, 1), (20, 20), (80, 4), (24, 5), (26, 6), (300, 90)])
def test_no_size_is_too_small_or_large(width: int, height: int) -> None:
    text = draw(chart(curve("a-very-long-name-of-an-implementation", 1, 2, 4, 8)), width, height)
    assert len(text.plain.split("\n")) <= height


def test_one_point_makes_a_chart() -> None:
    text = draw(chart(curve("flash2", 3.0), ticks=((1024.0, "1k"),)), 60, 12)
    assert "flash2" in text.plain


def test_a_chart_leaves_nothing_behind_for_the_next() -> None:
    first = draw(chart(curve("one", 1, 2, 4, 8)), 60, 12).plain
    draw(chart(curve("two", 900, 2, 1e6, 8)), 100, 40, ascii_only=True)
    assert draw(chart(curve("one", 1, 2, 4, 8)), 60, 12).plain == first


def test_crowded_x_ticks_keep_the_first_and_the_last() -> None:
    ticks = tuple((float(2**power), str(2**power)) for power in range(24))
    points = tuple((at, 1.0) for at, _ in ticks)
    labels = (
        draw(chart(Curve("flash2", "#E69F00", points), ticks=ticks), 60, 12).plain.split("\n")[-1].split()
    )
    assert labels[0] == "1" and labels[-1] == str(2**23)
    assert len(labels) < 24
