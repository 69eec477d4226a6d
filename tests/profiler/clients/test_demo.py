"""A recorded session that is measured anew, as a demonstration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from profiler.clients.client import EngineClient
from profiler.clients.demo import DemoEngine
from profiler.clients.repertoire import Parameter
from profiler.engine.control import Command, Hello, Measure, Pause, Resume, Skip, Stop, Train
from profiler.events import (
    CaseChecked,
    CaseStarted,
    Catalog,
    CatalogEntry,
    Ceilings,
    Event,
    Failure,
    Finished,
    Kernels,
    PlanEnded,
    Planned,
    Replayed,
    Result,
    Samples,
    SessionStarted,
    Telemetry,
    TrainingFailure,
)
from profiler.plans.plan import Plan, Takes
from profiler.results.rows import Row, rows
from profiler.session.file import SessionError
from profiler.session.recording import Recording
from profiler.workload import Attention
from tests.examples import (
    attention,
    cases,
    header,
    hopper_events,
    lab6_events,
    measured,
    single_events,
    telemetry,
)
from tests.examples import plan as example_plan
from tests.profiler.clients.hearing import Ear
from tests.shapes import attention as small
from tests.training_examples import training, training_plan

BEAT_S = 0.002
QUICK = Takes(accuracy=False, graphs=False, ceilings=False)
SHORT, LONG = (attention(seq=seq, causal=True, dtype="bfloat16", batch=8) for seq in (256, 4096))
HOPPER = ("pytorch", "compiled", "sdpa-flash", "flash2")


def demo(folder: Path, events: list[Event] | None = None, beat_s: float = BEAT_S) -> DemoEngine:
    path = folder / "h100.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events or hopper_events()))
    return DemoEngine(path, beat_s=beat_s)


def plan(*workloads: Attention, names: tuple[str, ...] = HOPPER, takes: Takes | None = None) -> Plan:
    made = example_plan(workloads, names, ("fwd", "fwd_bwd"))
    return msgspec.structs.replace(made, takes=takes or Takes())


def heard_of(client: DemoEngine, happens: Callable[[Ear], Awaitable[object]]) -> Ear:
    """All that is heard of a demonstration while something happens to it, and until it is closed."""

    async def scenario() -> Ear:
        ear = Ear()
        running = asyncio.create_task(client.run(ear))
        await happens(ear)
        await client.close()
        await running
        return ear

    return asyncio.run(scenario())


def after(client: DemoEngine, *commands: Command, plans: int = 1) -> Ear:
    """What is heard once these commands were sent, and so many plans have ended."""

    async def happens(ear: Ear) -> None:
        for command in commands:
            client.send(command)
        await ear.count(PlanEnded, plans)

    return heard_of(client, happens)


def folded(ear: Ear) -> Recording:
    return Recording.of(message for message in ear.heard if isinstance(message, Event))


def test_training_is_answered_with_why_a_demonstration_has_none_and_it_plays_on(tmp_path: Path) -> None:
    asked = training_plan([training(), training(context=2048)], ("pytorch", "flash2"))

    async def train_then_measure(ear: Ear) -> None:
        client.send(Train(plan=asked))
        await ear.count(PlanEnded)
        client.send(Measure(plan=plan(SHORT, takes=QUICK)))
        await ear.count(PlanEnded, 2)

    client = demo(tmp_path)
    ear = heard_of(client, train_then_measure)
    failures = ear.all_of(TrainingFailure)
    assert [failure.case for failure in failures] == [0, 1, 2, 3]
    assert {failure.kind for failure in failures} == {"unsupported"}
    assert "replays a recording" in failures[0].message and "attnprof train" in failures[0].message
    assert ear.all_of(Result)
    assert ear.all_of(Finished)[0].failures >= 4


def figures(some: list[Row]) -> list[object]:
    return [
        (row.implementation, row.which, row.status, row.device_ms, row.wall_ms, row.speedup, row.sm_mhz)
        for row in some
    ]


def test_it_begins_as_an_engine_does_and_says_what_it_is(tmp_path: Path) -> None:
    entries = tuple(CatalogEntry(name=name, label=name, summary="") for name in ("pytorch", "flash2"))
    events = single_events()
    client: EngineClient = demo(tmp_path, [*events[:1], Catalog(implementations=entries), *events[1:]])
    assert client.takes_commands

    async def nothing(_: Ear) -> None:
        await asyncio.sleep(0)

    assert isinstance(client, DemoEngine)
    hello, started, catalog, *_, finished = heard_of(client, nothing).heard
    assert isinstance(hello, Hello)
    assert (hello.device_name, hello.path) == ("NVIDIA H100 80GB HBM3", None)
    assert hello.note == "a demonstration, replaying h100.jsonl: nothing is measured"
    assert isinstance(started, SessionStarted)
    assert (started.command, started.environment) == ("attnprof --demo", header().environment)
    assert isinstance(catalog, Catalog)
    assert catalog.implementations == hello.catalog
    assert [entry.unavailable for entry in hello.catalog] == [
        "this demonstration replays a recording, and this is not in it",
        None,
    ]
    assert isinstance(finished, Finished)


def test_a_plan_comes_out_as_it_was_recorded(tmp_path: Path) -> None:
    ear = after(demo(tmp_path), Measure(plan=plan(SHORT, LONG)))
    played = folded(ear)
    assert figures(rows(played)) == figures(rows(Recording.of(hopper_events())))
    assert played.ceilings is not None
    assert len(ear.all_of(Kernels)) == 2
    assert len(ear.all_of(Replayed)) == 2
    assert [ended.ending for ended in ear.all_of(PlanEnded)] == ["completed"]
    last = ear.heard[-1]
    assert isinstance(last, Finished)
    assert last.results == len(ear.all_of(Result))


def test_samples_come_round_by_round_of_all_cases_in_small_portions(tmp_path: Path) -> None:
    samples = after(demo(tmp_path), Measure(plan=plan(SHORT))).all_of(Samples)
    assert {case.case for case in samples[:8]} == {0, 1, 2, 3}
    assert len(samples) > 5 * 8
    for number in range(4):
        rounds = 0
        for portion in samples:
            if (portion.case, portion.which) == (number, "fwd"):
                assert portion.first_round == rounds
                rounds += len(portion.device_ms)


def test_a_quick_plan_shows_its_first_numbers_at_once_and_nothing_but_times(tmp_path: Path) -> None:
    ear = after(demo(tmp_path), Measure(plan=plan(SHORT, takes=QUICK)))
    told = [message for message in ear.heard if not isinstance(message, Telemetry)]
    begun = next(number for number, message in enumerate(told) if isinstance(message, Planned))
    opening = told[begun + 1 : begun + 9]
    assert {type(message) for message in opening} == {CaseStarted, CaseChecked}
    assert isinstance(told[begun + 9], CaseChecked | Samples)
    assert all(check.accuracy is None for check in ear.all_of(CaseChecked))
    assert not ear.all_of(Ceilings) + ear.all_of(Replayed) + ear.all_of(Kernels)
    assert len(ear.all_of(Result)) == 8


def test_cases_are_numbered_on_and_ceilings_told_once(tmp_path: Path) -> None:
    client = demo(tmp_path)

    async def happens(ear: Ear) -> None:
        client.send(Measure(plan=plan(SHORT)))
        await ear.count(PlanEnded)
        client.send(Measure(plan=plan(SHORT, names=("flash2",))))
        await ear.count(PlanEnded, 2)

    ear = heard_of(client, happens)
    assert [planned.plan.first_case for planned in ear.all_of(Planned)] == [0, 4]
    assert ear.all_of(CaseStarted)[-1].case == 4
    assert len(ear.all_of(Ceilings)) == 1


def test_only_the_passes_asked_for_are_told(tmp_path: Path) -> None:
    asked = msgspec.structs.replace(plan(SHORT), passes=("fwd", "bwd"))
    ear = after(demo(tmp_path), Measure(plan=asked))
    assert {result.which for result in ear.all_of(Result)} == {"fwd"}
    assert {(failure.which, failure.kind) for failure in ear.all_of(Failure)} == {("bwd", "unsupported")}
    assert "which here is without backward" in ear.all_of(Failure)[0].message


def test_failures_are_told_as_they_were_recorded(tmp_path: Path) -> None:
    recorded = lab6_events()
    long = attention(seq=4096, causal=True)
    asked = example_plan([long], ("pytorch", "flash2", "sdpa-cudnn"))
    ear = after(demo(tmp_path, recorded), Measure(plan=asked))
    assert {(failure.case, failure.kind, failure.which) for failure in ear.all_of(Failure)} == {
        (0, "oom", "bwd"),
        (0, "oom", "fwd_bwd"),
        (1, "crashed", None),
        (2, "unsupported", None),
    }
    assert [begun.case for begun in ear.all_of(CaseStarted)] == [0, 1]


@pytest.mark.parametrize(
    ("workload", "name", "why"),
    [
        (
            msgspec.structs.replace(SHORT, seq_q=512, seq_k=512),
            "pytorch",
            "for this shape has seq 256 and 4096, not 512",
        ),
        (
            msgspec.structs.replace(LONG, dtype="float16"),
            "flash2",
            "for this shape has dtype bfloat16, not float16",
        ),
        (SHORT, "sdpa-math", "at this shape has pytorch, compiled, sdpa-flash and flash2, not sdpa-math"),
        (
            small(seq=8),
            "flash2",
            "has this nearest: batch 8, seq 256, heads 16, head dim 64, bfloat16, causal",
        ),
    ],
)
def test_what_was_not_recorded_is_refused_with_what_was(
    tmp_path: Path, workload: Attention, name: str, why: str
) -> None:
    (failure,) = after(demo(tmp_path), Measure(plan=plan(workload, names=(name,)))).all_of(Failure)
    assert failure.kind == "unsupported"
    assert failure.message == f"this demonstration replays a recording, which {why}"


def test_stop_measures_nothing_more(tmp_path: Path) -> None:
    client = demo(tmp_path)

    async def happens(ear: Ear) -> None:
        client.send(Measure(plan=plan(SHORT, LONG)))
        await ear.count(Samples)
        client.send(Stop())
        await ear.count(PlanEnded)
        client.send(Stop())  # when nothing runs, there is nothing to stop
        client.send(Skip())
        client.send(Measure(plan=plan(LONG)))
        await ear.count(PlanEnded, 2)

    ear = heard_of(client, happens)
    assert [ended.ending for ended in ear.all_of(PlanEnded)] == ["interrupted", "completed"]
    assert {result.case for result in ear.all_of(Result)} == {8, 9, 10, 11}


def test_another_plan_takes_the_place_of_the_one_that_runs(tmp_path: Path) -> None:
    client = demo(tmp_path)

    async def happens(ear: Ear) -> None:
        client.send(Measure(plan=plan(SHORT, LONG)))
        await ear.count(Samples)
        client.send(Measure(plan=plan(SHORT)))
        client.send(Measure(plan=plan(LONG)))  # of two that wait, the later counts
        await ear.count(PlanEnded, 2)

    ear = heard_of(client, happens)
    assert [ended.ending for ended in ear.all_of(PlanEnded)] == ["interrupted", "completed"]
    assert [planned.plan.workloads for planned in ear.all_of(Planned)] == [(SHORT, LONG), (LONG,)]


def test_skip_goes_on_with_the_next_shape(tmp_path: Path) -> None:
    client = demo(tmp_path)

    async def happens(ear: Ear) -> None:
        client.send(Measure(plan=plan(SHORT, LONG)))
        await ear.count(Samples)
        client.send(Skip())
        await ear.count(PlanEnded)

    ear = heard_of(client, happens)
    assert {result.workload for result in ear.all_of(Result)} == {LONG}
    assert [ended.ending for ended in ear.all_of(PlanEnded)] == ["completed"]


@pytest.mark.parametrize(
    ("command", "endings", "shapes"),
    [
        (Resume(), ["completed"], [SHORT, LONG]),
        (Stop(), ["interrupted"], [SHORT]),
        (Measure(plan=plan(LONG)), ["interrupted", "completed"], [SHORT, LONG]),
    ],
)
def test_pause_ends_the_shape_and_begins_none_until_told(
    tmp_path: Path, command: Command, endings: list[str], shapes: list[Attention]
) -> None:
    client = demo(tmp_path)

    async def happens(ear: Ear) -> None:
        client.send(Measure(plan=plan(SHORT, LONG)))
        await ear.count(Samples)
        client.send(Pause())
        await ear.count(Replayed, 2)  # the last that is told of the first shape
        readings = len(ear.all_of(Telemetry))
        await ear.count(Telemetry, readings + 2)
        assert {begun.workload for begun in ear.all_of(CaseStarted)} == {SHORT}
        client.send(command)
        await ear.count(PlanEnded, len(endings))

    ear = heard_of(client, happens)
    assert [ended.ending for ended in ear.all_of(PlanEnded)] == endings
    assert list(dict.fromkeys(begun.workload for begun in ear.all_of(CaseStarted))) == shapes


def test_readings_are_those_of_the_rounds_while_a_shape_plays_and_idle_ones_between(tmp_path: Path) -> None:
    idle = [telemetry(at, sm_mhz=345, utilization_percent=0.0) for at in (0.1, 0.2)]
    client = demo(tmp_path, [*hopper_events()[:-1], *idle], beat_s=0.02)

    async def happens(ear: Ear) -> None:
        await ear.count(Telemetry, 3)
        client.send(Measure(plan=plan(LONG)))
        await ear.count(PlanEnded)
        readings = len(ear.all_of(Telemetry))
        await ear.count(Telemetry, readings + 2)

    readings = heard_of(client, happens).all_of(Telemetry)
    clocks = [reading.sm_mhz for reading in readings]
    assert clocks[:3] == [345, 345, 345]
    assert 1410 in clocks
    assert clocks[-1] == 345
    times = [reading.at_s for reading in readings]
    assert times == sorted(times)
    assert times[0] < 1


@pytest.mark.parametrize(
    ("parameter", "direction", "found"),
    [("seq", 1, LONG), ("seq", -1, None), ("heads", 1, None), ("dtype", -1, None)],
)
def test_one_can_step_from_recorded_shape_to_recorded_shape(
    tmp_path: Path, parameter: Parameter, direction: int, found: Attention | None
) -> None:
    client = demo(tmp_path)
    assert client.recorded_workloads == (SHORT, LONG)
    assert client.recorded_plan is not None
    assert client.nearest(SHORT, parameter, direction) == found


def test_a_step_changes_other_parameters_only_where_it_must(tmp_path: Path) -> None:
    shapes = [
        attention(seq=512, batch=32),
        attention(seq=1024, batch=16),
        attention(seq=2048, batch=32),
        attention(seq=2048, batch=16, causal=True),
    ]
    whole = example_plan(shapes, ("flash2",))
    results = (event for case in cases(whole) for event in measured(case))
    client = demo(tmp_path, [header(), Planned(plan=whole), *results])
    first, second, third, causal = shapes
    assert client.nearest(first, "seq", 1) == third
    assert client.nearest(second, "seq", 1) in (third, causal)
    assert client.nearest(third, "seq", -1) == first
    assert client.nearest(third, "causal", 1) == causal
    assert client.nearest(attention(seq=700, batch=16), "seq", 1) == second


def test_a_session_that_holds_nothing_to_play_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SessionError, match="no measured shape"):
        demo(tmp_path, [header()])
    with pytest.raises(SessionError, match="cannot be read"):
        DemoEngine(tmp_path / "none.jsonl")
