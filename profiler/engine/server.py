"""An engine that takes orders: commands come in as JSON lines, everything that happens goes out as such.

The screen may be another process, or another machine at the other end of ssh. It never makes the engine
wait: what it does not read is kept for it.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from profiler.engine import catalog
from profiler.engine.control import (
    Command,
    EngineMessage,
    Hello,
    Measure,
    Pause,
    Resume,
    SaveIn,
    Saving,
    Skip,
    Stop,
    Train,
)
from profiler.engine.engine import Engine
from profiler.engine.session_run import Session
from profiler.engine.work import AnyPlan
from profiler.engine.worker_process import COMMAND
from profiler.events import (
    CaseStarted,
    Continued,
    Event,
    Failure,
    Finished,
    SessionStarted,
    TrainingFailure,
    TrainingStarted,
)
from profiler.machine.environment import Device

Say = Callable[[bytes], None]

_CHUNK_BYTES = 64 * 1024


class EngineServer:
    """One engine for one screen, until that has gone. `say` takes a line for it, without its newline."""

    def __init__(
        self,
        device: Device,
        *,
        folder: Path,
        command: str,
        say: Say,
        resume: Path | None = None,
        worker_command: tuple[str, ...] = COMMAND,
    ) -> None:
        """As Engine; `resume` is a session to go on with.

        Raises:
            SessionError: no session can be written, or that one cannot be gone on with.
        """
        self._say = say
        self._encode = msgspec.json.Encoder().encode
        self._device = device
        self._next: AnyPlan | None = None
        self._told = asyncio.Event()
        self._over = False
        self._is_open = False
        self._is_kept = False
        self._before: list[Event] = []
        if resume is None:
            session = Session.create(folder, device)
        else:
            session, self._before, self._next = Session.resume(resume, device)
            self._is_kept = True
        self._saving = Saving(path=str(session.path))
        self.engine = Engine(
            device, session, command=command, listen=self._hear, worker_command=worker_command
        )

    async def serve(self, commands: AsyncIterator[Command]) -> Finished:
        """Do as told until there are no more commands; a session in which nothing was begun is removed.

        Raises:
            SessionError: the session can no longer be written; what was saved before is whole.
        """
        self._tell(
            Hello(
                kind=self._device.info.kind,
                name=self._device.name,
                device_name=self._device.info.name,
                catalog=catalog.entries(self._device.info),
                gpu=self._device.gpu,
                path=str(self.engine.path),
                note=self._device.note,
            )
        )
        for event in self._before:
            self._tell(event)
        obeying = asyncio.create_task(self._obey(commands))
        try:
            return await self.engine.run(self._plans())
        finally:
            obeying.cancel()
            if not self._is_kept:
                self.engine.path.unlink(missing_ok=True)

    async def _obey(self, commands: AsyncIterator[Command]) -> None:
        try:
            async for command in commands:
                self._do(command)
        finally:  # also where they cannot be read any more
            self._end()

    def _do(self, command: Command) -> None:
        match command:
            case Measure(plan=plan) | Train(plan=plan):
                self._next = plan
                self.engine.resume()
                self.engine.cut_short("plan")
            case Stop():
                self._next = None
                self.engine.resume()
                self.engine.cut_short("plan")
            case Skip():
                self.engine.cut_short("shape")
            case Pause():
                self.engine.pause()
            case Resume():
                self.engine.resume()
            case SaveIn(folder=folder):
                self.engine.save_in(Path(folder))
        self._told.set()

    def _end(self) -> None:
        """No more commands will come."""
        self._over, self._next = True, None
        self._told.set()
        if self.engine.is_measuring:
            self.engine.stop("the screen was closed")

    async def _plans(self) -> AsyncIterator[AnyPlan]:
        """The plans to measure. While torch is loaded a plan may still be replaced, so none is given away."""
        while not self._over:
            if self._next is None or not self._is_open:
                self._told.clear()
                await self._told.wait()
                continue
            plan, self._next = self._next, None
            yield plan

    def _hear(self, event: Event) -> None:
        if isinstance(event, CaseStarted | Failure | TrainingStarted | TrainingFailure):
            self._is_kept = True
        elif isinstance(event, SessionStarted | Continued):
            self._is_open = True
            self._told.set()
        self._tell(event)
        saving = Saving(path=str(self.engine.path), problem=self.engine.saving_problem or "")
        if saving != self._saving:
            self._saving = saving
            self._tell(saving)

    def _tell(self, message: EngineMessage | Event) -> None:
        self._say(self._encode(message))


async def commands_from_stdin() -> AsyncIterator[Command]:
    """The commands that come on stdin, until it closes; of a line that is none stderr is told."""
    reader = asyncio.StreamReader(limit=64 * 1024 * 1024)
    _feed_from(sys.stdin.fileno(), reader)
    decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
    while line := await reader.readline():
        try:
            yield decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            sys.stderr.write(f"not a command, left out: {error}\n")


def _feed_from(descriptor: int, reader: asyncio.StreamReader) -> None:
    """Have a thread read it: what an event loop can wait for is a pipe, but not a file or /dev/null."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            with suppress(OSError):  # a terminal that hung up
                while data := os.read(descriptor, _CHUNK_BYTES):
                    loop.call_soon_threadsafe(reader.feed_data, data)
            loop.call_soon_threadsafe(reader.feed_eof)

    threading.Thread(target=read, name="commands", daemon=True).start()
