"""Tells a screen what stands in a session file, as an engine would: Hello first, then event by event."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from profiler.clients.client import Hear
from profiler.clients.turns import Turns
from profiler.engine.control import Hello
from profiler.events import (
    Catalog,
    CatalogEntry,
    Continued,
    Environment,
    Finished,
    Log,
    SessionEvent,
    SessionStarted,
)
from profiler.garbage import collecting_no_garbage
from profiler.results.wording import device_name
from profiler.session.deferred import Batch
from profiler.session.line_reader import LineReader
from profiler.session.reader import SessionLines, is_large


class Telling:
    """One session file on its way to one screen. `over` once nothing more of the session can come."""

    def __init__(self, path: Path, hear: Hear) -> None:
        self._path = path
        self._hear = hear
        self._lines = SessionLines(path)
        self._header: SessionStarted | None = None
        self._greeted = False
        self._finished = False
        self._said: set[str] = set()
        self._last_s = 0.0

    @property
    def over(self) -> bool:
        return self._finished or self._lines.ended

    async def tell(self, file: BinaryIO, reader: LineReader) -> bool:
        """Hand over the events of all whole lines from here on, and what in these cannot be read.

        Of a large file lines come in batches. Returns whether there was a line.

        Raises:
            SessionError: this is no session, or one of a newer major schema.
            OSError: it cannot be read.
        """
        if not is_large(file):
            return await self._tell(reader, self._lines.take_all)
        with collecting_no_garbage(freezing=True):
            return await self._tell(reader, self._lines.take_batch)

    async def _tell(
        self, reader: LineReader, take: Callable[[list[bytes]], Sequence[SessionEvent | Batch]]
    ) -> bool:
        turns = Turns()
        came = False
        while lines := reader.read():
            came = True
            for part in take(lines):
                self._take(part)
                await turns.passed()
        self._say_problems()
        return came

    def tell_torn(self, line: bytes) -> None:
        """Hand over what follows the last newline, where nothing more comes."""
        if (event := self._lines.take(line)) is not None:
            self._take(event)
        self._say_problems()

    def greet(self, catalog: tuple[CatalogEntry, ...] = ()) -> bool:
        """Say Hello now, if it is not said; False while there is not even a header."""
        if self._header is None:
            return False
        if not self._greeted:
            self._greeted = True
            self._hear(hello(self._header.environment, catalog, path=str(self._path)))
            self._hear(self._header)
        return True

    def log(self, message: str) -> None:
        """Say something about the file itself."""
        self._hear(Log(at_s=self._last_s, level="warning", message=message))

    def _take(self, event: SessionEvent | Batch) -> None:
        if isinstance(event, Batch):
            self._last_s = max(self._last_s, event.last_s)
            self.greet()
            self._hear(event)
            return
        self._last_s = max(self._last_s, event.at_s)
        if isinstance(event, SessionStarted):  # said once the line after it shows the catalog
            self._header = event
            return
        self.greet(event.implementations if isinstance(event, Catalog) else ())
        if isinstance(event, Finished | Continued):
            self._finished = isinstance(event, Finished)
        self._hear(event)

    def _say_problems(self) -> None:
        for problem in self._lines.problems():
            what = problem.partition(": ")[2]
            if what not in self._said and self.greet():
                self._said.add(what)
                self.log(problem)


def hello(
    environment: Environment,
    catalog: tuple[CatalogEntry, ...],
    *,
    path: str | None = None,
    note: str | None = None,
) -> Hello:
    """What an engine on the machine of a recording would say first."""
    return Hello(
        kind=environment.device.partition(":")[0],
        name=environment.device,
        device_name=device_name(environment),
        catalog=catalog,
        gpu=environment.gpu,
        path=path,
        note=note,
    )
