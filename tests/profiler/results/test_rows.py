"""What tables and reports say of each pass of each case."""

from __future__ import annotations

import msgspec
import pytest

from profiler.events import (
    Accuracy,
    CaseChecked,
    CaseStarted,
    Energy,
    Event,
    Finished,
    Planned,
    Replayed,
    Result,
    Samples,
)
from profiler.results.rows import Row, conditions_of, rows, rows_by_case
from profiler.session.recording import Recording
from profiler.stats import estimate
from profiler.workload import PASSES, Pass
from tests.examples import (
    CEILINGS,
    attention,
    cases,
    checked,
    failed,
    header,
    hopper,
    lab6,
    measured,
    plan,
    samples,
    telemetry,
)

WHOLE = plan([attention()], ["pytorch", "flash2"])
BASE, OTHER = cases(WHOLE)


def rows_of(*events: Event) -> dict[tuple[str, Pass], Row]:
    recording = Recording.of([Planned(plan=WHOLE), *events])
    return {(row.implementation, row.which): row for row in rows(recording)}


def test_there_is_a_row_for_every_pass_of_every_case_in_the_plans_order() -> None:
    got = [(row.case, row.which) for row in rows(lab6())]
    assert got == [(case, which) for case in range(8) for which in PASSES]


def test_rows_by_case_are_the_same_where_the_cases_of_a_shape_stand_apart() -> None:
    whole = plan([attention(), attention(seq=2048)], ["pytorch", "flash2"])
    numbers = {0: 0, 1: 2, 2: 1, 3: 3}
    apart = [msgspec.structs.replace(case, number=numbers[case.number]) for case in cases(whole)]
    recording = Recording.of(
        [Planned(plan=whole)]
        + [event for case in apart for event in (*checked(case), *measured(case, speed=1 + case.number))]
    )
    by_case = [(case.number, of_case) for case, of_case in rows_by_case(recording)]
    assert [number for number, _ in by_case] == [0, 1, 2, 3]
    assert [row for _, of_case in by_case for row in of_case] == rows(recording)
    fastest = [row.case for row in rows(recording) if row.is_fastest and row.which == "fwd"]
    assert fastest == [2, 3]


def test_only_the_plans_passes_have_rows() -> None:
    forward = plan([attention()], ["pytorch"], ["fwd"])
    (case,) = cases(forward)
    recording = Recording.of([Planned(plan=forward), *checked(case), *measured(case, ["fwd"])])
    assert [row.which for row in rows(recording)] == ["fwd"]


def test_speedup_is_over_the_baseline_and_the_baseline_has_none() -> None:
    got = rows_of(*checked(BASE), *checked(OTHER), *measured(BASE), *measured(OTHER, speed=2.5))
    speedup = got["flash2", "bwd"].speedup
    assert speedup is not None
    assert speedup.median == pytest.approx(2.5)
    assert got["pytorch", "bwd"].speedup is None
    assert got["pytorch", "bwd"].is_baseline


def test_another_baseline_can_be_asked_for() -> None:
    recording = Recording.of(
        [Planned(plan=WHOLE), *checked(BASE), *checked(OTHER), *measured(BASE), *measured(OTHER, speed=2)]
    )
    base = next(row for row in rows(recording, baseline="flash2") if row.implementation == "pytorch")
    assert base.speedup is not None
    assert base.speedup.median == pytest.approx(0.5)


def test_a_wrong_result_has_its_times_and_no_speedup() -> None:
    got = rows_of(*checked(BASE), *checked(OTHER, wrong=True), *measured(BASE), *measured(OTHER))
    row = got["flash2", "fwd"]
    assert (row.status, row.speedup) == ("wrong", None)
    assert row.device_ms is not None


def test_nothing_is_compared_with_a_wrong_baseline() -> None:
    got = rows_of(*checked(BASE, wrong=True), *checked(OTHER), *measured(BASE), *measured(OTHER))
    assert got["flash2", "fwd"].speedup is None


