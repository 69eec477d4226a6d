"""Saves a session though its folder fails: what the disk refuses waits in memory, and finds another place.

A full disk, a folder that was removed or cannot be written any more ends no run. What is in the file is
read back from it, for an open file is there as long as it is open, whatever became of its name.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from profiler.events import Event
from profiler.session.file import SessionError, SessionWriter
from profiler.state import state_folder
from profiler.units import plain_text

_TRY_AGAIN_S = 5.0


def _fallbacks() -> Iterator[Path]:
    """Where a session goes that its own folder does not take, in the order in which it is tried."""
    yield state_folder() / "sessions"
    with suppress(OSError):
        yield Path(tempfile.mkdtemp(prefix="attnprof-"))


class SessionKeeper:
    """Writes events as SessionWriter does, and never fails before it is closed.

    `problem` is why what came last is in no file, None while all is well.
    """

    def __init__(self, writer: SessionWriter, clock: Callable[[], float] = time.monotonic) -> None:
        self.problem: str | None = None
        self._writer = writer
        self._clock = clock
        self._encoder = msgspec.json.Encoder()
        self._waiting: list[bytes] = []
        self._tried_s = 0.0

    @property
    def path(self) -> Path:
        """The file, be it there or not."""
        return self._writer.path

    def append(self, event: Event, *, durable: bool = False) -> None:
        """Write one event, or keep it until that can be done; `durable` is as SessionWriter's."""
        self._waiting.append(self._encoder.encode(event))
        if self.problem is None or self._clock() - self._tried_s >= _TRY_AGAIN_S:
            self._flush(durable)

    def save_in(self, folder: Path) -> None:
        """Save all of the session in another folder, and what comes from here on.

        Raises:
            SessionError: it cannot be saved there either; nothing has changed.
        """
        other = SessionWriter.create_named(folder, self.path.stem)
        try:
            self._writer.copy_to(other)
            for line in self._waiting:
                other.append_line(line)
            other.sync()
        except SessionError:
            other.discard()
            raise
        with suppress(SessionError):
            self._writer.close()
        self._writer, self._waiting, self.problem = other, [], None

    def close(self) -> None:
        """Put everything on the disk and close the file: if need be, in its folder anew, or elsewhere.

        Raises:
            SessionError: it can be saved nowhere; what it lacks is then lost.
        """
        if self._writer.is_closed:
            return
        self._flush(durable=True)
        if self.problem is not None:
            self._save_somewhere()
        self._writer.close()

    def _flush(self, durable: bool) -> None:
        self._tried_s = self._clock()
        try:
            while self._waiting:
                self._writer.append_line(self._waiting[0])
                del self._waiting[0]
            if durable:
                self._writer.sync()
        except SessionError as error:
            self.problem = str(error)
        else:
            self.problem = self._writer.why_unsafe() if durable or self.problem else None

    def _save_somewhere(self) -> None:
        why = self.problem or ""
        for folder in (self.path.parent, *_fallbacks()):
            with suppress(SessionError):
                self.save_in(folder)
                return
        with suppress(SessionError):
            self._writer.close()
        raise SessionError(f"{plain_text(why)}; nor could it be saved anywhere else")
