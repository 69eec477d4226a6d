"""Histograms show where samples lie and what is beyond; the course by rounds shows drift."""

from __future__ import annotations

from profiler.stats import estimate
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.pictures.distribution import histogram, rounds


def drawn(samples: list[float], width: int = 40, rows: int = 3, glyphs: Glyphs = ASCII) -> list[str]:
    return [line.plain for line in histogram(samples, estimate(samples), width, rows, glyphs=glyphs)]


def test_columns_stand_where_the_samples_lie() -> None:
    *columns, _, _ = drawn([1.0] * 10 + [1.1] * 20 + [2.0] * 10)
    assert [line.count("#") > 0 for line in columns] == [True, True, True]
    assert columns[-1].startswith("#") and columns[-1].endswith("#") and "     " in columns[-1]
    assert columns[0].find("#") > 0  # the highest column is that of 1.1


def test_a_value_that_no_sample_has_leaves_a_gap_in_every_row() -> None:
    *columns, _, _ = drawn([1.0, 1.01, 1.02] * 4 + [2.0, 1.99, 1.98] * 4)
    assert all(line[20] == " " for line in columns)


def test_the_median_stands_on_its_interval() -> None:
    samples = [1 + n / 100 for n in range(41)]
    marks, ends = drawn(samples)[-2:]
    assert marks.strip().startswith("|-") and marks.strip().endswith("-|")
    assert len(marks) == len(ends) and abs(marks.index("^") - len(marks) / 2) <= 1
    assert ends.startswith("1.000") and ends.endswith("1.400 ms")


def test_the_marks_are_explained_where_there_is_room() -> None:
    samples = [1 + n / 100 for n in range(41)]
    assert "^ median, |-| its 95 % interval" in drawn(samples, width=60)[-1]
    assert "median" not in drawn(samples, width=30)[-1]


def test_a_sample_far_out_is_counted_and_does_not_flatten_the_others() -> None:
    samples = [1 + n / 1000 for n in range(40)]
    picture = drawn([*samples, 50.0, 60.0, 0.1])
    assert picture[-1] == "1 sample below, down to 0.1000 ms; 2 samples above, up to 60.0 ms"
    assert picture[-2].startswith("1.000") and picture[-2].endswith("1.039 ms")


def test_too_few_samples_or_columns_have_no_picture_and_equal_ones_a_word() -> None:
    assert drawn([1.0, 1.1, 1.2]) == []
    assert drawn([1.0, 1.1] * 10, width=10) == []
    assert drawn([0.5] * 8) == ["all 8 took 0.5000 ms"]


def test_no_line_is_wider_than_asked_for() -> None:
    for count in (6, 7, 45, 1000):
        samples = [1 + (n * 7919 % count) / count for n in range(count)]
        for width in (24, 41, 66, 120):
            assert all(len(line) <= width for line in drawn(samples, width, glyphs=UNICODE))


def test_rounds_stand_in_their_order_and_drift_is_said() -> None:
    line, said = (part.plain for part in rounds([1.0, 1.0, 1.0, 2.0, 2.0, 2.0], 20, glyphs=ASCII))
    assert line == "___###"
    assert said == "rounds 1 to 6, 1.000 to 2.000 ms; second half +100.0 %"


def test_rounds_without_drift_say_none() -> None:
    _, said = rounds([1.0, 1.1] * 20, 30, glyphs=ASCII)
    assert said.plain == "rounds 1 to 40, 1.000 to 1.100 ms"


def test_more_rounds_than_columns_share_blocks() -> None:
    line, said = rounds([float(n // 100) + 1 for n in range(600)], 6, glyphs=ASCII)
    assert line.plain == ASCII.spark
    assert said.plain.startswith("rounds 1 to 600, 1.000 to 6.000 ms")
    assert rounds([1.0], 10, glyphs=ASCII) == []
