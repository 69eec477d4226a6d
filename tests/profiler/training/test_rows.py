"""Rows of training: what became of each case, and its figures."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import msgspec
import pytest

from profiler.events import (
    Ceilings,
    Environment,
    Event,
    MatmulRate,
    PlanEnded,
    Telemetry,
    TrainingChecked,
    TrainingPlanned,
    TrainingResult,
)
from profiler.results.readings import while_measuring
from profiler.session.recording import Recording
from profiler.training.plan import TrainingCase, TrainingPlan
from profiler.training.rows import TrainingRow, training_rows
from tests.examples import header
from tests.training_examples import (
    agreement,
    begun,
    steps,
    trained,
    training,
    training_cases,
    training_failed,
    training_plan,
)

ROW = training(context=512)
TOKENS_PER_S = 50_000.0


def checked(case: TrainingCase, batch: int = 8, verdict: str = "ok") -> TrainingChecked:
    return TrainingChecked(
        case=case.number, batch=batch, parameters=1, first_step_ms=30.0, agreement=agreement(verdict)
    )


def in_rounds(case: TrainingCase, batch: int, *rounds: Sequence[float]) -> list[Event]:
    """A case at that batch with these steps in its rounds, and no result."""
    events: list[Event] = [begun(case), checked(case, batch)]
    made = 0
    for number, times in enumerate(rounds):
        events.append(steps(case, times, first=made, round=number))
        made += len(times)
    return events


def rows_of(
    plan: TrainingPlan, *events: Iterable[Event], baseline: str | None = None
) -> dict[str, TrainingRow]:
    """The rows of the plan's only training, by implementation."""
    told = [header(), TrainingPlanned(plan=plan), *(event for some in events for event in some)]
    return {row.implementation: row for row in training_rows(Recording.of(told), baseline)}


def two() -> tuple[TrainingPlan, TrainingCase, TrainingCase]:
    plan = training_plan([ROW], ["pytorch", "flash2"])
    first, second = training_cases(plan)
    return plan, first, second


def test_a_session_without_training_has_no_rows() -> None:
    assert training_rows(Recording.of([header()])) == []


def test_every_case_of_the_plan_has_a_row_from_the_beginning_in_the_plans_order() -> None:
    plan = training_plan([training(context=512), training(context=256)], ["flash2", "pytorch"])
    rows = training_rows(Recording.of([TrainingPlanned(plan=plan)]))
    assert [(row.case, row.training.context, row.implementation) for row in rows] == [
        (0, 512, "flash2"),
        (1, 512, "pytorch"),
        (2, 256, "flash2"),
        (3, 256, "pytorch"),
    ]
    assert {row.status for row in rows} == {"pending"} and not any(row.ended for row in rows)
    assert [row.is_baseline for row in rows] == [True, False, True, False]


def test_a_batch_that_was_asked_for_stands_in_a_row_before_it_is_trained() -> None:
    plan = training_plan([ROW], ["flash2"], batch=6)
    assert rows_of(plan)["flash2"].batch == 6


def test_figures_of_a_whole_case_are_the_results() -> None:
    plan, first, _ = two()
    row = rows_of(plan, trained(first, batch=8, tokens_per_s=TOKENS_PER_S, breaks={"a": 2}))["pytorch"]
    step_ms = 8 * 512 / TOKENS_PER_S * 1000
    assert row.status == "ok" and row.batch == 8 and row.tokens_per_s == pytest.approx(TOKENS_PER_S, rel=0.01)
    assert row.step_ms is not None and row.step_ms.median == pytest.approx(step_ms)
    assert row.parts is not None and row.parts.backward_ms == pytest.approx(0.6 * step_ms)
    assert (row.attention_percent, row.peak_bytes) == (31.0, 9 * 2**30)
    assert (row.reserved_bytes, row.process_bytes) == (10 * 2**30, 11 * 2**30)
    assert row.compile_ms == 20_000 and row.graph_breaks == {"a": 2}
    assert dict(row.tried) == {16: False, 8: True}
    assert row.agreement == agreement()


