"""A session is the sum of its events, live or read from a file."""

from __future__ import annotations

import msgspec
import pytest

from profiler.events import (
    LEAST_SAMPLES,
    CaseChecked,
    Catalog,
    CatalogEntry,
    Ceilings,
    Energy,
    Event,
    Finished,
    Kernels,
    MatmulRate,
    PlanEnded,
    Planned,
    Replayed,
    Samples,
)
from profiler.plans.plan import Plan
from profiler.results.rows import rows
from profiler.session.recording import Recording
from profiler.workload import PASSES
from tests.examples import (
    CEILINGS,
    attention,
    cases,
    checked,
    failed,
    header,
    hopper,
    lab6,
    lab6_events,
    measured,
    plan,
    samples,
    telemetry,
)

WHOLE = plan([attention()], ["pytorch", "flash2"])
FIRST, SECOND = cases(WHOLE)


def test_every_event_finds_its_place() -> None:
    recording = lab6()
    assert recording.header == header()
    assert recording.catalog is not None
    assert recording.plan is not None
    assert sorted(recording.cases) == list(range(8))
    assert len(recording.telemetry) == 3
    assert [log.level for log in recording.logs] == ["warning", "info"]
    assert recording.finished is not None


def test_samples_of_later_rounds_follow_the_earlier() -> None:
    taken = samples(FIRST, "fwd", count=4)
    recording = Recording.of([*checked(FIRST), taken, taken])
    assert recording.cases[0].passes["fwd"].device_ms == taken.device_ms * 2
    assert recording.cases[0].passes["fwd"].wall_ms == taken.wall_ms * 2


def test_a_case_that_starts_again_forgets_what_was_before() -> None:
    recording = Recording.of([*checked(FIRST), samples(FIRST, "fwd"), *checked(FIRST)])
    assert recording.cases[0].passes == {}


def test_what_is_taken_after_the_rounds_stands_with_its_pass() -> None:
    recording = hopper()
    assert recording.ceilings == CEILINGS
    passes = recording.cases[7].passes
    assert passes["fwd_bwd"].energy is not None
    assert passes["fwd"].kernels is not None
    assert passes["fwd"].energy is None
    replayed = recording.cases[2].passes["fwd_bwd"].replayed
    assert replayed is not None
    assert len(replayed.replay_ms) == 7


def test_ceilings_of_another_dtype_are_added_and_newer_ones_count() -> None:
    matmul = {"float32": MatmulRate(tflops=51.0, size=8192), "bfloat16": MatmulRate(tflops=700.0, size=8192)}
    newer = Ceilings(matmul=matmul)
    both = Recording.of([CEILINGS, newer]).ceilings
    assert both is not None
    assert both.matmul == matmul
    assert both.copy == CEILINGS.copy


def again(of: Plan, first_case: int) -> Plan:
    return msgspec.structs.replace(of, first_case=first_case)


def whole_measurement(of: Plan, speed: float = 1.0) -> list[Event]:
    events: list[Event] = [Planned(plan=of)]
    for case in cases(of):
        events += [*checked(case), *measured(case, speed=speed)]
    return [*events, PlanEnded(ending="completed")]


def numbers(recording: Recording) -> list[int]:
    return sorted(recording.latest().cases)


def test_a_later_catalog_adds_to_an_earlier_one_and_holds_where_both_tell() -> None:
    def entry(name: str, unavailable: str | None = None) -> CatalogEntry:
        return CatalogEntry(name=name, label=name, summary="", unavailable=unavailable)

    recording = Recording.of(
        [
            Catalog(implementations=(entry("pytorch"), entry("flash2", "flash_attn is not installed"))),
            Catalog(implementations=(entry("pytorch+compile"), entry("flash2"))),
        ]
    )
    assert recording.catalog is not None
    assert [(found.name, found.unavailable) for found in recording.catalog.implementations] == [
        ("pytorch", None),
        ("flash2", None),
        ("pytorch+compile", None),
    ]


