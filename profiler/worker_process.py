"""The engine's end of a worker: a child process that speaks JSON lines and may die or hang."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from profiler.protocol import Request, WorkerMessage

# -P keeps the user's folder off the worker's path: a random.py there is not Python's.
COMMAND = (sys.executable, "-P", "-m", "profiler.worker")
"""What starts a worker; the device's name and the memory limit are added."""

_PACKAGES = str(Path(__file__).parents[1])

_LONGEST_LINE_BYTES = 64 * 1024 * 1024
_CLOSING_S = 0.3
_GRACE_S = 0.5
# The line of a log that says what went wrong: Python's and CUDA's, not a traceback's paths.
_TELLING = re.compile(r"^(Fatal Python error|terminate called|[\w.]*(Error|Exception|Lost)\b).*")


class WorkerError(RuntimeError):
    """No worker can be had; the message says why."""


class WorkerProcess:
    """A running worker. Its stderr, and what libraries print, go to `log`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self._log = log
        self._garbled = False
        self._decoder: msgspec.json.Decoder[WorkerMessage] = msgspec.json.Decoder(WorkerMessage)

    @classmethod
    async def start(
        cls, command: tuple[str, ...], device: str, memory_limit_bytes: int | None, log: Path
    ) -> WorkerProcess:
        """Begin one; it has said nothing yet.

        It leads a session of its own, so that Ctrl+C in the terminal reaches the engine alone,
        which then ends the worker in its own way, with whatever processes it has started.
        """
        with log.open("ab") as stderr:
            process = await asyncio.create_subprocess_exec(
                *command,
                device,
                *([] if memory_limit_bytes is None else [str(memory_limit_bytes)]),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": _with(os.environ.get("PYTHONPATH"))},
                limit=_LONGEST_LINE_BYTES,
            )
        return cls(process, log)

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
        assert self._process.stdout is not None
        async with asyncio.timeout(timeout_s):
            return await self._process.stdout.readline()

    def send(self, request: Request) -> None:
        """Ask for something; if the worker has died, receive() will say so."""
        assert self._process.stdin is not None
        self._process.stdin.write(msgspec.json.encode(request) + b"\n")

    async def close(self) -> None:
        """End it: by closing its stdin, and by force if it takes longer than a moment."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSING_S):
                await self._process.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it now, and every process that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def cause_of_death(self) -> str:
        """How it ended, in words, with the line of its log that tells why if there is one."""
        if self._garbled:
            await self.kill()
            return "the worker sent something that is no message, and was ended"
        status = await self._process.wait()
        if status < 0:
            died = f"was killed by {signal.Signals(-status).name}"
            if -status == signal.SIGKILL:
                died += " (by hand, or by the system for want of memory)"
        else:
            died = f"ended with status {status}"
        telling = [line for line in self._log_tail() if _TELLING.match(line)]
        return f"the worker {died}" + (f": {telling[-1][:300]}" if telling else "")

    def _log_tail(self) -> list[str]:
        try:
            return self._log.read_text(errors="replace").splitlines()[-50:]
        except OSError:
            return []


def _with(python_path: str | None) -> str:
    """PYTHONPATH with this program's own packages, which need not be installed."""
    return os.pathsep.join(filter(None, (python_path, _PACKAGES)))
