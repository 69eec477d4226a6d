"""A GPT that a CPU trains in milliseconds, and a row of it measured in this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import impls
from impls import Implementation, Workload
from impls.contract import Attend, Layout
from profiler.engine.protocol import MeasureTraining, WorkerMessage
from profiler.training.model import Gpt, Training
from profiler.training.plan import TrainingCase, TrainingStopping, TrainingTakes
from profiler.worker.devices import CpuDevice, Device
from profiler.worker.training.row import measure_training

T = TypeVar("T")

CONTEXT = 16
NOTHING = TrainingTakes(agreement=False, attention=False)


def tiny_gpt(**sizes: Any) -> Gpt:
    return Gpt(**{"name": "tiny", "layers": 2, "heads": 4, "kv_heads": 4, "width": 32, "vocab": 64, **sizes})


def tiny(
    *, dtype: str = "float32", mode: Any = "eager", optimizer: Any = "adamw-foreach", **sizes: Any
) -> Training:
    """A row of the tiny model; `sizes` are the Gpt's."""
    return Training(model=tiny_gpt(**sizes), context=CONTEXT, dtype=dtype, mode=mode, optimizer=optimizer)


def train(
    names: Sequence[str],
    *,
    training: Training | None = None,
    batch: int | None = 2,
    stopping: TrainingStopping | None = None,
    takes: TrainingTakes = NOTHING,
    device: Device | None = None,
    find: Callable[[str], Implementation] = impls.find,
    hear: Callable[[WorkerMessage], None] = lambda message: None,
) -> list[WorkerMessage]:
    """All that a worker sends about one row."""
    training = training or tiny()
    cases = tuple(
        TrainingCase(number=number, training=training, implementation=name)
        for number, name in enumerate(names)
    )
    messages: list[WorkerMessage] = []

    def send(message: WorkerMessage) -> None:
        messages.append(message)
        hear(message)

    measure_training(
        MeasureTraining(
            training=training,
            cases=cases,
            batch=batch,
            stopping=stopping or TrainingStopping(steps=3, last=2),
            takes=takes,
            seed=0,
        ),
        device or CpuDevice(),
        find,
        send,
    )
    return messages


def of(kind: type[T], messages: Sequence[WorkerMessage]) -> list[T]:
    return [message for message in messages if isinstance(message, kind)]


def known(**prepares: Callable[[Workload, str], Attend]) -> Callable[[str], Implementation]:
    """Implementations by name; others are the real ones."""
    return lambda name: own(name, prepares[name]) if name in prepares else impls.find(name)


def own(
    name: str, prepare: Callable[[Workload, str], Attend], *, layout: Layout = "bhsd", **facts: Any
) -> Implementation:
    return Implementation(name=name, label=name, summary=name, prepare=prepare, layout=layout, **facts)


def plain(workload: Workload, device: str) -> Attend:
    return impls.find("pytorch").prepare(workload, device)