def test_a_result_that_is_not_finite_is_nan() -> None:
    verdict = Accuracy(
        verdict="nan", errors={"out": None}, plain_errors={}, limits={}, heads_checked=1, heads_total=1
    )
    start = CaseStarted(case=0, workload=BASE.workload, implementation="pytorch")
    check = CaseChecked(case=0, first_call_ms={}, accuracy=verdict)
    assert rows_of(start, check, *measured(BASE))["pytorch", "fwd"].status == "nan"


def test_samples_without_a_result_are_running_then_partial_once_the_session_ended() -> None:
    events = [*checked(BASE), samples(BASE, "fwd", count=4)]
    running = rows_of(*events)["pytorch", "fwd"]
    assert running.status == "running"
    assert running.device_ms is not None
    assert running.device_ms.count == 4
    ended = rows_of(*events, Finished(ending="interrupted"))["pytorch", "fwd"]
    assert ended.status == "partial"
    assert not ended.converged


def test_a_pass_that_failed_leaves_the_others_their_results() -> None:
    got = rows_of(*checked(BASE), *measured(BASE, ["fwd"]), failed(BASE, "oom", "too big", which="bwd"))
    assert got["pytorch", "fwd"].status == "ok"
    assert got["pytorch", "bwd"].status == "oom"
    failure = got["pytorch", "bwd"].failure
    assert failure is not None
    assert failure.message == "too big"


def test_a_result_from_before_the_case_crashed_still_counts() -> None:
    got = rows_of(*checked(BASE), *measured(BASE, ["fwd"]), failed(BASE, "crashed", "gone"))
    assert got["pytorch", "fwd"].status == "ok"
    assert got["pytorch", "fwd"].failure is None
    assert got["pytorch", "bwd"].status == "crashed"


def test_launch_bound_is_wall_time_over_a_fifth_above_device_time() -> None:
    bound = rows_of(*checked(BASE), *measured(BASE, wall=1.3))["pytorch", "fwd"]
    free = rows_of(*checked(BASE), *measured(BASE, wall=1.1))["pytorch", "fwd"]
    assert (bound.launch_bound, free.launch_bound) == (True, False)


def test_running_rows_get_their_rate_from_the_samples() -> None:
    row = rows_of(*checked(BASE), samples(BASE, "fwd"))["pytorch", "fwd"]
    assert row.tflops == pytest.approx(BASE.workload.flop("fwd") / 1e9)


def test_shapes_are_compared_only_with_themselves() -> None:
    two = plan([attention(seq=256), attention(seq=512)], ["pytorch", "flash2"])
    first, second = cases(two)[1], cases(two)[2]  # flash2 at 256, pytorch at 512
    recording = Recording.of(
        [Planned(plan=two), *checked(first), *measured(first), *checked(second), *measured(second)]
    )
    assert all(row.speedup is None for row in rows(recording))


def test_nothing_is_compared_with_a_baseline_that_failed_in_that_pass_whatever_it_had_measured() -> None:
    got = rows_of(
        *checked(BASE),
        *checked(OTHER),
        *measured(BASE, ["fwd"]),
        samples(BASE, "bwd"),
        failed(BASE, "oom", "too big", which="bwd"),
        *measured(OTHER, speed=2.0),
    )
    assert got["flash2", "bwd"].status == "ok"
    assert got["flash2", "bwd"].speedup is None
    forward = got["flash2", "fwd"].speedup
    assert forward is not None
    assert forward.median == pytest.approx(2.0)


def test_nothing_is_compared_with_a_baseline_that_crashed_in_rounds() -> None:
    got = rows_of(
        *checked(BASE),
        *checked(OTHER),
        samples(BASE, "fwd"),
        failed(BASE, "crashed", "gone"),
        *measured(OTHER, speed=2.0),
    )
    assert got["flash2", "fwd"].speedup is None


@pytest.mark.parametrize("count", [1, 5, 6])
def test_a_speedup_has_a_margin_from_six_rounds_on(count: int) -> None:
    got = rows_of(
        *checked(BASE),
        *checked(OTHER),
        samples(BASE, "fwd", count=count),
        samples(OTHER, "fwd", speed=2.0, count=count),
    )
    speedup = got["flash2", "fwd"].speedup
    assert speedup is not None
    assert speedup.median == pytest.approx(2.0)
    assert (speedup.margin is None) == (count < 6)


