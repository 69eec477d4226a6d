"""The engine with a worker that dies, hangs, faults or is stopped: what the session then holds."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

import impls
from profiler.engine.engine import Engine, _gpu
from profiler.engine.protocol import Ready
from profiler.events import (
    CaseChecked,
    CaseStarted,
    Catalog,
    Ceilings,
    Event,
    Failure,
    Finished,
    Gpu,
    Log,
    Planned,
    Result,
    Samples,
)
from profiler.plans.plan import Plan, Stopping, Takes
from profiler.results.rows import rows
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from tests.fake_worker import GARBAGE, LONGEST_BYTES
from tests.shapes import attention
from tests.workers import ANSWERING_WORKER, FAKE_WORKER, STUMBLING_WORKER, run_engine

pytestmark = pytest.mark.usefixtures("faulty_implementations")

NOTHING_MORE = Takes(graphs=False, ceilings=False)


def plan(
    *names: str,
    seqs: tuple[int, ...] = (32,),
    timeout_s: float = 60.0,
    repeats: int = 3,
    takes: Takes = NOTHING_MORE,
) -> Plan:
    return Plan(
        workloads=tuple(attention(seq=seq) for seq in seqs),
        implementations=names,
        baseline="pytorch",
        stopping=Stopping(repeats=repeats),
        takes=takes,
        timeout_s=timeout_s,
    )


def recorded(path: Path) -> Recording:
    session = read_session(path)
    assert not session.problems
    return Recording.of(session.events)


def last_of(path: Path) -> Finished:
    session = read_session(path)
    assert not session.problems
    assert isinstance(session.events[-1], Finished)
    return session.events[-1]


def statuses(recording: Recording) -> dict[tuple[int, str], set[str]]:
    """By (seq, implementation), the statuses of its passes."""
    found: dict[tuple[int, str], set[str]] = {}
    for row in rows(recording):
        found.setdefault((row.workload.seq_k, row.implementation), set()).add(row.status)
    return found


def failure_of(recording: Recording, implementation: str) -> Failure:
    (failure,) = (
        failure
        for case in recording.cases.values()
        if case.implementation == implementation
        for failure in case.failures
    )
    return failure


def test_a_whole_run_is_saved_as_it_was_heard(tmp_path: Path) -> None:
    heard: list[Event] = []
    path, finished = run_engine(
        plan("pytorch", "sdpa-flash", seqs=(32, 64)), tmp_path, listen=lambda _, event: heard.append(event)
    )
    session = read_session(path)
    assert session.events == heard
    assert (finished.ending, finished.results, finished.failures) == ("completed", 12, 0)
    recording = Recording.of(heard)
    assert all(seen == {"ok"} for seen in statuses(recording).values())
    assert all(len(p.device_ms) == 3 for case in recording.cases.values() for p in case.passes.values())
    assert recording.telemetry
    assert recording.header is not None and "torch" in recording.header.environment.packages
    assert all(log.stat().st_size for log in tmp_path.glob("*.log"))


def test_a_worker_that_dies_fails_its_case_alone(tmp_path: Path) -> None:
    path, finished = run_engine(plan("pytorch", "dies-in-rounds", "segfaults", "sdpa-flash"), tmp_path)
    recording = recorded(path)
    assert finished.ending == "completed"
    assert statuses(recording) == {
        (32, "pytorch"): {"ok"},
        (32, "dies-in-rounds"): {"crashed"},
        (32, "segfaults"): {"crashed"},
        (32, "sdpa-flash"): {"ok"},
    }
    assert "SIGKILL" in failure_of(recording, "dies-in-rounds").message
    assert "SIGSEGV" in failure_of(recording, "segfaults").message


def test_a_case_that_hangs_is_ended_and_the_rest_goes_on(tmp_path: Path) -> None:
    path, finished = run_engine(plan("hangs", "hangs-in-rounds", "pytorch", timeout_s=3.0), tmp_path)
    recording = recorded(path)
    assert finished.ending == "completed"
    assert statuses(recording) == {
        (32, "hangs"): {"timeout"},
        (32, "hangs-in-rounds"): {"timeout"},
        (32, "pytorch"): {"ok"},
    }
    assert all("3 s" in failure_of(recording, name).message for name in ("hangs", "hangs-in-rounds"))


def test_what_raises_is_wrong_or_too_large_is_told_apart(tmp_path: Path) -> None:
    names = ("raises", "raises-in-rounds", "wrong", "nan", "wrong-shape", "too-much")
    path, finished = run_engine(plan("pytorch", *names), tmp_path)
    recording = recorded(path)
    assert finished.ending == "completed"
    assert {name: found for (_, name), found in statuses(recording).items()} == {
        "pytorch": {"ok"},
        "raises": {"error"},
        "raises-in-rounds": {"error"},
        "wrong": {"wrong"},
        "nan": {"nan"},
        "wrong-shape": {"error"},
        "too-much": {"oom"},
    }
    assert "the kernel has a bug" in failure_of(recording, "raises").message
    assert "q is (2, 4, 32, 32)" in failure_of(recording, "wrong-shape").message
    assert failure_of(recording, "too-much").requested_bytes == 4 << 50
    assert all(row.speedup is None for row in rows(recording) if row.status != "ok")


def test_an_unsupported_case_is_a_stated_reason(tmp_path: Path) -> None:
    path, finished = run_engine(plan("pytorch", "sdpa-cudnn"), tmp_path, worker_command=ANSWERING_WORKER)
    assert (finished.results, finished.failures) == (3, 1)
    assert failure_of(recorded(path), "sdpa-cudnn").message == "needs a CUDA GPU"


def children_of(parent: int) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(parent).children(recursive=True)
    return found


def test_a_shape_that_decodes_is_measured_in_its_forward_pass_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decodes = replace(impls.find("pytorch"), decode=True)
    monkeypatch.setattr(impls, "find", lambda name: decodes)
    both = Plan(
        workloads=(attention(seq=32, seq_q=1, decode=True), attention(seq=32)),
        implementations=("pytorch",),
        stopping=Stopping(repeats=3),
        takes=NOTHING_MORE,
    )
    _, finished = run_engine(both, tmp_path, worker_command=ANSWERING_WORKER)
    assert (finished.ending, finished.results, finished.failures) == ("completed", 4, 0)


def test_implementations_that_nobody_lists_are_told_of_before_the_plan_that_names_them(
    tmp_path: Path,
) -> None:
    path, _ = run_engine(plan("pytorch", "pytorch+compile"), tmp_path, worker_command=ANSWERING_WORKER)
    events = read_session(path).events
    first, further = (event for event in events if isinstance(event, Catalog))
    assert "pytorch" in [entry.name for entry in first.implementations]
    assert [entry.name for entry in further.implementations] == ["pytorch+compile"]
    assert events.index(further) < next(at for at, event in enumerate(events) if isinstance(event, Planned))


def test_stopping_closes_the_session_at_once_and_leaves_no_process(tmp_path: Path) -> None:
    stopped_s = 0.0

    def stop_at_first_samples(engine: Engine, event: Event) -> None:
        nonlocal stopped_s
        if isinstance(event, Samples) and not stopped_s:
            stopped_s = time.monotonic()
            engine.stop("Ctrl+C")

    path, finished = run_engine(
        plan("pytorch", "sdpa-flash", repeats=1_000_000), tmp_path, listen=stop_at_first_samples
    )
    assert time.monotonic() - stopped_s < 5.0  # a guard against hanging; it takes 0.2 s
    assert (finished.ending, finished.reason) == ("interrupted", "Ctrl+C")
    recording = recorded(path)
    assert isinstance(read_session(path).events[-1], Finished)
    assert {"partial"} in statuses(recording).values()
    assert any(row.device_ms is not None for row in rows(recording))
    assert not children_of(os.getpid())


def test_a_worker_that_hangs_is_ended_with_the_engine(tmp_path: Path) -> None:
    def stop_once_it_hangs(engine: Engine, event: Event) -> None:
        if isinstance(event, CaseStarted):
            engine.stop("SIGTERM")

    _, finished = run_engine(
        plan("hangs"), tmp_path, listen=stop_once_it_hangs, worker_command=ANSWERING_WORKER
    )
    assert finished.ending == "interrupted"
    assert not children_of(os.getpid())


def test_a_worker_frozen_from_outside_is_a_time_out(tmp_path: Path) -> None:
    frozen = 0

    def freeze_first_case(engine: Engine, event: Event) -> None:
        nonlocal frozen
        if isinstance(event, CaseChecked) and not frozen:
            frozen = event.at_s > 0
            (worker,) = children_of(os.getpid())
            worker.send_signal(signal.SIGSTOP)

    path, finished = run_engine(
        plan("pytorch", "sdpa-flash", timeout_s=3.0, repeats=2000), tmp_path, listen=freeze_first_case
    )
    assert finished.ending == "completed"
    kinds = [failure.kind for case in recorded(path).cases.values() for failure in case.failures]
    assert kinds == ["timeout"]


def test_a_worker_that_never_gets_ready_ends_the_session_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.engine.engine.START_TIMEOUT_S", 0.01)
    path, finished = run_engine(plan("pytorch"), tmp_path, worker_command=(*FAKE_WORKER, "never-ready", ""))
    assert finished.ending == "failed"
    assert "torch did not load" in finished.reason
    assert any(isinstance(event, Planned) for event in read_session(path).events)


# A worker that does not keep to the protocol.


@pytest.mark.parametrize("nonsense", GARBAGE)
def test_a_worker_that_talks_nonsense_costs_its_case_alone(
    nonsense: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.engine.child_process.LONGEST_LINE_BYTES", LONGEST_BYTES)
    path, finished = run_engine(
        plan("pytorch", "sdpa", "sdpa-math"), tmp_path, worker_command=(*FAKE_WORKER, "garbles", nonsense)
    )
    recording = recorded(path)
    assert (finished.ending, finished.results, finished.failures) == ("completed", 6, 1)
    assert statuses(recording) == {
        (32, "pytorch"): {"ok"},
        (32, "sdpa"): {"crashed"},
        (32, "sdpa-math"): {"ok"},
    }
    assert failure_of(recording, "sdpa").message == (
        "the worker sent something that is no message, and was ended"
    )
    assert not children_of(os.getpid())


def test_a_worker_that_talks_nonsense_from_the_start_ends_the_session_as_failed(tmp_path: Path) -> None:
    path, finished = run_engine(plan("sdpa"), tmp_path, worker_command=(*FAKE_WORKER, "babbles", "words"))
    assert (finished.ending, finished.results) == ("failed", 0)
    assert finished.reason == "the worker sent something that is no message, and was ended"
    assert last_of(path).ending == finished.ending
    assert not children_of(os.getpid())


def stop_now(engine: Engine) -> None:
    engine.stop("Ctrl+C")


def stop_at_the_loops_next_turn(engine: Engine) -> None:
    asyncio.get_running_loop().call_soon(stop_now, engine)


def stop_while_the_worker_is_leaving(engine: Engine) -> None:
    asyncio.get_running_loop().call_later(0.1, stop_now, engine)


@pytest.mark.parametrize(
    "stop",
    [stop_now, stop_at_the_loops_next_turn, stop_while_the_worker_is_leaving],
    ids=lambda f: f.__name__,
)
def test_a_stop_in_the_last_moment_ends_by_force_a_worker_that_will_not_leave(
    stop: Callable[[Engine], None], tmp_path: Path
) -> None:
    results = 0

    def stop_at_the_last_result(engine: Engine, event: Event) -> None:
        nonlocal results
        results += isinstance(event, Result)
        if isinstance(event, Result) and results == 3:
            stop(engine)

    # Its last result and its "done" come in one piece: the engine hears both before it can be cancelled.
    path, finished = run_engine(
        plan("sdpa"), tmp_path, listen=stop_at_the_last_result, worker_command=(*FAKE_WORKER, "stays", "")
    )
    assert finished.ending in ("completed", "interrupted")
    assert finished.results == 3
    assert last_of(path).ending == finished.ending
    assert not children_of(os.getpid())


def test_a_stop_after_the_end_changes_nothing(tmp_path: Path) -> None:
    def stop_at_the_very_end(engine: Engine, event: Event) -> None:
        if isinstance(event, Finished):
            engine.stop("Ctrl+C")

    path, finished = run_engine(
        plan("sdpa"), tmp_path, listen=stop_at_the_very_end, worker_command=(*FAKE_WORKER, "stays", "")
    )
    assert finished.ending == "completed"
    assert last_of(path).ending == finished.ending
    assert not children_of(os.getpid())


def test_what_no_one_caught_in_a_worker_is_told_by_the_last_line_of_its_traceback(tmp_path: Path) -> None:
    path, finished = run_engine(plan("pytorch"), tmp_path, worker_command=STUMBLING_WORKER)
    failure = failure_of(recorded(path), "pytorch")
    assert finished.ending == "completed"
    assert failure.kind == "crashed"
    assert failure.message == "the worker ended with status 1: ValueError: a bug of attnprof's own"


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["faults-the-gpu", "faults-in-backward"])
def test_a_gpu_fault_costs_one_case_and_one_worker(name: str, tmp_path: Path) -> None:
    import msgspec

    faulted = msgspec.structs.replace(plan("pytorch", name, "sdpa-math"), device="cuda:0")
    path, finished = run_engine(faulted, tmp_path)
    recording = recorded(path)
    assert finished.ending == "completed"
    assert {name: found for (_, name), found in statuses(recording).items()} == {
        "pytorch": {"ok"},
        name: {"crashed"},
        "sdpa-math": {"ok"},
    }
    assert "GPU faulted" in failure_of(recording, name).message


def warnings_of(path: Path) -> list[str]:
    return [event.message for event in read_session(path).events if isinstance(event, Log)]


def test_ceilings_are_measured_once_before_the_first_case_whatever_becomes_of_the_worker(
    tmp_path: Path,
) -> None:
    path, _ = run_engine(plan("dies", "pytorch", takes=Takes()), tmp_path, worker_command=ANSWERING_WORKER)
    kinds = [type(event) for event in read_session(path).events]
    assert kinds.count(Ceilings) == 1
    assert kinds.index(Ceilings) < kinds.index(CaseStarted)
    assert recorded(path).ceilings is not None


def test_without_being_asked_for_there_are_no_ceilings(tmp_path: Path) -> None:
    path, _ = run_engine(plan("pytorch"), tmp_path, worker_command=ANSWERING_WORKER)
    assert recorded(path).ceilings is None


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("dies-at-ceilings", "the worker ended with status 1: RuntimeError: no ceilings here"),
        ("hangs-at-ceilings", "the worker gave no sign of life for 0.5 s (--timeout)"),
    ],
)
def test_a_worker_lost_at_the_ceilings_costs_them_alone(how: str, why: str, tmp_path: Path) -> None:
    path, finished = run_engine(
        plan("pytorch", takes=Takes(), timeout_s=0.5), tmp_path, worker_command=(*FAKE_WORKER, how, "")
    )
    assert warnings_of(path) == [f"the ceilings were not measured: {why}"]
    assert (finished.ending, finished.results, finished.failures) == ("completed", 3, 0)


def test_a_worker_lost_after_its_results_costs_only_what_was_to_come(tmp_path: Path) -> None:
    path, finished = run_engine(
        plan("pytorch", "sdpa"), tmp_path, worker_command=(*FAKE_WORKER, "dies-after-results", "")
    )
    assert (finished.ending, finished.results, finished.failures) == ("completed", 6, 0)
    (warning,) = warnings_of(path)
    assert warning.startswith("after the rounds, at pytorch: the worker ended with status 1: RuntimeError")
    assert "graphs, kernels and energy of this shape are missing from here on" in warning


def test_a_mig_slice_is_told_as_torch_tells_it() -> None:
    whole = Gpu(name="NVIDIA H100 80GB HBM3", memory_bytes=80 * 2**30, driver="580")
    name = "NVIDIA H100 80GB HBM3 MIG 1g.10gb"
    ready = Ready(
        pid=1, torch="2", device_name=name, compute_capability=(9, 0), memory_bytes=10 * 2**30, sm_count=16
    )
    told = _gpu(whole, ready)
    assert told is not None
    assert (told.name, told.memory_bytes, told.sm_count, told.driver) == (name, 10 * 2**30, 16, "580")


def test_a_folder_that_vanishes_ends_no_run_and_costs_no_result(tmp_path: Path) -> None:
    """Not even where a worker dies after that, whose successor has no place for its log."""
    folder = tmp_path / "sessions"
    heard: list[Event] = []

    def listen(engine: Engine, event: Event) -> None:
        heard.append(event)
        if isinstance(event, CaseStarted) and engine.path.parent.exists():
            shutil.rmtree(folder)

    path, finished = run_engine(
        plan("dies", "pytorch"), folder, listen=listen, worker_command=ANSWERING_WORKER
    )
    assert (finished.ending, finished.results, finished.failures) == ("completed", 3, 1)
    assert read_session(path).events == heard
    (error,) = [event.message for event in heard if isinstance(event, Log) and event.level == "error"]
    assert "has been removed" in error and "kept in memory" in error
