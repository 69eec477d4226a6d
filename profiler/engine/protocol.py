"""What the engine and a worker say to each other, one JSON object a line.

Beside these messages a worker sends the session's own events about cases (profiler.events).
"""

from __future__ import annotations

import msgspec

from profiler.events import (
    BatchTried,
    CaseChecked,
    CaseStarted,
    Ceilings,
    Energy,
    Failure,
    Kernels,
    Log,
    Replayed,
    Result,
    Samples,
    Steps,
    TrainingChecked,
    TrainingFailure,
    TrainingResult,
    TrainingStarted,
)
from profiler.plans.plan import Case, Stopping, Takes
from profiler.training.model import Training
from profiler.training.plan import TrainingCase, TrainingStopping, TrainingTakes
from profiler.workload import Attention, Pass


class MeasureShape(msgspec.Struct, tag_field="type", tag="measure_shape", kw_only=True, frozen=True):
    """Engine to worker: measure these cases of one workload together."""

    workload: Attention
    cases: tuple[Case, ...]
    passes: tuple[Pass, ...]
    stopping: Stopping
    takes: Takes = Takes()
    seed: int


class MeasureTraining(msgspec.Struct, tag_field="type", tag="measure_training", kw_only=True, frozen=True):
    """Engine to worker: train these cases of one row together; answered with ShapeDone like a shape."""

    training: Training
    cases: tuple[TrainingCase, ...]
    batch: int | None = None
    stopping: TrainingStopping
    takes: TrainingTakes = TrainingTakes()
    seed: int


class MeasureCeilings(msgspec.Struct, tag_field="type", tag="measure_ceilings", kw_only=True, frozen=True):
    """Engine to worker: measure what the device does at best in these dtypes; answered with Ceilings."""

    dtypes: tuple[str, ...]


class CutShort(msgspec.Struct, tag_field="type", tag="cut_short", frozen=True):
    """Engine to worker: end the shape that is being measured; it is answered with ShapeDone, soon.

    What was sampled of it is sent before. Nothing, if the worker is at no shape.
    """


class Ready(msgspec.Struct, tag_field="type", tag="ready", kw_only=True, omit_defaults=True):
    """Worker to engine, first of all: torch is loaded and the device opened; what torch says of both."""

    pid: int
    torch: str
    device_name: str
    cuda: str | None = None
    cudnn: str | None = None
    gpu_uuid: str | None = None
    compute_capability: tuple[int, int] | None = None
    memory_bytes: int | None = None
    sm_count: int | None = None
    l2_bytes: int | None = None
    event_pair_ms: float | None = None
    notes: tuple[str, ...] = ()
    """What the run should say once, such as why a figure cannot be had."""


class NotReady(msgspec.Struct, tag_field="type", tag="not_ready", kw_only=True):
    """Worker to engine: torch or the device could not be opened; the worker exits."""

    message: str


class Visiting(msgspec.Struct, tag_field="type", tag="visiting", kw_only=True):
    """Worker to engine: from here on this case has the device; who to blame if nothing follows."""

    case: int


class ShapeDone(msgspec.Struct, tag_field="type", tag="shape_done"):
    """Worker to engine: every case of the shape has its results or its failure, or it was cut short."""


Request = MeasureShape | MeasureTraining | MeasureCeilings | CutShort
CaseEvent = CaseStarted | CaseChecked | Samples | Result | Replayed | Kernels | Energy | Failure | Log
TrainingEvent = TrainingStarted | BatchTried | TrainingChecked | Steps | TrainingResult | TrainingFailure
WorkerMessage = Ready | NotReady | Visiting | ShapeDone | Ceilings | CaseEvent | TrainingEvent