@pytest.mark.parametrize(("later_ms", "wall_ms", "bound"), [(2.0, 1.5, True), (0.5, 1.1, False)])
def test_launch_bound_compares_wall_time_with_device_time_of_the_same_rounds(
    later_ms: float, wall_ms: float, bound: bool
) -> None:
    """The clock changes after the rounds that have both."""
    both, later = 5, 50
    taken = Samples(
        case=BASE.number,
        which="fwd",
        first_round=0,
        device_ms=[1.0] * both + [later_ms] * later,
        wall_ms=[wall_ms] * both,
    )
    assert rows_of(*checked(BASE), taken)["pytorch", "fwd"].launch_bound is bound


def test_wall_times_without_device_times_are_no_launch_bound() -> None:
    """No worker sends them, but a session's file may hold anything."""
    odd = Samples(case=BASE.number, which="fwd", first_round=0, device_ms=[], wall_ms=[1.0])
    assert not rows_of(*checked(BASE), odd)["pytorch", "fwd"].launch_bound


def times(case: int, device_ms: list[float]) -> Samples:
    return Samples(case=case, which="fwd", first_round=0, device_ms=device_ms)


@pytest.mark.parametrize(
    ("base_ms", "tie"),
    [
        ([0.9, 1.1] * 5, True),
        ([1.0] * 10, True),
        ([1.001] * 10, False),
        ([1.1] * 9 + [0.9], False),
    ],
)
def test_a_tie_is_a_speedup_whose_interval_holds_one(base_ms: list[float], tie: bool) -> None:
    got = rows_of(*checked(BASE), *checked(OTHER), times(0, base_ms), times(1, [1.0] * 10))
    assert got["flash2", "fwd"].is_tie is tie


def test_too_few_rounds_make_no_tie() -> None:
    got = rows_of(*checked(BASE), *checked(OTHER), times(0, [0.9, 1.1, 1.0]), times(1, [1.0] * 3))
    assert not got["flash2", "fwd"].is_tie


def test_the_baseline_is_no_tie_of_itself() -> None:
    assert not rows_of(*checked(BASE), *measured(BASE))["pytorch", "fwd"].is_tie


def fastest(*events: Event) -> list[str]:
    got = rows_of(*events)
    return [name for (name, which), row in got.items() if which == "fwd" and row.is_fastest]


BOTH = (*checked(BASE), *checked(OTHER))


def test_the_lowest_median_is_the_fastest_and_what_ties_with_it_is_too() -> None:
    assert fastest(*BOTH, *measured(BASE), *measured(OTHER, speed=1.01)) == ["flash2"]
    assert fastest(*BOTH, *measured(BASE), *measured(OTHER, phase=1)) == ["pytorch", "flash2"]


def test_a_tie_for_the_fastest_needs_no_baseline() -> None:
    three = plan([attention()], ["pytorch", "sdpa", "flash2"])
    base, one, other = cases(three)
    events = [
        *(event for case in (base, one, other) for event in checked(case)),
        *measured(base),
        *measured(one, speed=2.0),
        *measured(other, speed=2.0, phase=1),
    ]
    found = rows(Recording.of([Planned(plan=three), *events]))
    assert {row.implementation for row in found if row.is_fastest} == {"sdpa", "flash2"}


def with_samples(events: list[Event], device_ms: list[float]) -> list[Event]:
    """A case's forward pass with these samples, and the result that they make."""
    from msgspec.structs import replace

    made: list[Event] = []
    for event in events:
        if isinstance(event, Samples) and event.which == "fwd":
            event = replace(event, device_ms=device_ms)  # noqa: PLW2901
        if isinstance(event, Result) and event.which == "fwd":
            event = replace(event, device_ms=estimate(device_ms))  # noqa: PLW2901
        made.append(event)
    return made


# Ratios to ten samples of 1 ms: the 95 % interval (the second to the ninth) leaves 1 out, wider ones do not.
JUST_SLOWER = [0.99, *[1.01] * 9]


