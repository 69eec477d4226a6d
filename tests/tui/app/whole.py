"""The whole app on a fake engine, and ways to wait for what it does that are not sleeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.screen import Screen

from profiler.clients.client import EngineClient
from profiler.engine.control import EngineMessage, Measure
from profiler.events import Event
from profiler.plans.plan import Plan
from tests.tui.app.fake import FakeEngine, Measuring, opening
from tests.tui.app.snapshots import still, text_of
from tui.app.app import AttnprofApp, EngineFor
from tui.app.going_on import DeviceHere
from tui.app.view import Mode
from tui.config import Settings

ROOT = Path(__file__).parents[3]
QUICK_ONLY = Settings(refine=False, repaints_per_s=30)
"""Nothing is measured by itself but the first look at a shape."""

AppPilot = Pilot[int]


def measuring(**speeds: float) -> FakeEngine:
    """An engine that measures whatever it is told to, at once."""
    return FakeEngine(opening(), answer=Measuring(**(speeds or {"flash2": 4.0, "sdpa": 2.0})))


@asynccontextmanager
async def running(
    client: EngineClient,
    settings: Settings = QUICK_ONLY,
    *,
    mode: Mode = "live",
    size: tuple[int, int] = (80, 24),
    resume: EngineFor | None = None,
    here: DeviceHere | None = None,
    implementations: Sequence[str] = (),
) -> AsyncIterator[tuple[AttnprofApp, AppPilot]]:
    """The app once it has heard from its engine and painted that."""
    app = AttnprofApp(
        client, settings, mode=mode, resume=resume, device_here=here, implementations=implementations
    )
    app.desk.clock = lambda: 1.0  # what has elapsed is told by the events' own times alone
    try:
        async with app.run_test(size=size, notifications=True) as pilot:
            still(app)
            await until(pilot, lambda: app.desk.hello is not None)
            await settle(app, pilot)
            yield app, pilot
    finally:
        await app.close_engines()


async def until(pilot: AppPilot, holds: Callable[[], bool]) -> None:
    """Let the app run until something holds; `drive` ends a wait that is in vain."""
    while not holds():
        await pilot.pause(0.005)


async def settle(app: AttnprofApp, pilot: AppPilot) -> None:
    """Have everything heard so far on the screen."""
    await pilot.pause()
    app.paint()
    await pilot.pause()


def tell(client: FakeEngine, *messages: Event | EngineMessage) -> None:
    """Have the engine say something; it says nothing that a session file would not hold."""
    for message in messages:
        assert isinstance(message, EngineMessage)
        client.push(message)


async def type_in(pilot: AppPilot, text: str) -> None:
    """Type a text into what has the focus."""
    await pilot.press(*text)


def front(app: AttnprofApp) -> type[Screen[Any]]:
    """The kind of screen in front."""
    return type(app.screen)


def shown(app: AttnprofApp) -> str:
    """The screen's text."""
    return text_of(app)


def line_with(app: AttnprofApp, text: str) -> str:
    """The first line of the screen that has a text in it; "" if there is none."""
    return next((line for line in shown(app).splitlines() if text in line), "")


def said(app: AttnprofApp) -> str:
    """The latest notification; "" if there is none."""
    return next((note.message for note in reversed(list(app._notifications))), "")


def plans(client: FakeEngine) -> list[Plan]:
    """What the engine was told to measure, in order."""
    return [command.plan for command in client.commands if isinstance(command, Measure)]