def test_figures_of_a_running_case_are_those_of_its_measured_steps() -> None:
    plan, first, _ = two()
    row = rows_of(plan, in_rounds(first, 8, [10.0, 30.0]))["pytorch"]
    assert row.status == "running" and row.step_ms is not None and row.step_ms.median == 20.0
    assert row.tokens_per_s == pytest.approx(2 * 8 * 512 / 0.040)
    assert row.parts is not None and row.parts.forward_ms == pytest.approx(0.3 * 20.0)


@pytest.mark.parametrize("kind", ["oom", "unsupported", "error", "crashed", "timeout", "diverged"])
def test_a_case_that_failed_says_what_became_of_it(kind: str) -> None:
    plan, first, _ = two()
    row = rows_of(plan, [begun(first), training_failed(first, kind, "for a reason")])["pytorch"]
    assert row.status == kind and row.remarks == ("for a reason",)
    assert row.tokens_per_s is None and row.speedup is None


@pytest.mark.parametrize("verdict", ["wrong", "nan"])
def test_what_disagrees_with_plain_pytorch_has_its_figures_and_no_speedup(verdict: str) -> None:
    plan, first, second = two()
    row = rows_of(
        plan,
        trained(first, batch=8, tokens_per_s=TOKENS_PER_S),
        trained(second, batch=8, tokens_per_s=2 * TOKENS_PER_S, verdict=verdict),
    )["flash2"]
    assert row.status == verdict and row.tokens_per_s is not None and row.speedup is None


def test_what_was_begun_when_the_plan_ended_is_partial_and_the_rest_will_not_be_measured() -> None:
    plan, first, _ = two()
    rows = rows_of(plan, in_rounds(first, 8, [10.0]), [PlanEnded(ending="interrupted")])
    assert (rows["pytorch"].status, rows["flash2"].status) == ("partial", "pending")
    assert rows["pytorch"].ended and rows["flash2"].ended


# Speedup


def test_what_an_earlier_plan_never_came_to_has_no_row() -> None:
    first = training_plan([training(context=256), training(context=512)], ("pytorch", "sdpa", "flash2"))
    second = training_plan([training(context=1024)], ("pytorch", "flash2"), first_case=first.count)
    plain, other, *_ = training_cases(first)
    events: list[Event] = [header(), TrainingPlanned(plan=first)]
    events += [*trained(plain, batch=8, tokens_per_s=TOKENS_PER_S), begun(other)]
    events += [PlanEnded(ending="interrupted"), TrainingPlanned(plan=second)]
    rows = training_rows(Recording.of(events))
    assert [(row.training.context, row.implementation, row.status) for row in rows] == [
        (256, "pytorch", "ok"),
        (1024, "pytorch", "pending"),
        (1024, "flash2", "pending"),
    ]


def test_a_speedup_is_the_median_of_the_rounds_own_ratios() -> None:
    plan, first, second = two()
    base = [[10.0], [20.0], [40.0], [80.0], [160.0], [320.0], [640.0]]
    fast = [[time_ms / 2 for time_ms in times] for times in base]
    rows = rows_of(plan, in_rounds(first, 8, *base), in_rounds(second, 8, *fast))
    speedup = rows["flash2"].speedup
    assert speedup is not None
    assert (speedup.median, speedup.low, speedup.high, speedup.count) == (2.0, 2.0, 2.0, 7)
    assert rows["pytorch"].speedup is None and rows["pytorch"].is_baseline


def test_of_unlike_batches_a_speedup_is_that_of_tokens_per_second() -> None:
    plan, first, second = two()
    rows = rows_of(plan, in_rounds(first, 2, [10.0, 30.0]), in_rounds(second, 8, [20.0, 60.0]))
    assert rows["flash2"].speedup is not None
    assert rows["flash2"].speedup.median == pytest.approx(8 / 2 * 20.0 / 40.0)


