"""Bars of a metric."""

from __future__ import annotations

import pytest

from profiler.results.rows import rows
from tests.examples import lab6
from tui.app.glyphs import ASCII, UNICODE
from tui.app.metrics import BY_ID
from tui.app.pictures.bars import bars_of, bars_picture
from tui.tables.columns import Line, lines_of


def shape(index: int) -> list[Line]:
    return lines_of(rows(lab6()))[4 * index :][:4]


def drawn(
    lines: list[Line], metric: str = "fwd_bwd", width: int = 80, height: int = 8, *, ascii: bool = False
) -> list[str]:
    bars = bars_of(lines, BY_ID[metric])
    glyphs = ASCII if ascii else UNICODE
    return [line.plain.rstrip() for line in bars_picture(bars, BY_ID[metric], width, height, glyphs)]


def bar(line: str) -> int:
    """How long its bar is, in whole cells."""
    return line.count("█")


def test_the_best_stands_at_the_top_marked_with_value_unit_and_speedup() -> None:
    title, first, *_ = drawn(shape(0))
    assert title == "fwd+bwd, ms  lower is better"
    assert first.startswith("sdpa (cudnn) *")
    assert "1.200 ms" in first
    assert "3.00x ±0.01" in first


def test_bars_are_to_scale_from_zero() -> None:
    lines = {line.split()[0]: line for line in drawn(shape(0))}
    assert bar(lines["pytorch"]) == pytest.approx(2 * bar(lines["flash2"]), abs=1)
    assert bar(lines["pytorch"]) == pytest.approx(3 * bar(lines["sdpa"]), abs=2)


def test_the_baseline_and_a_wrong_result_are_told_in_words() -> None:
    lines = {line.split()[0]: line for line in drawn(shape(0))}
    assert lines["pytorch"].endswith(" baseline")
    assert lines["sdpa-cudnn"].endswith(" wrong")


def test_what_failed_shows_its_word_in_the_place_of_a_bar() -> None:
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in drawn(shape(1))[1:]}
    assert lines["pytorch"] == "OOM"
    assert lines["flash2"] == "crashed"
    assert lines["sdpa-cudnn"] == "unsupported"
    assert lines["sdpa"] == "(flash)   not measured"


def test_ascii_bars_need_no_other_characters() -> None:
    text = "\n".join(drawn(shape(0), ascii=True))
    assert text.isascii()
    assert "####" in text
    assert "+-0.01" in text


def test_where_lines_are_few_bars_stand_in_columns() -> None:
    lines = drawn(shape(0), height=3)
    assert len(lines) == 3
    assert "sdpa (cudnn)" in lines[1]
    assert "pytorch" in lines[1]
    assert "sdpa-cudnn" in lines[2]


def test_what_has_no_room_is_counted_and_the_best_stay() -> None:
    title, *rest = drawn(shape(0), width=40, height=3)
    assert "and 2 more" in title
    assert [line.split()[0] for line in rest] == ["sdpa", "flash2"]


@pytest.mark.parametrize(
    ("width", "height", "said"),
    [
        (66, 2, "fwd+bwd, ms  lower is better  and 2 more: make room, or filter"),
        (60, 3, "fwd+bwd, ms  lower is better  and 2 more"),
        (39, 3, "fwd+bwd, ms  and 2 more"),
    ],
)
def test_the_title_says_what_there_is_room_for_and_cuts_no_word(width: int, height: int, said: str) -> None:
    assert drawn(shape(0), width=width, height=height)[0] == said


@pytest.mark.parametrize("width", [8, 20, 30, 36, 45, 60, 200])
@pytest.mark.parametrize("height", [1, 2, 5, 30])
@pytest.mark.parametrize("index", [0, 1])
def test_no_line_is_longer_than_the_room(width: int, height: int, index: int) -> None:
    for metric in BY_ID.values():
        bars = bars_of(shape(index), metric)
        picture = bars_picture(bars, metric, width, height, UNICODE)
        assert len(picture) <= height
        assert all(line.cell_len <= max(width, 1) for line in picture[1:])


def test_speedups_stay_where_margins_and_units_go() -> None:
    lines = drawn(shape(0), width=40)
    assert "3.00x" in lines[1]
    assert "±" not in lines[1]


def test_without_lines_there_is_nothing() -> None:
    assert drawn([]) == []
