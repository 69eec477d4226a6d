"""A demonstration in place of an engine: a recorded session, measured anew as if the GPU were here."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from typing import Literal

import msgspec

from profiler.clients.client import Hear
from profiler.clients.playing import beats
from profiler.clients.repertoire import NOT_HERE, Parameter, Repertoire
from profiler.clients.telling import hello
from profiler.clients.turns import set_within
from profiler.engine.control import Command, Measure, Pause, Resume, Skip, Stop, Train
from profiler.engine.work import FAILURES, AnyPlan
from profiler.events import (
    SCHEMA,
    Catalog,
    Ending,
    Finished,
    PlanEnded,
    Planned,
    Result,
    SessionEvent,
    SessionStarted,
    Telemetry,
    TrainingFailure,
    TrainingPlanned,
)
from profiler.machine.telemetry import INTERVAL_S
from profiler.plans.plan import Case, Plan
from profiler.session.file import SessionError
from profiler.session.reader import read_session
from profiler.training.plan import TrainingPlan
from profiler.units import plain_text
from profiler.workload import Attention

_BEAT_S = 0.04


class DemoEngine:
    """Plays what a recorded session holds of the shapes it is asked for, and says what it lacks.

    It behaves as an engine does, only sooner: a shape takes about a second, times are the recorded
    ones, and readings of the device those of the shape's rounds. Nothing is saved.

    Raises:
        SessionError: the session cannot be read, or holds nothing to play.
    """

    takes_commands = True

    def __init__(self, path: Path, beat_s: float = _BEAT_S) -> None:
        self._name = plain_text(path.name)
        self._repertoire = Repertoire(read_session(path).events)
        if not self._repertoire.workloads:
            raise SessionError(f"'{self._name}' holds no measured shape that a demonstration could play")
        self._beat_s = beat_s
        self._hear: Hear
        self._began_s = 0.0
        self._closed = asyncio.Event()
        self._told = asyncio.Event()
        self._next: AnyPlan | None = None
        self._plan: AnyPlan | None = None
        self._cut: Literal["shape", "plan"] | None = None
        self._paused = False
        self._next_case = 0
        self._ceilings = self._repertoire.recording.ceilings
        self._idle = cycle(self._repertoire.idle)
        self._reading: Telemetry | None = None
        self._results, self._failures = 0, 0

    @property
    def recorded_workloads(self) -> tuple[Attention, ...]:
        """The shapes that it can play."""
        return self._repertoire.workloads

    @property
    def recorded_plan(self) -> Plan | None:
        """What the recording measured: a demonstration does well to begin there."""
        return self._repertoire.recording.plan

    def nearest(self, workload: Attention, parameter: Parameter, direction: int) -> Attention | None:
        """The recorded shape to step to: with the next larger value (direction 1) or smaller one (-1).

        One that differs in nothing else is preferred, then one that differs in least; None at the end.
        """
        return self._repertoire.nearest(workload, parameter, direction)

    async def run(self, hear: Hear) -> None:
        self._hear = hear
        self._began_s = time.monotonic()
        self._open()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tell_readings())
            tasks.create_task(self._play_plans())
        self._tell(Finished(ending="completed", results=self._results, failures=self._failures))

    def send(self, command: Command) -> None:
        match command:
            case Measure(plan=plan) | Train(plan=plan):
                self._next, self._paused = plan, False
                self._cut_short("plan")
            case Stop():
                self._next, self._paused = None, False
                self._cut_short("plan")
            case Skip():
                self._cut_short("shape")
            case Pause():
                self._paused = True
            case Resume():
                self._paused = False
        self._told.set()

    async def close(self) -> None:
        self._cut_short("plan")
        self._closed.set()
        self._told.set()

    def _cut_short(self, what: Literal["shape", "plan"]) -> None:
        if self._plan is not None and self._cut != "plan":
            self._cut = what

    def _open(self) -> None:
        """Say what a session begins with: the machine of the recording, and what was measured there."""
        recording = self._repertoire.recording
        assert recording.header is not None  # a session file begins with one
        environment, catalog = recording.header.environment, self._repertoire.catalog()
        note = f"a demonstration, replaying {self._name}: nothing is measured"
        self._hear(hello(environment, catalog, note=note))
        self._tell(
            SessionStarted(
                schema=SCHEMA,
                attnprof=recording.header.attnprof,
                started=recording.header.started,
                command="attnprof --demo",
                environment=environment,
            )
        )
        self._tell(Catalog(implementations=catalog))

    async def _play_plans(self) -> None:
        while not self._closed.is_set():
            self._told.clear()
            if self._next is None:
                await self._told.wait()
            else:
                plan, self._next = self._next, None
                await self._play(plan)

    async def _play(self, plan: AnyPlan) -> None:
        plan = msgspec.structs.replace(plan, first_case=self._next_case)
        self._next_case += plan.count
        self._plan, self._cut = plan, None
        if isinstance(plan, TrainingPlan):
            self._refuse_training(plan)
        else:
            await self._play_shapes(plan)
        ending: Ending = "interrupted" if self._cut_of_plan else "completed"
        self._plan = self._cut = None
        self._tell(PlanEnded(ending=ending))

    def _refuse_training(self, plan: TrainingPlan) -> None:
        """Answer each case as an engine does that cannot measure it."""
        self._tell(TrainingPlanned(plan=plan))
        for training, cases in plan.rows():
            for case in cases:
                self._tell(
                    TrainingFailure(
                        case=case.number,
                        training=training,
                        implementation=case.implementation,
                        kind="unsupported",
                        message=f"{NOT_HERE}, and trains nothing: `attnprof train` does",
                    )
                )

    async def _play_shapes(self, plan: Plan) -> None:
        self._tell(Planned(plan=plan))
        if plan.takes.ceilings and self._ceilings is not None:
            self._tell(self._ceilings)
            self._ceilings = None  # once a session
        for workload, cases in plan.shapes():
            await self._until_resumed()
            await self._play_shape(plan, workload, cases)
            if self._cut_of_plan:
                break
            self._cut = None

    async def _play_shape(self, plan: Plan, workload: Attention, cases: Sequence[Case]) -> None:
        readings = self._repertoire.readings(workload)
        whole = list(beats(plan, cases, self._repertoire))
        for number, beat in enumerate(whole):
            if self._cut is not None:
                break
            if readings:
                self._reading = readings[number * len(readings) // len(whole)]
            for event in beat:
                self._tell(event)
            await set_within(self._closed, self._beat_s)
        self._reading = None

    async def _until_resumed(self) -> None:
        while self._paused and self._cut is None:
            self._told.clear()
            await self._told.wait()

    @property
    def _cut_of_plan(self) -> bool:
        return self._cut == "plan"

    async def _tell_readings(self) -> None:
        """What the device was read at: in the rounds of the shape that plays, else at rest."""
        while not self._closed.is_set():
            if reading := self._reading or next(self._idle, None):
                self._tell(reading)
            await set_within(self._closed, INTERVAL_S)

    def _tell(self, event: SessionEvent) -> None:
        self._results += isinstance(event, Result)
        self._failures += isinstance(event, FAILURES)
        now_s = round(time.monotonic() - self._began_s, 3)
        self._hear(msgspec.structs.replace(event, at_s=now_s))
