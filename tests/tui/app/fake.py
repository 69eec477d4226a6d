"""An engine for tests of the app: it says what the test has it say, and keeps what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

import msgspec

from profiler.clients.client import EngineError, Hear
from profiler.engine.control import Command, EngineMessage, Hello, Measure, Stop
from profiler.events import Catalog, CatalogEntry, Event, Gpu, PlanEnded, Planned, SessionEvent
from profiler.plans.plan import Plan
from tests.examples import cases, checked, header, measured

Answer = Callable[[Command], Iterable[EngineMessage]]

H100 = header().environment.gpu
CATALOG = (
    CatalogEntry(name="pytorch", label="PyTorch", summary="matmul, softmax, matmul in eager PyTorch"),
    CatalogEntry(name="sdpa", label="SDPA", summary="scaled_dot_product_attention, PyTorch's own choice"),
    CatalogEntry(name="flash2", label="FlashAttention 2", summary="Dao-AILab's flash-attn"),
    CatalogEntry(
        name="sdpa-cudnn",
        label="SDPA cuDNN",
        summary="SDPA's cuDNN backend",
        unavailable="needs cuDNN 9",
        install="pip install nvidia-cudnn-cu13",
    ),
)


def hello(*, on_cpu: bool = False, gpu: Gpu | None = H100) -> Hello:
    """What an engine on an H100, or on a machine without a GPU, says first."""
    if on_cpu:
        return Hello(kind="cpu", name="cpu", device_name="Intel Xeon Platinum 8480+", catalog=CATALOG)
    return Hello(
        kind="cuda",
        name="cuda:0",
        device_name=gpu.name if gpu else "NVIDIA H100 80GB HBM3",
        catalog=CATALOG,
        gpu=gpu,
        path="sessions/20261122T043206Z-h100-80gb-hbm3.jsonl",
    )


def opening() -> list[EngineMessage]:
    """What an engine says before it is told anything."""
    return [hello(), header("attnprof"), Catalog(implementations=CATALOG)]


class FakeEngine:
    """Says `opening` at once, then what is pushed; `answer` gives what each command brings about.

    All that it says is heard before `push` and `send` return, so `await pilot.pause()` is enough
    to see it painted. Its events have the times that the test gives them: nothing depends on a clock.
    """

    def __init__(
        self,
        opening: Iterable[EngineMessage] = (),
        *,
        answer: Answer | None = None,
        takes_commands: bool = True,
    ) -> None:
        self.takes_commands = takes_commands
        self.commands: list[Command] = []
        self.closed = False
        self._waiting = list(opening)
        self._answer = answer
        self._hear: Hear | None = None
        self._ended = asyncio.Event()
        self._error: EngineError | None = None

    async def run(self, hear: Hear) -> None:
        self._hear = hear
        self.push(*self._waiting)
        await self._ended.wait()
        if self._error is not None:
            raise self._error

    def push(self, *messages: EngineMessage) -> None:
        """Say this now, or as soon as anybody hears."""
        if self._hear is None:
            self._waiting += messages
            return
        for message in messages:
            self._hear(message)

    def send(self, command: Command) -> None:
        self.commands.append(command)
        if self._answer is not None:
            self.push(*self._answer(command))

    def die(self, why: str) -> None:
        """End as an engine that was lost."""
        self._error = EngineError(why)
        self._ended.set()

    async def close(self) -> None:
        self.closed = True
        self._ended.set()

    def all_of(self, kind: type[Command]) -> list[Command]:
        """The commands of a kind, in order."""
        return [command for command in self.commands if isinstance(command, kind)]


class Measuring:
    """An answer to every Measure, at once: tests.examples' figures for each of its cases.

    `speeds` says how many times as fast as plain PyTorch an implementation is; 1 for those not named.
    """

    def __init__(self, **speeds: float) -> None:
        self._speeds = {name.replace("_", "-"): speed for name, speed in speeds.items()}
        self._next_case = 0
        self._now_s = 0.0

    def __call__(self, command: Command) -> Iterator[EngineMessage]:
        if isinstance(command, Stop):
            yield PlanEnded(at_s=self._now_s, ending="interrupted")
        if not isinstance(command, Measure):
            return
        plan = msgspec.structs.replace(command.plan, first_case=self._next_case)
        self._next_case += plan.count
        self._now_s += 1.0
        yield Planned(at_s=self._now_s, plan=plan)
        for event in self._measured(plan):
            assert isinstance(event, SessionEvent)
            yield event
        yield PlanEnded(at_s=self._now_s + 0.5, ending="completed")

    def _measured(self, plan: Plan) -> Iterator[Event]:
        for case in cases(plan):
            yield from checked(case, at_s=self._now_s)
        for case in cases(plan):
            speed = self._speeds.get(case.implementation, 1.0)
            yield from measured(case, plan.passes, speed=speed, at_s=self._now_s + 0.5)
