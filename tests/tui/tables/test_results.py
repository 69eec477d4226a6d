"""The results table, as a terminal of some width shows it."""

from __future__ import annotations

import pytest
from rich.console import Console

from profiler.events import Energy, Finished, Planned, Replayed
from profiler.results.rows import rows
from profiler.session.recording import Recording
from profiler.units import shape_columns
from tests.examples import (
    GIB,
    attention,
    cases,
    checked,
    header,
    held,
    hopper,
    hopper_events,
    lab6,
    lab6_events,
    measured,
    plan,
    samples,
    single,
    telemetry,
)
from tui.tables.results import plain_line, results_table


def shown(recording: Recording, width: int | None, most_lines: int | None = None) -> list[str]:
    console = Console(width=width or 1000, no_color=True, highlight=False)
    with console.capture() as captured:
        console.print(results_table(recording, width=width, most_lines=most_lines))
    return [line.rstrip() for line in captured.get().splitlines()]


def headings(lines: list[str]) -> str:
    rule = next(index for index, line in enumerate(lines) if line.startswith("──"))
    return " ".join(" ".join(lines[rule - 2 : rule]).split())


def line_of(lines: list[str], *words: str) -> str:
    return next(line for line in lines if all(word in line for word in words))


def sweep(implementations: tuple[str, ...] = ("pytorch", "flash2"), shapes: int = 6) -> Recording:
    whole = plan(
        [attention(seq=2**n, causal=causal) for n in range(8, 8 + shapes // 2) for causal in (False, True)]
    )
    events = [
        event for case in cases(whole) for event in (*checked(case), *measured(case, speed=1 + case.number))
    ]
    return Recording.of([header(), Planned(plan=whole), *events, Finished(ending="completed")])


@pytest.mark.parametrize("width", [40, 60, 80, 100, 132, 200])
def test_it_fits_its_width_and_cuts_no_number(width: int) -> None:
    for recording in (lab6(), sweep(), hopper()):
        lines = shown(recording, width)
        assert max(map(len, lines)) <= width
        assert not any("…" in line for line in lines)


def test_eighty_columns_have_what_matters() -> None:
    assert headings(shown(lab6(), 80)) == (
        "forward backward fwd+bwd memory seq implementation ms ms ms TFLOP/s MiB speedup"
    )


def test_more_room_shows_more() -> None:
    counts = [len(headings(shown(lab6(), width)).split()) for width in (50, 80, 100, 200)]
    assert counts == sorted(set(counts))
    assert headings(shown(lab6(), None)) == headings(shown(lab6(), 200))


def test_what_shapes_share_is_in_the_title_and_each_shape_is_named_once() -> None:
    lines = shown(lab6(), 80)
    assert lines[0] == "batch 32, heads 16, head dim 64, float16, causal"
    assert [line.split()[0] for line in lines if line.strip().startswith(("512", "4096"))] == ["512", "4096"]


def test_a_line_has_the_passes_side_by_side_and_sums_up_forward_plus_backward() -> None:
    assert line_of(shown(lab6(), 80), "flash2", "1.800").split() == [
        "flash2",
        "0.5000",
        "1.250",
        "1.800",
        "33.5",
        "84.0",
        "2.00x",
        "±0.01",
    ]


def test_the_fastest_is_starred_and_the_baseline_named_without_any_colour() -> None:
    lines = shown(lab6(), 80)
    assert line_of(lines, "sdpa (cudnn)", "3.00x").count("*") == 3
    assert "baseline" in line_of(lines, "pytorch", "3.600")


def test_a_wrong_result_is_called_wrong_in_place_of_its_speedup_and_never_starred() -> None:
    line = line_of(shown(lab6(), 80), "sdpa-cudnn", "0.2500")
    assert line.endswith("wrong")
    assert "*" not in line


def test_failures_stand_where_their_times_would() -> None:
    lines = shown(lab6(), 80)
    assert line_of(lines, "4096", "10.0").split()[3:5] == ["OOM", "OOM"]
    assert line_of(lines, "flash2", "crashed").split()[1:4] == ["crashed"] * 3
    assert line_of(lines, "sdpa-cudnn", "n/a").split()[1:4] == ["n/a"] * 3


@pytest.mark.parametrize("width", [80, None])
def test_remarks_are_beside_the_line_or_below_the_table(width: int | None) -> None:
    text = " ".join(" ".join(shown(lab6(), width)).split())
    assert "not converged; launch-bound; head dim 64 padded to 96" in text
    assert "power cap in 100 % of readings: seq 512; times are those of a lower clock" in text
    assert "OOM: 64.0 GiB asked for, batch 8 expected to fit (backward, fwd+bwd)" in text
    assert "unsupported: takes head dims up to 32, not 64" in text


def test_names_with_brackets_are_no_markup() -> None:
    whole = plan([attention()], ["sdpa[flash]"])
    (case,) = cases(whole)
    recording = Recording.of([header(), Planned(plan=whole), *checked(case), *measured(case)])
    assert any("sdpa[flash]" in line for line in shown(recording, 80))


def test_escapes_in_a_session_do_not_reach_the_terminal() -> None:
    whole = plan([attention()], ["a\x1b[31mb"])
    (case,) = cases(whole)
    recording = Recording.of(
        [Planned(plan=whole), *checked(case, notes=["\x1b]0;x\x07note"]), *measured(case)]
    )
    assert "\x1b" not in "".join(shown(recording, 200))


def test_a_live_case_shows_dots_then_its_median_so_far() -> None:
    whole = plan([attention()])
    first, second = cases(whole)
    recording = Recording.of(
        [Planned(plan=whole), *checked(first), *checked(second), samples(first, "fwd", count=7)]
    )
    lines = shown(recording, 80)
    assert line_of(lines, "pytorch").split()[1:4] == ["1.000", "±0.1%", "..."]
    assert line_of(lines, "flash2").split()[1:4] == ["..."] * 3


def test_a_case_that_has_not_begun_has_no_line() -> None:
    recording = Recording.of([Planned(plan=plan([attention()])), *checked(cases(plan([attention()]))[0])])
    assert not any("flash2" in line for line in shown(recording, 80))


def test_only_the_passes_of_the_plan_have_columns() -> None:
    assert headings(shown(single(["fwd"]), 80)) == (
        "forward wall memory saved implementation ms ± ms TFLOP/s MiB MiB error"
    )


def test_a_single_implementation_has_no_speedup() -> None:
    assert "speedup" not in headings(shown(single(), 200))


def test_an_empty_recording_is_an_empty_table() -> None:
    assert "".join(shown(Recording(), 80)).strip() == ""
    assert "".join(shown(Recording.of([header()]), None)).strip() == ""


def test_a_long_sweep_shows_the_last_shapes_that_fit() -> None:
    body = [line for line in shown(sweep(), 80, most_lines=6) if "pytorch" in line or "flash2" in line]
    assert len(body) == 4
    assert body[0].split()[:3] == ["1024", "no", "pytorch"]
    assert len([line for line in shown(sweep(), 80, most_lines=1) if "pytorch" in line]) == 1


def test_the_table_of_a_live_recording_and_of_its_file_are_the_same() -> None:
    live = Recording()
    for event in lab6_events():
        live.add(event)
    assert shown(live, 120) == shown(lab6(), 120)


def test_plain_lines_say_shape_who_what_and_how_fast() -> None:
    recording = lab6()
    shapes = shape_columns(case.workload for case in recording.cases.values())
    lines = [plain_line(row, shapes) for row in rows(recording)]
    assert (
        lines[3] == "seq 512  sdpa (cudnn)  forward  0.3333 ms ±0.1%  51.6 TFLOP/s  84.0 MiB  3.00x ±0.01  "
        "power cap in 100 % of readings"
    )
    assert lines[13] == "seq 4096  pytorch  backward  OOM: 64.0 GiB asked for, batch 8 expected to fit"


def test_a_plain_line_by_itself_has_the_whole_shape() -> None:
    line = plain_line(rows(single())[0])
    assert line.startswith(
        "batch 32, seq 1024, heads 16, head dim 64, float16, causal  flash2  forward  1.000 ms"
    )


def test_a_wide_terminal_shows_peak_clock_bound_graph_and_energy() -> None:
    lines = shown(hopper(), 200)
    assert headings(lines) == headings(shown(hopper(), None))
    assert {"graph", "peak", "bound", "SM", "MHz", "energy", "J"} <= set(headings(lines).split())
    assert line_of(lines, "flash2", "1.980").split()[5:13] == [
        *("1.980", "-", "534.6", "71", "compute", "1400", "1.25", "64.0")
    ]


def test_eighty_columns_stay_with_the_essentials() -> None:
    assert headings(shown(hopper(), 80)) == (
        "forward fwd+bwd energy memory seq implementation ms ms TFLOP/s J MiB speedup"
    )


def test_energy_which_was_asked_for_stays_longer_than_what_always_comes() -> None:
    least = {
        name: next(width for width in range(60, 201) if name in headings(shown(hopper(), width)).split())
        for name in ("energy", "error", "peak", "SM", "graph", "wall", "bound", "saved")
    }
    assert sorted(least, key=least.__getitem__) == list(least)


def test_columns_without_room_are_named_the_most_important_first() -> None:
    text = " ".join(" ".join(shown(hopper(), 80)).split())
    assert "not shown for want of width: error, peak, SM, graph, ±, wall, bound, saved power cap" in text
    assert "not shown" not in " ".join(shown(hopper(), 200))


def test_a_time_as_a_graph_is_a_remark_where_it_has_no_column() -> None:
    text = " ".join(" ".join(shown(hopper(), 80)).split())
    assert "sdpa-flash at seq 256: launch-bound; graph 0.8000 ms (fwd+bwd)" in text
    assert "graph 0.8000 ms" not in " ".join(shown(hopper(), 200))
    plain = [plain_line(row) for row in rows(hopper()) if row.graph_ms]
    assert [line.endswith("launch-bound; graph 0.8000 ms") for line in plain] == [True]


def test_graph_times_of_more_lines_than_are_told_are_left_out_so_that_lines_share_their_remarks() -> None:
    whole = plan([attention(seq=2**n) for n in range(5, 9)])
    events = [
        event
        for case in cases(whole)
        for event in (
            *checked(case),
            *measured(case, wall=2.0),
            Replayed(case=case.number, which="fwd_bwd", replay_ms=[1.0 + case.number]),
        )
    ]
    text = " ".join(" ".join(shown(Recording.of([Planned(plan=whole), *events]), 60)).split())
    assert text.endswith("pytorch at seq 32 and 7 more: launch-bound")


def test_a_memory_limit_stands_in_the_title() -> None:
    assert shown(held(hopper_events(), 12 * GIB), 80)[1] == "held to 12.0 GiB (--memory-limit)"
    assert "--memory-limit" not in "".join(shown(hopper(), 80))


def test_shares_of_a_condition_that_differ_between_shapes_are_a_range() -> None:
    recording = sweep()
    for at_s, throttle in ((1.2, ("power cap",)), (1.3, ("power cap",)), (1.4, ())):
        recording.add(telemetry(at_s, throttle=throttle))
    last = list(recording.cases.values())[-1]
    assert last.check is not None
    text = " ".join(" ".join(shown(recording, 200)).split())
    assert "power cap in 67 % of readings: seq 256, not causal and 5 more; times are those of a lower" in text
    last.check.at_s = 1.25  # its rounds began later, so it has two of the three readings
    text = " ".join(" ".join(shown(recording, 200)).split())
    assert "power cap in 50 to 67 % of readings: seq 256, not causal and 5 more" in text


def test_a_tie_is_said_in_the_narrowest_terminal_and_a_margin_where_there_is_room() -> None:
    assert line_of(shown(hopper(), 48), "compiled").endswith("1.00x tie")
    assert line_of(shown(hopper(), 48), "flash2").endswith("4.00x")
    assert line_of(shown(hopper(), 80), "flash2").endswith("4.00x ±0.01")
    assert "tie: the speedup's 95 % interval holds 1" in " ".join(" ".join(shown(hopper(), 48)).split())


def test_what_ties_for_the_fastest_is_starred_too() -> None:
    lines = shown(hopper(), 80)
    assert line_of(lines, "sdpa-flash", "4.00x").count("*") == 2
    assert line_of(lines, "flash2", "4.00x").count("*") == 2


def test_nvmls_clock_is_marked_and_the_counters_is_not() -> None:
    assert "~1410" in line_of(shown(lab6(), 200), "flash2", "1.800")
    assert "~ not recorded by the GPU's own counters: NVML's" in " ".join(shown(lab6(), 200))
    assert "~" not in "".join(shown(hopper(), 200))


def test_little_energy_is_in_millijoules() -> None:
    whole = plan([attention()], ["pytorch"], ["fwd"])
    (case,) = cases(whole)
    energy = Energy(case=0, which="fwd", joules=0.0123, power_w=400, window_s=1, call_ms=1)
    recording = Recording.of([Planned(plan=whole), *checked(case), *measured(case, ["fwd"]), energy])
    lines = shown(recording, 200)
    assert "mJ" in headings(lines).split()
    assert "12.3" in line_of(lines, "pytorch").split()


def test_conditions_writes_and_graph_breaks_are_remarks() -> None:
    text = " ".join(" ".join(shown(hopper(), 80)).split())
    assert "compiled at seq 256: writes its inputs: q; 2 graph breaks" in text
    assert "launch-bound; no CUDA graph: it waits for the GPU (fwd+bwd)" in text
    for width in (80, 200):
        text = " ".join(" ".join(shown(hopper(), width)).split())
        assert "power cap in 83 % of readings: seq 4096; times are those of a lower clock" in text
        assert "another process on the GPU in 17 % of readings: seq 4096; times hold its work too" in text
        assert text.count("power cap") == 1


def test_what_comes_after_the_results_of_a_live_run_changes_no_line_but_its_own() -> None:
    """Graphs, energy and kernels arrive when the case is done."""
    live = Recording()
    for event in hopper_events():
        live.add(event)
        assert shown(live, 100)
    assert shown(live, 200) == shown(hopper(), 200)


def test_conditions_in_a_session_are_no_escapes() -> None:
    whole = plan([attention()], ["pytorch"])
    (case,) = cases(whole)
    odd = telemetry(1.5, throttle=("\x1b[31mheat",))
    recording = Recording.of([Planned(plan=whole), *checked(case), *measured(case), odd])
    assert "heat in 100 % of readings" in shown(recording, 200)
    assert "\x1b" not in "".join(shown(recording, 200))
