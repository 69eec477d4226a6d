"""The app's state: the engine's messages folded into what the screens paint, and orders to the engine."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from profiler.clients.client import EngineClient, Heard
from profiler.engine.control import Command, Hello, Measure, Pause, Resume, Saving, Stop, Train
from profiler.events import Finished, PlanEnded, Planned, Samples, Telemetry, TrainingPlanned
from profiler.plans.plan import Plan
from profiler.session.recording import Recording
from profiler.training.plan import TrainingPlan
from tui.app.view import Mode, View

# Readings while nothing is measured are for the sparklines, and older ones are let go in batches.
_MOST_IDLE_READINGS = 2400


@dataclass
class Desk:
    """One engine and what it has said so far."""

    client: EngineClient
    mode: Mode = "live"
    clock: Callable[[], float] = time.monotonic
    recording: Recording = field(default_factory=Recording)
    hello: Hello | None = None
    running: Plan | None = None
    training: TrainingPlan | None = None
    paused: bool = False
    lost: bool = False
    """Whether the engine has died: nothing more comes, and nothing can be measured."""
    unsaved: str = ""
    """Why the session is not being saved; empty while it is."""
    cannot_go_on: str = ""
    """Why what the recording lacks cannot be measured from here; empty where it can be."""
    refused: str = ""
    """Why an engine that was to go on with the recording did not; the next try may be another matter."""
    changed: bool = False
    """Whether there is anything new since this was last set to False."""
    urgent: bool = False
    """Whether that is something a person may be waiting for."""
    _heard_s: float = 0.0
    _idle: int = 0

    def hear(self, message: Heard) -> None:
        """Take in a message."""
        self.changed = True
        if isinstance(message, Hello):
            self.hello, self.urgent = message, True
            return
        if isinstance(message, Saving):
            self.unsaved, self.urgent = message.problem, True
            if self.hello is not None:
                self.hello = msgspec.structs.replace(self.hello, path=message.path)
            return
        self._heard_s = self.clock()
        match message:
            case Planned(plan=plan):
                self.running, self.training, self.urgent = plan, None, True
            case TrainingPlanned(plan=training):
                self.running, self.training, self.urgent = None, training, True
            case PlanEnded() | Finished():
                self.running, self.training, self.urgent = None, None, True
            case Samples(first_round=0):
                self.urgent = True
        self.recording.add(message)
        match message:
            case Telemetry():
                self._forget_idle_readings()
            case PlanEnded() if self.mode in ("live", "demo"):
                self._forget_replaced_samples()

    def lose(self) -> None:
        """The engine has died, and what it measured with it."""
        self.running = self.training = None
        self.paused, self.lost = False, True
        self.changed = self.urgent = True

    def send(self, command: Command) -> None:
        """Tell the engine."""
        match command:
            case Pause():
                self.paused = True
            case Resume() | Measure() | Train() | Stop():
                self.paused = False
        self.changed = self.urgent = True
        self.client.send(command)

    @property
    def is_measuring(self) -> bool:
        """Whether the engine is at a plan, of either kind."""
        return self.running is not None or self.training is not None

    def view(self) -> View:
        """This moment."""
        since_s = self.clock() - self._heard_s if self._heard_s and self.is_measuring else 0.0
        return View(
            mode=self.mode,
            hello=self.hello,
            recording=self.recording,
            running=self.running,
            training=self.training,
            paused=self.paused,
            lost=self.lost,
            path=Path(self.hello.path) if self.hello and self.hello.path else None,
            cannot_go_on=self.cannot_go_on,
            refused=self.refused,
            now_s=self.recording.last_s + since_s,
        )

    def _forget_replaced_samples(self) -> None:
        """What a later measurement took the place of is in the file; an app that is open for days lets go."""
        shown = self.recording.latest().cases
        for number, case in self.recording.cases.items():
            if number not in shown:
                for record in case.passes.values():
                    record.forget_samples()

    def _forget_idle_readings(self) -> None:
        if self.is_measuring or self.mode == "recording":
            self._idle = 0
            return
        self._idle += 1
        if self._idle > _MOST_IDLE_READINGS:  # the latest are all of this rest
            del self.recording.telemetry[-self._idle : -_MOST_IDLE_READINGS // 2]
            self._idle = _MOST_IDLE_READINGS // 2
