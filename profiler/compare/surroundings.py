"""What differs around sessions: machine, software, settings; and what is the same."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from profiler.compare.matching import TIMES_WORDS, Case, Side, times_of
from profiler.engine.work import AnyPlan
from profiler.events import Environment, SessionStarted
from profiler.plans.plan import Plan, Stopping
from profiler.results.rows import is_imported
from profiler.results.wording import device_name
from profiler.session.recording import Recording
from profiler.training.plan import TrainingStopping
from profiler.units import byte_count, count, plain_text, rate

NEAR = 0.01
"""Clocks and rates, which are measured, differ from this fraction on."""


@dataclass(frozen=True)
class Difference:
    """A fact that is not the same in all sessions, and each one's own; "" where it is not known."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Surroundings:
    """What differs, in the order of importance, and the names of what does not with what it is."""

    differences: tuple[Difference, ...]
    same: Mapping[str, str]


@dataclass(frozen=True)
class _Fact:
    text: str
    number: float | None = None
    """What is compared in the text's place where it was measured."""


def surroundings(recordings: Sequence[Recording], found: Sequence[Mapping[Case, Side]]) -> Surroundings:
    """Of sessions, and of the cases that all of them have, as each of them has these.

    Over other cases in each, medians and numbers would differ by what was measured.
    """
    clocked = _clocked(found)
    facts = [_facts(recording, sides, clocked) for recording, sides in zip(recordings, found, strict=True)]
    differences, same = [], {}
    for name in dict.fromkeys(name for of_session in facts for name in of_session):
        of_all = [of_session.get(name) for of_session in facts]
        # That nothing is known of what was imported is no difference for each thing that is not known.
        told = [
            fact
            for fact, recording in zip(of_all, recordings, strict=True)
            if fact is not None or not is_imported(recording)
        ]
        known = [fact for fact in told if fact is not None]
        measured = [fact.number for fact in known if fact.number is not None]
        if len(told) < 2 or (measured and len(measured) < len(told)):
            continue  # it was not taken in each of them, and so tells nothing
        if not _is_same(told, measured):
            differences.append(Difference(name, tuple(fact.text if fact else "" for fact in of_all)))
        elif len(known) == len(facts) and not measured:
            same[name] = known[0].text
    return Surroundings(tuple(differences), same)


def _is_same(of_all: Sequence[_Fact | None], measured: Sequence[float]) -> bool:
    if measured:
        return min(measured) > 0 and max(measured) / min(measured) - 1 <= NEAR
    return len({fact.text if fact else "" for fact in of_all}) == 1


def _clocked(found: Sequence[Mapping[Case, Side]]) -> list[Case]:
    """The cases of which each session knows the clock."""
    return [case for case in found[0] if all(sides[case].sm_mhz for sides in found)]


def _facts(recording: Recording, sides: Mapping[Case, Side], clocked: Sequence[Case]) -> dict[str, _Fact]:
    """All that could tell a session from another, the most important first."""
    header = recording.header
    environment = header.environment if header else None
    runs = [run.environment for run in (header, *recording.continued) if run is not None]
    found = {"times": _times(recording, sides)}
    has_gpu = environment is not None and environment.gpu is not None
    found |= {"GPU" if has_gpu or is_imported(recording) else "device": device_name(environment)}
    found |= _gpu(environment)
    found |= {"torch": _over_runs(run.packages.get("torch", "") for run in runs)}
    found |= {"CUDA": _over_runs(run.cuda or "" for run in runs)}
    found |= {"cuDNN": _over_runs(run.cudnn or "" for run in runs)}
    # attnprof's own version is the header's: as a package it may be another that lies about.
    packages = dict.fromkeys(
        name for run in runs for name in run.packages if name not in ("torch", "attnprof")
    )
    found |= {plain_text(name): _over_runs(run.packages.get(name, "") for run in runs) for name in packages}
    found |= _settings(recording)
    found |= _machine(environment, header)
    facts = {name: _Fact(text) for name, text in found.items() if text}
    clocks = [clock.median for case in clocked if (clock := sides[case].sm_mhz)]
    return facts | _measured(recording, clocks) | _conditions(sides)


def _times(recording: Recording, sides: Mapping[Case, Side]) -> str:
    """What its times of calls are: those of other kinds have no ratio."""
    if not recording.cases:
        return ""
    if times_of(recording) == "mean wall":
        return TIMES_WORDS["mean wall"]
    known = [side.launches_hidden for side in sides.values() if side.launches_hidden is not None]
    shown = known.count(False)
    launches = f", launches not hidden in {shown} of {count(len(known), 'case')}" if shown else ""
    return f"{TIMES_WORDS['device']}{launches}"


