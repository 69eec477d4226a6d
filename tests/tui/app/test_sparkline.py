"""Sparklines, and the device's telemetry drawn with them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from profiler.events import Gpu, Telemetry
from tui.app.glyphs import ASCII, UNICODE
from tui.app.pictures.sparkline import buckets, sparkline
from tui.app.pictures.telemetry import telemetry_picture

H100 = Gpu(name="NVIDIA H100", memory_bytes=80 * 2**30, power_limit_w=700.0, max_sm_mhz=1980)


def readings(count: int = 300, **changes: object) -> list[Telemetry]:
    """`count` readings, one every 0.1 s."""
    fields = {
        "sm_mhz": 1980,
        "power_w": 512.0,
        "temperature_c": 61,
        "utilization_percent": 99.0,
        "memory_used_bytes": 12 * 2**30,
    }
    return [Telemetry(at_s=index / 10, **(fields | changes)) for index in range(count)]  # type: ignore[arg-type]


def drawn(telemetry: Sequence[Telemetry], width: int, height: int, kind: str = "cuda") -> list[str]:
    gpu = H100 if kind == "cuda" else None
    return [line.plain for line in telemetry_picture(telemetry, gpu, kind, width, height, UNICODE)]


def test_the_lowest_has_the_lowest_block_and_the_highest_the_highest() -> None:
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8, UNICODE) == ["▁▂▃▄▅▆▇█"]


def test_ascii_has_blocks_of_its_own() -> None:
    assert sparkline([0, 5, 10], 3, ASCII) == ["_=#"]


def test_the_newest_stands_at_the_right() -> None:
    assert sparkline([9, 0, 1], 2, UNICODE) == ["▁█"]
    assert sparkline([0, 1], 4, UNICODE) == ["  ▁█"]


def test_a_fixed_range_shows_what_is_beyond_it_at_its_ends() -> None:
    assert sparkline([-5, 50, 500], 3, UNICODE, low=0, high=100) == ["▁▅█"]


def test_what_a_bound_from_elsewhere_leaves_no_scale_for_is_drawn_at_that_bound() -> None:
    assert sparkline([1, 20], 2, UNICODE, low=100) == ["▁▁"]
    assert sparkline([200, 300], 2, UNICODE, high=100) == ["██"]


@pytest.mark.parametrize("gap", [None, float("nan"), float("inf")])
def test_what_was_not_read_is_a_gap(gap: float | None) -> None:
    assert sparkline([0, gap, 1], 3, UNICODE) == ["▁ █"]


def test_readings_that_are_all_the_same_or_missing_draw_without_a_scale() -> None:
    assert sparkline([7, 7], 2, UNICODE) == ["▄▄"]
    assert sparkline([None, None], 2, UNICODE) == ["  "]
    assert sparkline([], 2, UNICODE) == ["  "]


def test_in_several_rows_the_lower_ones_are_full_beneath_the_upper() -> None:
    assert sparkline([0, 0.5, 1], 3, UNICODE, low=0, high=1, rows=2) == [" ▁█", "▁██"]


def test_a_bucket_is_the_mean_of_its_span_and_an_empty_one_a_gap() -> None:
    taken = [(0.0, 1.0), (0.5, 3.0), (2.1, 5.0), (2.2, None)]
    assert buckets(taken, 3, 1.0) == [2.0, None, 5.0]


def test_a_finished_bucket_stays_as_it_is_when_time_goes_on() -> None:
    taken = [(index / 10, float(index)) for index in range(57)]
    before, after = buckets(taken, 5, 1.0), buckets([*taken, (6.1, 0.0)], 5, 1.0)
    assert before[1:-1] == after[:-2]


def test_current_values_stand_beside_their_limits() -> None:
    text = "\n".join(drawn(readings(), 60, 6))
    for words in ("1980 of 1980 MHz", "512 of 700 W", "61 C", "12.0 of 80.0 GiB", "99 %"):
        assert words in text


@pytest.mark.parametrize("size", [(80, 2), (80, 3), (40, 6), (120, 2), (100, 20)])
@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_everything_is_shown_in_the_room_there_is(size: tuple[int, int], kind: str) -> None:
    lines = drawn(readings(process_bytes=2**30), *size, kind=kind)
    assert len(lines) <= size[1]
    assert all(len(line) <= size[0] for line in lines)
    text = "\n".join(lines)
    wanted = (
        ("MHz", " W", " C", "GiB", " %", "clocks")
        if kind == "cuda"
        else ("1.00 GiB", "12.0 GiB", "99 %", "CPU")
    )
    assert all(words in text for words in wanted)
    assert "█" in text


def test_what_holds_the_clocks_back_is_said_in_words() -> None:
    text = "\n".join(drawn(readings(throttle=("power cap",)), 70, 6))
    assert "power cap in 100 % of readings: times are those of a lower clock" in text


def test_another_process_is_told_even_where_room_is_short() -> None:
    assert "another process on the GPU" in "\n".join(drawn(readings(other_processes=1), 80, 2))


def test_nothing_moves_when_clocks_begin_to_be_held_back() -> None:
    free, held = drawn(readings(), 80, 2), drawn(readings(throttle=("power cap",)), 80, 2)
    assert free[0] == held[0]
    assert [line.index("util") for line in (free[1], held[1])] == [free[1].index("util")] * 2


def test_a_reason_that_has_passed_is_forgotten() -> None:
    past = readings(100, throttle=("power cap",))
    now = [Telemetry(at_s=15 + index / 10, sm_mhz=1980) for index in range(100)]
    assert "power cap" not in "\n".join(drawn([*past, *now], 70, 6))


def test_what_cannot_be_read_says_so() -> None:
    assert any("power" in line and "not read" in line for line in drawn(readings(power_w=None), 60, 6))


def test_without_readings_there_is_a_word_for_it() -> None:
    assert drawn([], 60, 6) == ["no readings of the device yet"]
