"""Output that never makes the program wait: a stalled terminal must not stop a measurement."""

from __future__ import annotations

import io
import os
import queue
import sys
import threading
from contextlib import suppress

_LEAVING_S = 0.3


class BackgroundOutput(io.TextIOBase):
    """A text stream onto stdout, written by a thread of its own, in order.

    An SSH link that hangs, Ctrl+S or a pager that reads no further block the thread alone.
    What cannot be written any more (the reader has gone, the terminal hung up, the disk is
    full) is dropped.
    """

    def __init__(self) -> None:
        self._descriptor = sys.stdout.fileno()
        self._encoding = sys.stdout.encoding or "utf-8"
        self._is_terminal = sys.stdout.isatty()
        self._waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self.error: OSError | None = None
        """Why nothing can be written any more."""
        # A daemon, so that a write that never returns does not keep the process.
        self._thread = threading.Thread(target=self._write_all, name="output", daemon=True)
        self._thread.start()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of stdout, by which rich chooses its characters."""
        return self._encoding

    @property
    def is_behind(self) -> bool:
        """Whether earlier text is still waiting: what can be left out should be."""
        return not self._waiting.empty()

    def fileno(self) -> int:
        """Stdout's own, for the terminal's size."""
        return self._descriptor

    def isatty(self) -> bool:
        return self._is_terminal

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        """Queue it; it is written soon, or never if nobody reads."""
        if self.error is None:
            self._waiting.put(text.encode(self._encoding, errors="replace"))
        return len(text)

    def write_bytes(self, data: bytes) -> None:
        """Queue what is encoded already."""
        if self.error is None:
            self._waiting.put(data)

    def drain(self, patient: bool = True) -> None:
        """Wait until all is written: as long as it takes, or if not `patient` for a moment."""
        self._waiting.put(None)
        self._thread.join(None if patient else _LEAVING_S)

    def _write_all(self) -> None:
        while (data := self._waiting.get()) is not None:
            try:
                while data:
                    data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                self.error = error
                return


def put(text: str) -> bool:
    """Write to stdout here and now; whether that was possible."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        # Python would try once more on leaving, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return False
    return True


def complain(line: str) -> None:
    """A line on stderr, waited for a moment only: it may be the same stalled terminal, or gone."""

    def write() -> None:
        with suppress(OSError):
            os.write(2, f"{line}\n".encode(errors="replace"))

    writing = threading.Thread(target=write, name="complaint", daemon=True)
    writing.start()
    writing.join(_LEAVING_S)
