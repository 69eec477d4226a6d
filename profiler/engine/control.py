"""What a screen and an engine say to each other, one JSON object a line.

An engine answers with the session's own events (profiler.events), and first of all with Hello.
"""

from __future__ import annotations

import msgspec

from profiler.events import CatalogEntry, Gpu, SessionEvent
from profiler.plans.plan import Plan
from profiler.training.plan import TrainingPlan


class Hello(msgspec.Struct, tag_field="type", tag="hello", kw_only=True, omit_defaults=True):
    """Engine to screen, before torch is loaded: the device, what can run on it, the session's file.

    `kind` is "cuda" or "cpu", `name` torch's name for the device ("cuda:0"), `device_name` the
    hardware's. `note` says why the choice of device may surprise.
    """

    kind: str
    name: str
    device_name: str
    catalog: tuple[CatalogEntry, ...]
    gpu: Gpu | None = None
    path: str | None = None
    note: str | None = None


class Saving(msgspec.Struct, tag_field="type", tag="saving", kw_only=True, omit_defaults=True):
    """Engine to screen, where that has changed: the session's file, and why it is not being saved there."""

    path: str
    problem: str = ""


class Measure(msgspec.Struct, tag_field="type", tag="measure", kw_only=True, frozen=True):
    """Screen to engine: measure this in place of what runs. The engine numbers the cases on."""

    plan: Plan


class Train(msgspec.Struct, tag_field="type", tag="train", kw_only=True, frozen=True):
    """Screen to engine: the same with what is to be trained."""

    plan: TrainingPlan


class Stop(msgspec.Struct, tag_field="type", tag="stop", frozen=True):
    """Screen to engine: measure nothing more; what was measured stays."""


class Skip(msgspec.Struct, tag_field="type", tag="skip", frozen=True):
    """Screen to engine: leave the shape, or row of training, that runs, and go on with the next."""


class Pause(msgspec.Struct, tag_field="type", tag="pause", frozen=True):
    """Screen to engine: begin no further one until Resume."""


class Resume(msgspec.Struct, tag_field="type", tag="resume", frozen=True):
    """Screen to engine: go on."""


class SaveIn(msgspec.Struct, tag_field="type", tag="save_in", kw_only=True, frozen=True):
    """Screen to engine: save the whole session in this folder from here on."""

    folder: str


Command = Measure | Train | Stop | Skip | Pause | Resume | SaveIn
EngineMessage = Hello | Saving | SessionEvent
