"""Pictures of the app for the README and the docs: SVG files in docs/images/, from recorded H100 data.

    python -m benchmarks.screenshots

Taken are the session that `attnprof --demo` plays, and one of training. The app runs without a terminal;
each picture is what a terminal of 124 columns and 34 lines would show, that of a table one of 160 columns.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from textual.pilot import Pilot

from profiler.clients.demo import DemoEngine
from profiler.clients.recorded import RecordedSession
from profiler.engine.control import Measure
from profiler.plans.plan import Plan
from tui.app.app import AttnprofApp
from tui.app.choice import Choice, choice_of
from tui.app.screens.bench import BenchScreen
from tui.commands.app import demonstration
from tui.config import DEFAULTS

SIZE = (124, 34)
WIDE = (160, 34)
ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
TRAINING = ROOT / "sessions" / "20261122T193058Z-h100-80gb-hbm3-eager-12gib.jsonl"
PATIENCE_S = 60.0


def main() -> int:
    IMAGES.mkdir(parents=True, exist_ok=True)
    os.chdir(ROOT)  # the pictures show the folder of the sessions, and no machine's path
    asyncio.run(pictures(DemoEngine(demonstration())))
    asyncio.run(training(RecordedSession(TRAINING)))
    return 0


async def pictures(client: DemoEngine) -> None:
    app = AttnprofApp(client, DEFAULTS, mode="demo")
    app.animation_level = "none"
    plan = client.recorded_plan
    assert plan is not None  # a session that can be played has one
    row = tuple(shape for shape in client.recorded_workloads if shape.causal and shape.heads == 16)
    choice = choice_of(plan, row[len(row) // 2])
    async with app.run_test(size=SIZE) as pilot:
        await look_at(app, choice)
        await picture(pilot, "bench")
        await pilot.resize_terminal(*WIDE)
        await sweep(app, msgspec.structs.replace(plan, workloads=row))
        await press(pilot, "2")
        await picture(pilot, "sweep")
        await press(pilot, "1")
        await pilot.resize_terminal(*SIZE)
        await press(pilot, "tab", *["down"] * (len(choice.implementations) - 1), "d")
        await picture(pilot, "details")
        await press(pilot, "escape", "3")
        await picture(pilot, "sessions")
        await client.close()


async def training(client: RecordedSession) -> None:
    app = AttnprofApp(client, DEFAULTS, mode="recording")
    app.animation_level = "none"
    async with app.run_test(size=WIDE) as pilot:
        await until(lambda: app.desk.recording.trainings)
        await press(pilot, "4")
        await picture(pilot, "train")
        await client.close()


async def look_at(app: AttnprofApp, choice: Choice) -> None:
    """Rest on a shape until it has been measured in full."""
    await until(lambda: app.desk.hello is not None)
    assert isinstance(app.screen, BenchScreen)
    app.screen.choose(choice)
    app.driver.want(choice, time.monotonic())
    await until(lambda: app.driver.seen(choice) == "full" and app.desk.running is None)


async def sweep(app: AttnprofApp, plan: Plan) -> None:
    """Measure a whole plan."""
    before = len(app.desk.recording.plans)
    app.desk.send(Measure(plan=plan))
    await until(lambda: len(app.desk.recording.plans) > before and app.desk.running is None)


async def press(pilot: Pilot[Any], *keys: str) -> None:
    for key in keys:
        await pilot.press(key)
        await pilot.pause()


async def picture(pilot: Pilot[Any], name: str) -> None:
    """Save what the screen shows, once all of it is painted."""
    await asyncio.sleep(2 / DEFAULTS.repaints_per_s)
    await pilot.pause()
    path = IMAGES / f"{name}.svg"
    path.write_text(pilot.app.export_screenshot(title="attnprof", simplify=True), encoding="utf-8")
    print(path.relative_to(ROOT))


async def until(condition: Callable[[], object]) -> None:
    """Wait for the app to come so far.

    Raises:
        TimeoutError: it does not.
    """
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    sys.exit(main())