def test_a_shape_measured_twice_stands_as_it_was_last() -> None:
    recording = Recording.of([*whole_measurement(WHOLE), *whole_measurement(again(WHOLE, 2), speed=2.0)])
    assert sorted(recording.cases) == [0, 1, 2, 3]
    assert numbers(recording) == [2, 3]
    assert {row.case for row in rows(recording)} == {2, 3}


def test_a_shape_measured_anew_stands_as_before_until_all_its_cases_have_enough() -> None:
    events: list[Event] = [*whole_measurement(WHOLE), Planned(plan=again(WHOLE, 2))]
    third, fourth = cases(again(WHOLE, 2))
    assert numbers(Recording.of(events)) == [0, 1]
    for case, expected in ((third, [0, 1]), (fourth, [2, 3])):
        events += [*checked(case), *(samples(case, which, count=LEAST_SAMPLES) for which in PASSES)]
        assert numbers(Recording.of(events)) == expected


def test_a_measurement_cut_short_does_not_take_the_place_of_a_whole_one() -> None:
    events = [*whole_measurement(WHOLE), Planned(plan=again(WHOLE, 2)), *checked(cases(again(WHOLE, 2))[0])]
    recording = Recording.of([*events, PlanEnded(ending="interrupted")])
    assert numbers(recording) == [0, 1]


def test_nor_does_it_where_it_has_samples_enough() -> None:
    half: list[Event] = [Planned(plan=again(WHOLE, 2))]
    for case in cases(again(WHOLE, 2)):
        half += [*checked(case), *(samples(case, which, count=LEAST_SAMPLES) for which in PASSES)]
    events = [*whole_measurement(WHOLE), *half]
    assert numbers(Recording.of(events)) == [2, 3]
    assert numbers(Recording.of([*events, PlanEnded(ending="interrupted")])) == [0, 1]


def test_what_a_cut_plan_leaves_is_partial_and_no_longer_running() -> None:
    events = [Planned(plan=WHOLE), *checked(FIRST), samples(FIRST, "fwd", count=3)]
    assert {row.status for row in rows(Recording.of(events))} == {"running"}
    assert {row.status for row in rows(Recording.of([*events, PlanEnded(ending="interrupted")]))} == {
        "partial"
    }
    following = again(plan([attention(seq=64)]), 2)
    assert rows(Recording.of([*events, Planned(plan=following)]))[0].status == "partial"


def test_speedups_never_mix_measurements() -> None:
    one = msgspec.structs.replace(again(WHOLE, 2), implementations=("flash2",), baseline="flash2")
    recording = Recording.of([*whole_measurement(WHOLE), *whole_measurement(one, speed=4.0)])
    (row, *_) = rows(recording, baseline="pytorch")
    assert (row.case, row.speedup) == (2, None)


def test_a_pass_that_another_plan_asked_for_is_no_row() -> None:
    forward = again(plan([attention(seq=64)], ["pytorch"], ["fwd"]), 2)
    events: list[Event] = [*whole_measurement(WHOLE), Planned(plan=forward)]
    for case in cases(forward):
        events += [*checked(case), *measured(case, passes=["fwd"])]
    found = rows(Recording.of(events))
    assert [(row.which, row.status) for row in found if row.workload == attention(seq=64)] == [("fwd", "ok")]
    assert {row.which for row in found} == set(PASSES)


def test_several_plans_are_one_for_a_report() -> None:
    other = msgspec.structs.replace(
        again(plan([attention(seq=64)], ["flash2", "sdpa"], ["fwd"]), 2), baseline="sdpa"
    )
    together = Recording.of([Planned(plan=WHOLE), Planned(plan=other)]).plan
    assert together is not None
    assert together.workloads == (*WHOLE.workloads, *other.workloads)
    assert together.implementations == ("pytorch", "flash2", "sdpa")
    assert (together.passes, together.baseline, together.first_case) == (PASSES, "sdpa", 0)