def test_the_more_contenders_the_wider_is_a_tie_with_the_fastest() -> None:
    for count, fastest_too in ((2, False), (5, True)):
        names = ["pytorch", "sdpa", "flash2", "sdpa-flash", "sdpa-cudnn"][:count]
        many = plan([attention()], names, ("fwd",))
        events: list[Event] = [Planned(plan=many)]
        for case in cases(many):
            taken = JUST_SLOWER if case.number == count - 1 else [1.0] * 10
            events += [*checked(case), *with_samples(measured(case, ("fwd",)), taken)]
        found = rows(Recording.of(events))
        assert found[-1].is_fastest is fastest_too


@pytest.mark.parametrize("converged", [True, False])
def test_what_was_not_pinned_down_ties_with_nothing(converged: bool) -> None:
    wide = [0.5, 1.01] * 5
    slower = with_samples(measured(OTHER, converged=converged), [1.02, *wide[1:]])
    base = with_samples(measured(BASE), wide)
    assert fastest(*BOTH, *base, *slower) == (["pytorch", "flash2"] if converged else ["pytorch"])


def test_results_without_samples_are_fastest_by_their_medians_alone() -> None:
    events = [
        event for event in (*measured(BASE), *measured(OTHER, phase=1)) if not isinstance(event, Samples)
    ]
    assert fastest(*BOTH, *events) == ["pytorch", "flash2"]  # their medians are the same
    slower = [event for event in measured(OTHER, speed=0.999) if not isinstance(event, Samples)]
    assert fastest(*BOTH, *events[:3], *slower) == ["pytorch"]


def test_nobody_is_fastest_alone_or_beside_the_wrong_and_the_unfinished() -> None:
    assert fastest(*checked(BASE), *measured(BASE)) == []
    assert fastest(*checked(BASE), *checked(OTHER, wrong=True), *measured(BASE), *measured(OTHER)) == []
    assert fastest(*BOTH, *measured(BASE), samples(OTHER, "fwd", speed=2.0)) == []


def test_clock_and_cycles_are_the_results() -> None:
    row = rows_of(*checked(BASE), *measured(BASE, sm_mhz=1500.0))["pytorch", "fwd"]
    assert row.sm_mhz is not None
    assert row.sm_mhz.median == 1500.0
    assert row.mega_cycles == pytest.approx(1.5)


def test_before_there_is_a_result_they_are_the_samples_that_have_a_clock() -> None:
    taken = Samples(
        case=0, which="fwd", first_round=0, device_ms=[1.0, 2.0, 9.0], sm_mhz=[1000.0, 1500.0, None]
    )
    row = rows_of(*checked(BASE), taken)["pytorch", "fwd"]
    assert row.sm_mhz is not None
    assert (row.sm_mhz.median, row.sm_mhz.count) == (1250.0, 2)
    assert row.mega_cycles == pytest.approx((1.0 + 3.0) / 2)


def test_without_counters_the_clock_is_nvmls() -> None:
    row = rows_of(*checked(BASE), *measured(BASE), telemetry(1.5, sm_mhz=1410))["pytorch", "fwd"]
    assert (row.sm_mhz, row.mega_cycles, row.nvml_sm_mhz) == (None, None, 1410)


def test_conditions_are_those_of_the_shape_for_what_was_measured_of_it() -> None:
    capped = telemetry(1.5, throttle=("power cap",))
    got = rows_of(*BOTH, *measured(BASE, ["fwd"]), failed(OTHER, "crashed", "gone"), capped)
    assert got["pytorch", "fwd"].conditions == {"power cap": 1.0}
    assert got["flash2", "fwd"].conditions == {}


def test_a_launch_bound_pass_has_its_time_as_a_graph_or_the_reason_why_not() -> None:
    got = rows_of(
        *checked(BASE),
        *measured(BASE, wall=2.0),
        Replayed(case=0, which="fwd", replay_ms=[0.9, 0.8, 1.0]),
        Replayed(case=0, which="bwd", reason="it waits"),
    )
    graph_ms = got["pytorch", "fwd"].graph_ms
    assert graph_ms is not None
    assert graph_ms.median == 0.9
    assert (got["pytorch", "bwd"].graph_ms, got["pytorch", "bwd"].graph_reason) == (None, "it waits")
    assert (got["pytorch", "fwd_bwd"].graph_ms, got["pytorch", "fwd_bwd"].graph_reason) == (None, None)


