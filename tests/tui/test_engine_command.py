"""`attnprof engine` as another machine's screen has it: JSON lines in and out, and an end with stdin."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import msgspec

from profiler.engine.control import Measure
from profiler.plans.plan import Plan, Stopping, Takes
from profiler.session.reader import read_session
from tests.shapes import attention

ROOT = Path(__file__).parents[2]
PLAN = Plan(
    workloads=(attention(seq=16),),
    implementations=("pytorch",),
    passes=("fwd",),
    stopping=Stopping(repeats=3),
    takes=Takes(accuracy=False, graphs=False, ceilings=False),
)


def engine(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tui", "engine", "--device", "cpu", "--sessions", str(folder), *options],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def hear_until(process: subprocess.Popen[bytes], kind: str) -> list[dict[str, object]]:
    """The messages up to the first of that kind."""
    assert process.stdout is not None
    heard: list[dict[str, object]] = []
    while not heard or heard[-1]["type"] != kind:
        heard.append(json.loads(process.stdout.readline()))
    return heard


def test_it_says_hello_measures_and_ends_with_its_stdin(tmp_path: Path) -> None:
    with engine(tmp_path) as process:
        assert process.stdin is not None
        (hello,) = hear_until(process, "hello")
        assert hello["kind"] == "cpu"
        process.stdin.write(b"no command\n" + msgspec.json.encode(Measure(plan=PLAN)) + b"\n")
        process.stdin.flush()
        heard = hear_until(process, "plan_ended")
        assert [message["type"] for message in heard].count("result") == 1
        process.stdin.close()
        assert process.wait(timeout=10) == 0
    (path,) = tmp_path.glob("*.jsonl")
    assert str(path) == hello["path"]
    session = read_session(path)
    assert not session.problems
    assert session.events[-1].__struct_config__.tag == "finished"


def test_a_session_that_is_complete_is_refused(tmp_path: Path) -> None:
    recorded = ROOT / "sessions" / "20261122T061947Z-h100-80gb-hbm3-lab6.jsonl"
    with engine(tmp_path, "--resume", str(recorded)) as process:
        assert process.wait(timeout=30) == 2
