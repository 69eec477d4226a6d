"""A case that passed its first steps, as it is visited: its trainer, and what was measured of it."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass, field

from profiler.events import LEAST_SAMPLES, Steps, TrainingFailure, TrainingResult
from profiler.stats import estimate_of_visits
from profiler.training.plan import TrainingCase, TrainingStopping
from profiler.worker.failures import Explanation
from profiler.worker.training.attention_share import Share
from profiler.worker.training.first_steps import FirstSteps
from profiler.worker.training.steps import Block
from profiler.worker.training.trainer import Trainer


@dataclass
class Subject:
    """`steps` are those that were told so far; `measured` those that count."""

    described: TrainingCase
    first: FirstSteps
    steps: int = 0
    measured: Block = field(default_factory=Block)
    visits_ms: list[list[float]] = field(default_factory=list)
    """The measured steps' times by visit."""

    @property
    def trainer(self) -> Trainer:
        return self.first.trainer

    def told(self, block: Block, round_: int | None) -> Steps:
        """The event of a block, by which it is counted; measured if it belongs to a round."""
        event = Steps(
            case=self.described.number,
            first_step=self.steps,
            measured=round_ is not None,
            step_ms=_rounded(block.step_ms),
            forward_ms=_rounded(block.forward_ms),
            backward_ms=_rounded(block.backward_ms),
            optimizer_ms=_rounded(block.optimizer_ms),
            loss=[round(loss, 6) if math.isfinite(loss) else None for loss in block.loss],
            round=round_,
        )
        self.steps += len(block.loss)
        if round_ is not None:
            self.measured.add(block)
            self.visits_ms.append(block.step_ms)
        return event

    def is_within(self, precision: float) -> bool:
        """Whether the median of a measured step is known as well as that, by enough visits to tell."""
        if len(self.visits_ms) < LEAST_SAMPLES:
            return False
        margin = estimate_of_visits(self.visits_ms).margin
        return margin is not None and margin <= precision

    def result(self, asked: TrainingStopping, share: Share | None) -> TrainingResult:
        """What was measured of it, at least one step."""
        training, measured = self.described.training, self.measured
        step_ms = measured.step_ms
        tokens = self.trainer.batch * training.context * len(step_ms)
        return TrainingResult(
            case=self.described.number,
            training=training,
            implementation=self.trainer.implementation.name,
            batch=self.trainer.batch,
            tokens_per_s=tokens / (sum(step_ms) / 1000),
            step_ms=estimate_of_visits(self.visits_ms),
            forward_ms=statistics.median(measured.forward_ms),
            backward_ms=statistics.median(measured.backward_ms),
            optimizer_ms=statistics.median(measured.optimizer_ms),
            peak_bytes=self.first.peak_bytes,
            reserved_bytes=self.first.reserved_bytes,
            process_bytes=self.first.process_bytes,
            attention_percent=None
            if share is None or share.attention_percent is None
            else round(share.attention_percent, 3),
            gpu_busy_percent=self._busy_percent(share),
            skipped_steps=measured.skipped,
            converged=asked.precision is None or self.is_within(asked.precision),
        )

    def _busy_percent(self, share: Share | None) -> float | None:
        if share is None or self.trainer.device.kind == "cpu":
            return None
        return round(100 * share.step_ms / statistics.median(self.measured.step_ms), 3)


def failure(case: TrainingCase, explanation: Explanation, batch: int | None = None) -> TrainingFailure:
    """The event of a case that ended without its result."""
    return TrainingFailure(
        case=case.number,
        training=case.training,
        implementation=case.implementation,
        kind=explanation.kind,
        message=explanation.message,
        batch=batch,
        requested_bytes=explanation.requested_bytes,
    )


def diverged(case: TrainingCase, message: str, batch: int) -> TrainingFailure:
    """The event of a case in whose numbers something is not finite from some step on."""
    return TrainingFailure(
        case=case.number,
        training=case.training,
        implementation=case.implementation,
        kind="diverged",
        message=message,
        batch=batch,
    )


def _rounded(times_ms: list[float]) -> list[float]:
    return [round(ms, 6) for ms in times_ms]
