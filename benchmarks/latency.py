"""From a key to the first number: the app on a real engine, turning one parameter.

    python benchmarks/latency.py             # on the device that attnprof would choose; prints Markdown

The app runs as it is but without a terminal (in Textual's test driver), its engine in a
process of its own with a worker that has torch loaded. "new" is a shape that this worker has not
seen, measured from the wish until the results table has a time of it. "again" is `r` on one that it
has measured before, until the first new sample is here (the table goes on showing the earlier ones
until there are enough). Between turns one rests until the quick measurement is over. The target is a
median under 300 ms for shapes of about a millisecond.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from profiler.clients.child import ChildEngine
from profiler.workload import Attention
from tui.app.app import AttnprofApp
from tui.app.choice import Choice
from tui.app.screens.bench import BenchScreen
from tui.app.widgets.results import ResultsTable
from tui.config import Settings
from tui.launch import ENGINE

TARGET_MS = 300
_POLL_S = 0.002
_PATIENCE_S = 60.0
# Sequence lengths that stand for a millisecond or so of forward and backward on an H100, each new.
_SEQS = (1024, 1536, 2048, 1280, 1792, 2304, 1408, 1664, 1920, 2176)
_CPU_SEQS = (64, 96, 128, 80, 112)


class Stopwatch:
    """Turns the Bench's shape, and waits for numbers."""

    def __init__(self, app: AttnprofApp, bench: BenchScreen) -> None:
        self._app = app
        self._bench = bench

    async def turn(self, choice: Choice, *, anew: bool = False) -> float:
        """Milliseconds until the table shows a time of the choice."""
        shape = choice.workload()
        before = self._samples(shape)
        began_s = time.perf_counter()
        self._bench.choose(choice)
        self._bench.post_message(BenchScreen.Wanted(choice, anew=anew))
        await self._until(lambda: self._samples(shape) > before and (anew or self._is_shown(shape)))
        return (time.perf_counter() - began_s) * 1000

    async def rest(self) -> None:
        """Until nothing is measured any more."""
        await self._until(lambda: self._app.desk.running is None)

    async def ready(self) -> None:
        """Until the worker has measured its first shape."""
        await self._until(lambda: bool(self._app.desk.recording.plans))
        await self.rest()

    def _samples(self, shape: Attention) -> int:
        return sum(
            len(record.device_ms)
            for case in self._app.desk.recording.cases.values()
            if case.workload == shape
            for record in case.passes.values()
        )

    def _is_shown(self, shape: Attention) -> bool:
        lines = self._bench.query_one(ResultsTable).lines
        return any(line.shape == shape and row.device_ms for line in lines for row in line.rows.values())

    async def _until(self, condition: object) -> None:
        assert callable(condition)
        async with asyncio.timeout(_PATIENCE_S):
            while not condition():
                await asyncio.sleep(_POLL_S)


async def measure() -> tuple[str, dict[str, list[float]]]:
    """The device, and the milliseconds of each kind of turn."""
    with tempfile.TemporaryDirectory() as folder:
        engine = ChildEngine([*ENGINE, "--sessions", folder], Path(folder) / "engine.log")
        app = AttnprofApp(engine, replace(Settings(), refine=False), mode="demo")  # it remembers nothing
        try:
            async with app.run_test(size=(120, 36)) as pilot:
                await pilot.pause()
                bench = app.screen
                assert isinstance(bench, BenchScreen)
                stopwatch = Stopwatch(app, bench)
                await stopwatch.ready()
                hello = app.desk.hello
                assert hello is not None
                every = _SEQS if hello.kind == "cuda" else _CPU_SEQS
                seqs = [seq for seq in every if seq != bench.choice.seq]
                times: dict[str, list[float]] = {"new": [], "again": []}
                for kind, of_kind in times.items():
                    for seq in seqs:
                        choice = replace(bench.choice, seq=seq)
                        of_kind.append(await stopwatch.turn(choice, anew=kind == "again"))
                        await stopwatch.rest()
                return f"{hello.device_name}, {describe(bench.choice)}", times
        finally:
            await engine.close()


def describe(choice: Choice) -> str:
    """What stays the same from turn to turn."""
    names = ", ".join(choice.implementations)
    return f"batch {choice.batch}, {choice.heads} heads of {choice.head_dim}, {choice.dtype}: {names}"


def main() -> int:
    device, times = asyncio.run(measure())
    print("# From a key to the first number\n")
    print("Output of `python benchmarks/latency.py`; its head says what is done.\n")
    print(f"{device}.\n")
    print("| turn to | turns | median (ms) | lowest | highest |")
    print("|---|---:|---:|---:|---:|")
    for kind, of_kind in times.items():
        median = statistics.median(of_kind)
        print(f"| {kind} | {len(of_kind)} | {median:.0f} | {min(of_kind):.0f} | {max(of_kind):.0f} |")
    met = statistics.median(times["again"]) < TARGET_MS
    print(f"\nTarget: a median under {TARGET_MS} ms where the shape is warm: {'met' if met else 'missed'}.")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
