"""What the clients' tests hear an engine with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from profiler.clients.client import EngineClient, Heard

Kind = TypeVar("Kind")

_PATIENCE_S = 20.0


class Ear:
    """Keeps what it hears, and lets a test wait for more."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._more = asyncio.Event()

    def __call__(self, message: Heard) -> None:
        self.heard.append(message)
        self._more.set()

    def all_of(self, kind: type[Kind]) -> list[Kind]:
        return [message for message in self.heard if isinstance(message, kind)]

    async def until(self, condition: Callable[[Ear], object]) -> None:
        """Wait until what was heard makes this true."""
        async with asyncio.timeout(_PATIENCE_S):
            while not condition(self):
                self._more.clear()
                await self._more.wait()

    async def count(self, kind: type[object], number: int = 1) -> None:
        """Wait until so many of a kind were heard."""
        await self.until(lambda ear: len(ear.all_of(kind)) >= number)


async def hear_out(client: EngineClient) -> Ear:
    """All that a client says until it ends by itself."""
    ear = Ear()
    async with asyncio.timeout(_PATIENCE_S):
        await client.run(ear)
    return ear
