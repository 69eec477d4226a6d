"""Blocks of steps, timed without waiting in between: each step and its parts, and the losses.

On a GPU events at the ends of forward, backward and optimizer are queued with the work and read
after the block; the losses stay on the device until then. Only what scales the loss may wait itself,
before an optimizer that it cannot tell on the device to skip an update.
"""

from __future__ import annotations

import gc
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

import torch

from profiler.worker import cut
from profiler.worker.devices import Device
from profiler.worker.training.optimizers import updates_of
from profiler.worker.training.trainer import Trainer


class Marks(Protocol):
    """Points in the device's time."""

    def mark(self) -> None:
        """One more, after all that was queued so far."""
        ...

    def between_ms(self) -> list[float]:
        """From each to the next; waits for the last."""
        ...


class EventMarks:
    """Points in a CUDA stream."""

    def __init__(self) -> None:
        self._events: list[torch.cuda.Event] = []

    def mark(self) -> None:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._events.append(event)

    def between_ms(self) -> list[float]:
        self._events[-1].synchronize()
        return [before.elapsed_time(after) for before, after in pairwise(self._events)]


class HostMarks:
    """Points in the host's time, where a call returns when it is done."""

    def __init__(self) -> None:
        self._ns: list[int] = []

    def mark(self) -> None:
        self._ns.append(time.perf_counter_ns())

    def between_ms(self) -> list[float]:
        return [(after - before) / 1e6 for before, after in pairwise(self._ns)]


def marks_on(device: Device) -> Marks:
    """New marks in the device's time."""
    return EventMarks() if device.kind == "cuda" else HostMarks()


@dataclass
class Block:
    """Steps in a row. `skipped` are those whose update was left out.

    `retries` is how often the allocator had to give memory back within them.
    """

    forward_ms: list[float] = field(default_factory=list)
    backward_ms: list[float] = field(default_factory=list)
    optimizer_ms: list[float] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    skipped: int = 0
    retries: int = 0

    @property
    def step_ms(self) -> list[float]:
        """From the end of the step before to the end of each."""
        return [
            sum(parts) for parts in zip(self.forward_ms, self.backward_ms, self.optimizer_ms, strict=True)
        ]

    def add(self, other: Block) -> None:
        self.forward_ms += other.forward_ms
        self.backward_ms += other.backward_ms
        self.optimizer_ms += other.optimizer_ms
        self.loss += other.loss
        self.skipped += other.skipped
        self.retries += other.retries


MOST_LEAD_IN = 5


def run_block(trainer: Trainer, count: int, *, lead_in: int) -> Block:
    """`count` steps behind `lead_in` untimed ones, which fill the device's queue and its cache.

    Where there are to be any they go on until one asks the device for no more memory, MOST_LEAD_IN at most.
    Ends early where it is cut short; whoever asked for it heeds that afterwards.
    """
    marks, made = marks_on(trainer.device), 0
    losses = torch.empty(count, device=trainer.device.name)
    unread_step = trainer.unread_step()
    gc.disable()  # a collection would hold up the host within a step
    try:
        for led_in in range(1, (MOST_LEAD_IN if lead_in else 0) + 1):
            cut.heed()
            requests = trainer.device.allocator().requests
            unread_step()
            if led_in >= lead_in and trainer.device.allocator().requests == requests:
                break
        before = updates_of(trainer.shared.optimizer)
        retries = trainer.device.allocator().retries
        marks.mark()
        while made < count and not cut.is_asked():
            trainer.step(marks.mark, losses[made])
            made += 1
    finally:
        gc.enable()
    between_ms = marks.between_ms()
    return Block(
        forward_ms=between_ms[0::3],
        backward_ms=between_ms[1::3],
        optimizer_ms=between_ms[2::3],
        loss=losses[:made].tolist(),
        retries=trainer.device.allocator().retries - retries,
        skipped=made - int(updates_of(trainer.shared.optimizer) - before),
    )


def diverged_at(losses: Sequence[float]) -> int | None:
    """The first of the losses from which on none is finite; None if the last one is."""
    first = len(losses)
    while first and not math.isfinite(losses[first - 1]):
        first -= 1
    return first if first < len(losses) else None
