"""The engine with a worker that dies, hangs, faults or is stopped: what the session then holds."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from profiler.engine import Engine
from profiler.events import CaseChecked, CaseStarted, Event, Failure, Finished, Planned, Samples
from profiler.plan import Plan, Stopping
from profiler.recording import Recording
from profiler.rows import rows
from profiler.session_reader import read_session
from tests import faulty
from tests.shapes import attention
from tests.workers import run_engine


@pytest.fixture(autouse=True)
def faulty_implementations(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    from impls import registry

    monkeypatch.setattr(registry, "catalog", registry.catalog)
    faulty.install()
    yield
    monkeypatch.undo()
    registry._by_name.cache_clear()


def plan(*names: str, seqs: tuple[int, ...] = (32,), timeout_s: float = 60.0, repeats: int = 3) -> Plan:
    return Plan(
        workloads=tuple(attention(seq=seq) for seq in seqs),
        implementations=names,
        baseline="pytorch",
        stopping=Stopping(repeats=repeats),
        timeout_s=timeout_s,
    )


def recorded(path: Path) -> Recording:
    session = read_session(path)
    assert not session.problems
    return Recording.of(session.events)


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


@pytest.mark.parametrize("name", ["dies", "dies-in-rounds", "segfaults"])
def test_a_worker_that_dies_fails_its_case_alone(name: str, tmp_path: Path) -> None:
    path, finished = run_engine(plan("pytorch", name, "sdpa-flash"), tmp_path)
    recording = recorded(path)
    assert finished.ending == "completed"
    assert statuses(recording) == {
        (32, "pytorch"): {"ok"},
        (32, name): {"crashed"},
        (32, "sdpa-flash"): {"ok"},
    }
    messages = {failure.message for case in recording.cases.values() for failure in case.failures}
    signal_name = "SIGSEGV" if name == "segfaults" else "SIGKILL"
    assert all(signal_name in message for message in messages)


@pytest.mark.parametrize("name", ["hangs", "hangs-in-rounds"])
def test_a_case_that_hangs_is_ended_and_the_rest_goes_on(name: str, tmp_path: Path) -> None:
    path, finished = run_engine(plan(name, "pytorch", timeout_s=3.0), tmp_path)
    recording = recorded(path)
    assert finished.ending == "completed"
    assert statuses(recording) == {(32, name): {"timeout"}, (32, "pytorch"): {"ok"}}
    assert "3 s" in failure_of(recording, name).message


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
    path, finished = run_engine(plan("pytorch", "sdpa-cudnn"), tmp_path)
    assert (finished.results, finished.failures) == (3, 1)
    assert failure_of(recorded(path), "sdpa-cudnn").message == "needs a CUDA GPU"


def children_of(parent: int) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(parent).children(recursive=True)
    return found


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

    _, finished = run_engine(plan("hangs"), tmp_path, listen=stop_once_it_hangs)
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


def test_a_device_that_cannot_be_opened_ends_the_session_as_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.engine.START_TIMEOUT_S", 0.01)
    path, finished = run_engine(plan("pytorch"), tmp_path)
    assert finished.ending == "failed"
    assert "torch did not load" in finished.reason
    assert any(isinstance(event, Planned) for event in read_session(path).events)


@pytest.mark.gpu
def test_a_gpu_fault_costs_one_case_and_one_worker(tmp_path: Path) -> None:
    import msgspec

    faulted = msgspec.structs.replace(plan("pytorch", "faults-the-gpu", "sdpa-math"), device="cuda:0")
    path, finished = run_engine(faulted, tmp_path)
    recording = recorded(path)
    assert finished.ending == "completed"
    assert {name: found for (_, name), found in statuses(recording).items()} == {
        "pytorch": {"ok"},
        "faults-the-gpu": {"crashed"},
        "sdpa-math": {"ok"},
    }
    assert "GPU faulted" in failure_of(recording, "faults-the-gpu").message
