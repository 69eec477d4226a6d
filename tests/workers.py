"""Driving a worker's measurement from a test, in this process or through the engine."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import impls
from impls import Implementation
from profiler.engine.engine import Engine, only
from profiler.engine.protocol import MeasureShape, WorkerMessage
from profiler.engine.session_run import Session
from profiler.engine.work import AnyPlan
from profiler.events import Event, Finished
from profiler.machine.environment import resolve_device
from profiler.plans.plan import Case, Stopping, Takes
from profiler.worker.devices import Device
from profiler.worker.shape import measure_shape
from profiler.workload import PASSES, Attention, Pass

FAULTY_WORKER = (sys.executable, str(Path(__file__).with_name("faulty_worker.py")))
"""The command of a worker that also knows tests.faulty's implementations."""

FAKE_WORKER = (sys.executable, str(Path(__file__).with_name("fake_worker.py")))
"""The command of a worker without torch that does not keep to the protocol; how is added."""
ANSWERING_WORKER = (*FAKE_WORKER, "answers", "")
"""The command of one that keeps to it: for what is the engine's alone, whatever measures."""

STUMBLING_WORKER = (
    sys.executable,
    "-c",
    """
from profiler.worker import shape
from profiler.worker.__main__ import run_and_exit

def stumble(*args):
    raise ValueError("a bug of attnprof's own")

shape.measure_shape = stumble
run_and_exit()
""",
)
"""The command of a worker in which something is raised that nobody catches."""


def measure(
    device: Device,
    workload: Attention,
    names: Sequence[str],
    *,
    passes: tuple[Pass, ...] = PASSES,
    repeats: int = 3,
    takes: Takes | None = None,
    find: Callable[[str], Implementation] = impls.find,
) -> list[WorkerMessage]:
    """All that a worker sends about one shape, measured in this process."""
    cases = tuple(
        Case(number=number, workload=workload, implementation=name) for number, name in enumerate(names)
    )
    messages: list[WorkerMessage] = []
    measure_shape(
        MeasureShape(
            workload=workload,
            cases=cases,
            passes=passes,
            stopping=Stopping(repeats=repeats),
            takes=takes or Takes(),
            seed=0,
        ),
        device,
        find,
        messages.append,
    )
    return messages


def run_engine(
    plan: AnyPlan,
    folder: Path,
    *,
    listen: Callable[[Engine, Event], None] = lambda engine, event: None,
    worker_command: tuple[str, ...] = FAULTY_WORKER,
) -> tuple[Path, Finished]:
    """Run a plan through the engine, by default with the faulty worker; the session's path and last event."""

    async def run() -> tuple[Path, Finished]:
        device = resolve_device(plan.device)
        engine = Engine(
            device,
            Session.create(folder, device, plan.label),
            command="attnprof run",
            listen=lambda event: listen(engine, event),
            memory_limit_bytes=plan.memory_limit_bytes,
            worker_command=worker_command,
        )
        return engine.path, await engine.run(only(plan))

    return asyncio.run(run())
