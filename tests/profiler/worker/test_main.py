"""The worker as a process: what goes in and out of its pipes, and when it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from profiler.engine.protocol import MeasureShape, NotReady, Ready, ShapeDone, WorkerMessage
from profiler.events import CaseStarted, Result
from profiler.plans.plan import Case, Stopping
from profiler.worker.__main__ import EXIT_FAILED, EXIT_NOT_READY
from tests.shapes import attention
from tests.workers import FAULTY_WORKER, STUMBLING_WORKER

ROOT = Path(__file__).parents[3]
# A worker with an implementation that prints, as Python and as C do, between the calls.
CHATTERBOX = (
    sys.executable,
    "-c",
    """
import os, sys
from profiler.worker.__main__ import main
from tests import faulty

def chatter(out):
    print("said by Python", flush=True)
    os.write(1, b"said by C\\n")
    return out

faulty.FAULTY = (faulty._faulty("prints", chatter),)
faulty.install()
os._exit(main())
""",
)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Where the worker's stderr goes: a file, as the engine has it, for a pipe that nobody reads fills up."""
    return tmp_path / "worker.log"


@contextmanager
def worker(command: tuple[str, ...], log: Path, device: str = "cpu") -> Iterator[subprocess.Popen[bytes]]:
    with (
        log.open("wb") as stderr,
        subprocess.Popen(
            [*command, device],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def ask(process: subprocess.Popen[bytes], implementation: str) -> None:
    workload = attention(seq=16)
    request = MeasureShape(
        workload=workload,
        cases=(Case(number=0, workload=workload, implementation=implementation),),
        passes=("fwd",),
        stopping=Stopping(repeats=1),
        seed=0,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(request) + b"\n")
    process.stdin.flush()


def hear_until(process: subprocess.Popen[bytes], last: type[WorkerMessage]) -> list[WorkerMessage]:
    """The messages up to one of that type; a line that is no message is an error."""
    assert process.stdout is not None
    decoder: msgspec.json.Decoder[WorkerMessage] = msgspec.json.Decoder(WorkerMessage)
    heard: list[WorkerMessage] = []
    while not heard or not isinstance(heard[-1], last):
        heard.append(decoder.decode(process.stdout.readline()))
    return heard


def test_a_worker_that_hangs_in_a_call_ends_when_its_stdin_closes(log: Path) -> None:
    with worker(FAULTY_WORKER, log) as process:
        ask(process, "hangs")
        assert isinstance(hear_until(process, CaseStarted)[0], Ready)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(timeout=10) == 0


def test_what_libraries_print_is_kept_out_of_the_messages(log: Path) -> None:
    with worker(CHATTERBOX, log) as process:
        ask(process, "prints")
        heard = hear_until(process, ShapeDone)
    assert any(isinstance(message, Result) for message in heard)
    assert "said by Python" in log.read_text()
    assert "said by C" in log.read_text()


def test_a_device_that_cannot_be_opened_is_said_and_ends_it(log: Path) -> None:
    with worker((sys.executable, "-m", "profiler.worker"), log, "cuda:99") as process:
        (said,) = hear_until(process, NotReady)
        assert process.wait(timeout=10) == EXIT_NOT_READY
    assert isinstance(said, NotReady)
    assert said.message
    assert "\n" not in said.message


def test_what_no_one_caught_ends_it_with_a_traceback_in_the_log(log: Path) -> None:
    with worker(STUMBLING_WORKER, log) as process:
        ask(process, "pytorch")
        hear_until(process, Ready)
        assert process.wait(timeout=10) == EXIT_FAILED
    assert log.read_text().splitlines()[-1] == "ValueError: a bug of attnprof's own"
    assert log.read_text().count("Traceback") == 1


def test_a_request_that_is_none_ends_it_with_a_traceback_in_the_log(log: Path) -> None:
    with worker((sys.executable, "-m", "profiler.worker"), log) as process:
        assert process.stdin is not None
        process.stdin.write(b"measure, please\n")
        process.stdin.flush()
        assert process.wait(timeout=60) == EXIT_FAILED
    assert "DecodeError" in log.read_text().splitlines()[-1]
