"""What each screen shows at 80x24 and at 160x48, of a session recorded on an H100, character by character."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from profiler.clients.recorded import RecordedSession
from profiler.engine.control import EngineMessage
from profiler.events import (
    BatchTried,
    CaseChecked,
    CaseStarted,
    CatalogEntry,
    Event,
    Finished,
    PlanEnded,
    Planned,
    SessionStarted,
    Telemetry,
    TrainingChecked,
    TrainingPlanned,
)
from profiler.state import STATE_VARIABLE
from tests.examples import accuracy, attention, cases, checked, failed, header, measured, plan, samples
from tests.training_examples import (
    begun,
    steps,
    study_events,
    trained,
    training,
    training_cases,
    training_failed,
    training_plan,
)
from tests.tui.app.fake import FakeEngine, hello, opening
from tests.tui.app.pilot import drive
from tests.tui.app.snapshots import assert_screen
from tests.tui.app.whole import QUICK_ONLY, ROOT, running, settle, tell, until
from tui.app.choice import default_choice, quick_plan
from tui.app.pictures import lines
from tui.config import Settings

RECORDED = "20261122T102112Z-h100-80gb-hbm3-sweep.jsonl"
SIZES = {"80x24": (80, 24), "160x48": (160, 48)}
OTHERS = ("fa3-paper", "oom", "lab5-seq")  # sessions that are listed beside it

pytestmark = pytest.mark.parametrize("size", SIZES)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with some sessions: paths that are shown are the same everywhere."""
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sessions").mkdir()
    for name in (RECORDED, *(f"*-h100-80gb-hbm3-{other}.jsonl" for other in OTHERS)):
        for path in (ROOT / "sessions").glob(name):
            shutil.copy(path, tmp_path / "sessions")
    return tmp_path


@pytest.fixture(scope="module", autouse=True)
def charts() -> None:
    """What draws them is there from the first frame on."""
    lines.load()


FIRST = default_choice(hello())
SWEEP = plan([attention(batch=4, seq=2**power) for power in range(9, 15)], ("pytorch", "flash2"))
FAILING = ("pytorch", "compiled", "sdpa-math", "sdpa-efficient", "flash2", "flash3", "flex")


def opening_with(names: Iterable[str]) -> list[EngineMessage]:
    """What an engine says first that can run those."""
    catalog = tuple(CatalogEntry(name=name, label=name, summary="") for name in names)
    return [msgspec.structs.replace(hello(), catalog=catalog), header("attnprof")]


def readings(from_s: float, *, count: int) -> list[Telemetry]:
    return [
        Telemetry(
            at_s=from_s + number / 10,
            sm_mhz=1980 - 90 * (number % 5),
            power_w=300.0 + 80 * (number % 5),
            temperature_c=50 + number // 4,
            memory_used_bytes=(12 + number) * 2**30,
            utilization_percent=99.0,
            throttle=("power cap",) if number % 5 == 4 else (),
        )
        for number in range(count)
    ]


def first_numbers() -> Iterator[Event | EngineMessage]:
    """Two of three implementations have come to the first rounds of the quick look."""
    asked = quick_plan(FIRST, "cuda:0")
    first, second, third = cases(asked)
    yield Planned(at_s=1.5, plan=asked)
    for case in (first, second, third):
        yield from checked(case, at_s=1.6)
    for which in asked.passes:
        yield samples(first, which, count=4, at_s=1.8)
    yield samples(second, "fwd", speed=3.0, count=4, at_s=1.8)


def failures() -> Iterator[Event | EngineMessage]:
    """Every way in which a case can go wrong, beside one that does not."""
    asked = quick_plan(FIRST.with_implementations(FAILING), "cuda:0")
    plain, compiled, math, efficient, flash2, flash3, flex = cases(asked)
    yield Planned(at_s=1.0, plan=asked)
    for case in (plain, math, efficient):
        yield from checked(case, at_s=1.1, wrong=case is math)
    yield CaseStarted(at_s=1.2, case=flash2.number, workload=flash2.workload, implementation="flash2")
    not_finite = msgspec.structs.replace(accuracy(), verdict="nan", errors={"out": None}, ratio=None)
    yield CaseChecked(at_s=1.3, case=flash2.number, first_call_ms={"fwd": 3.0}, accuracy=not_finite)
    yield failed(compiled, "timeout", "nothing came of it within 120 s")
    yield from measured(plain, asked.passes)
    yield from measured(math, asked.passes, speed=2.0)
    yield from measured(efficient, ["fwd"], speed=1.5)
    yield failed(efficient, "oom", "CUDA out of memory", which="bwd", requested_bytes=64 * 2**30)
    yield failed(efficient, "oom", "CUDA out of memory", which="fwd_bwd", requested_bytes=64 * 2**30)
    yield from measured(flash2, asked.passes, speed=4.0)
    yield failed(flash3, "unsupported", "takes head dims up to 32, not 64")
    yield failed(flex, "crashed", "the worker was killed by signal 9.")
    yield PlanEnded(at_s=4.0, ending="completed")


