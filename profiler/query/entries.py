"""What fields are read from: a row with what stands around it in its session."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from profiler.engine.work import AnyPlan
from profiler.results.rows import Row, rows_by_case
from profiler.results.wording import NOT_MEASURED, device_name, status_word
from profiler.session.recording import Recording
from profiler.training.rows import TrainingRow, training_rows
from profiler.training.wording import training_status_word
from profiler.workload import Pass


@dataclass(frozen=True)
class SessionFacts:
    """What every row of a session shares."""

    started: str | None
    device: str | None
    memory_limit_bytes: int | None
    imported_from: tuple[str, ...] | None


@dataclass(frozen=True)
class PassEntry:
    """One pass of a case, with the `passes` of the same case."""

    row: Row
    passes: dict[Pass, Row]
    session: SessionFacts

    @property
    def case(self) -> int:
        return self.row.case

    def status(self, which: Pass | None) -> str:
        """The word for what became of the row, or of another pass of the case."""
        row = self._row_of(which)
        return NOT_MEASURED if row is None else status_word(row)

    def is_fastest(self, which: Pass | None) -> bool:
        """Whether nothing was faster of that pass, for the shape."""
        row = self._row_of(which)
        return row is not None and row.is_fastest

    def _row_of(self, which: Pass | None) -> Row | None:
        return self.row if which is None else self.passes.get(which)


@dataclass(frozen=True)
class TrainingEntry:
    """One case of training."""

    row: TrainingRow
    session: SessionFacts

    @property
    def case(self) -> int:
        return self.row.case

    def status(self, which: Pass | None) -> str:
        """The word for what became of it."""
        return training_status_word(self.row)

    def is_fastest(self, which: Pass | None) -> bool:
        """Trainings are not marked."""
        return False


def pass_entries(recording: Recording) -> list[PassEntry]:
    """An entry for each row of what was measured of attention, in the rows' order."""
    return list(each_pass_entry(recording))


def each_pass_entry(recording: Recording) -> Iterator[PassEntry]:
    """The same as they are made, of which not all need be there at a time."""
    facts = _facts(recording, recording.plan)
    for _, of_case in rows_by_case(recording):
        passes = {row.which: row for row in of_case}
        yield from (PassEntry(row, passes, facts) for row in of_case)


def training_entries(recording: Recording) -> list[TrainingEntry]:
    """An entry for each row of what was trained, in the rows' order."""
    facts = _facts(recording, recording.training_plan)
    return [TrainingEntry(row, facts) for row in training_rows(recording)]


def _facts(recording: Recording, plan: AnyPlan | None) -> SessionFacts:
    header = recording.header
    return SessionFacts(
        started=header.started if header else None,
        device=device_name(header.environment) if header else None,
        memory_limit_bytes=plan.memory_limit_bytes if plan else None,
        imported_from=header.imported.files if header and header.imported else None,
    )