def test_a_row_stands_under_the_ceilings_and_the_data_sheet_of_its_gpu() -> None:
    row = next(row for row in rows(hopper()) if row.case == 7 and row.which == "fwd")
    assert row.tflops is not None
    assert row.roofline.percent_of_measured_peak == pytest.approx(100 * row.tflops / 750.0)
    assert row.roofline.percent_of_datasheet_peak == pytest.approx(100 * row.tflops / 989.4)
    assert row.roofline.bound == "compute"


def test_an_unknown_device_has_shares_of_what_was_measured_only() -> None:
    started = header()
    assert started.environment.gpu is not None
    started.environment.gpu.name = "NVIDIA Future"
    dtype = plan([attention(dtype="bfloat16")], ["pytorch"])
    (case,) = cases(dtype)
    events = [started, CEILINGS, Planned(plan=dtype), *checked(case), *measured(case)]
    (row, *_) = rows(Recording.of(events))
    assert row.roofline.percent_of_measured_peak is not None
    assert row.roofline.percent_of_datasheet_peak is None


def test_a_launch_bound_row_is_bound_by_the_launch() -> None:
    assert rows_of(*checked(BASE), *measured(BASE, wall=2.0))["pytorch", "fwd"].roofline.bound == "launch"


def test_energy_is_told_by_call_and_by_query() -> None:
    row = next(row for row in rows(hopper()) if row.energy)
    assert row.energy is not None
    assert row.energy.joules == 1.25
    assert row.joules_per_token == pytest.approx(1.25 / (8 * 4096))


def test_every_pass_of_a_case_knows_what_its_check_told() -> None:
    found = [row for row in rows(hopper()) if row.case == 1]
    assert [row.writes_inputs for row in found] == [("q",)] * 2
    assert [sum((row.graph_breaks or {}).values()) for row in found] == [2, 2]


def test_a_row_has_its_own_first_call_and_those_of_its_case() -> None:
    first = CaseChecked(case=0, first_call_ms={"fwd": 9.0, "bwd": 4.0})
    got = rows_of(*checked(BASE), first, *measured(BASE))
    assert [got["pytorch", which].first_call_ms for which in PASSES] == [9.0, 4.0, None]
    assert all(got["pytorch", which].first_calls_ms == {"fwd": 9.0, "bwd": 4.0} for which in PASSES)


def test_conditions_are_summed_up_by_shape() -> None:
    found = conditions_of(rows(hopper()))
    assert {name: {shape.seq_q for shape in shares} for name, shares in found.items()} == {
        "power cap": {4096},
        "another process on the GPU": {4096},
    }


def test_energy_by_query_counts_the_tokens_there_are_and_no_padding() -> None:
    whole = plan([attention(batch=2, seq=512, lengths=(512, 88))], ["flash2"], ["fwd"])
    (case,) = cases(whole)
    energy = Energy(case=case.number, which="fwd", joules=6.0, power_w=600.0, window_s=1.0, call_ms=10.0)
    (row,) = rows(Recording.of([Planned(plan=whole), *checked(case), *measured(case, ["fwd"]), energy]))
    assert row.joules_per_token == pytest.approx(6.0 / 600)


def test_a_shape_that_decodes_has_no_rows_but_forward_whatever_else_the_plan_asks_for() -> None:
    decode = attention(seq_q=1, seq_k=4096, decode=True)
    whole = plan([decode, attention()], ["flash2"])
    first, second = cases(whole)
    recording = Recording.of([Planned(plan=whole), *measured(first, ["fwd"]), *measured(second)])
    assert [row.which for row in rows(recording) if row.workload == decode] == ["fwd"]
    assert [row.which for row in rows(recording) if row.workload != decode] == ["fwd", "bwd", "fwd_bwd"]
