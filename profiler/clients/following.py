"""A session file that another process is writing, in place of an engine: what is there, and what comes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import BinaryIO

from profiler.clients.client import EngineError, Hear
from profiler.clients.telling import Telling
from profiler.clients.turns import set_within
from profiler.engine.control import Command
from profiler.session import lock as session_lock
from profiler.session.file import SessionError
from profiler.session.line_reader import LineReader, open_file
from profiler.session.reader import unreadable

_LOOK_EVERY_S = 0.2


class Following:
    """Hands over a session's events as they are written, until the session ends.

    It ends, saying why in a Log, also where the file is gone, replaced or cut short, and where the
    process that wrote it is no more.
    """

    takes_commands = False

    def __init__(self, path: Path, look_every_s: float = _LOOK_EVERY_S) -> None:
        self._path = path
        self._look_every_s = look_every_s
        self._closed = asyncio.Event()
        self._was_held = False

    async def run(self, hear: Hear) -> None:
        try:
            with open_file(self._path) as file:
                await self._follow(file, Telling(self._path, hear))
        except OSError as error:
            raise EngineError(str(unreadable(self._path, error))) from error
        except SessionError as error:
            raise EngineError(str(error)) from error

    def send(self, command: Command) -> None:
        """Ignored: who writes the file takes no commands from here."""

    async def close(self) -> None:
        self._closed.set()

    async def _follow(self, file: BinaryIO, telling: Telling) -> None:
        reader = LineReader(file)
        while not telling.over:
            lost = self._lost(file)  # asked first, so that what was written until then is still read
            came = await telling.tell(file, reader)
            if lost is not None and not telling.over:
                telling.tell_torn(reader.torn)
                telling.greet()
                telling.log(f"{lost}: it is no longer followed")
                return
            if not came:
                telling.greet()  # the header has stood alone for a while
            if await set_within(self._closed, self._look_every_s):
                return

    def _lost(self, file: BinaryIO) -> str | None:
        """Why nothing more of this session can come; None while something may."""
        here = os.fstat(file.fileno())
        try:
            there = self._path.stat()
        except OSError:
            return "the session's file is gone"
        if not os.path.samestat(here, there):
            return "another file stands in the place of the session's"
        if here.st_size < file.tell():
            return "the session's file was cut short"
        held = session_lock.is_held(file.fileno())
        if self._was_held and not held:
            return "the run that wrote the session ended without closing it"
        self._was_held = held
        return None
