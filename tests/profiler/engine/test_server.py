"""The engine as a screen has it: plans that replace each other, skipping, pausing, resumed sessions."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from profiler.engine.control import (
    Command,
    EngineMessage,
    Hello,
    Measure,
    Pause,
    Resume,
    SaveIn,
    Saving,
    Skip,
    Stop,
    Train,
)
from profiler.engine.server import EngineServer, commands_from_stdin
from profiler.engine.session_run import missing, missing_training
from profiler.events import (
    CaseStarted,
    Ceilings,
    Continued,
    Event,
    Failure,
    Finished,
    Log,
    PlanEnded,
    Planned,
    Result,
    Samples,
    SessionStarted,
    Telemetry,
    TrainingPlanned,
    TrainingResult,
    TrainingStarted,
)
from profiler.machine.environment import resolve_device
from profiler.plans.plan import Plan, Stopping, Takes
from profiler.results.conditions import LAG_S
from profiler.results.rows import rows
from profiler.session.file import SessionError
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.training.plan import TrainingPlan, TrainingTakes
from profiler.training.rows import training_rows
from tests.shapes import attention
from tests.training_examples import training, training_plan
from tests.workers import ANSWERING_WORKER, FAKE_WORKER, FAULTY_WORKER

pytestmark = pytest.mark.usefixtures("faulty_implementations")

E = TypeVar("E", bound=Event)

THRICE = Stopping(repeats=3)
ENDLESS = Stopping(repeats=100_000_000)
NOTHING_MORE = Takes(accuracy=False, graphs=False, ceilings=False)


def plan(*names: str, seqs: tuple[int, ...] = (32,), stopping: Stopping = THRICE) -> Plan:
    return Plan(
        workloads=tuple(attention(seq=seq) for seq in seqs),
        implementations=names,
        stopping=stopping,
        takes=NOTHING_MORE,
    )


class Screen:
    """A screen that does as a script says: it hears messages, and sends commands in answer."""

    def __init__(
        self,
        folder: Path,
        resume: Path | None = None,
        worker_command: tuple[str, ...] = FAULTY_WORKER,
    ) -> None:
        self.heard: list[EngineMessage] = []
        self._news = asyncio.Event()
        self._commands: asyncio.Queue[Command | None] = asyncio.Queue()
        decode: Callable[[bytes], EngineMessage] = msgspec.json.Decoder(EngineMessage).decode

        def hear(line: bytes) -> None:
            self.heard.append(decode(line))
            self._news.set()

        self.server = EngineServer(
            resolve_device("cpu"),
            folder=folder,
            command="attnprof",
            say=hear,
            resume=resume,
            worker_command=worker_command,
        )

    def send(self, command: Command) -> None:
        self._commands.put_nowait(command)

    async def until(self, kind: type[E], count: int = 1) -> list[E]:
        """The messages of a kind, once there are so many."""
        while len(found := self.all_of(kind)) < count:
            self._news.clear()
            await self._news.wait()
        return found

    def all_of(self, kind: type[E]) -> list[E]:
        messages: list[object] = [*self.heard]
        return [message for message in messages if isinstance(message, kind)]

    async def serve(self, script: Script) -> Finished:
        async def act() -> None:
            await script(self)
            self._commands.put_nowait(None)

        acting = asyncio.create_task(act())
        async with asyncio.timeout(60):
            finished = await self.server.serve(self._given())
            await acting
        return finished

    async def _given(self) -> AsyncIterator[Command]:
        while (command := await self._commands.get()) is not None:
            yield command


Script = Callable[[Screen], Awaitable[None]]


def play(
    folder: Path,
    script: Script,
    resume: Path | None = None,
    worker_command: tuple[str, ...] = FAULTY_WORKER,
) -> tuple[Screen, Finished]:
    async def run() -> tuple[Screen, Finished]:
        screen = Screen(folder, resume, worker_command)
        return screen, await screen.serve(script)

    return asyncio.run(run())


def test_hello_comes_before_torch_is_loaded_and_an_unused_session_leaves_no_file(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        assert isinstance(screen.heard[0], Hello) or not screen.heard
        await screen.until(SessionStarted)

    screen, finished = play(tmp_path, script, worker_command=ANSWERING_WORKER)
    hello = screen.heard[0]
    assert isinstance(hello, Hello)
    assert (hello.kind, hello.name) == ("cpu", "cpu")
    assert "pytorch" in [entry.name for entry in hello.catalog]
    assert finished.ending == "completed"
    assert list(tmp_path.iterdir()) == []


def test_a_plan_takes_the_place_of_the_one_that_runs_and_keeps_its_samples(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        screen.send(Measure(plan=plan("pytorch", "sdpa", stopping=ENDLESS)))
        await screen.until(Samples, 6)
        screen.send(Measure(plan=plan("pytorch", "sdpa", seqs=(64,))))
        await screen.until(PlanEnded, 2)

    screen, finished = play(tmp_path, script)
    assert finished.ending == "completed"
    session = read_session(screen.server.engine.path)
    assert not session.problems
    first, second = [event for event in session.events if isinstance(event, PlanEnded)]
    assert (first.ending, second.ending) == ("interrupted", "completed")
    numbers = [event.case for event in session.events if isinstance(event, CaseStarted)]
    assert numbers == [0, 1, 2, 3]
    recording = Recording.of(session.events)
    by_seq = {(row.workload.seq_q, row.status) for row in rows(recording)}
    assert by_seq == {(32, "partial"), (64, "ok")}
    assert all(row.device_ms for row in rows(recording))


def test_a_call_that_hangs_does_not_keep_the_next_plan_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.engine.engine._CUT_S", 0.2)

    async def script(screen: Screen) -> None:
        screen.send(Measure(plan=plan("hangs", "pytorch", stopping=ENDLESS)))
        await screen.until(CaseStarted)
        screen.send(Measure(plan=plan("pytorch")))
        await screen.until(Result, 3)

    screen, _ = play(tmp_path, script, worker_command=ANSWERING_WORKER)
    assert not [message for message in screen.heard if isinstance(message, Failure)]


def test_a_shape_is_skipped_and_the_next_is_measured(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        screen.send(Measure(plan=plan("pytorch", seqs=(32, 64), stopping=ENDLESS)))
        await screen.until(Samples)
        screen.send(Skip())
        await screen.until(CaseStarted, 2)
        screen.send(Stop())
        await screen.until(PlanEnded)

    screen, _ = play(tmp_path, script)
    started = [message.workload.seq_q for message in screen.heard if isinstance(message, CaseStarted)]
    assert started == [32, 64]


def test_a_pause_holds_before_the_next_shape_until_it_is_over(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        screen.send(Measure(plan=plan("pytorch", seqs=(32, 64), stopping=ENDLESS)))
        await screen.until(Samples)
        screen.send(Pause())
        screen.send(Skip())
        for _ in range(20):  # it is given every chance to begin the next shape
            await asyncio.sleep(0.01)
        assert len(await screen.until(CaseStarted)) == 1
        screen.send(Resume())
        await screen.until(CaseStarted, 2)
        screen.send(Stop())
        await screen.until(PlanEnded)

    play(tmp_path, script, worker_command=ANSWERING_WORKER)


def test_a_screen_that_goes_away_ends_what_runs(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        screen.send(Measure(plan=plan("pytorch", stopping=ENDLESS)))
        await screen.until(Samples)

    screen, finished = play(tmp_path, script, worker_command=ANSWERING_WORKER)
    assert (finished.ending, finished.reason) == ("interrupted", "the screen was closed")
    assert isinstance(read_session(screen.server.engine.path).events[-1], Finished)


def test_a_skip_after_a_stop_does_not_let_the_plan_go_on(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        screen.send(Measure(plan=plan("pytorch", seqs=(16, 32, 64), stopping=ENDLESS)))
        await screen.until(Samples)
        screen.send(Stop())
        screen.send(Skip())
        (ended,) = await screen.until(PlanEnded)
        assert ended.ending == "interrupted"

    screen, _ = play(tmp_path, script, worker_command=ANSWERING_WORKER)
    assert len([message for message in screen.heard if isinstance(message, CaseStarted)]) == 1


def test_a_plan_replaced_while_torch_is_loaded_is_never_begun(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        screen.send(Measure(plan=plan("pytorch", seqs=(16, 32), stopping=ENDLESS)))
        await until_started(screen)
        screen.send(Measure(plan=plan("pytorch", seqs=(64,))))
        await screen.until(PlanEnded)

    screen, _ = play(tmp_path, script, worker_command=ANSWERING_WORKER)
    begun = [message.plan for message in screen.heard if isinstance(message, Planned)]
    assert [shape.seq_q for of in begun for shape in of.workloads] == [64]


async def until_started(screen: Screen) -> None:
    """Until the engine has had its first turns, and waits for its worker."""
    while screen.server.engine._worker is None:
        await asyncio.sleep(0)


def test_a_worker_that_dies_at_rest_is_no_fault_of_the_next_case(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        screen.send(Measure(plan=plan("pytorch")))
        await screen.until(PlanEnded)
        worker = screen.server.engine._worker
        assert worker is not None
        worker.end_now()
        while not worker.has_ended:
            await asyncio.sleep(0.01)
        screen.send(Measure(plan=plan("pytorch", seqs=(64,))))
        await screen.until(PlanEnded, 2)

    screen, _ = play(tmp_path, script, worker_command=ANSWERING_WORKER)
    assert {row.status for row in rows(Recording.of(read_session(screen.server.engine.path).events))} == {
        "ok"
    }


def test_ceilings_cut_short_with_their_worker_are_measured_with_the_next_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.engine.engine._CUT_S", 0.1)
    with_ceilings = msgspec.structs.replace(plan("pytorch"), takes=Takes(accuracy=False, graphs=False))

    async def script(screen: Screen) -> None:
        engine = screen.server.engine
        await screen.until(SessionStarted)
        engine._worker_command = ANSWERING_WORKER  # what the next worker is
        screen.send(Measure(plan=with_ceilings))
        await screen.until(Planned)
        screen.send(Stop())
        await screen.until(PlanEnded)
        assert not [message for message in screen.heard if isinstance(message, Ceilings | Log)]
        screen.send(Measure(plan=with_ceilings))
        await screen.until(Ceilings)
        await screen.until(PlanEnded, 2)

    play(tmp_path, script, worker_command=(*FAKE_WORKER, "hangs-at-ceilings", ""))


def test_readings_are_saved_while_a_plan_is_measured_and_for_a_moment_after(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        await screen.until(SessionStarted)
        await screen.until(Telemetry, 2)
        screen.send(Measure(plan=plan("pytorch")))
        await screen.until(PlanEnded)
        await screen.until(Telemetry, len(screen.all_of(Telemetry)) + 4)

    screen, _ = play(tmp_path, script)
    (ended,) = screen.all_of(PlanEnded)
    until_s = ended.at_s + LAG_S
    planned = next(at for at, message in enumerate(screen.heard) if isinstance(message, Planned))
    heard = [message for message in screen.heard[planned:] if isinstance(message, Telemetry)]
    saved = [
        event for event in read_session(screen.server.engine.path).events if isinstance(event, Telemetry)
    ]
    assert saved == heard[: len(saved)]
    assert all(reading.at_s <= until_s for reading in saved)
    assert all(reading.at_s > until_s - 0.01 for reading in heard[len(saved) :])
    assert len(saved) < len(heard)


def test_commands_that_cannot_be_read_any_more_end_the_engine(tmp_path: Path) -> None:
    class Torn(Screen):
        async def _given(self) -> AsyncIterator[Command]:
            await self.until(SessionStarted)
            nothing: tuple[Command, ...] = ()
            for command in nothing:
                yield command
            raise OSError("torn")

    async def script(screen: Screen) -> None:
        pass

    assert asyncio.run(Torn(tmp_path, worker_command=ANSWERING_WORKER).serve(script)).ending == "completed"


@pytest.mark.parametrize("name", ["/dev/null", __file__])
def test_commands_come_to_an_end_whatever_stdin_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def all_of_them() -> list[Command]:
        async with asyncio.timeout(10):
            return [command async for command in commands_from_stdin()]

    with Path(name).open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert asyncio.run(all_of_them()) == []


def test_what_a_quick_look_answered_is_still_missing_from_a_sweep() -> None:
    sweep = plan("pytorch", "sdpa", seqs=(16, 32))
    look = plan("pytorch", "sdpa", seqs=(16,), stopping=Stopping(repeats=1))
    assert missing(Recording.of([Planned(plan=sweep), *answers(look)])) == sweep
    left = missing(Recording.of([*answers(sweep, 1), PlanEnded(ending="interrupted")]))
    assert left is not None
    assert [shape.seq_q for shape in left.workloads] == [32]


def test_cases_answered_in_different_rounds_are_missing() -> None:
    sweep = plan("pytorch", "sdpa", seqs=(16, 32))
    halves = [plan(name, seqs=(16, 32)) for name in ("pytorch", "sdpa")]
    events = [Planned(plan=sweep), *answers(halves[0]), *answers(halves[1])]
    assert missing(Recording.of(events), sweep) == sweep


def answers(of: Plan, shapes: int | None = None) -> list[Event]:
    """A plan of which the first shapes have been answered, by failures."""
    cases = [case for _, some in list(of.shapes())[:shapes] for case in some]
    return [
        Planned(plan=of),
        *(
            Failure(
                case=case.number,
                workload=case.workload,
                implementation=case.implementation,
                kind="error",
                message="of no concern",
            )
            for case in cases
        ),
    ]


def test_an_interrupted_session_is_gone_on_with(tmp_path: Path) -> None:
    sweep = plan("pytorch", "sdpa", seqs=(16, 32, 64))

    async def interrupt(screen: Screen) -> None:
        screen.send(Measure(plan=msgspec.structs.replace(sweep, stopping=Stopping(repeats=40))))
        await screen.until(CaseStarted, 3)
        screen.send(Stop())
        await screen.until(PlanEnded)

    async def wait(screen: Screen) -> None:
        await screen.until(PlanEnded, 2)

    first, _ = play(tmp_path, interrupt)
    path = first.server.engine.path
    left = missing(Recording.of(read_session(path).events))
    assert left is not None
    assert [shape.seq_q for shape in left.workloads] in ([32, 64], [64])

    second, finished = play(tmp_path, wait, resume=path, worker_command=ANSWERING_WORKER)
    assert finished.ending == "completed"
    assert second.server.engine.path == path
    session = read_session(path)
    assert not session.problems
    recording = Recording.of(session.events)
    assert missing(recording) is None
    assert len(recording.continued) == 1
    assert {row.status for row in rows(recording)} == {"ok"}
    assert [shape.seq_q for shape in recording.plan.workloads] == [16, 32, 64] if recording.plan else False
    times = [event.at_s for event in session.events if isinstance(event, CaseStarted | Planned | Continued)]
    assert times == sorted(times)


def to_train(*names: str, contexts: tuple[int, ...] = (64,)) -> TrainingPlan:
    rows = [training("2x2x32", context, "eager", dtype="float32") for context in contexts]
    return training_plan(rows, names, device="cpu", batch=4, takes=TrainingTakes(ceilings=False))


def test_a_screen_may_train_after_it_has_measured_and_measure_after_it_has_trained(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        screen.send(Measure(plan=plan("pytorch")))
        await screen.until(PlanEnded)
        screen.send(Train(plan=to_train("pytorch", "sdpa")))
        await screen.until(PlanEnded, 2)
        screen.send(Measure(plan=plan("sdpa")))
        await screen.until(PlanEnded, 3)

    screen, finished = play(tmp_path, script, worker_command=ANSWERING_WORKER)
    assert (finished.ending, finished.results, finished.failures) == ("completed", 8, 0)
    assert [event.case for event in screen.all_of(TrainingResult)] == [1, 2]
    recording = Recording.of(read_session(screen.server.engine.path).events)
    assert {row.status for row in rows(recording)} == {"ok"}
    assert [row.status for row in training_rows(recording)] == ["ok", "ok"]
    assert sorted(recording.cases) == [0, 3] and sorted(recording.trainings) == [1, 2]


def test_a_plan_takes_the_place_of_a_training_that_runs(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        screen.send(Train(plan=to_train("pytorch", contexts=(64, 128))))
        await screen.until(TrainingStarted)
        screen.send(Measure(plan=plan("pytorch")))
        await screen.until(PlanEnded, 2)

    screen, _ = play(tmp_path, script, worker_command=(*FAKE_WORKER, "trains-on", ""))
    assert [ended.ending for ended in screen.all_of(PlanEnded)] == ["interrupted", "completed"]
    assert not screen.all_of(TrainingResult) and screen.all_of(Result)


def test_an_interrupted_training_is_gone_on_with(tmp_path: Path) -> None:
    async def interrupt(screen: Screen) -> None:
        screen.send(Train(plan=to_train("pytorch", "sdpa", contexts=(64, 128))))
        await screen.until(TrainingStarted)
        screen.send(Stop())
        await screen.until(PlanEnded)

    async def wait(screen: Screen) -> None:
        await screen.until(PlanEnded, 2)

    first, _ = play(tmp_path, interrupt, worker_command=(*FAKE_WORKER, "trains-on", ""))
    path = first.server.engine.path
    second, finished = play(tmp_path, wait, resume=path, worker_command=ANSWERING_WORKER)
    assert (finished.ending, finished.results) == ("completed", 4)
    recording = Recording.of(read_session(path).events)
    assert missing_training(recording) is None
    assert [row.status for row in training_rows(recording)] == ["ok"] * 4
    assert len(second.all_of(TrainingPlanned)) == 2 and len(recording.continued) == 1


def test_a_complete_session_cannot_be_gone_on_with(tmp_path: Path) -> None:
    async def script(screen: Screen) -> None:
        screen.send(Measure(plan=plan("pytorch")))
        await screen.until(PlanEnded)

    screen, _ = play(tmp_path, script, worker_command=ANSWERING_WORKER)
    with pytest.raises(SessionError, match="complete"):
        play(tmp_path, script, resume=screen.server.engine.path, worker_command=ANSWERING_WORKER)


def test_a_plan_for_which_no_worker_can_be_had_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def script(screen: Screen) -> None:
        engine = screen.server.engine
        await screen.until(SessionStarted)
        monkeypatch.setattr("profiler.engine.engine.START_TIMEOUT_S", 0.01)
        engine._worker_command = (*FAKE_WORKER, "never-ready", "")  # what the next worker is
        limited = msgspec.structs.replace(plan("pytorch"), memory_limit_bytes=8 * 2**30)
        screen.send(Measure(plan=limited))  # another limit takes another worker
        await screen.until(PlanEnded)
        monkeypatch.undo()
        engine._worker_command = ANSWERING_WORKER
        screen.send(Measure(plan=plan("pytorch")))
        await screen.until(Result, 3)
        await screen.until(PlanEnded, 2)

    screen, finished = play(tmp_path, script, worker_command=ANSWERING_WORKER)
    endings = [message.ending for message in screen.heard if isinstance(message, PlanEnded)]
    assert endings == ["failed", "completed"]
    assert finished.ending == "completed"


def test_a_session_is_saved_in_another_folder_when_the_screen_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def script(screen: Screen) -> None:
        await screen.until(SessionStarted)
        shutil.rmtree(tmp_path / "sessions")
        screen.send(Measure(plan=plan("pytorch")))
        await screen.until(PlanEnded)
        screen.send(SaveIn(folder=str(tmp_path / "file")))
        screen.send(SaveIn(folder=str(tmp_path / "elsewhere")))
        screen.send(Measure(plan=plan("sdpa")))
        await screen.until(PlanEnded, 2)

    screen, _ = play(tmp_path / "sessions", script, worker_command=ANSWERING_WORKER)
    path = screen.server.engine.path
    assert path.parent == tmp_path / "elsewhere"
    events = read_session(path).events
    assert {event.implementation for event in events if isinstance(event, Result)} == {"pytorch", "sdpa"}
    assert any("is, or lies under, a file" in log.message for log in screen.all_of(Log))
    saving = [message for message in screen.heard if isinstance(message, Saving)]
    assert "has been removed" in saving[0].problem
    assert saving[-1] == Saving(path=str(path))
