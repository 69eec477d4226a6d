"""A user's kernel that is wrong shows as exactly what it is, through the engine and a worker."""

from __future__ import annotations

import ast
import asyncio
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import impls
from impls.contract import DeviceInfo
from profiler.engine.engine import Engine
from profiler.engine.session_run import Session
from profiler.events import CaseChecked, Event, Failure
from profiler.machine.environment import resolve_device
from profiler.plans.plan import Plan, Stopping, Takes
from profiler.results.rows import Row, rows
from profiler.results.wording import detail
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.workload import PASSES, Attention, Pass
from tests.shapes import attention

EXAMPLES = Path(__file__).parents[3] / "docs" / "examples"

KERNELS = """
import ctypes, os, time
import torch

def right(q, k, v, *, causal, scale):
    return (q @ k.mT * scale).softmax(-1) @ v

def wrong(q, k, v, *, causal, scale):
    return right(q, k, v, causal=causal, scale=1.1 * scale)

def nan(q, k, v, *, causal, scale):
    return right(q, k, v, causal=causal, scale=scale) * float("nan")

def wrong_shape(q, k, v, *, causal, scale):
    return right(q, k, v, causal=causal, scale=scale).transpose(1, 2)

def wrong_dtype(q, k, v, *, causal, scale):
    return right(q, k, v, causal=causal, scale=scale).double()

def a_tuple(q, k, v, *, causal, scale):
    return right(q, k, v, causal=causal, scale=scale), None

def nothing(q, k, v, *, causal, scale):
    right(q, k, v, causal=causal, scale=scale)

def writes_inputs(q, k, v, *, causal, scale):
    out = right(q, k, v, causal=causal, scale=scale)
    k.detach().zero_()
    return out

def raises(q, k, v, *, causal, scale):
    raise ValueError("seq must be a multiple of 128")

class RaisesInBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx, out):
        return out.clone()

    @staticmethod
    def backward(ctx, grad):
        raise ValueError("no backward for this head dim")

def raises_in_backward(q, k, v, *, causal, scale):
    return RaisesInBackward.apply(right(q, k, v, causal=causal, scale=scale))

def no_gradient(q, k, v, *, causal, scale):
    return right(q, k, v, causal=causal, scale=scale).detach()

def forward_only(q, k, v, *, causal, scale):
    return right(q, k, v, causal=causal, scale=scale).detach()

forward_only.backward = False

def no_causal(q, k, v):
    return right(q, k, v, causal=False, scale=q.shape[-1] ** -0.5)

def prints(q, k, v, *, causal, scale):
    print('{"type":"visiting","case":0}', flush=True)
    os.write(1, b"from C\\\\n")
    return right(q, k, v, causal=causal, scale=scale)

def needs_too_much(q, k, v, *, causal, scale):
    return torch.empty(1 << 50)

def exits(q, k, v, *, causal, scale):
    os._exit(7)

def segfaults(q, k, v, *, causal, scale):
    ctypes.string_at(0)

def hangs(q, k, v, *, causal, scale):
    time.sleep(3600)
"""