def half_a_sweep() -> Iterator[Event | EngineMessage]:
    """Three of six shapes are measured, and the fourth has begun."""
    yield Planned(at_s=10.0, plan=SWEEP)
    for number, case in enumerate(cases(SWEEP)[:8]):
        speed = (1 + 2 * (number % 2)) * 4.0 ** -(number // 2)
        yield from checked(case, at_s=11.0 + number)
        if number < 6:
            yield from measured(case, SWEEP.passes, speed=speed, at_s=11.5 + number)


def told(events: Iterable[Event]) -> list[Event]:
    """What a live engine tells of a recorded training: all that is not about the session itself."""
    return [event for event in events if not isinstance(event, SessionStarted | Finished)]


def half_a_training() -> Iterator[Event | EngineMessage]:
    """Two of six rows are trained; of the third one fails, one makes steps, one looks for its batch."""
    asked = training_plan(
        [training(model, context) for model in ("small", "medium") for context in (256, 1024, 2048)]
    )
    yield TrainingPlanned(at_s=5.0, plan=asked)
    first = training_cases(asked)
    for place, (case, tokens) in enumerate(zip(first[:6], (63_820, 72_785, 71_628) * 2, strict=True)):
        batch, tokens_per_s = (64, tokens) if place < 3 else (16, 0.9 * tokens)
        yield from trained(case, batch=batch, tokens_per_s=tokens_per_s, at_s=6.0 + place)
    plain, flash, last = first[6:9]
    yield begun(plain, 20.0)
    yield BatchTried(at_s=20.1, case=plain.number, batch=1, fits=False)
    yield training_failed(plain, "oom", "not even a batch of 1 fits", 6 * 2**30)
    yield begun(flash, 21.0)
    yield TrainingChecked(
        at_s=22.0, case=flash.number, batch=8, parameters=124_000_000, first_step_ms=21_000.0
    )
    yield steps(flash, [21_000.0, *[300.0 + place % 7 for place in range(61)]], at_s=40.0)
    yield begun(last, 41.0)
    for batch in (8, 16, 12):
        yield BatchTried(at_s=41.0 + batch / 10, case=last.number, batch=batch, fits=batch == 8)


def recorded(name: str, *keys: str, size: str, settings: Settings = QUICK_ONLY) -> None:
    """What the recorded session shows after some keys is what was agreed on."""

    async def scenario() -> None:
        session = RecordedSession(Path("sessions") / RECORDED)
        async with running(session, settings, mode="recording", size=SIZES[size]) as (app, pilot):
            await until(pilot, lambda: app.desk.recording.finished is not None)
            await settle(app, pilot)
            for key in keys:
                await pilot.press(key)
            await settle(app, pilot)
            assert_screen(app, f"{name}-{size}")

    drive(scenario())


def live(
    name: str,
    *keys: str,
    size: str,
    says: Iterable[EngineMessage],
    first: Iterable[Event | EngineMessage] = (),
    then: Iterable[Event | EngineMessage] = (),
) -> None:
    """What the app shows of an engine that says something, and after some keys something more.

    What it says `first` is painted before the keys.
    """

    async def scenario() -> None:
        client = FakeEngine(says)
        async with running(client, size=SIZES[size]) as (app, pilot):
            tell(client, *first)
            await settle(app, pilot)
            for key in keys:
                await pilot.press(key)
            tell(client, *then)
            await settle(app, pilot)
            assert_screen(app, f"{name}-{size}")

    drive(scenario())


def test_the_bench_with_a_measured_shape(size: str) -> None:
    recorded("bench", "right", "right", size=size)


def test_the_bench_with_the_table_in_use(size: str) -> None:
    recorded("bench-table", "tab", "down", "right", "right", "right", size=size)


def test_the_bench_in_ascii(size: str) -> None:
    recorded("bench-ascii", size=size, settings=replace(QUICK_ONLY, ascii=True))


def test_the_bench_while_torch_is_loaded(size: str) -> None:
    live("bench-loading", size=size, says=[hello()])


def test_the_bench_while_a_shape_is_measured_for_the_first_time(size: str) -> None:
    live("bench-measuring", size=size, says=[*opening(), *readings(1.0, count=5)], then=first_numbers())


def test_the_bench_while_a_value_is_refused(size: str) -> None:
    live("bench-refused", "enter", "x", "enter", size=size, says=opening())


def test_the_bench_where_next_to_nothing_works(size: str) -> None:
    live("bench-failures", "tab", "down", size=size, says=opening_with(FAILING), then=failures())


def test_the_bench_on_a_cpu(size: str) -> None:
    live("bench-cpu", size=size, says=[hello(on_cpu=True), *opening()[1:]])


def test_the_form_of_a_sweep(size: str) -> None:
    live("sweep-form", "2", size=size, says=opening())


def test_a_sweep_that_runs(size: str) -> None:
    live("sweep-running", "2", size=size, says=opening(), then=half_a_sweep())


def test_a_finished_sweep_as_a_grid(size: str) -> None:
    recorded("sweep", "2", size=size)


def test_a_finished_sweep_as_a_chart(size: str) -> None:
    recorded("sweep-chart", "2", "c", size=size)


def test_the_details_of_a_case(size: str) -> None:
    recorded("details", "tab", "end", "enter", size=size)


def test_the_form_of_a_training(size: str) -> None:
    live("train-form", "4", "home", "right", size=size, says=opening())


def test_a_training_that_runs(size: str) -> None:
    says = [*opening(), *readings(30.0, count=100)]
    live("train-running", "4", size=size, says=says, then=half_a_training())


def test_a_finished_training(size: str) -> None:
    end = PlanEnded(at_s=90.0, ending="completed")
    live("train", "4", "right", size=size, says=opening(), first=[*told(study_events()), end])


def test_the_details_of_a_training(size: str) -> None:
    keys = ("4", "home", "right", "right", "enter")
    live("training-details", *keys, size=size, says=opening(), first=told(study_events()))


def test_the_sessions(size: str) -> None:
    recorded("sessions", "3", "down", size=size)


def test_the_help(size: str) -> None:
    recorded("help", "question_mark", size=size)
