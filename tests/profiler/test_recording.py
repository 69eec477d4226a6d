"""A session is the sum of its events, live or read from a file."""

from __future__ import annotations

import pytest

from profiler.events import CaseChecked, Event, Planned, Samples
from profiler.recording import Recording
from tests.examples import (
    attention,
    cases,
    checked,
    failed,
    header,
    lab6,
    lab6_events,
    measured,
    plan,
    samples,
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


@pytest.mark.parametrize(
    "event",
    [
        CaseChecked(case=7, first_call_ms={}),
        Samples(case=7, which="fwd", first_round=0, device_ms=[1.0]),
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
