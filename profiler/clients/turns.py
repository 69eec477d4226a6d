"""Work in an event loop that would take long: done in turns, so that the screen is not held up."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

_TURN_S = 0.01  # a screen that waits so long is not felt to


class Turns:
    """Says when the loop is to have its turn; call `passed` after each small piece of the work."""

    def __init__(self) -> None:
        self._until_s = time.monotonic() + _TURN_S

    async def passed(self) -> None:
        """Go on at once, or after everything else that waits if this has worked for its turn."""
        if time.monotonic() >= self._until_s:
            await asyncio.sleep(0)
            self._until_s = time.monotonic() + _TURN_S


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait so long, or until the event is set; whether it is."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
