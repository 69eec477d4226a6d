"""The engine at training: cases that are refused, lost or cut short, and what the session then holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

import impls
from impls.contract import DeviceInfo, Workload
from profiler.engine.engine import Engine
from profiler.engine.session_run import Session, missing_training
from profiler.engine.work import why_not_trained
from profiler.events import (
    Ceilings,
    Environment,
    Event,
    Finished,
    Log,
    PlanEnded,
    Planned,
    Steps,
    TrainingFailure,
    TrainingPlanned,
    TrainingStarted,
)
from profiler.machine.environment import resolve_device
from profiler.plans.plan import Plan
from profiler.session.file import SessionError
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.training.model import Mode, Training
from profiler.training.plan import TrainingPlan, TrainingTakes
from profiler.training.rows import training_rows
from tests.examples import header
from tests.shapes import attention
from tests.training_examples import training, training_cases, training_failed, training_plan
from tests.workers import FAKE_WORKER, run_engine

CPU = DeviceInfo("cpu", "a CPU")


def row(context: int = 64) -> Training:
    return training("2x2x32", context, "eager", dtype="float32")


def plan(*names: str, contexts: tuple[int, ...] = (64,), **changes: object) -> TrainingPlan:
    takes = TrainingTakes(ceilings=False)
    fields = {"device": "cpu", "batch": 4, "takes": takes, "timeout_s": 60.0, **changes}
    return training_plan([row(context) for context in contexts], names, **fields)


def worker(how: str) -> tuple[str, ...]:
    return (*FAKE_WORKER, how, "")


def recorded(path: Path) -> Recording:
    session = read_session(path)
    assert not session.problems
    return Recording.of(session.events)


def statuses(recording: Recording) -> dict[tuple[int, str], str]:
    """By (context, implementation)."""
    return {(row.training.context, row.implementation): row.status for row in training_rows(recording)}


def failure_of(recording: Recording, implementation: str) -> TrainingFailure:
    (failure,) = (
        record.failure
        for record in recording.trainings.values()
        if record.implementation == implementation and record.failure
    )
    return failure


def test_a_whole_training_is_saved_as_it_was_heard(tmp_path: Path) -> None:
    heard: list[Event] = []
    path, finished = run_engine(
        plan("pytorch", "sdpa", contexts=(64, 128)),
        tmp_path,
        listen=lambda _, event: heard.append(event),
        worker_command=worker("answers"),
    )
    assert read_session(path).events == heard
    assert (finished.ending, finished.results, finished.failures) == ("completed", 4, 0)
    recording = recorded(path)
    assert set(statuses(recording).values()) == {"ok"}
    assert recording.plan is None and not recording.at_plan
    assert [type(event) for event in heard].count(TrainingPlanned) == 1


def test_what_cannot_be_trained_is_a_stated_reason_and_never_begins(tmp_path: Path) -> None:
    path, finished = run_engine(
        plan("pytorch", "sdpa-cudnn", "no-such-thing"), tmp_path, worker_command=worker("answers")
    )
    recording = recorded(path)
    assert (finished.results, finished.failures) == (1, 2)
    assert failure_of(recording, "sdpa-cudnn").message == "needs a CUDA GPU"
    assert "no-such-thing" in failure_of(recording, "no-such-thing").message
    begun = [event for event in read_session(path).events if isinstance(event, TrainingStarted)]
    assert [event.implementation for event in begun] == ["pytorch"]


def test_a_worker_that_dies_costs_its_case_and_the_rest_of_the_row_goes_on(tmp_path: Path) -> None:
    path, finished = run_engine(
        plan("pytorch", "sdpa", "sdpa-math", contexts=(64, 128)),
        tmp_path,
        worker_command=worker("dies-at-sdpa"),
    )
    recording = recorded(path)
    assert (finished.ending, finished.results, finished.failures) == ("completed", 4, 2)
    for context in (64, 128):
        assert statuses(recording)[context, "sdpa"] == "crashed"
        assert statuses(recording)[context, "pytorch"] == statuses(recording)[context, "sdpa-math"] == "ok"
    why = {record.failure.message for record in recording.trainings.values() if record.failure}
    assert why == {"the worker ended with status 1: RuntimeError: lost in a step"}


def test_a_case_that_hangs_is_ended_and_the_rest_goes_on(tmp_path: Path) -> None:
    path, finished = run_engine(
        plan("sdpa", "pytorch", timeout_s=1.0), tmp_path, worker_command=worker("hangs-at-sdpa")
    )
    recording = recorded(path)
    assert finished.ending == "completed"
    assert statuses(recording) == {(64, "sdpa"): "timeout", (64, "pytorch"): "ok"}
    assert "1 s" in failure_of(recording, "sdpa").message


def test_a_worker_lost_after_its_results_costs_nothing(tmp_path: Path) -> None:
    path, finished = run_engine(plan("pytorch"), tmp_path, worker_command=worker("dies-after-results"))
    assert (finished.ending, finished.results, finished.failures) == ("completed", 1, 0)
    (warning,) = [event.message for event in read_session(path).events if isinstance(event, Log)]
    assert warning == (
        "when pytorch was done with: the worker ended with status 1: RuntimeError: lost at the end; "
        "nothing of the row is missing"
    )


def at_first_steps(do: Callable[[Engine], None]) -> Callable[[Engine, Event], None]:
    done = False

    def listen(engine: Engine, event: Event) -> None:
        nonlocal done
        if isinstance(event, Steps) and event.measured and not done:
            done = True
            do(engine)

    return listen


def test_a_plan_that_is_cut_short_keeps_the_steps_it_has(tmp_path: Path) -> None:
    path, finished = run_engine(
        plan("pytorch", "sdpa", contexts=(64, 128)),
        tmp_path,
        listen=at_first_steps(lambda engine: engine.cut_short("plan")),
        worker_command=worker("trains-on"),
    )
    recording = recorded(path)
    (ended,) = [event for event in read_session(path).events if isinstance(event, PlanEnded)]
    assert (ended.ending, finished.results, finished.failures) == ("interrupted", 0, 0)
    assert statuses(recording)[64, "pytorch"] == "partial"
    assert statuses(recording)[128, "pytorch"] == "pending"
    first, *_ = training_rows(recording)
    assert first.tokens_per_s is not None and first.ended


def test_a_row_that_is_skipped_leaves_the_next_to_be_trained(tmp_path: Path) -> None:
    def skip_each(engine: Engine, event: Event) -> None:
        if isinstance(event, Steps) and event.round == 7:
            engine.cut_short("shape")

    path, _ = run_engine(
        plan("pytorch", contexts=(64, 128)), tmp_path, listen=skip_each, worker_command=worker("trains-on")
    )
    assert statuses(recorded(path)) == {(64, "pytorch"): "partial", (128, "pytorch"): "partial"}


def test_ceilings_are_asked_for_in_the_rows_dtypes(tmp_path: Path) -> None:
    path, _ = run_engine(plan("pytorch", takes=TrainingTakes()), tmp_path, worker_command=worker("answers"))
    kinds = [type(event) for event in read_session(path).events]
    assert kinds.index(Ceilings) < kinds.index(TrainingStarted)


def resumed(path: Path, next_case: int) -> TrainingPlan:
    session, _, left = Session.resume(path, resolve_device("cpu"))
    session.close()
    assert isinstance(left, TrainingPlan)
    assert session.next_case == next_case
    return left


def test_a_training_that_was_interrupted_is_gone_on_with_at_the_rows_that_lack_something(
    tmp_path: Path,
) -> None:
    seen = 0

    def stop_in_the_second_row(engine: Engine, event: Event) -> None:
        nonlocal seen
        seen += isinstance(event, TrainingStarted)
        if seen == 3:
            engine.stop("Ctrl+C")

    asked = plan("pytorch", "sdpa", contexts=(64, 128, 256))
    path, finished = run_engine(
        asked, tmp_path, listen=stop_in_the_second_row, worker_command=worker("trains-on-later")
    )
    assert finished.ending == "interrupted"
    begun = max(recorded(path).trainings)  # what the worker had answered already is heard before the end
    left = resumed(path, next_case=begun + 1)
    assert left == msgspec.structs.replace(asked, trainings=(row(128), row(256)))


def test_a_training_that_lacks_nothing_cannot_be_gone_on_with(tmp_path: Path) -> None:
    path, _ = run_engine(plan("pytorch", "sdpa-cudnn"), tmp_path, worker_command=worker("answers"))
    with pytest.raises(SessionError, match="complete"):
        resumed(path, next_case=2)


def file_of(folder: Path, *events: Event) -> Path:
    """A session on the CPU of which these events are known."""
    on_cpu = msgspec.structs.replace(header(), environment=Environment(device="cpu"))
    path = folder / "mixed.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in (on_cpu, *events)))
    return path


def test_a_session_of_both_kinds_is_gone_on_with_at_what_it_came_to_last(tmp_path: Path) -> None:
    shapes = Plan(workloads=(attention(), attention(seq=32)), implementations=("pytorch",))
    asked = plan("pytorch", first_case=2)
    (case,) = training_cases(asked)
    unanswered = file_of(tmp_path, Planned(plan=shapes), TrainingPlanned(plan=asked))
    assert resumed(unanswered, next_case=0) == msgspec.structs.replace(asked, first_case=0)
    told = [Planned(plan=shapes), TrainingPlanned(plan=asked), training_failed(case, "oom", "does not fit")]
    session, _, left = Session.resume(file_of(tmp_path, *told), resolve_device("cpu"))
    session.close()
    assert left == shapes and session.next_case == 3


def test_what_was_trained_in_another_way_is_no_answer(tmp_path: Path) -> None:
    asked = plan("pytorch")
    path, _ = run_engine(asked, tmp_path, worker_command=worker("answers"))
    recording = recorded(path)
    assert missing_training(recording) is None
    larger = msgspec.structs.replace(asked, batch=8)
    assert missing_training(recording, larger) == larger


def breaks(workload: Workload, device: DeviceInfo) -> str | None:
    return "breaks the graph at head dim 16"


@pytest.mark.parametrize(
    ("changes", "mode", "reason"),
    [
        ({"backward": False}, "eager", "has no backward, which training needs"),
        ({"breaks_graph": breaks}, "fullgraph", "breaks the graph at head dim 16"),
        ({"breaks_graph": breaks}, "compile", None),
        ({"max_head_dim": 8}, "eager", "takes head dims up to 8, not 16"),
        ({"replays": True}, "eager", "overwrites its output"),
        ({"compiled": True}, "fullgraph", None),
    ],
)
def test_why_an_implementation_cannot_train(
    changes: dict[str, object], mode: Mode, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = replace(impls.find("sdpa"), **changes)  # type: ignore[arg-type]
    monkeypatch.setattr(impls, "find", lambda name: changed)
    asked = msgspec.structs.replace(row(), mode=mode)
    found = why_not_trained("sdpa", asked, CPU)
    assert found == reason or (reason and found and found.startswith(reason))


def test_the_models_dropout_is_asked_of_the_implementation(monkeypatch: pytest.MonkeyPatch) -> None:
    without = replace(impls.find("sdpa"), dropout=False)
    monkeypatch.setattr(impls, "find", lambda name: without)
    dropping = msgspec.structs.replace(row(), model=msgspec.structs.replace(row().model, dropout=0.1))
    assert why_not_trained("sdpa", row(), CPU) is None
    assert why_not_trained("sdpa", dropping, CPU) == "has no dropout"


def test_a_stop_closes_the_session_of_a_training(tmp_path: Path) -> None:
    path, finished = run_engine(
        plan("pytorch"),
        tmp_path,
        listen=at_first_steps(lambda engine: engine.stop("Ctrl+C")),
        worker_command=worker("trains-on"),
    )
    assert (finished.ending, finished.reason) == ("interrupted", "Ctrl+C")
    assert isinstance(read_session(path).events[-1], Finished)
