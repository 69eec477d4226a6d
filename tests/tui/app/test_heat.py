"""Heat maps, and the series and tables of a sweep behind every chart."""

from __future__ import annotations

import pytest

from profiler.results.axes import axes_of
from tests.examples import attention
from tui.app.pictures.heat import HeatMap, Tile, draw, levels, painted_style
from tui.app.pictures.series import curves, table, winners

SHADES = " ░▒▓█"
GRID = [attention(seq=seq, heads=heads) for heads in (8, 16) for seq in (512, 1024, 2048)]
VALUES = {
    (shape, name): shape.seq_q / speed + shape.heads
    for shape in GRID
    for name, speed in (("slow", 1), ("fast", 4))
}


def heat_map(tiles: dict[tuple[str, str], Tile]) -> HeatMap:
    rows = tuple(dict.fromkeys(row for row, _ in tiles))
    columns = tuple(dict.fromkeys(column for _, column in tiles))
    return HeatMap("fast: TFLOP/s", "heads", "seq", rows, columns, tiles)


TILES = {
    ("8", "512"): Tile("10.0", 0.0),
    ("8", "1k"): Tile("20.0", 0.5),
    ("16", "512"): Tile("OOM"),
    ("16", "1k"): Tile("40.0", 1.0),
}


def test_each_figure_stands_in_its_row_and_column() -> None:
    lines = draw(heat_map(TILES), 60, 6, shades=SHADES).plain.split("\n")
    names, first, second = lines[-3], lines[-2], lines[-1]
    assert names.split() == ["heads", "512", "1k"]
    assert first.split() == ["8", "10.0", "20.0"]
    assert second.split() == ["16", "OOM", "40.0"]
    assert abs(second.index("40.0") + 2 - (names.index("1k") + 1)) <= 1


def test_painted_tiles_have_a_background_on_which_their_text_reads() -> None:
    text = draw(heat_map(TILES), 60, 6, shades=SHADES)
    styles = {text.plain[span.start : span.end].strip(): str(span.style) for span in text.spans}
    assert styles["10.0"].startswith("#ffffff on ")
    assert styles["40.0"].startswith("#000000 on ")
    assert " on " not in styles["OOM"]


def test_without_enough_colours_a_shade_stands_before_the_figure() -> None:
    text = draw(heat_map(TILES), 60, 6, shades=SHADES, painted=False)
    assert "▒ 20.0" in text.plain and "█ 40.0" in text.plain
    assert not any(" on " in str(span.style) for span in text.spans)
    assert draw(heat_map(TILES), 60, 6, shades=" .:*#", painted=False).plain.isascii()


@pytest.mark.parametrize(("width", "height"), [(1, 1), (10, 3), (20, 4), (200, 60)])
def test_it_fits_or_says_what_it_leaves_out(width: int, height: int) -> None:
    text = draw(heat_map(TILES), width, height, shades=SHADES).plain
    shown = sum(tile.text in text for tile in TILES.values())
    assert shown == 4 or f"({4 - shown} more do not fit)" in text


def test_tall_tiles_have_a_second_line() -> None:
    tiles = {place: Tile("flash2", colour="#E69F00", note="1.25") for place in TILES}
    lines = draw(heat_map(tiles), 60, 12, shades=SHADES).plain.split("\n")
    assert [line.count("1.25") for line in lines if "1.25" in line] == [2, 2]
    assert "1.25" not in draw(heat_map(tiles), 60, 6, shades=SHADES).plain


def test_the_best_is_brightest_whichever_way_the_metric_goes() -> None:
    values = {("a", "x"): 1.0, ("a", "y"): 2.0, ("b", "x"): 3.0}
    assert levels(values, "higher") == {("a", "x"): 0.0, ("a", "y"): 0.5, ("b", "x"): 1.0}
    assert levels(values, "lower")["a", "x"] == 1.0
    assert levels({("a", "x"): 5.0}, "lower") == {("a", "x"): 0.5}
    assert levels({}, "lower") == {}


def test_values_far_apart_are_told_by_ratio() -> None:
    values = {("a", "x"): 1.0, ("a", "y"): 10.0, ("b", "x"): 100.0}
    assert levels(values, "higher")["a", "y"] == pytest.approx(0.5)


def test_black_stands_on_light_and_white_on_dark() -> None:
    assert painted_style((240, 228, 66)).startswith("#000000")
    assert painted_style((0, 114, 178)).startswith("#ffffff")


def test_curves_follow_one_axis_where_the_others_are_fixed() -> None:
    found = curves(VALUES, axes_of(GRID), "seq", {"heads": "16"})
    assert found["slow"] == [(512.0, 528.0), (1024.0, 1040.0), (2048.0, 2064.0)]
    assert set(found) == {"slow", "fast"}


def test_a_case_without_a_value_leaves_a_gap() -> None:
    some = {key: value for key, value in VALUES.items() if key[0].seq_q != 1024}
    assert [at for at, _ in curves(some, axes_of(GRID), "seq", {"heads": "8"})["fast"]] == [512.0, 2048.0]


def test_a_table_has_one_implementation_by_two_axes() -> None:
    found = table(VALUES, axes_of(GRID), "heads", "seq", {}, "fast")
    assert found["16", "512"] == 512 / 4 + 16
    assert len(found) == 6


def test_the_winner_is_the_best_of_each_place() -> None:
    better: dict[str, set[str]] = {}
    axes = axes_of(GRID)
    better["lower"] = {name for name, _ in winners(VALUES, axes, "heads", "seq", {}, "lower").values()}
    better["higher"] = {name for name, _ in winners(VALUES, axes, "heads", "seq", {}, "higher").values()}
    assert better == {"lower": {"fast"}, "higher": {"slow"}}
