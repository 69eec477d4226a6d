"""A screen's end of an engine, whichever kind it is: a child process, a recording, a demonstration."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from profiler.engine.control import Command, EngineMessage
from profiler.session.deferred import Batch

Heard = EngineMessage | Batch
"""What a screen takes in: an engine's messages one by one, or lines of a large file."""

Hear = Callable[[Heard], None]


class EngineClient(Protocol):
    """Runs in the screen's event loop; what it hears, it hands to `hear` there, in order."""

    @property
    def takes_commands(self) -> bool:
        """Whether it can measure; a recording cannot."""
        ...

    async def run(self, hear: Hear) -> None:
        """Hand over every message until the engine has ended or this task is cancelled.

        Raises:
            EngineError: it could not be started, or died; the message says why.
        """
        ...

    def send(self, command: Command) -> None:
        """Tell the engine, soon. Ignored where it takes no commands, or has ended."""
        ...

    async def close(self) -> None:
        """End it within a second; the session is then closed."""
        ...


class EngineError(RuntimeError):
    """The engine could not be started, or died; the message says why and where its log is."""
