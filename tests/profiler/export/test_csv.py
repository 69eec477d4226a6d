"""CSV as pandas and a spreadsheet read it."""

from __future__ import annotations

import io

import msgspec
import pandas as pd
import pytest

from profiler.events import Event, Planned
from profiler.export import export
from profiler.recording import Recording
from tests.examples import attention, cases, checked, failed, header, lab6, measured, plan


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


def test_a_session_without_results_is_a_header() -> None:
    assert export(Recording.of([header()]), "csv").count("\n") == 1
