"""An engine in a child process, here or at the far end of `ssh`: JSON lines over its stdin and stdout."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from profiler.clients.client import EngineError, Hear
from profiler.clients.turns import Turns
from profiler.engine.child_process import ChildProcess
from profiler.engine.control import Command, EngineMessage
from profiler.events import Finished
from profiler.units import plain_text

# Together below the second in which an engine is to be gone.
_CLOSING_S = 0.7  # it ends its worker and closes the session
_TERMINATING_S = 0.2
_LONGEST_QUOTE = 80


class ChildEngine:
    """Starts `command`, and speaks profiler.engine.control with it.

    `command` is handed over word by word, never through a shell. Its stderr is added to `log`, which is
    removed at the end if there is nothing in it. Ctrl+C in the terminal does not reach it.
    """

    takes_commands = True

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command = tuple(command)
        self._log = log
        self._process: ChildProcess | None = None
        self._waiting: list[Command] = []
        self._closing = False
        self._finished = False
        self._decoder: msgspec.json.Decoder[EngineMessage] = msgspec.json.Decoder(EngineMessage)

    async def run(self, hear: Hear) -> None:
        if self._closing:
            return
        self._process = process = await self._start()
        try:
            for command in self._waiting:
                self.send(command)
            if not self._closing:  # as it may be since it was started
                await self._listen(process, hear)
        finally:
            await self.close()
            await process.discard_output()

    def send(self, command: Command) -> None:
        """Tell the engine, soon: before it has started, and while it does not read, the command is kept."""
        if self._process is None:
            self._waiting.append(command)
        else:
            self._process.write_line(msgspec.json.encode(command))

    async def close(self) -> None:
        """End it: by closing its stdin, then by SIGTERM, then by force, within a second."""
        self._closing = True
        if self._process is None:
            return
        self._process.close_stdin()
        if not await self._process.ends_within(_CLOSING_S):
            self._process.terminate()
            await self._process.ends_within(_TERMINATING_S)
        await self._process.kill()
        self._remove_empty_log()

    async def _start(self) -> ChildProcess:
        try:
            self._log.parent.mkdir(parents=True, exist_ok=True)
            return await ChildProcess.start(self._command, self._log)
        except OSError as error:
            name, reason = plain_text(self._command[0]), error.strerror or str(error)
            at_fault = plain_text(str(error.filename or name))
            raise EngineError(f"the engine '{name}' cannot be started ('{at_fault}': {reason})") from error

    async def _listen(self, process: ChildProcess, hear: Hear) -> None:
        turns = Turns()
        while (line := await self._read_line(process)).endswith(b"\n"):
            message = self._decode(line)
            self._finished = self._finished or isinstance(message, Finished)
            hear(message)
            await turns.passed()
        if not (self._closing or self._finished):
            raise EngineError(await self._cause_of_death(process))

    async def _read_line(self, process: ChildProcess) -> bytes:
        try:
            return await process.read_line()
        except ValueError as error:
            raise EngineError("the engine sent a line longer than any message, and was ended") from error

    def _decode(self, line: bytes) -> EngineMessage:
        try:
            return self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            # Over ssh it is most often the shell's start-up files: they may print nothing.
            said = plain_text(line[: 4 * _LONGEST_QUOTE].decode(errors="replace"))[:_LONGEST_QUOTE]
            raise EngineError(
                f"the engine sent something that is no message, and was ended: {said}"
            ) from error

    async def _cause_of_death(self, process: ChildProcess) -> str:
        """How it ended, with the line of its log that tells why, and where the log is."""
        if not await process.ends_within(_CLOSING_S):
            return "the engine closed its output, and was ended"
        died = f"the engine {await process.how_it_ended()}"
        telling = process.telling_line(or_last=True)
        return f"{died}: {telling} (its log is {plain_text(str(self._log))})" if telling else died

    def _remove_empty_log(self) -> None:
        with suppress(OSError):
            if self._log.stat().st_size == 0:
                self._log.unlink()
