"""The session that an engine writes: a new one, or one that was interrupted and is gone on with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from profiler import version
from profiler.engine.work import AnyPlan
from profiler.events import SCHEMA, Continued, Environment, Event, SessionStarted
from profiler.machine.environment import Device
from profiler.plans.plan import Plan
from profiler.results.rows import is_imported
from profiler.session.case_record import CaseRecord
from profiler.session.file import SessionError, SessionWriter
from profiler.session.keeping import SessionKeeper
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.training.model import Training
from profiler.training.plan import TrainingPlan
from profiler.workload import Attention


@dataclass
class Session:
    """A file to append to, and what an engine must know of what it holds already."""

    keeper: SessionKeeper
    started: datetime
    is_new: bool = True
    elapsed_s: float = 0.0
    """The session's time when the engine takes over."""
    next_case: int = 0
    ceilings: Iterable[str] = ()
    """The dtypes whose ceilings are known."""

    @classmethod
    def create(cls, folder: Path, device: Device, label: str = "") -> Session:
        """A new session file in `folder`.

        Raises:
            SessionError: it cannot be made.
        """
        started = datetime.now(UTC)
        return cls(SessionKeeper(SessionWriter.create(folder, started, device.info.name, label)), started)

    @classmethod
    def resume(cls, path: Path, device: Device) -> tuple[Session, list[Event], AnyPlan]:
        """A session file to be gone on with on `device`, the events that it holds, and what it lacks.

        Raises:
            SessionError: it cannot be read or written, lacks nothing, was recorded on another device,
                or another process is writing it.
        """
        writer = SessionWriter.reopen(path)  # first of all, for from here on nobody else writes it
        try:
            events = read_session(path).events
            recording = Recording.of(events)
            _check_device(path, recording, device)
            plan = _lacking(recording)
            if plan is None:
                raise SessionError(f"'{path}' is complete: there is nothing left to measure")
        except BaseException:
            writer.close()
            raise
        session = cls(
            SessionKeeper(writer),
            datetime.now(UTC),
            is_new=False,
            elapsed_s=recording.last_s,
            next_case=max((*recording.cases, *recording.trainings), default=-1) + 1,
            ceilings=recording.ceilings.matmul if recording.ceilings else (),
        )
        return session, events, plan

    @property
    def path(self) -> Path:
        return self.keeper.path

    @property
    def problem(self) -> str | None:
        """Why what came last is in no file; None while all is well."""
        return self.keeper.problem

    def opening(self, command: str, environment: Environment) -> SessionStarted | Continued:
        """The event with which the engine begins."""
        started = self.started.isoformat(timespec="seconds")
        if self.is_new:
            return SessionStarted(
                schema=SCHEMA,
                attnprof=version.VERSION,
                started=started,
                command=command,
                environment=environment,
            )
        return Continued(attnprof=version.VERSION, started=started, command=command, environment=environment)

    def append(self, event: Event, *, durable: bool) -> None:
        """Write one event, or keep it until that can be done."""
        self.keeper.append(event, durable=durable)

    def save_in(self, folder: Path) -> None:
        """Save all of it in another folder; raises SessionError if that cannot be."""
        self.keeper.save_in(folder)

    def close(self) -> None:
        """Close the file, which may be another by then; raises SessionError if it can be saved nowhere."""
        self.keeper.close()


def _lacking(recording: Recording) -> AnyPlan | None:
    """What the session lacks of what it came to last, shapes or training; if that is whole, of the other."""
    last_shape, last_training = (
        plans[-1].first_case if plans else -1 for plans in (recording.plans, recording.training_plans)
    )
    if last_training > last_shape:
        return missing_training(recording) or missing(recording)
    return missing(recording) or missing_training(recording)


def missing(recording: Recording, plan: Plan | None = None) -> Plan | None:
    """What a plan of the session still lacks: its shapes that have unanswered cases; None if none has.

    All cases of such a shape are measured anew, for only what was measured in the same rounds is
    compared; and what was measured in another way, as by a quick look, is no answer here. Without
    `plan` it is the last that has several shapes, else the last: what a person turned through on the
    way was left on purpose.
    """
    if plan is None:
        sweeps = [plan for plan in recording.plans if plan.is_sweep]
        plan = next(reversed(sweeps or recording.plans), None)
    if plan is None:
        return None
    answered: dict[tuple[int, Attention], set[str]] = {}
    for case in recording.cases.values():
        if _is_alike(recording.plans[case.plan_number], plan) and _is_answered(case, plan):
            answered.setdefault((case.plan_number, case.workload), set()).add(case.implementation)
    asked = set(plan.implementations)
    whole = {shape for (_, shape), names in answered.items() if names >= asked}
    shapes = tuple(shape for shape in plan.workloads if shape not in whole)
    return msgspec.structs.replace(plan, workloads=shapes, first_case=0) if shapes else None


def missing_training(recording: Recording, plan: TrainingPlan | None = None) -> TrainingPlan | None:
    """What a training plan of the session still lacks, as `missing`: its rows with unanswered cases.

    All cases of such a row are trained anew. Without `plan` it is the last.
    """
    if plan is None:
        plan = next(reversed(recording.training_plans), None)
    if plan is None:
        return None
    answered: dict[tuple[int, Training], set[str]] = {}
    for record in recording.trainings.values():
        if record.done and _is_trained_alike(recording.training_plans[record.plan_number], plan):
            answered.setdefault((record.plan_number, record.training), set()).add(record.implementation)
    asked = set(plan.implementations)
    whole = {training for (_, training), names in answered.items() if names >= asked}
    rows = tuple(training for training in plan.trainings if training not in whole)
    return msgspec.structs.replace(plan, trainings=rows, first_case=0) if rows else None


def _is_trained_alike(one: TrainingPlan, other: TrainingPlan) -> bool:
    """Whether both train what they train in the same way."""
    return (one.batch, one.stopping, one.takes, one.seed, one.memory_limit_bytes) == (
        other.batch,
        other.stopping,
        other.takes,
        other.seed,
        other.memory_limit_bytes,
    )


def _is_alike(one: Plan, other: Plan) -> bool:
    """Whether both measure what they measure in the same way."""
    return (one.stopping, one.takes, one.seed, one.memory_limit_bytes) == (
        other.stopping,
        other.takes,
        other.seed,
        other.memory_limit_bytes,
    )


def _is_answered(case: CaseRecord, plan: Plan) -> bool:
    """Whether each of the plan's passes has its result or its failure."""
    return all(
        case.failure_of(which) or (which in case.passes and case.passes[which].result)
        for which in plan.passes_of(case.workload)
    )


def _check_device(path: Path, recording: Recording, device: Device) -> None:
    """Numbers of another kind of device do not belong into the session."""
    if problem := device_problem(recording, device):
        raise SessionError(f"'{path}' {problem}")


def device_problem(recording: Recording, device: Device) -> str:
    """Why a session cannot be gone on with on `device`, in a clause about it; "" where it can be."""
    if is_imported(recording):
        return "was imported: what is measured here is not added to it, `attnprof run` makes its own"
    recorded = recording.header.environment if recording.header else None
    if recorded is None or recorded.device.partition(":")[0] != device.info.kind:
        was = recorded.device if recorded else "nothing known"
        return f"was recorded on {was}, and cannot be gone on with on {device.name}"
    before, now = recorded.gpu, device.gpu
    if before is None or now is None or before.name == now.name or (before.uuid and before.uuid == now.uuid):
        return ""
    return f"was recorded on {before.name}, and this is {now.name}: go on with it where it began"
