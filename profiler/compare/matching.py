"""What of a session is compared: its cases by shape, implementation and pass, its trainings by row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from profiler.events import Estimate
from profiler.results.rows import Row, is_imported, rows
from profiler.results.wording import detail, status_word
from profiler.session.recording import Recording
from profiler.training.columns import training_columns
from profiler.training.model import Training
from profiler.training.rows import TrainingRow, training_rows
from profiler.training.wording import training_remarks, training_status_word
from profiler.units import count, listed, plain_text, shape_columns
from profiler.workload import Attention, Pass

Standing = Literal["right", "failed"]
Times = Literal["device", "mean wall"]
"""Median device time of a call, as attnprof has it, or the mean wall time that the labs' script writes."""
TIMES_WORDS: dict[Times, str] = {"device": "median device times", "mean wall": "mean wall times"}

Unlike = Literal["times", "launches"]
"""What two times differ in that are not to be divided: their kind, or whether they hold launch latency."""

Wanted = Callable[[Row | TrainingRow], bool]
"""Whether a row is to be compared at all."""


@dataclass(frozen=True)
class Case:
    """What two sessions must share to be compared: a pass of a shape, or a training, by an implementation.

    `which` is None for a training.
    """

    subject: Attention | Training
    implementation: str
    which: Pass | None = None


@dataclass(frozen=True)
class Side:
    """What one session has of a case.

    `time_ms` is of one call, or of one step, and `work` how much that does: a step's tokens, else 1.
    `memory_bytes` is the peak above the inputs, or of a step; `absolute_bytes` the peak with the inputs.
    `mega_cycles` is the median of time times clock, in millions. What is not known is None. `word` and
    `detail` say what became of it where it is not right.

    `is_partial` is whether the session ended before its result: what is there is of the samples so far.
    `times` is what the time of a call is, and `launches_hidden` whether it is without launch latency: None
    where that is not known, or there is none to hide.
    """

    standing: Standing
    word: str
    detail: str = ""
    time_ms: Estimate | None = None
    work: int = 1
    batch: int | None = None
    tokens_per_s: float | None = None
    memory_bytes: int | None = None
    absolute_bytes: int | None = None
    sm_mhz: Estimate | None = None
    mega_cycles: float | None = None
    converged: bool = True
    conditions: tuple[str, ...] = ()
    is_partial: bool = False
    times: Times | None = None
    launches_hidden: bool | None = None


_PLURALS = {name: f"{name}s" for name in ("model", "context", "dtype", "optimizer", "mode")}


def case_of(row: Row | TrainingRow) -> Case:
    """What the row is matched by."""
    if isinstance(row, Row):
        return Case(row.workload, row.implementation, row.which)
    return Case(row.training, row.implementation)


def times_of(recording: Recording) -> Times:
    """What a session's times of calls are."""
    return "mean wall" if is_imported(recording) else "device"


def unlike(base: Side, other: Side) -> Unlike | None:
    """Why two times are not of the same quantity; None where they are."""
    if base.times != other.times:
        return "times"
    if None not in (base.launches_hidden, other.launches_hidden):
        return "launches" if base.launches_hidden != other.launches_hidden else None
    return None


def sides(recording: Recording, wanted: Wanted | None = None) -> dict[Case, Side]:
    """All that a session has to compare, in the order of its tables; what was not measured is left out.

    Where it has a shape more than once, that is as it was measured last (Recording.latest).
    """
    found: dict[Case, Side] = {}
    times = times_of(recording)
    for row in rows(recording):
        if (wanted is None or wanted(row)) and (side := _of_pass(row, times)):
            found[case_of(row)] = side
    for training in training_rows(recording):
        if (wanted is None or wanted(training)) and (side := _of_training(training)):
            found[case_of(training)] = side
    return found


def told(found: Mapping[Case, Side]) -> str:
    """What a session has, in a clause: "6 cases of pytorch and flash2 at batch 32 with several seq"."""
    if not found:
        return "nothing to compare"
    names = dict.fromkeys(plain_text(case.implementation) for case in found)
    shapes = shape_columns(case.subject for case in found if not isinstance(case.subject, Training))
    rows = training_columns(case.subject for case in found if isinstance(case.subject, Training))
    where = "; ".join(filter(None, (shapes.caption(), rows.caption())))
    varied = ", ".join((*shapes.varying, *(_PLURALS.get(name, name) for name in rows.varying)))
    parts = (f"at {where}" if where else "", f"with several {varied}" if varied else "")
    return " ".join(filter(None, (f"{count(len(found), 'case')} of {listed(list(names))}", *parts)))


def _of_pass(row: Row, times: Times) -> Side | None:
    is_right = row.status in ("ok", "partial", "running")
    if is_right and row.device_ms is None:
        return None  # the end of the session overtook it
    return Side(
        standing="right" if is_right else "failed",
        word=status_word(row),
        detail=detail(row),
        time_ms=row.device_ms,
        memory_bytes=row.memory.working_bytes if row.memory else None,
        absolute_bytes=row.memory.absolute_bytes if row.memory else None,
        sm_mhz=row.sm_mhz,
        mega_cycles=row.mega_cycles,
        converged=row.converged,
        conditions=tuple(row.conditions),
        is_partial=is_right and row.status != "ok",
        times=times,
        # Half a measurement does not tell, and a CPU, which has no wall time of its own, launches nothing.
        launches_hidden=row.launch_hidden if row.status == "ok" and row.wall_ms else None,
    )


def _of_training(row: TrainingRow) -> Side | None:
    is_right = row.status in ("ok", "partial", "running", "pending")
    if is_right and (row.step_ms is None or row.batch is None):
        return None
    remarks = [] if is_right else training_remarks(row, breaks=False)
    word = training_status_word(row)
    return Side(
        standing="right" if is_right else "failed",
        word=word,
        detail=remarks[0].removeprefix(f"{word}: ") if remarks else "",
        time_ms=row.step_ms,
        work=row.batch * row.training.context if row.batch else 1,
        batch=row.batch,
        tokens_per_s=row.tokens_per_s,
        memory_bytes=row.peak_bytes,
        absolute_bytes=row.peak_bytes,
        converged=row.converged,
        conditions=tuple(row.throttle),
        is_partial=is_right and row.status != "ok",
    )
