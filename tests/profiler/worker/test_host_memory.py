"""The host's memory held to a limit, as a small device's would be. Each test is a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
LIMIT_MIB = 256


def told(body: str) -> str:
    """What a fresh process says that is held to 256 MiB."""
    script = f"""
import torch
from profiler.worker.host_memory import HostMemory
from profiler.worker.failures import explain

MIB = 2**20
memory = HostMemory({LIMIT_MIB} * MIB)

def take(mib):
    try:
        return torch.empty(mib * MIB, dtype=torch.uint8)
    except Exception as error:
        return explain(error).kind

def fits(mib):
    return isinstance(take(mib), torch.Tensor)

{body}
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    return done.stdout.strip()


def test_more_than_the_limit_is_out_of_memory_and_less_is_not() -> None:
    assert told("print(fits(200), take(300))") == "True oom"


def test_what_is_held_counts() -> None:
    assert told("held = take(150); print(fits(150)); del held; print(fits(150))").split() == ["False", "True"]


def test_what_is_available_shrinks_with_what_is_held() -> None:
    before, after = map(
        int, told("a = memory.available_bytes(); t = take(100); print(a, memory.available_bytes())").split()
    )
    assert before <= LIMIT_MIB * 2**20
    assert 99 * 2**20 <= before - after <= 110 * 2**20


def test_work_that_is_not_the_cases_is_not_held_to_it() -> None:
    assert told("""
with memory.without_limit():
    print(fits(400), memory.available_bytes() > 400 * MIB)
print(fits(400), memory.available_bytes() > 400 * MIB)
""").split() == ["True", "True", "False", "False"]


def test_what_such_work_leaves_behind_does_not_count_either() -> None:
    assert (
        told("""
with memory.without_limit():
    kept = take(200)
print(fits(200), take(300))
""")
        == "True oom"
    )