def test_a_speedup_of_few_rounds_has_no_margin() -> None:
    plan, first, second = two()
    few = rows_of(plan, in_rounds(first, 8, *[[10.0]] * 5), in_rounds(second, 8, *[[5.0]] * 5))
    enough = rows_of(plan, in_rounds(first, 8, *[[10.0]] * 6), in_rounds(second, 8, *[[5.0]] * 6))
    assert few["flash2"].speedup is not None and few["flash2"].speedup.margin is None
    assert enough["flash2"].speedup is not None and enough["flash2"].speedup.margin == 0


def test_rounds_that_only_one_was_measured_in_are_left_out() -> None:
    plan, first, second = two()
    late = [begun(second), checked(second), steps(second, [5.0], round=1)]
    speedup = rows_of(plan, in_rounds(first, 8, [100.0], [10.0]), late)["flash2"].speedup
    assert speedup is not None and (speedup.median, speedup.count) == (2.0, 1)


def test_without_a_baseline_that_is_right_there_is_no_speedup() -> None:
    plan, first, second = two()
    fast = list(trained(second, batch=8, tokens_per_s=TOKENS_PER_S))
    failed = [training_failed(first, "oom", "does not fit")]
    wrong = trained(first, batch=8, tokens_per_s=TOKENS_PER_S, verdict="wrong")
    assert rows_of(plan, failed, fast)["flash2"].speedup is None
    assert rows_of(plan, wrong, fast)["flash2"].speedup is None


def test_what_was_not_trained_in_the_same_rounds_is_not_compared() -> None:
    plan, first, _ = two()
    later = training_plan([ROW], ["flash2"], first_case=2)
    (again,) = training_cases(later)
    rows = rows_of(
        plan,
        trained(first, batch=8, tokens_per_s=TOKENS_PER_S),
        [PlanEnded(ending="interrupted"), TrainingPlanned(plan=later)],
        trained(again, batch=8, tokens_per_s=2 * TOKENS_PER_S),
        baseline="pytorch",
    )
    assert rows["flash2"].status == rows["pytorch"].status == "ok"
    assert rows["flash2"].speedup is None


def test_another_baseline_may_be_asked_for() -> None:
    plan, first, second = two()
    rows = rows_of(plan, in_rounds(first, 8, [10.0]), in_rounds(second, 8, [5.0]), baseline="flash2")
    assert rows["flash2"].is_baseline and rows["flash2"].speedup is None
    assert rows["pytorch"].speedup is not None and rows["pytorch"].speedup.median == 0.5


# Shares of what the device can do


def ceilings(dtype: str = "float16", tflops: float = 700.0) -> Ceilings:
    return Ceilings(matmul={dtype: MatmulRate(tflops=tflops, size=8192)})


def test_mfu_is_the_models_work_over_the_data_sheets_rate_and_over_the_measured_one() -> None:
    plan, first, _ = two()
    row = rows_of(plan, [ceilings()], trained(first, batch=8, tokens_per_s=TOKENS_PER_S))["pytorch"]
    assert row.tokens_per_s is not None
    tflops = row.tokens_per_s * ROW.model.flop_per_token(512) / 1e12
    assert row.mfu_percent == pytest.approx(100 * tflops / 989.4)  # the header's H100, float16
    assert row.of_measured_percent == pytest.approx(100 * tflops / 700.0)


def test_float32_is_held_to_the_rate_without_tf32() -> None:
    plan = training_plan([training(context=512, dtype="float32")], ["pytorch"])
    (case,) = training_cases(plan)
    row = rows_of(plan, trained(case, batch=8, tokens_per_s=TOKENS_PER_S))["pytorch"]
    assert row.tokens_per_s is not None and row.mfu_percent is not None
    assert row.mfu_percent == pytest.approx(100 * row.training.model_tflops(row.tokens_per_s) / 66.9)
    assert row.of_measured_percent is None


