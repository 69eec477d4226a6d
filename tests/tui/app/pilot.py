"""Runs what a test does with an app, in an event loop of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from textual.pilot import Pilot

T = TypeVar("T")

_PATIENCE_S = 60.0


def drive(scenario: Coroutine[Any, Any, T]) -> T:
    """What the scenario returns; a scenario that hangs ends with a TimeoutError.

    def test_it_quits() -> None:
        async def scenario() -> None:
            async with app.run_test(size=(80, 24)) as pilot:
                await press(pilot, "q")
        drive(scenario())
    """

    async def patiently() -> T:
        async with asyncio.timeout(_PATIENCE_S):
            return await scenario

    return asyncio.run(patiently())


async def press(pilot: Pilot[Any], *keys: str) -> None:
    """Press keys one after the other, and wait until the app has done what follows from them."""
    for key in keys:
        await pilot.press(key)
    await pilot.pause()
