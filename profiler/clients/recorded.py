"""A session file in place of an engine: all of it at once, and nothing to command."""

from __future__ import annotations

from pathlib import Path

from profiler.clients.client import EngineError, Hear
from profiler.clients.telling import Telling
from profiler.engine.control import Command
from profiler.session.file import SessionError
from profiler.session.line_reader import LineReader, open_file
from profiler.session.reader import empty, unreadable


class RecordedSession:
    """Hands over the events of a session file, letting the event loop have its turns meanwhile."""

    takes_commands = False

    def __init__(self, path: Path) -> None:
        self._path = path

    async def run(self, hear: Hear) -> None:
        telling = Telling(self._path, hear)
        try:
            with open_file(self._path) as file:
                reader = LineReader(file)
                await telling.tell(file, reader)
                telling.tell_torn(reader.torn)
        except OSError as error:
            raise EngineError(str(unreadable(self._path, error))) from error
        except SessionError as error:
            raise EngineError(str(error)) from error
        if not telling.greet():
            raise EngineError(str(empty(self._path)))

    def send(self, command: Command) -> None:
        """Ignored: what is recorded is recorded."""

    async def close(self) -> None:
        """Nothing runs, and nothing is open."""
