"""Tries torch and the packages beside it in a process of their own, which may fail, crash or hang.

Each step says when it begins and how it ended, so that a crash is pinned to its step.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Any

TIMEOUT_S = 120.0  # a cold import of torch from a network disk takes most of a minute

# A string and no module: nothing of profiler/ imports torch except the worker.
_SCRIPT = """
import importlib, json, sys, time

device, modules = sys.argv[1], sys.argv[2:]

def step(name, function):
    print(json.dumps({"begin": name}), flush=True)
    try:
        value, error = function(), None
    except Exception as caught:
        lines = str(caught).strip().splitlines()
        value, error = None, type(caught).__name__ + (": " + lines[0] if lines else "")
    print(json.dumps({"end": name, "value": value, "error": error}), flush=True)

def load():
    global torch
    began = time.perf_counter()
    import torch
    return {"seconds": time.perf_counter() - began}

def matmul():
    names = []
    for index in range(max(torch.cuda.device_count(), 1) if device == "cuda" else 1):
        place = torch.device(device, index)
        x = torch.full((64, 64), 0.5, device=place)
        if (x @ x).sum().item() != 64 * 64 * 16:
            raise ArithmeticError("a product of 64 x 64 matrices came out wrong")
        names.append(torch.cuda.get_device_name(index) if device == "cuda" else "the CPU")
    return names

def flash_head_dims():
    from flash_attn import flash_attn_func
    good = []
    for size in (64, 128, 256):
        q = torch.zeros(1, 128, 1, size, dtype=torch.float16, device="cuda", requires_grad=True)
        flash_attn_func(q, q, q).sum().backward()
        torch.cuda.synchronize()
        good.append(size)
    return good

def adamw_8bit():
    from bitsandbytes.optim import AdamW8bit
    weight = torch.nn.Parameter(torch.zeros(128, 128, device="cuda"))  # smaller ones keep 32 bits
    weight.grad = torch.ones_like(weight)
    AdamW8bit([weight]).step()
    torch.cuda.synchronize()

step("torch", load)
if "torch" in globals():
    step("cudnn", lambda: torch.backends.cudnn.version())
    step("matmul", matmul)
    for name in modules:
        step(name, lambda: importlib.import_module(name) and None)
    if device == "cuda" and "flash_attn" in modules:
        step("flash head dims", flash_head_dims)
    if device == "cuda" and "bitsandbytes.optim" in modules:
        step("8-bit AdamW", adamw_8bit)
"""


@dataclass(frozen=True)
class Step:
    """How one step ended: with a value, or with an error in one line."""

    error: str | None = None
    value: Any = None


@dataclass(frozen=True)
class Probe:
    """The steps that were begun, by name.

    "torch", "cudnn", "matmul", the modules', "flash head dims", "8-bit AdamW".
    """

    steps: dict[str, Step] = field(default_factory=dict)

    def get(self, name: str) -> Step | None:
        """The step of that name, or None if it was never begun."""
        return self.steps.get(name)


def run(device: str, modules: Sequence[str], timeout_s: float = TIMEOUT_S, script: str = _SCRIPT) -> Probe:
    """Try torch on `device` ("cpu" or "cuda"), and to import `modules`, for `timeout_s` at most."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        # -P: a folder called torch in the working directory is not torch.
        command = [sys.executable, "-P", "-c", script, device, *modules]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        try:
            ending = _describe_exit(child.wait(timeout_s), _last_line(err))
        except subprocess.TimeoutExpired:
            ending = f"no answer in {timeout_s:g} s"
        finally:
            _end(child)
        return Probe(parse(_read(out), ending))


def parse(output: str, ending: str) -> dict[str, Step]:
    """The steps in a probe's output; one that began and never ended gets `ending` as its error."""
    steps: dict[str, Step] = {}
    for line in output.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            continue  # some packages print as they are imported
        if not isinstance(record, dict):
            continue
        if name := record.get("begin"):
            steps[name] = Step(error=ending)
        elif name := record.get("end"):
            error = record.get("error")
            steps[name] = Step(error=None if error is None else printable(error), value=record.get("value"))
    return steps or {"torch": Step(error=ending)}


def printable(text: str) -> str:
    """The text without what a terminal would obey."""
    return "".join(character if character.isprintable() else " " for character in text)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.kill()
        with suppress(subprocess.TimeoutExpired):  # stuck in the driver: the system ends it later
            child.wait(2)


def _describe_exit(code: int, last_line: str) -> str:
    if code < 0:
        return f"it crashed with {signal.Signals(-code).name}" + (f" ({last_line})" if last_line else "")
    return last_line or f"it ended with exit code {code}"


def _last_line(stream: IO[bytes]) -> str:
    lines = _read(stream).strip().splitlines()
    return printable(lines[-1].strip()) if lines else ""


def _read(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode(errors="replace")
