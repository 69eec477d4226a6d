"""The host's memory held to a limit, as a small device's would be. Each test is a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LIMIT_MIB = 256


# Runs each body that it is given, as a line of JSON, in a process of its own that is held to a limit.
HELD = f"""
import json, os, sys
import torch
from profiler.worker.host_memory import HostMemory
from profiler.worker.failures import explain

MIB = 2**20

def take(mib):
    try:
        return torch.empty(mib * MIB, dtype=torch.uint8)
    except Exception as error:
        return explain(error).kind

def fits(mib):
    return isinstance(take(mib), torch.Tensor)

for line in sys.stdin:
    if os.fork():
        os.wait()
        print(flush=True)
    else:
        memory = HostMemory({LIMIT_MIB} * MIB)
        exec(json.loads(line))
        sys.stdout.flush()
        os._exit(0)
"""

Told = Callable[[str], str]


@pytest.fixture(scope="module")
def held_to_a_limit() -> Iterator[Told]:
    """What a fresh process says that is held to 256 MiB; torch is loaded once for all of them."""
    with subprocess.Popen(
        [sys.executable, "-c", HELD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def told(body: str) -> str:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps(body) + "\n")
            process.stdin.flush()
            return "".join(iter(process.stdout.readline, "\n")).strip()

        yield told


def test_more_than_the_limit_is_out_of_memory_and_less_is_not(held_to_a_limit: Told) -> None:
    assert held_to_a_limit("print(fits(200), take(300))") == "True oom"


def test_what_is_held_counts(held_to_a_limit: Told) -> None:
    assert held_to_a_limit("held = take(150); print(fits(150)); del held; print(fits(150))").split() == [
        "False",
        "True",
    ]


def test_what_is_available_shrinks_with_what_is_held(held_to_a_limit: Told) -> None:
    before, after = map(
        int,
        held_to_a_limit(
            "a = memory.available_bytes(); t = take(100); print(a, memory.available_bytes())"
        ).split(),
    )
    assert before <= LIMIT_MIB * 2**20
    assert 99 * 2**20 <= before - after <= 110 * 2**20


def test_work_that_is_not_the_cases_is_not_held_to_it(held_to_a_limit: Told) -> None:
    assert held_to_a_limit("""
with memory.without_limit():
    print(fits(400), memory.available_bytes() > 400 * MIB)
print(fits(400), memory.available_bytes() > 400 * MIB)
""").split() == ["True", "True", "False", "False"]


def test_what_such_work_leaves_behind_does_not_count_either(held_to_a_limit: Told) -> None:
    assert (
        held_to_a_limit("""
with memory.without_limit():
    kept = take(200)
print(fits(200), take(300))
""")
        == "True oom"
    )