BROKEN_FILES = {
    "missing.py": "import no_such_package\ndef attention(q, k, v): ...",
    "fails.py": "\nraise OSError('libfoo.so: cannot open shared object file')\ndef attention(q, k, v): ...",
    "gone.py": "def attention(q, k, v): ...\ndel attention",
}
NO_GRADIENT = "unsupported: its output carries no gradient, so it has no backward: measure it with --pass fwd"
# What is said of forward, and of backward where that is something else.
SAID = {
    "exits": ("crashed: the worker ended with status 7",),
    "segfaults": ("crashed: the worker was killed by SIGSEGV",),
    "hangs": ("timeout: gave no sign of life for 3 s (--timeout) and was ended",),
    "right": ("ok",),
    "wrong": ("wrong: out off by 0.",),
    "nan": ("nan: not finite in out, dq, dk, dv",),
    "wrong_shape": (
        "error: WrongOutput: returned (2, 32, 4, 32) torch.float32; q is (2, 4, 32, 32) torch.float32",
    ),
    "wrong_dtype": (
        "error: WrongOutput: returned (2, 4, 32, 32) torch.float64; q is (2, 4, 32, 32) torch.float32",
    ),
    "a_tuple": ("error: WrongOutput: returned tuple, not a tensor",),
    "nothing": ("error: WrongOutput: returned NoneType, not a tensor",),
    "raises": ("error: ValueError: seq must be a multiple of 128",),
    "raises_in_backward": ("ok", "error: ValueError: no backward for this head dim"),
    "no_gradient": ("ok", NO_GRADIENT),
    "forward_only": ("ok", "unsupported: has no backward: measure it with --pass fwd"),
    "no_causal": ("ok",),
    "prints": ("ok",),
    "needs_too_much": ("oom: 4096 TiB asked for",),
    "missing.py:attention": (
        "error: missing.py, line 1: ModuleNotFoundError: No module named 'no_such_package'",
    ),
    "fails.py:attention": ("error: fails.py, line 2: OSError: libfoo.so: cannot open shared object file",),
    "gone.py:attention": ("error: gone.py: once it has run there is no function attention",),
}
FAULTING = """
import torch, triton
import triton.language as tl

@triton.jit
def _forward(out_ptr, far):
    tl.store(out_ptr + far + tl.arange(0, 128), 0.0)

def attention(q, k, v, *, causal, scale):
    out = torch.zeros_like(q)
    _forward[(1,)](out, 1 << 40)
    return out
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where names are typed and sessions saved."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(*names: str, workloads: tuple[Attention, ...] = (attention(seq=32),), **more: Any) -> Plan:
    return Plan(
        workloads=workloads,
        implementations=names,
        stopping=Stopping(repeats=3, warm_up_s=0.0),
        takes=Takes(graphs=False, ceilings=False),
        **more,
    )


async def only(planned: Plan) -> AsyncIterator[Plan]:
    yield planned


def measured(
    plans: AsyncIterator[Plan], device: str = "cpu", listen: Callable[[Event], None] = lambda event: None
) -> list[Row]:
    """The rows of plans that one session measures, with the worker that a user's run has."""

    async def run() -> Path:
        opened = resolve_device(device)
        session = Session.create(Path("sessions"), opened, "")
        engine = Engine(opened, session, command="attnprof run", listen=listen)
        finished = await engine.run(plans)
        assert finished.ending == "completed"
        return engine.path

    session = read_session(asyncio.run(run()))
    assert not session.problems
    return list(rows(Recording.of(session.events)))


def by_name(found: list[Row], workload: Attention) -> dict[str, dict[Pass, Row]]:
    """The rows of one shape."""
    named: dict[str, dict[Pass, Row]] = {}
    for row in found:
        if row.workload == workload:
            named.setdefault(row.implementation.removeprefix("kernels.py:"), {})[row.which] = row
    return named


def said(of: Row) -> str:
    return f"{of.status}: {detail(of)}".removesuffix(": ")


def test_whatever_is_wrong_with_a_kernel_is_its_own_row_and_says_what() -> None:
    """One run for all: a worker takes two seconds to start, and each of the first three costs one."""
    for name, text in {"kernels.py": KERNELS, **BROKEN_FILES}.items():
        Path(name).write_text(text)
    names = [name if ":" in name else f"kernels.py:{name}" for name in [*SAID, "writes_inputs"]]
    found = by_name(measured(only(plan(*names, timeout_s=3.0))), attention(seq=32))
    for name, (forward, *backward) in SAID.items():
        for which, words in zip(PASSES, (forward, *(backward or [forward]) * 2), strict=True):
            row = found[name][which]
            assert said(row).startswith(words), (name, which)
            assert (row.status == "ok") == (words == "ok"), (name, which)
    assert {row.writes_inputs for row in found["writes_inputs"].values()} == {("k",)}


