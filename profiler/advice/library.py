"""What all sessions of a folder know about some shapes or trainings, the newest of each machine first.

Implementations are compared within one session and its rounds only; sessions are set beside each other.
What was imported has no rounds and answers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import log2
from pathlib import Path
from typing import Generic, TypeVar

from profiler.advice.picks import PassPick, Pick, picks
from profiler.advice.training_picks import TrainingPick, training_picks
from profiler.results.rows import is_imported
from profiler.results.wording import device_name
from profiler.session.file import SessionError
from profiler.session.reader import read_recording
from profiler.session.recording import Recording
from profiler.training.model import Training
from profiler.units import byte_count, plain_text
from profiler.workload import Attention, Pass

AnyPick = TypeVar("AnyPick", PassPick, TrainingPick)
Subject = TypeVar("Subject", Attention, Training)


@dataclass(frozen=True)
class Source:
    """A session, and what it was measured on: a GPU, a torch, and a memory limit if it was held to one."""

    path: Path
    machine: str
    started: str
    recording: Recording

    @property
    def name(self) -> str:
        """The file's name without its suffix, as plain text."""
        return plain_text(self.path.stem)


@dataclass(frozen=True)
class Trait(Generic[Subject]):
    """One thing that is asked of a shape or a training: the `wanted` values of what `value` reads."""

    option: str
    value: Callable[[Subject], object]
    wanted: tuple[object, ...]

    def holds(self, subject: Subject) -> bool:
        return self.value(subject) in self.wanted

    def distance(self, subject: Subject) -> float:
        """How far off a subject is: by doublings where it is a number, else by one."""
        value = self.value(subject)
        return min((_apart(value, wanted) for wanted in self.wanted), default=0.0)


@dataclass(frozen=True)
class Answer(Generic[AnyPick]):
    """What to take, by the session that says so; `others` of the same machine say otherwise."""

    source: Source
    pick: AnyPick
    others: tuple[tuple[Source, AnyPick], ...] = field(default=())


def read_sources(paths: Iterable[Path]) -> tuple[list[Source], list[str]]:
    """The sessions in these files, the newest first, and in words which cannot be read, and why."""
    found, problems = [], []
    for path in paths:
        try:
            recording = read_recording(path).recording
        except SessionError as error:
            problems.append(str(error))
            continue
        started = recording.header.started if recording.header else ""
        found.append(Source(path, _machine(recording), started, recording))
    return sorted(found, key=lambda source: (source.started, source.path.name), reverse=True), problems


def _machine(recording: Recording) -> str:
    environment = recording.header.environment if recording.header else None
    torch = environment.packages.get("torch") if environment else None
    plan = recording.plan or recording.training_plan
    limit = plan.memory_limit_bytes if plan else None
    parts = (
        device_name(environment),
        f"torch {plain_text(torch)}" if torch else "",
        f"held to {byte_count(limit)}" if limit else "",
    )
    return ", ".join(filter(None, parts))


def pass_answers(
    sources: Sequence[Source], traits: Sequence[Trait[Attention]], passes: Sequence[Pass]
) -> dict[str, list[Answer[PassPick]]]:
    """Of each machine an answer for every shape and pass that matches."""
    found: dict[str, dict[object, list[tuple[Source, PassPick]]]] = {}
    for source in sources:
        shapes = [shape for shape in source.recording.by_shape if all(trait.holds(shape) for trait in traits)]
        if not shapes:
            continue
        for pick in picks(source.recording.only(*shapes)):
            if pick.which in passes:
                key = pick.workload, pick.which
                found.setdefault(source.machine, {}).setdefault(key, []).append((source, pick))
    return {machine: [_answer(each) for each in of.values()] for machine, of in found.items()}


def training_answers(
    sources: Sequence[Source], traits: Sequence[Trait[Training]]
) -> dict[str, list[Answer[TrainingPick]]]:
    """Of each machine an answer for every training that matches."""
    found: dict[str, dict[object, list[tuple[Source, TrainingPick]]]] = {}
    for source in sources:
        if not source.recording.trainings:
            continue
        for pick in training_picks(replace(source.recording, cases={})):
            if all(trait.holds(pick.training) for trait in traits):
                found.setdefault(source.machine, {}).setdefault(pick.training, []).append((source, pick))
    return {machine: [_answer(each) for each in of.values()] for machine, of in found.items()}


def _answer(found: Sequence[tuple[Source, AnyPick]]) -> Answer[AnyPick]:
    """The newest session answers, unless an older one compared the same implementations and further ones."""
    compared = [each for each in found if each[1].compared > 1] or found
    source, pick = compared[0]
    for other, of_other in compared[1:]:
        if set(pick.measured) < set(of_other.measured):
            source, pick = other, of_other
    known = dict.fromkeys(name for _, of_other in compared for name in of_other.measured)
    others = tuple(each for each in compared if _contradicts(each[1], pick))
    unmeasured = tuple(name for name in known if name not in pick.measured)
    return Answer(source, replace(pick, unmeasured=unmeasured), others)


def _contradicts(other: Pick, pick: Pick) -> bool:
    """Whether the other had what is chosen here, and chose otherwise."""
    chosen = set(pick.names)
    return chosen.isdisjoint(other.names) and not chosen.isdisjoint(other.measured)


def imported(
    sources: Iterable[Source],
    traits: Sequence[Trait[Subject]],
    subjects: Callable[[Recording], Iterable[Subject]],
) -> list[str]:
    """The names of the imported sessions that would match."""
    return [
        source.name
        for source in sources
        if is_imported(source.recording)
        and any(all(trait.holds(each) for trait in traits) for each in subjects(source.recording))
    ]


def nearest(
    sources: Sequence[Source],
    traits: Sequence[Trait[Subject]],
    subjects: Callable[[Recording], Iterable[Subject]],
) -> tuple[Source, Subject] | None:
    """What was measured that is least far from what was asked for; of equals the newest."""
    measured = [source for source in sources if not is_imported(source.recording)]
    found = [(source, subject) for source in measured for subject in subjects(source.recording)]
    return min(found, key=lambda each: sum(trait.distance(each[1]) for trait in traits), default=None)


def _apart(value: object, wanted: object) -> float:
    if value == wanted:
        return 0.0
    numbers = isinstance(value, int | float) and isinstance(wanted, int | float)
    if not numbers or isinstance(value, bool) or isinstance(wanted, bool):
        return 1.0
    assert isinstance(value, int | float)
    assert isinstance(wanted, int | float)
    return abs(log2(value / wanted)) if value > 0 and wanted > 0 else 1.0
