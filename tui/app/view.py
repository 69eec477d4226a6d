"""What the screens paint: the session so far, and what the engine is at."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from profiler.engine.control import Hello
from profiler.plans.plan import Plan
from profiler.session.recording import Recording
from profiler.training.plan import TrainingPlan

Mode = Literal["live", "demo", "recording", "watch"]


@dataclass(frozen=True)
class View:
    """A moment of the app, handed to a screen's `show`. What it holds is not to be changed by who paints it.

    `running` is the plan being measured and `training` what is being trained: one of them at most, none
    when the engine rests. `paused` tells whether it will begin no further shape or row, `lost` whether the
    engine has died. `path` is the session file. `cannot_go_on` is why what a recording lacks cannot be
    measured from here, "" where it can be, and `refused` why an engine that was to do so did not. `now_s`
    is the session's time, for what has elapsed.
    """

    mode: Mode = "live"
    hello: Hello | None = None
    recording: Recording = field(default_factory=Recording)
    running: Plan | None = None
    training: TrainingPlan | None = None
    paused: bool = False
    lost: bool = False
    path: Path | None = None
    cannot_go_on: str = ""
    refused: str = ""
    now_s: float = 0.0

    @property
    def can_measure(self) -> bool:
        """Whether there is an engine that does as it is told."""
        return self.mode in ("live", "demo") and not self.lost
