"""The engine's end of a worker: a child process that speaks JSON lines and may die or hang."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from profiler.engine.child_process import ChildProcess
from profiler.engine.protocol import Request, WorkerMessage

# -P keeps the user's folder off the worker's path: a random.py there is not Python's.
COMMAND = (sys.executable, "-P", "-m", "profiler.worker")
"""What starts a worker; the device's name and the memory limit are added."""

_CLOSING_S = 0.3
_GRACE_S = 0.5


class WorkerError(RuntimeError):
    """No worker can be had; the message says why."""


class WorkerProcess:
    """A running worker. Its stderr, and what libraries print, go to `log`."""

    def __init__(self, process: ChildProcess) -> None:
        self._process = process
        self._garbled = False
        self._decoder: msgspec.json.Decoder[WorkerMessage] = msgspec.json.Decoder(WorkerMessage)

    @classmethod
    async def start(
        cls, command: tuple[str, ...], device: str, memory_limit_bytes: int | None, log: Path
    ) -> WorkerProcess:
        """Begin one; it has said nothing yet."""
        limit = [] if memory_limit_bytes is None else [str(memory_limit_bytes)]
        return cls(await ChildProcess.start((*command, device, *limit), log))

    async def receive(self, timeout_s: float) -> WorkerMessage | None:
        """The next message, or None if the worker has ended, or talks nonsense.

        Raises:
            TimeoutError: it has said nothing for `timeout_s` seconds.
        """
        try:
            line = await self._read_line(timeout_s)
        except TimeoutError:
            # If this process itself stood still (Ctrl+Z, a stalled terminal), what the worker said
            # meanwhile is waiting unread: that is no hang.
            line = await self._read_line(_GRACE_S)
        except ValueError:  # longer than any message
            line = b""
            self._garbled = True
        if not line.endswith(b"\n"):  # a torn line is a death in mid-sentence
            return None
        try:
            return self._decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._garbled = True
            return None

    async def _read_line(self, timeout_s: float) -> bytes:
        async with asyncio.timeout(timeout_s):
            return await self._process.read_line()

    def send(self, request: Request) -> None:
        """Ask for something; if the worker has died, receive() will say so."""
        self._process.write_line(msgspec.json.encode(request))

    async def close(self) -> None:
        """End it: by closing its stdin, and by force if it takes longer than a moment."""
        self._process.close_stdin()
        await self._process.ends_within(_CLOSING_S)
        await self.kill()

    @property
    def has_ended(self) -> bool:
        """Whether it is known to have ended."""
        return self._process.has_ended

    def end_now(self) -> None:
        """End it without waiting for that: receive() will say that it has gone."""
        self._process.end_now()

    async def kill(self) -> None:
        """End it now, and every process that it started."""
        await self._process.kill()

    async def cause_of_death(self) -> str:
        """How it ended, in words, with the line of its log that tells why if there is one."""
        if self._garbled:
            await self.kill()
            return "the worker sent something that is no message, and was ended"
        died = f"the worker {await self._process.how_it_ended()}"
        telling = self._process.telling_line()
        return f"{died}: {telling}" if telling else died
