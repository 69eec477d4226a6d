"""The metrics that implementations are compared by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from profiler.results.rows import rows
from profiler.units import shape_columns
from tests.examples import hopper, lab6
from tui.app.metrics import BY_ID, METRICS, measured, ranked
from tui.tables.columns import Column as TableColumn
from tui.tables.columns import Line, columns_of, lines_of


def short_lab6() -> list[Line]:
    """pytorch, sdpa three times as fast, flash2 twice as fast, sdpa-cudnn four times but wrong."""
    return lines_of(rows(lab6()))[:4]


def long_lab6() -> list[Line]:
    """pytorch out of memory in backward, sdpa cut short, flash2 crashed, sdpa-cudnn unsupported."""
    return lines_of(rows(lab6()))[4:]


def names(lines: list[Line]) -> list[str]:
    return [line.headline.implementation for line in lines]


def column(lines: list[Line], key: str) -> TableColumn:
    columns = columns_of(lines, shape_columns([lines[0].shape]), short=False)
    return next(column for column in columns if column.key == key)


def test_the_lowest_time_is_the_best() -> None:
    assert names(ranked(short_lab6(), BY_ID["fwd"]))[:3] == ["sdpa", "flash2", "pytorch"]


def test_the_highest_rate_is_the_best() -> None:
    assert names(ranked(short_lab6(), BY_ID["tflops"]))[:3] == ["sdpa", "flash2", "pytorch"]


def test_a_wrong_result_is_not_the_best_however_fast() -> None:
    assert names(ranked(short_lab6(), BY_ID["fwd_bwd"]))[-1] == "sdpa-cudnn"


def test_what_has_no_value_comes_last_whether_the_best_or_the_worst_comes_first() -> None:
    lines = long_lab6()
    assert names(ranked(lines, BY_ID["fwd"])) == ["sdpa", "pytorch", "flash2", "sdpa-cudnn"]
    assert names(ranked(lines, BY_ID["fwd"], worst_first=True)) == ["pytorch", "sdpa", "flash2", "sdpa-cudnn"]


def test_a_number_that_is_not_finite_is_none() -> None:
    line = short_lab6()[0]
    head = replace(line.headline, tflops=float("nan"))
    assert BY_ID["tflops"].value(Line({"fwd_bwd": head}, head)) is None


def test_a_pass_that_was_not_measured_has_no_time() -> None:
    line = short_lab6()[0]
    assert BY_ID["bwd"].value(Line({"fwd": line.rows["fwd"]}, line.rows["fwd"])) is None


def test_the_baseline_is_once_as_fast_as_itself_but_not_where_it_failed() -> None:
    assert BY_ID["speedup"].value(short_lab6()[0]) == 1.0
    assert BY_ID["speedup"].value(long_lab6()[0]) is None


@pytest.mark.parametrize(
    "key",
    ["fwd", "bwd", "fwd_bwd", "wall", "tflops", "memory", "saved", "error", "peak", "graph", "sm_clock"],
)
def test_a_metric_says_what_its_column_says(key: str) -> None:
    lines = lines_of(rows(hopper())) if key in ("peak", "graph", "sm_clock") else short_lab6()
    cells = [cell.plain for cell in column(lines, key).cells]
    for line, cell in zip(lines, cells, strict=True):
        value = BY_ID[key].value(line)
        assert cell.lstrip("*~") == ("-" if value is None else BY_ID[key].show(value))


def test_energy_is_of_a_call_in_millijoules() -> None:
    line = next(line for line in lines_of(rows(hopper())) if line.headline.energy)
    assert line.headline.energy is not None
    assert BY_ID["energy"].value(line) == pytest.approx(1000 * line.headline.energy.joules)


def test_only_what_some_line_has_is_offered() -> None:
    offered = {metric.id for metric in measured(short_lab6())}
    assert {"fwd", "bwd", "fwd_bwd", "wall", "speedup", "memory"} <= offered
    assert not offered & {"energy", "graph", "peak"}


def test_titles_name_the_unit_once() -> None:
    assert BY_ID["fwd_bwd"].title == "fwd+bwd, ms"
    assert BY_ID["tflops"].title == "TFLOP/s"
    assert len({metric.title for metric in METRICS}) == len(METRICS)