def test_a_session_that_is_gone_on_with_has_not_ended() -> None:
    events = [*whole_measurement(WHOLE), Finished(ending="interrupted")]
    assert Recording.of(events).finished is not None
    assert Recording.of([*events, *whole_measurement(again(WHOLE, 2))]).finished is None


def clocked(first_round: int, device_ms: list[float], sm_mhz: list[float | None]) -> Samples:
    return Samples(case=0, which="fwd", first_round=first_round, device_ms=device_ms, sm_mhz=sm_mhz)


def test_a_clock_stays_with_its_sample_though_some_samples_come_without() -> None:
    events = [clocked(0, [1.0, 2.0], []), clocked(2, [3.0], [1500.0]), clocked(3, [4.0], [])]
    record = Recording.of([*checked(FIRST), *events, clocked(4, [5.0], [1600.0])]).cases[0].passes["fwd"]
    assert list(zip(record.device_ms, record.sm_mhz, strict=True)) == [
        (1.0, None),
        (2.0, None),
        (3.0, 1500.0),
        (4.0, None),
        (5.0, 1600.0),
    ]


def test_more_clocks_than_samples_move_no_later_clock() -> None:
    events = [clocked(0, [1.0], [1400.0, 9.0]), clocked(1, [2.0], [1500.0])]
    assert Recording.of([*checked(FIRST), *events]).cases[0].passes["fwd"].sm_mhz == [1400.0, 1500.0]


def test_readings_are_in_order_of_time() -> None:
    recording = Recording.of([telemetry(2.0), telemetry(1.0), telemetry(3.0)])
    assert [reading.at_s for reading in recording.telemetry] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    "event",
    [
        CaseChecked(case=7, first_call_ms={}),
        Samples(case=7, which="fwd", first_round=0, device_ms=[1.0]),
        Replayed(case=7, which="fwd", replay_ms=[1.0]),
        Energy(case=7, which="fwd", joules=1, power_w=1, window_s=1, call_ms=1),
        Kernels(case=7, which="fwd", kernels=(), span_us=0),
    ],
)
def test_an_event_of_a_case_that_never_began_is_ignored(event: Event) -> None:
    assert Recording.of([event]).cases == {}


def test_a_case_that_fails_without_starting_is_there_and_done() -> None:
    recording = Recording.of([failed(SECOND, "unsupported", "no")])
    assert recording.cases[1].implementation == "flash2"
    assert recording.cases[1].done


def test_a_failure_of_one_pass_is_not_that_of_another() -> None:
    record = Recording.of([*checked(FIRST), failed(FIRST, "oom", "no", which="bwd")]).cases[0]
    assert record.failure_of("bwd") is not None
    assert record.failure_of("fwd") is None


def test_a_failure_of_the_case_is_that_of_every_pass() -> None:
    record = Recording.of([failed(FIRST, "crashed", "gone")]).cases[0]
    assert record.failure_of("fwd") is record.failure_of("fwd_bwd") is record.failures[0]


def test_a_case_is_done_with_its_first_result() -> None:
    recording = Recording.of([*checked(FIRST), samples(FIRST, "fwd")])
    assert not recording.cases[0].done
    for event in measured(FIRST, ["fwd"]):
        recording.add(event)
    assert recording.cases[0].done


def test_the_baseline_is_the_plans_else_the_first_implementation() -> None:
    assert Recording().baseline is None
    assert Recording.of([Planned(plan=WHOLE)]).baseline == "pytorch"
    unnamed = plan([attention()], ["sdpa", "flash2"])
    assert Recording.of([Planned(plan=unnamed)]).baseline == "sdpa"


def test_a_recording_narrows_to_some_shapes_and_stays_whole() -> None:
    recording = lab6()
    short = attention(seq=512, causal=True)
    assert sorted(recording.only(short).cases) == [0, 1, 2, 3]
    assert len(recording.cases) == 8


def test_folding_one_by_one_is_folding_at_once() -> None:
    live = Recording()
    for event in lab6_events():
        live.add(event)
    assert live == lab6()
