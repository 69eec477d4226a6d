"""The desk folds what an engine says into a view, and knows what runs, what is new and what cannot wait."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from profiler.engine.control import Command, EngineMessage, Measure, Pause, Resume, Skip, Stop, Train
from profiler.events import Event, Finished, Log, PlanEnded, Planned, TrainingPlanned
from tests.examples import attention, cases, checked, header, measured, plan, samples, telemetry
from tests.training_examples import training, training_plan
from tests.tui.app.fake import FakeEngine, hello
from tui.app.desk import Desk
from tui.app.view import Mode

PLAN = plan([attention(seq=512), attention(seq=1024)])
CASE, *_ = cases(PLAN)


def desk(*heard: Event | EngineMessage, mode: Mode = "live", now_s: float = 0.0) -> Desk:
    made = Desk(FakeEngine(), mode, clock=lambda: now_s)
    for message in heard:
        assert isinstance(message, EngineMessage)
        made.hear(message)
    return made


def settled(*heard: Event | EngineMessage, mode: Mode = "live") -> Desk:
    """One whose news have been painted."""
    made = desk(*heard, mode=mode)
    made.changed = made.urgent = False
    return made


def test_a_view_is_what_was_heard() -> None:
    view = desk(hello(), header(), Planned(plan=PLAN), *checked(CASE), *measured(CASE)).view()
    assert view.hello == hello()
    assert view.mode == "live"
    assert view.path == Path("sessions/20261122T043206Z-h100-80gb-hbm3.jsonl")
    assert view.recording.header == header()
    assert view.recording.cases[CASE.number].passes.keys() == {"fwd", "bwd", "fwd_bwd"}


def test_an_engine_that_saves_nothing_has_no_path() -> None:
    assert desk(hello(on_cpu=True)).view().path is None


@pytest.mark.parametrize("end", [PlanEnded(ending="interrupted"), Finished(ending="completed")])
def test_a_plan_runs_until_its_end(end: PlanEnded | Finished) -> None:
    made = desk(hello(), header())
    assert made.view().running is None
    made.hear(Planned(plan=PLAN))
    assert made.view().running == PLAN
    made.hear(end)
    assert made.view().running is None


@pytest.mark.parametrize("goes_on", [Resume(), Stop(), Measure(plan=PLAN)])
def test_it_is_paused_until_it_goes_on_or_there_is_nothing_to_go_on_with(goes_on: Command) -> None:
    made = desk(Planned(plan=PLAN))
    made.send(Pause())
    made.send(Skip())
    assert made.view().paused
    made.send(goes_on)
    assert not made.view().paused


def test_orders_reach_the_engine_and_are_shown_at_once() -> None:
    client = FakeEngine()
    made = Desk(client)
    made.send(Measure(plan=PLAN))
    made.send(Skip())
    assert client.commands == [Measure(plan=PLAN), Skip()]
    assert made.urgent


@pytest.mark.parametrize(
    "news",
    [hello(), Planned(plan=PLAN), samples(CASE, "fwd"), PlanEnded(ending="completed")],
    ids=["hello", "a plan begins", "first numbers", "a plan ends"],
)
def test_what_a_person_waits_for_is_urgent(news: EngineMessage) -> None:
    made = settled(Planned(plan=PLAN), *checked(CASE))
    made.hear(news)
    assert made.changed
    assert made.urgent


@pytest.mark.parametrize(
    "news",
    [
        telemetry(3.0, sm_mhz=1980),
        Log(level="info", message="compiled"),
        msgspec.structs.replace(samples(CASE, "fwd"), first_round=10),
    ],
    ids=["a reading", "a remark", "further numbers"],
)
def test_what_comes_all_the_time_can_wait_for_the_next_repaint(news: EngineMessage) -> None:
    made = settled(Planned(plan=PLAN), *checked(CASE), samples(CASE, "fwd"))
    made.hear(news)
    assert made.changed
    assert not made.urgent


def test_the_time_of_a_session_goes_on_between_events_while_something_is_measured() -> None:
    now_s = [50.0]
    made = Desk(FakeEngine(), clock=lambda: now_s[0])
    made.hear(Planned(at_s=7.0, plan=PLAN))
    now_s[0] += 3.0
    assert made.view().now_s == 10.0
    made.hear(PlanEnded(at_s=11.0, ending="completed"))
    now_s[0] += 60.0
    assert made.view().now_s == 11.0


def resting(made: Desk, count: int, *, from_s: float = 10.0) -> None:
    hear_all(made, (telemetry(from_s + number, sm_mhz=345) for number in range(count)))


def hear_all(made: Desk, messages: Iterable[EngineMessage]) -> None:
    for message in messages:
        made.hear(message)


def test_of_the_readings_at_rest_the_latest_are_kept() -> None:
    made = desk(header())
    resting(made, 100_000)
    kept = made.view().recording.telemetry
    assert 1000 < len(kept) < 3000
    assert kept[-1].at_s == 10.0 + 99_999
    assert [reading.at_s for reading in kept] == sorted(reading.at_s for reading in kept)


def test_readings_while_something_is_measured_are_all_kept() -> None:
    made = desk(header(), Planned(plan=PLAN))
    hear_all(made, (telemetry(number / 10, sm_mhz=1980) for number in range(10_000)))
    made.hear(PlanEnded(at_s=1000.0, ending="completed"))
    resting(made, 10_000, from_s=1001.0)
    measured_then = [reading for reading in made.view().recording.telemetry if reading.sm_mhz == 1980]
    assert len(measured_then) == 10_000


def test_a_recordings_readings_are_all_kept() -> None:
    made = desk(header(), mode="recording")
    resting(made, 10_000)
    assert len(made.view().recording.telemetry) == 10_000


def test_an_engine_that_rests_between_plans_forgets_only_of_its_last_rest() -> None:
    made = desk(header())
    resting(made, 2000)
    made.hear(Planned(plan=PLAN))
    made.hear(telemetry(3000.0, sm_mhz=1980))
    made.hear(PlanEnded(at_s=3001.0, ending="completed"))
    resting(made, 2000, from_s=3002.0)
    assert len(made.view().recording.telemetry) == 4001


def test_samples_that_a_later_measurement_took_the_place_of_are_let_go_and_results_stay() -> None:
    one = plan([attention()], ["flash2"])
    (first,) = cases(one)
    again = msgspec.structs.replace(one, first_case=1)
    (second,) = cases(again)
    heard: list[Event] = [header(), Planned(plan=one), *checked(first), *measured(first)]
    made = desk(hello(), *heard, PlanEnded(ending="completed"))
    before = made.recording.cases[0].passes["fwd"]
    assert before.device_ms
    for event in (Planned(plan=again), *checked(second), *measured(second), PlanEnded(ending="completed")):
        assert isinstance(event, EngineMessage)
        made.hear(event)
    assert (before.device_ms, before.wall_ms) == ([], [])
    assert before.result is not None
    assert made.recording.cases[1].passes["fwd"].device_ms


def test_a_training_takes_the_place_of_what_is_measured_until_it_has_ended() -> None:
    asked = training_plan([training()])
    trains = desk(Planned(plan=PLAN), TrainingPlanned(at_s=1.0, plan=asked))
    assert (trains.view().running, trains.view().training) == (None, asked)
    assert trains.urgent and trains.is_measuring
    trains.hear(PlanEnded(at_s=2.0, ending="completed"))
    assert trains.view().training is None and not trains.is_measuring


def test_a_new_training_ends_a_pause() -> None:
    paused = desk(hello())
    paused.send(Pause())
    paused.send(Train(plan=training_plan([training()])))
    assert not paused.paused
