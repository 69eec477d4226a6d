"""An engine without a device for benchmarks/app.py: it measures whatever it is asked for, without end.

It knows 20 implementations, reads a device at 10 Hz, and every 0.25 s has three more rounds of every
pass of every case. What it says is made up, in the form and about the size of the real thing.
"""

from __future__ import annotations

import os
import random
import select
import sys
import time
from collections.abc import Iterator

import msgspec

from profiler.engine.control import Command, EngineMessage, Hello, Measure, Stop
from profiler.events import (
    SCHEMA,
    Accuracy,
    CaseChecked,
    CaseStarted,
    Catalog,
    CatalogEntry,
    Environment,
    Gpu,
    Memory,
    PlanEnded,
    Planned,
    Samples,
    SessionEvent,
    SessionStarted,
    Telemetry,
)
from profiler.plans.plan import Case, Plan
from profiler.version import VERSION

NAMES = tuple(f"kernel-{number:02}" for number in range(1, 21))
TELEMETRY_S = 0.1
SLICE_S = 0.25
ROUNDS = 3

GPU = Gpu(
    name="NVIDIA H100 80GB HBM3",
    compute_capability=(9, 0),
    memory_bytes=80 * 2**30,
    power_limit_w=700.0,
    max_sm_mhz=1980,
)
CATALOG = tuple(CatalogEntry(name=name, label=name, summary="made up") for name in NAMES)


class Tireless:
    """The engine's state: what it measures, and when it speaks next."""

    def __init__(self) -> None:
        self._began_s = time.monotonic()
        self._plan: Plan | None = None
        self._next_case = 0
        self._round = 0
        self._reading_s = self._slice_s = 0.0

    def serve(self) -> None:
        """Speak and listen until stdin closes."""
        hello = Hello(kind="cuda", name="cuda:0", device_name=GPU.name, catalog=CATALOG, gpu=GPU)
        environment = Environment(device="cuda:0", gpu=GPU)
        header = SessionStarted(
            schema=SCHEMA,
            attnprof=VERSION,
            started="2026-01-01T00:00:00Z",
            command="attnprof",
            environment=environment,
        )
        self._say(hello, header, Catalog(implementations=CATALOG))
        decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
        stdin = os.fdopen(0, "rb", buffering=0)  # select() does not see what a buffer holds
        while True:
            wait_s = max(0.0, min(self._reading_s, self._slice_s) - time.monotonic())
            if select.select([stdin], [], [], wait_s)[0]:
                said = stdin.readline()
                if not said:
                    return
                self._obey(decoder.decode(said))
            self._speak(time.monotonic())

    def _obey(self, command: Command) -> None:
        if self._plan is not None and isinstance(command, Measure | Stop):
            self._plan = None
            self._say(PlanEnded(ending="interrupted"))
        if isinstance(command, Measure):
            self._plan = msgspec.structs.replace(command.plan, first_case=self._next_case)
            self._next_case += command.plan.count
            self._round = 0
            self._say(Planned(plan=self._plan), *(event for case in self._cases() for event in checked(case)))

    def _speak(self, now_s: float) -> None:
        if now_s >= self._reading_s:
            self._reading_s = now_s + TELEMETRY_S
            self._say(reading())
        if now_s >= self._slice_s:
            self._slice_s = now_s + SLICE_S
            if self._plan is not None:
                self._say(*self._slice(self._plan))
                self._round += ROUNDS

    def _slice(self, plan: Plan) -> Iterator[Samples]:
        for index, case in enumerate(self._cases()):
            for factor, which in enumerate(plan.passes, 1):
                times_ms = [factor * (1 + index / 5) * random.gauss(1, 0.02) for _ in range(ROUNDS)]
                yield Samples(
                    case=case.number,
                    which=which,
                    first_round=self._round,
                    device_ms=times_ms,
                    wall_ms=[time_ms + 0.03 for time_ms in times_ms],
                    sm_mhz=[random.gauss(1600, 20) for _ in range(ROUNDS)],
                )

    def _cases(self) -> tuple[Case, ...]:
        """Those of the plan's first shape."""
        return () if self._plan is None else next(self._plan.shapes())[1]

    def _say(self, *messages: EngineMessage) -> None:
        at_s = round(time.monotonic() - self._began_s, 3)
        for message in messages:
            timed = message if isinstance(message, Hello) else msgspec.structs.replace(message, at_s=at_s)
            sys.stdout.buffer.write(msgspec.json.encode(timed) + b"\n")
        sys.stdout.buffer.flush()


def checked(case: Case) -> tuple[SessionEvent, ...]:
    """The first calls of a case."""
    errors = {"out": 0.0011, "dq": 0.0021, "dk": 0.0022, "dv": 0.0012}
    accuracy = Accuracy(
        verdict="ok",
        errors=dict(errors),
        plain_errors=errors,
        limits={tensor: 3 * error for tensor, error in errors.items()},
        heads_checked=64,
        heads_total=64,
        ratio=1.02,
    )
    memory = Memory(working_bytes=200 << 20, absolute_bytes=400 << 20, saved_bytes=100 << 20)
    return (
        CaseStarted(case=case.number, workload=case.workload, implementation=case.implementation),
        CaseChecked(
            case=case.number,
            first_call_ms={"fwd": 5.1, "bwd": 8.6},
            memory={"fwd": memory, "bwd": memory, "fwd_bwd": memory},
            accuracy=accuracy,
        ),
    )


def reading() -> Telemetry:
    """The device, busy and moving."""
    return Telemetry(
        sm_mhz=random.randint(1400, 1980),
        memory_mhz=2619,
        power_w=round(random.uniform(300, 700), 1),
        temperature_c=random.randint(55, 70),
        utilization_percent=float(random.randint(60, 100)),
        memory_used_bytes=random.randint(4, 8) << 30,
        process_bytes=3 << 30,
        throttle=("power cap",) if random.random() < 0.5 else (),
    )


if __name__ == "__main__":
    Tireless().serve()
