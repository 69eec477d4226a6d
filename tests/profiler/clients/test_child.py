"""An engine in a child process: started, spoken to, ended, and mourned."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from profiler.clients.child import ChildEngine
from profiler.clients.client import EngineClient, EngineError
from profiler.engine.child_process import ChildProcess
from profiler.engine.control import Hello, Measure, Pause, Stop
from profiler.events import Finished, Log
from profiler.plans.plan import Plan
from tests.profiler.clients.fake_engine import FLOOD_BYTES
from tests.profiler.clients.hearing import Ear, hear_out
from tests.shapes import attention

FAKE_ENGINE = (sys.executable, str(Path(__file__).with_name("fake_engine.py")))


def engine(how: str, folder: Path) -> ChildEngine:
    return ChildEngine((*FAKE_ENGINE, how), folder / "engine.log")


def pids(ear: Ear) -> tuple[int, int]:
    """Of the engine and of its process group, as it says in its Hello."""
    (hello,) = ear.all_of(Hello)
    _, pid, _, group = hello.device_name.split()
    return int(pid), int(group)


def test_commands_go_out_and_answers_come_in_order(tmp_path: Path) -> None:
    plan = Plan(workloads=(attention(seq=64),) * 300, implementations=("pytorch", "sdpa"))

    async def scenario() -> Ear:
        ear = Ear()
        client: EngineClient = engine("obeys", tmp_path)
        assert client.takes_commands
        client.send(Pause())  # before there is an engine: kept for it
        running = asyncio.create_task(client.run(ear))
        await ear.count(Hello)
        client.send(Measure(plan=plan))
        client.send(Stop())
        await ear.count(Log, 3)
        await client.close()
        await running
        return ear

    ear = asyncio.run(scenario())
    said = [log.message for log in ear.all_of(Log)]
    assert [text[:17] for text in said] == ['{"type":"pause"}', '{"type":"measure"', '{"type":"stop"}']
    assert isinstance(ear.heard[-1], Finished)
    assert not (tmp_path / "engine.log").exists()


def test_ctrl_c_in_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    async def scenario() -> Ear:
        ear, client = Ear(), engine("obeys", tmp_path)
        running = asyncio.create_task(client.run(ear))
        await ear.count(Hello)
        await client.close()
        await running
        return ear

    pid, group = pids(asyncio.run(scenario()))
    assert group == pid != os.getpgid(0)


def test_lines_of_many_mib_pass_and_commands_wait_for_a_slow_reader(tmp_path: Path) -> None:
    plan = Plan(workloads=(attention(seq=64),) * 1000, implementations=("pytorch",))

    async def scenario() -> Ear:
        ear, client = Ear(), engine("floods", tmp_path)
        running = asyncio.create_task(client.run(ear))
        await ear.count(Hello)
        for _ in range(20):  # far more than a pipe holds
            client.send(Measure(plan=plan))
        await ear.count(Log, 21)
        await client.close()
        await running
        return ear

    assert len(asyncio.run(scenario()).all_of(Log)[0].message) == FLOOD_BYTES


def test_one_that_stays_is_ended_by_force_within_a_second_or_so(tmp_path: Path) -> None:
    async def scenario() -> tuple[Ear, float]:
        ear, client = Ear(), engine("stays", tmp_path)
        running = asyncio.create_task(client.run(ear))
        await ear.count(Hello)
        began_s = time.monotonic()
        await client.close()
        took_s = time.monotonic() - began_s
        await running
        return ear, took_s

    ear, took_s = asyncio.run(scenario())
    assert took_s < 5  # by its own time-outs 0.9; the rest is for a busy machine
    assert not psutil.pid_exists(pids(ear)[0])


def test_cancelling_the_run_leaves_no_process(tmp_path: Path) -> None:
    async def scenario() -> Ear:
        ear, client = Ear(), engine("stays", tmp_path)
        running = asyncio.create_task(client.run(ear))
        await ear.count(Hello)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return ear

    assert not psutil.pid_exists(pids(asyncio.run(scenario()))[0])


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("dies", r"^the engine was killed by SIGSEGV"),
        (
            "raises",
            r"^the engine ended with status 1: ValueError: a bug of attnprof's own \(its log is .*log\)$",
        ),
        ("refuses", r"^the engine ended with status 1: Error: there is no device 'cuda:9'; there is cpu \("),
        ("babbles", r"^the engine sent something that is no message, and was ended: Welcome to box!$"),
        ("hangs-up", r"^the engine closed its output, and was ended$"),
    ],
)
def test_its_death_is_told_with_the_reason(tmp_path: Path, how: str, why: str) -> None:
    (tmp_path / "engine.log").write_text("RuntimeError: of an earlier engine\n")
    with pytest.raises(EngineError, match=why):
        asyncio.run(hear_out(engine(how, tmp_path)))


def test_a_line_longer_than_any_message_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("profiler.engine.child_process.LONGEST_LINE_BYTES", 100_000)
    with pytest.raises(EngineError, match="a line longer than any message"):
        asyncio.run(hear_out(engine("floods", tmp_path)))


def test_what_cannot_be_started_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"^the engine 'no-such-engine' cannot be started \(.*No such file"):
        asyncio.run(hear_out(ChildEngine(["no-such-engine"], tmp_path / "engine.log")))
    (tmp_path / "file").touch()
    with pytest.raises(EngineError, match="cannot be started"):
        asyncio.run(hear_out(ChildEngine(FAKE_ENGINE, tmp_path / "file" / "engine.log")))


def test_words_with_spaces_and_quotes_arrive_as_they_are(tmp_path: Path) -> None:
    echo = "import sys; sys.exit('|'.join(sys.argv[1:]))"
    words = ["a b", "$HOME", '"quoted"', "it's", ""]
    with pytest.raises(EngineError) as caught:
        asyncio.run(hear_out(ChildEngine([sys.executable, "-c", echo, *words], tmp_path / "engine.log")))
    assert "|".join(words) in str(caught.value)


def test_a_child_that_is_gone_is_not_killed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []

    async def scenario() -> None:
        child = await ChildProcess.start((sys.executable, "-c", ""), tmp_path / "log")
        await child.kill()
        await child.discard_output()
        monkeypatch.setattr(os, "killpg", lambda group, number: killed.append(group))
        await child.kill()

    asyncio.run(scenario())
    assert killed == []


def test_one_that_was_closed_before_it_ran_does_not_start(tmp_path: Path) -> None:
    async def scenario() -> list[object]:
        client = engine("obeys", tmp_path)
        await client.close()
        return list((await hear_out(client)).heard)

    assert asyncio.run(scenario()) == []
