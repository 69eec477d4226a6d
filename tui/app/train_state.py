"""A training run as it stands: its study, which case is under way, and how long it may take.

It is kept up to date from the app's views, and computed anew only when something came for a case.
"""

from __future__ import annotations

from collections.abc import Iterable

from profiler.session.recording import Recording
from profiler.training.pace import left_s
from profiler.training.recording import TrainingRecord
from profiler.training.rows import training_rows
from profiler.training.study import study_tables
from tui.app.pictures.study import Study, study_of
from tui.app.view import View


class TrainState:
    """Follows the views. `study` is replaced whenever there is something new to paint."""

    def __init__(self) -> None:
        self.study = Study()
        self.is_running = False
        self.elapsed_s = 0.0
        """Since it began, rests included."""
        self._began_s = 0.0
        self._recording: Recording | None = None
        self._baseline: str | None = None
        self._seen: object = None

    @property
    def is_behind(self) -> bool:
        """Never: trainings are few."""
        return False

    def set_baseline(self, implementation: str) -> None:
        """Speedups refer to this one from the next update on."""
        self._baseline = implementation

    def update(self, view: View) -> bool:
        """Take in a view. True where `study` is another than before."""
        recording, ran = view.recording, self.is_running
        if recording is not self._recording:
            self._recording, self._baseline, ran = recording, None, False
        self.is_running = view.training is not None
        under_way = _under_way(recording) if self.is_running else None
        seen = self._baseline, under_way, progress_of(recording)
        changed = seen != self._seen
        if changed:
            self._seen = seen
            rows = training_rows(recording, self._baseline)
            self.study = study_of(
                study_tables(rows, recording.trainings),
                rows,
                under_way,
                latest=next(reversed(recording.training_plans), None),
            )
        if self.is_running:
            self._began_s = self._began_s if ran else view.now_s
            self.elapsed_s = view.now_s - self._began_s
        return changed

    def left_s(self, view: View) -> int | None:
        """Whole seconds that the rest may take; None where nothing tells yet."""
        if view.training is None:
            return None
        left = left_s(view.training, view.recording.trainings.values(), view.now_s)
        return round(left) if left else None


def _under_way(recording: Recording) -> int | None:
    """The case that something was heard of last, unless it has ended."""
    going = [record for record in recording.trainings.values() if not (record.ended or record.done)]
    latest = max(going, key=lambda record: (_heard_s(record), record.number), default=None)
    return None if latest is None else latest.number


def _heard_s(record: TrainingRecord) -> float:
    """When anything was heard of it last."""
    events = (*record.batches[-1:], *record.steps[-1:], *([record.check] if record.check else []))
    return max((event.at_s for event in events), default=record.started_s)


def was_skipped(record: TrainingRecord | None, trainings: Iterable[TrainingRecord]) -> bool:
    """Whether a case was left for a later row of its plan before it came to anything."""
    return (record is not None and not record.done) and any(
        other.plan_number == record.plan_number
        and other.number > record.number
        and other.training != record.training
        and (not other.done or bool(other.batches or other.check))  # it had begun
        for other in trainings
    )


def progress_of(recording: Recording) -> tuple[object, ...]:
    """What changes whenever something came for a training."""
    return (
        id(recording),
        len(recording.training_plans),
        recording.finished is not None,
        tuple(map(_progress, recording.trainings.values())),
    )


def _progress(record: TrainingRecord) -> tuple[object, ...]:
    """What changes whenever something came for a case."""
    return (
        record.number,
        len(record.batches),
        record.check is not None,
        len(record.steps),
        record.done,
        record.ended,
    )