def test_on_a_device_that_no_data_sheet_is_known_of_there_is_no_mfu() -> None:
    plan, first, _ = two()
    cpu = msgspec.structs.replace(header(), environment=Environment(device="cpu"))
    told = [cpu, TrainingPlanned(plan=plan), *trained(first, batch=8, tokens_per_s=TOKENS_PER_S)]
    row, _ = training_rows(Recording.of(told))
    assert row.mfu_percent is None


# Clocks and power


def reading(at_s: float, **fields: object) -> Telemetry:
    return Telemetry(at_s=at_s, **fields)  # type: ignore[arg-type]


def test_each_case_has_the_readings_of_its_own_visits() -> None:
    plan, first, second = two()
    events = [begun(first), checked(first), begun(second), checked(second)]
    events += [steps(first, [1000.0], round=0, at_s=11.0), steps(second, [1000.0], round=0, at_s=12.0)]
    events += [steps(second, [1000.0], first=1, round=1, at_s=13.0)]
    events += [steps(first, [1000.0], first=1, round=1, at_s=14.0)]
    readings = []
    for tenth in range(2, 10):
        readings += [reading(10 + tenth / 10, sm_mhz=1000, power_w=300.0)]
        readings += [reading(at_s + tenth / 10, sm_mhz=1200, power_w=500.0) for at_s in (11, 12)]
        readings += [reading(13 + tenth / 10, sm_mhz=1000, power_w=400.0)]
    readings.sort(key=lambda one: one.at_s)
    readings += [reading(at_s, sm_mhz=1, power_w=1.0) for at_s in (9.0, 13.05)]  # of neither
    rows = rows_of(plan, events, readings)
    assert (rows["pytorch"].sm_mhz, rows["pytorch"].power_w) == (1000, 350.0)
    assert (rows["flash2"].sm_mhz, rows["flash2"].power_w) == (1200, 500.0)
    assert rows["pytorch"].joules_per_token == pytest.approx(350.0 / (8 * 512 / 1.0))


def test_a_case_of_few_readings_has_its_clock_and_no_power() -> None:
    plan, first, _ = two()
    visit = [begun(first), checked(first), steps(first, [1000.0], round=0, at_s=11.0)]
    readings = [reading(10.2 + 0.1 * index, sm_mhz=1700, power_w=745.0) for index in range(8)]
    row = rows_of(plan, visit, readings)["pytorch"]
    assert (row.sm_mhz, row.power_w, row.joules_per_token) == (1700, None, None)


def test_a_case_that_failed_in_its_rounds_has_no_figures_of_them() -> None:
    plan, first, _ = two()
    events = [begun(first), checked(first), steps(first, [10.0, 11.0], round=0, at_s=11.0)]
    row = rows_of(plan, [*events, training_failed(first, "oom", "out of memory")])["pytorch"]
    assert row.status == "oom"
    assert (row.tokens_per_s, row.step_ms, row.parts, row.mfu_percent) == (None, None, None, None)
    assert row.steps_made == 2


def test_more_than_the_measured_peak_is_no_figure() -> None:
    plan, first, _ = two()
    measured = trained(first, batch=8, tokens_per_s=TOKENS_PER_S)
    row = rows_of(plan, [ceilings(tflops=0.1)], measured)["pytorch"]
    assert row.mfu_percent is not None and row.of_measured_percent is None


def test_what_held_the_clocks_back_is_told_with_its_share() -> None:
    plan, first, _ = two()
    visit = [begun(first), checked(first), steps(first, [1000.0], round=0, at_s=11.0)]
    readings = [
        reading(10.2 + 0.1 * index, throttle=("power cap",) if index % 2 else ()) for index in range(8)
    ]
    row = rows_of(plan, visit, readings)["pytorch"]
    assert row.throttle == {"power cap": 0.5} and row.power_w is None and row.joules_per_token is None


