"""CSV as pandas and a spreadsheet read it."""

from __future__ import annotations

import io

import msgspec
import pandas as pd
import pytest

from profiler.events import CaseChecked, Event, Planned
from profiler.export import export, export_parts, spreadsheet
from profiler.session.recording import Recording
from tests.examples import (
    GIB,
    attention,
    cases,
    checked,
    failed,
    header,
    held,
    hopper,
    lab6,
    lab6_events,
    measured,
    plan,
)


def frame(recording: Recording) -> pd.DataFrame:
    return pd.read_csv(io.StringIO(export(recording, "csv")))


def one_failure(message: str) -> Recording:
    whole = plan([attention()], ["pytorch"], ["fwd"])
    (case,) = cases(whole)
    return Recording.of([header(), Planned(plan=whole), failed(case, "error", message)])


def test_there_is_one_row_a_pass_of_a_case() -> None:
    table = frame(lab6())
    assert len(table) == 8 * 3
    assert list(table["pass"][:3]) == ["fwd", "bwd", "fwd_bwd"]


def test_units_are_in_the_header() -> None:
    assert {"device_ms", "device_ms_low", "wall_ms", "tflops", "working_bytes", "first_call_ms"} <= set(
        frame(lab6()).columns
    )


def test_figures_are_exact_and_what_was_not_measured_is_empty() -> None:
    table = frame(lab6()).set_index(["seq_q", "implementation", "pass"])
    flash = table.loc[(512, "flash2", "fwd")]
    assert flash["device_ms"] == 0.5
    assert flash["speedup"] == pytest.approx(2)
    assert flash["working_bytes"] == 84 * 2**20
    assert flash["status"] == "ok"
    assert not flash["converged"]
    oom = table.loc[(4096, "pytorch", "bwd")]
    assert (oom["status"], oom["requested_bytes"], oom["largest_batch"]) == ("oom", 64 * 2**30, 8)
    assert pd.isna(oom["device_ms"])


def test_clocks_bounds_and_energy_have_columns_with_their_units() -> None:
    table = frame(hopper()).set_index(["seq_q", "implementation", "pass"])
    flash = table.loc[(4096, "flash2", "fwd_bwd")]
    assert (flash["sm_mhz"], flash["mega_cycles"]) == (1400.0, pytest.approx(1.8 * 1.4, rel=0.01))
    assert (flash["joules_per_call"], flash["power_w"]) == (1.25, 690.0)
    assert flash["joules_per_token"] == pytest.approx(1.25 / (8 * 4096))
    assert flash["percent_of_measured_peak"] == pytest.approx(100 * flash["tflops"] / 750)
    assert flash["percent_of_datasheet_peak"] == pytest.approx(100 * flash["tflops"] / 989.4)
    assert (flash["bound"], flash["process_bytes"]) == ("compute", 2100 * 2**20)
    assert flash["flop_per_byte"] > 1000
    assert flash["percent_of_copy_bandwidth"] < 20
    assert flash["conditions"] == "power cap; another process on the GPU"
    assert flash["condition_shares"] == "0.833; 0.167"
    assert (flash["energy_call_ms"], flash["energy_window_s"], flash["energy_sm_mhz"]) == (1.81, 1, 1405)


def test_ties_and_their_intervals_and_graphs_have_columns() -> None:
    table = frame(hopper()).set_index(["seq_q", "implementation", "pass"])
    compiled, sdpa, flash = (
        table.loc[(256, name, "fwd_bwd")] for name in ("compiled", "sdpa-flash", "flash2")
    )
    assert compiled["tie"]
    assert not flash["tie"]
    assert compiled["speedup_low"] <= 1 <= compiled["speedup_high"]
    assert (sdpa["is_fastest"], flash["is_fastest"], compiled["is_fastest"]) == (True, True, False)
    assert sdpa["graph_ms"] == 0.8
    assert (pd.isna(flash["graph_ms"]), flash["graph_reason"]) == (True, "it waits for the GPU.")
    assert (compiled["writes_inputs"], compiled["graph_breaks"]) == ("q", 2)
    assert compiled["graph_break_reasons"] == "call to a builtin that is not traced"
    assert pd.isna(flash["graph_breaks"])


