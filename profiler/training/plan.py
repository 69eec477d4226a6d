"""What is to be trained: the rows of the table, the implementations beside each other in each."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from profiler.plans.plan import MOST_CASES, PlanError
from profiler.training.model import Training


class TrainingStopping(msgspec.Struct, frozen=True, kw_only=True):
    """How many steps a configuration makes: `steps` in all, of which the last `last` are measured.

    With a `precision` (a fraction) both parts may end sooner: the steps before as soon as the time of a
    step has settled, the measured ones as soon as the 95 % interval of every median is within it.

    Raises:
        PlanError: they are not as many as that takes.
    """

    steps: int = 125
    last: int = 25
    precision: float | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "last"):
            if getattr(self, name) < 1:
                raise PlanError(f"--{name} must be at least 1, not {getattr(self, name)}")
        if self.last > self.steps:
            raise PlanError(f"of {self.steps} steps the last {self.last} cannot be measured")


class TrainingTakes(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken beside time and memory."""

    agreement: bool = True
    """Loss and gradients beside plain PyTorch's."""
    attention: bool = True
    """Attention's share of the GPU's time, from the kernels."""
    ceilings: bool = True
    """What the device does at best, of which MFU is a share."""


class TrainingCase(msgspec.Struct, frozen=True, kw_only=True):
    """One row on one implementation; `number` is its place in the session."""

    number: int
    training: Training
    implementation: str


class TrainingPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run. Cases are numbered row by row, implementations in the order given.

    Raises:
        PlanError: there are too many cases, or the batch is none.
    """

    trainings: tuple[Training, ...]
    implementations: tuple[str, ...]
    batch: int | None = None
    """Sequences a step; None for as many as fit, by each implementation for itself."""
    baseline: str | None = None
    stopping: TrainingStopping = TrainingStopping()
    takes: TrainingTakes = TrainingTakes()
    memory_limit_bytes: int | None = None
    """What the worker may hold on the device, as if it had no more; None for all there is."""
    seed: int = 0
    device: str = "cpu"
    timeout_s: float = 900.0
    """Without a sign of life; a large model is compiled for minutes."""
    label: str = ""
    first_case: int = 0
    """The number of its first case; over 0 where a session has several plans."""

    def __post_init__(self) -> None:
        if self.count > MOST_CASES:
            raise PlanError(
                f"that makes {self.count:,} cases (rows x implementations); at most {MOST_CASES:,} are "
                "possible, so give shorter lists"
            )
        if self.batch is not None and self.batch < 1:
            raise PlanError(f"the batch must be at least 1, not {self.batch}")

    @property
    def count(self) -> int:
        return len(self.trainings) * len(self.implementations)

    def rows(self) -> Iterator[tuple[Training, tuple[TrainingCase, ...]]]:
        """Each row with its cases, which are measured together in rounds."""
        for index, training in enumerate(self.trainings):
            first = self.first_case + index * len(self.implementations)
            yield (
                training,
                tuple(
                    TrainingCase(number=first + offset, training=training, implementation=name)
                    for offset, name in enumerate(self.implementations)
                ),
            )