def test_visits_too_short_for_readings_of_their_own_have_the_rows_clock_and_no_power() -> None:
    plan, first, second = two()
    events = [begun(first), checked(first), begun(second), checked(second)]
    for number in range(10):
        events.append(steps(first, [20.0], first=number, round=number, at_s=10.02 + 0.04 * number))
        events.append(steps(second, [20.0], first=number, round=number, at_s=10.04 + 0.04 * number))
    rows = rows_of(
        plan, events, [reading(10.1 + 0.1 * index, sm_mhz=1500, power_w=600.0) for index in range(4)]
    )
    assert rows["pytorch"].sm_mhz == rows["flash2"].sm_mhz == 1500
    assert rows["pytorch"].power_w is None


# Remarks


def test_remarks_tell_of_steps_left_out_and_of_what_was_noted() -> None:
    plan, first, _ = two()
    told = [
        msgspec.structs.replace(event, skipped_steps=3) if isinstance(event, TrainingResult) else event
        for event in trained(first, batch=8, tokens_per_s=TOKENS_PER_S, notes=("dropout was not compared",))
    ]
    assert rows_of(plan, told)["pytorch"].remarks == (
        "3 steps were left out, for a gradient of the scaled loss had overflowed",
        "dropout was not compared",
    )


def test_parts_of_a_step_are_medians() -> None:
    plan, first, _ = two()
    times = [10.0, 20.0, 90.0]
    row = rows_of(plan, in_rounds(first, 8, times))["pytorch"]
    assert row.parts is not None
    assert row.parts.optimizer_ms == pytest.approx(0.1 * statistics.median(times))


def test_a_sessions_readings_are_summed_up_from_the_first_check_to_the_last_result() -> None:
    plan, first, _ = two()
    told = trained(first, batch=8, tokens_per_s=TOKENS_PER_S, at_s=10.0)
    readings = [reading(5.0, power_w=1.0), reading(10.5, power_w=500.0), reading(60.0, power_w=1.0)]
    (span,) = while_measuring(Recording.of([TrainingPlanned(plan=plan), *told, *readings])).spans
    assert (span.name, span.low, span.high) == ("power (W)", 500.0, 500.0)


def test_steps_that_wait_for_the_host_are_called_launch_bound() -> None:
    plan, first, _ = two()
    *events, result = trained(first, batch=8, tokens_per_s=TOKENS_PER_S)
    assert isinstance(result, TrainingResult)
    waits = msgspec.structs.replace(result, gpu_busy_percent=62.0)
    row = rows_of(plan, [*events, waits])["pytorch"]
    assert row.is_launch_bound
    assert "launch-bound: the GPU works in 62 % of a step" in row.remarks
    assert not rows_of(plan, [*events, result])["pytorch"].is_launch_bound


def test_a_round_from_before_the_other_was_begun_is_no_round_of_both() -> None:
    plan, first, second = two()
    mine = [*trained(first, batch=8, tokens_per_s=TOKENS_PER_S)]
    ended_s = mine[-1].at_s
    late = [
        msgspec.structs.replace(event, at_s=event.at_s + ended_s + 1)
        for event in trained(second, batch=8, tokens_per_s=2 * TOKENS_PER_S)
    ]
    speedup = rows_of(plan, mine, late)["flash2"].speedup
    assert speedup is not None
    assert (round(speedup.median, 6), speedup.margin) == (2.0, None)


def test_a_speedup_of_few_rounds_says_why_it_has_no_interval() -> None:
    plan, first, second = two()
    rounds = [[10.0, 11.0]] * 3
    row = rows_of(plan, in_rounds(first, 8, *rounds), in_rounds(second, 8, *rounds))["flash2"]
    assert "only 3 rounds: too few for the speedup to have an interval" in row.remarks