def test_a_kernel_that_was_edited_is_measured_as_it_is_now() -> None:
    text = "def attention(q, k, v, *, causal, scale): return (q @ k.mT * ({})).softmax(-1) @ v"
    seen: list[str] = []

    def listen(event: Event) -> None:
        if isinstance(event, CaseChecked) and event.accuracy:
            seen.append(event.accuracy.verdict)
        if isinstance(event, Failure):
            seen.append(event.message)

    async def edited_in_between() -> AsyncIterator[Plan]:
        for part in ("scale * 2", "scale", "scale,,"):
            Path("kernel.py").write_text(text.format(part))
            yield plan("kernel.py:attention", passes=("fwd",))

    measured(edited_in_between(), listen=listen)
    assert seen == ["wrong", "ok", "kernel.py, line 1: SyntaxError: invalid syntax"]


# The examples of docs/your-kernel.md


def example(name: str) -> str:
    return f"{EXAMPLES / name}:attention"


@pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")
def test_the_examples_are_right_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    names = {name: example(f"{name}_kernel.py") for name in ("plain", "triton", "backward")}
    causal = attention(batch=1, seq=40, heads=2, head_dim=24, causal=True)
    grouped = attention(batch=1, seq=33, seq_q=20, heads=4, kv_heads=2)
    found = measured(only(plan(*names.values(), workloads=(causal, grouped))))
    first, second = by_name(found, causal), by_name(found, grouped)
    no_groups = "unsupported: has no grouped-query attention (kv heads must equal heads)"
    for name, in_groups in (("plain", no_groups), ("triton", "ok"), ("backward", no_groups)):
        assert (said(first[names[name]]["fwd"]), said(second[names[name]]["fwd"])) == ("ok", in_groups), name
    assert {said(row) for row in first[names["backward"]].values()} == {"ok"}


def test_the_cuda_example_says_what_it_takes() -> None:
    implementation = impls.find(example("cuda_kernel.py"))
    h100 = DeviceInfo("cuda", "H100", (9, 0))
    assert implementation.supports(attention(head_dim=96, kv_heads=2, causal=True), h100) is None
    assert implementation.supports(attention(), DeviceInfo("cpu", "CPU")) == "needs a CUDA GPU"
    assert implementation.supports(attention(head_dim=48), h100) == (
        "takes head dims that are multiples of 32, not 48"
    )


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
def test_the_cuda_example_compiles(folder: Path) -> None:
    text = (EXAMPLES / "cuda_kernel.py").read_text()
    (kernel,) = (
        statement.value.value
        for statement in ast.parse(text).body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id == "KERNEL"
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )
    signature = "const float*, const float*, const float*, float*, int, int, int, int, bool, float"
    source = folder / "kernel.cu"
    source.write_text(f"{kernel}\ntemplate __global__ void attend<float, 4>({signature});\n")
    done = subprocess.run(["nvcc", "-ptx", str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_the_triton_example_is_right_on_a_gpu(dtype: str) -> None:
    shapes = tuple(
        attention(batch=2, seq=300, seq_q=seq_q, heads=4, kv_heads=2, head_dim=80, dtype=dtype, causal=causal)
        for seq_q, causal in ((300, True), (300, False), (77, True))
    )
    planned = plan(example("triton_kernel.py"), workloads=shapes, passes=("fwd",), device="cuda:0")
    found = measured(only(planned), device="cuda:0")
    assert [(row.status, detail(row)) for row in found] == [("ok", "")] * 3


@pytest.mark.gpu
def test_a_kernel_that_writes_where_it_must_not_costs_its_own_row() -> None:
    Path("kernels.py").write_text(FAULTING)
    planned = plan("sdpa-math", "kernels.py:attention", "pytorch", device="cuda:0")
    found = by_name(measured(only(planned), device="cuda:0"), attention(seq=32))
    assert {said(row) for name in ("sdpa-math", "pytorch") for row in found[name].values()} == {"ok"}
    for row in found["attention"].values():
        assert said(row).startswith("crashed: the GPU faulted: ")
        assert "illegal memory access" in said(row)
