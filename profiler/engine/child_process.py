"""A child process that is spoken to in lines on its stdin and stdout, and may die or hang."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from profiler.units import plain_text

LONGEST_LINE_BYTES = 64 * 1024 * 1024

_PACKAGES = str(Path(__file__).parents[2])
_LONGEST_REASON = 300
# What of a log is looked through for the reason of a death.
_TAIL_BYTES = 64 * 1024
_TAIL_LINES = 50
_DISCARDING_S = 0.1
# The line of a log that says what went wrong: Python's and CUDA's, not a traceback's paths.
_TELLING = re.compile(r"^(Fatal Python error|terminate called|[\w.]*(Error|Exception|Lost)\b).*")


class ChildProcess:
    """A running child. Its stderr, and what libraries print there, are added to `log`."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, log_from: int) -> None:
        self._process = process
        self._log = log
        self._log_from = log_from
        self._is_gone = False

    @classmethod
    async def start(cls, command: Sequence[str], log: Path) -> ChildProcess:
        """Begin one; it has said nothing yet. It finds this program's packages, installed or not.

        It leads a session of its own, so that Ctrl+C in the terminal does not reach it: who
        started it ends it, in its own way, with whatever processes it has started.

        Raises:
            OSError: there is no such command, or the log cannot be written.
        """
        with log.open("ab") as stderr:
            log_from = stderr.tell()
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": _with(os.environ.get("PYTHONPATH"))},
                limit=LONGEST_LINE_BYTES,
            )
        return cls(process, log, log_from)

    async def read_line(self) -> bytes:
        """The next line; without its newline, or b"", where the child died or closed its stdout.

        Raises:
            ValueError: the line is longer than any that makes sense.
        """
        assert self._process.stdout is not None
        return await self._process.stdout.readline()

    def write_line(self, line: bytes) -> None:
        """Send a line, soon: what the child does not read yet is kept. A dead child hears nothing."""
        assert self._process.stdin is not None
        if not self._process.stdin.is_closing():
            self._process.stdin.write(line + b"\n")

    def close_stdin(self) -> None:
        """Tell it that nothing more will come, at which it is to end."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    @property
    def has_ended(self) -> bool:
        """Whether it is known to have ended."""
        return self._process.returncode is not None

    def terminate(self) -> None:
        """Tell it to end now."""
        with suppress(ProcessLookupError):
            self._process.terminate()

    async def ends_within(self, seconds: float) -> bool:
        """Wait for its end; whether it came."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._process.wait()
        return self.has_ended

    def end_now(self) -> None:
        """End it, and every process of its session, without waiting for that."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def kill(self) -> None:
        """End it now, and every process of its session. Doing so again is fine."""
        if not self._is_gone:  # its number may be another's by now
            self.end_now()
            await self._process.wait()
            self._is_gone = True

    async def discard_output(self) -> None:
        """Read what an ended child left unread, or its pipe would stay open. Nobody else may be reading."""
        assert self._process.stdout is not None
        with suppress(TimeoutError):  # another process may have the pipe too
            async with asyncio.timeout(_DISCARDING_S):
                while await self._process.stdout.read(_TAIL_BYTES):
                    pass

    async def how_it_ended(self) -> str:
        """What its status says, once it has ended: "ended with status 1", "was killed by SIGSEGV"."""
        status = await self._process.wait()
        if status >= 0:
            return f"ended with status {status}"
        died = f"was killed by {signal.Signals(-status).name}"
        if -status == signal.SIGKILL:
            died += " (by hand, or by the system for want of memory)"
        return died

    def telling_line(self, *, or_last: bool = False) -> str | None:
        """The last line of its log that names an error; else None, or the last line there is."""
        lines = [line for line in self._log_tail() if line.strip()]
        telling = [line for line in lines if _TELLING.match(line)] or (lines if or_last else [])
        return plain_text(telling[-1])[:_LONGEST_REASON] if telling else None

    def _log_tail(self) -> list[str]:
        """The last lines of what this child added to the log."""
        try:
            with self._log.open("rb") as log:
                size = log.seek(0, os.SEEK_END)
                log.seek(max(self._log_from, size - _TAIL_BYTES))
                return log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        except OSError:
            return []


def _with(python_path: str | None) -> str:
    """PYTHONPATH with this program's own packages, which need not be installed."""
    return os.pathsep.join(filter(None, (python_path, _PACKAGES)))