def _over_runs(values: Iterable[str]) -> str:
    """A fact of the session's run; where later runs that went on with it differ, of each of them."""
    return ", then ".join(dict.fromkeys(plain_text(value) or "none" for value in values)).removesuffix("none")


def _gpu(environment: Environment | None) -> dict[str, str]:
    gpu = environment.gpu if environment else None
    if gpu is None:
        return {}
    return {
        "board": plain_text(gpu.uuid or "")[:12],
        "SMs": str(gpu.sm_count or ""),
        "GPU memory": byte_count(gpu.memory_bytes) if gpu.memory_bytes else "",
        "power limit": f"{gpu.power_limit_w:.0f} W" if gpu.power_limit_w else "",
        "highest SM clock": f"{gpu.max_sm_mhz} MHz" if gpu.max_sm_mhz else "",
        "highest memory clock": f"{gpu.max_memory_mhz} MHz" if gpu.max_memory_mhz else "",
        "driver": plain_text(gpu.driver or ""),
    }


def _machine(environment: Environment | None, header: SessionStarted | None) -> dict[str, str]:
    if environment is None or header is None:
        return {}
    return {
        "attnprof": plain_text(_measured_with(header)),
        "git commit": plain_text(environment.git_commit or "")[:12],
        "CPU": plain_text(environment.cpu),
        "cores": str(environment.cpu_count or ""),
        "memory": byte_count(environment.memory_bytes) if environment.memory_bytes else "",
        "system": plain_text(environment.os),
        "Python": plain_text(environment.python),
    }


def _measured_with(header: SessionStarted) -> str:
    """The version that measured; of what was imported nobody knows it."""
    return header.attnprof if header.imported is None else ""


def _settings(recording: Recording) -> dict[str, str]:
    """How it was measured; attention and training each have their own way. Of others' files nobody knows."""
    found: dict[str, str] = {}
    imported = recording.header.imported if recording.header else None
    if imported is not None:
        return found
    plans: tuple[AnyPlan | None, ...] = (recording.plan, recording.training_plan)
    for plan in plans:
        if plan is None:
            continue
        of_shapes = isinstance(plan, Plan)
        limit = plan.memory_limit_bytes
        found["memory limit" if of_shapes else "training memory limit"] = (
            byte_count(limit) if limit else "none"
        )
        found["rounds" if of_shapes else "steps"] = _stopping(plan.stopping)
    return found


def _stopping(stopping: Stopping | TrainingStopping) -> str:
    precision = f"until ±{100 * stopping.precision:g} %" if stopping.precision else ""
    if isinstance(stopping, TrainingStopping):
        return ", ".join(filter(None, (f"{stopping.steps}, the last {stopping.last} measured", precision)))
    rested = f", {stopping.cooldown_s:g} s of rest before each" if stopping.cooldown_s else ""
    if stopping.repeats is not None:
        return f"{stopping.repeats}{rested}"
    return f"{precision} or {stopping.budget_s:g} s{rested}"


def _measured(recording: Recording, clocks: Sequence[float]) -> dict[str, _Fact]:
    """What the device did: its clock in each of the cases, and its ceilings."""
    found = {}
    if clocks:
        median = statistics.median(clocks)
        found["SM clock, median of the cases"] = _Fact(f"{median:.0f} MHz", median)
    if recording.ceilings:
        for dtype, matmul in recording.ceilings.matmul.items():
            clock = f" at {matmul.sm_mhz:.0f} MHz" if matmul.sm_mhz else ""
            text = f"{rate(matmul.tflops)} TFLOP/s{clock}"
            found[f"matmul {plain_text(dtype)}"] = _Fact(text, matmul.tflops)
        if copied := recording.ceilings.copy:
            found["copy"] = _Fact(f"{rate(copied.gb_per_s)} GB/s", copied.gb_per_s)
    return found


def _conditions(sides: Mapping[Case, Side]) -> dict[str, _Fact]:
    """What held clocks back, or a stranger on the GPU: in how many of the shapes compared."""
    subjects = {case.subject for case in sides}
    met = Counter(
        name for name, _ in {(name, case.subject) for case, side in sides.items() for name in side.conditions}
    )
    return {
        plain_text(name): _Fact(f"{number} of {count(len(subjects), 'shape')}")
        for name, number in sorted(met.items())
    }