def test_what_a_shape_may_have_besides_has_columns() -> None:
    shapes = [
        attention(seq_q=1, seq_k=64, decode=True, softcap=50.0),
        attention(batch=2, seq=64, lengths=(64, 10), dropout=0.1),
    ]
    whole = plan(shapes, ["flash2"], ["fwd"])
    decode, ragged = frame(
        Recording.of(
            [Planned(plan=whole), *(one for case in cases(whole) for one in measured(case, ["fwd"]))]
        )
    ).to_dict("records")
    assert (decode["seq_q"], decode["seq_k"], decode["decode"], decode["softcap"]) == (1, 64, True, 50.0)
    assert pd.isna(decode["lengths"])
    assert (ragged["decode"], ragged["lengths"], ragged["dropout"]) == (False, "64; 10", 0.1)
    assert pd.isna(ragged["softcap"])


def test_no_graph_break_is_a_zero_and_not_empty() -> None:
    whole = plan([attention()], ["compiled"], ["fwd"])
    unbroken = CaseChecked(case=0, first_call_ms={}, graph_breaks={}, notes=("padded", "copied"))
    (case,) = cases(whole)
    recording = Recording.of([Planned(plan=whole), *checked(case), unbroken, *measured(case, ["fwd"])])
    (row,) = frame(recording).to_dict("records")
    assert (row["graph_breaks"], row["notes"]) == (0, "padded; copied")


def test_errors_have_a_column_each_and_how_much_was_compared() -> None:
    table = frame(hopper()).set_index(["seq_q", "implementation", "pass"])
    partly, whole = table.loc[(4096, "pytorch", "fwd")], table.loc[(256, "pytorch", "fwd")]
    assert (whole["error_out"], whole["error_dq"]) == (0.0004, 0.0005)
    assert pd.isna(whole["error_dk"])
    assert (whole["heads_checked"], whole["heads_total"]) == (8, 512)
    assert (partly["queries_checked"], pd.isna(whole["queries_checked"])) == (64, True)


def test_a_memory_limit_stands_in_every_row() -> None:
    assert set(frame(held(lab6_events(), 12 * GIB))["memory_limit_bytes"]) == {12 * GIB}
    assert frame(lab6())["memory_limit_bytes"].isna().all()


def test_without_counters_the_clock_is_nvmls_and_stands_apart() -> None:
    row = frame(lab6()).set_index(["seq_q", "implementation", "pass"]).loc[(512, "flash2", "fwd")]
    assert pd.isna(row["sm_mhz"])
    assert row["nvml_sm_mhz"] == 1410


@pytest.mark.parametrize("message", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\x1b[31m=1"])
def test_a_message_is_never_a_formula(message: str) -> None:
    (shown,) = frame(one_failure(message))["message"]
    assert shown.startswith("'")


def test_a_message_with_commas_quotes_and_lines_stays_one_cell() -> None:
    table = frame(one_failure('a, "b"\nc'))
    assert list(table["message"]) == ['a, "b" c']


def test_a_device_name_is_never_a_formula() -> None:
    started = header()
    environment = msgspec.structs.replace(started.environment, gpu=None, cpu="=evil()", device="cpu")
    whole = plan([attention()], ["pytorch"], ["fwd"])
    (case,) = cases(whole)
    events: list[Event] = [
        msgspec.structs.replace(started, environment=environment),
        Planned(plan=whole),
        *checked(case),
        *measured(case, ["fwd"]),
    ]
    assert list(frame(Recording.of(events))["device"]) == ["'=evil()"]


def test_what_is_written_part_by_part_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = export(hopper(), "csv")
    monkeypatch.setattr(spreadsheet, "_PART_CHARACTERS", 1)
    parts = list(export_parts(hopper(), "csv"))
    assert len(parts) > 10 and "".join(parts) == whole


def test_a_session_without_results_is_a_header() -> None:
    assert export(Recording.of([header()]), "csv").count("\n") == 1
