"""Leaving the app by a signal, also where nobody reads the terminal any more and writing to it hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

# Ctrl+C in the app's terminal is a key; SIGINT comes from elsewhere.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# Longer than the app takes to leave where the terminal is read.
_PATIENCE_S = 0.4
_AGAIN_S = 0.02
# Textual writes in a thread that ends with the first error, and waits for it for good once enough is queued.
_HUNG_UP_S = 3.0
# Whatever a screen may have turned on is turned off: an open sequence, the mouse, pastes in brackets,
# focus and size reports, the keyboard protocol, held-back output, the other screen, the hidden cursor.
_RESTORE = (
    "\x18\x1b[?1000l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?2004l\x1b[?1004l\x1b[?2048l\x1b[<u"
    "\x1b[?2026l\x1b[?1049l\x1b[?25h"
)


@contextmanager
def leaving_on_signals(end: Callable[[int], None]) -> Iterator[None]:
    """Meanwhile SIGINT, SIGTERM and SIGHUP call `end` with the exit status, in the event loop.

    Textual holds up its event loop while its output is not read. What the terminal has not taken is then
    thrown away until the app has left. An event loop that is held up does not hear of signals by itself
    (its add_signal_handler), so the handlers are Python's own, which run wherever the main thread waits.
    Where the terminal is gone and the app does not leave, the process ends as it is: what is measured is
    its engine's, which notices that.
    """
    loop = asyncio.get_running_loop()
    heard, tell = os.pipe()
    left = threading.Event()
    unblocking = threading.Thread(target=_unblock, args=(heard, left), daemon=True)
    unblocking.start()

    def take(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:  # SIGCONT comes with it, at which Textual would begin to paint anew
            signal.signal(signal.SIGCONT, _nothing)
        loop.call_soon_threadsafe(end, 128 + number)
        with suppress(OSError):
            os.write(tell, bytes([number]))

    before = {number: signal.signal(number, take) for number in _SIGNALS}
    try:
        yield
    finally:
        left.set()
        os.close(tell)
        unblocking.join()
        os.close(heard)
        for number, handler in before.items():
            signal.signal(number, handler)


def _nothing(number: int, frame: FrameType | None) -> None:
    pass


def _unblock(heard: int, left: threading.Event) -> None:
    """Once a signal has come and the app does not leave, let its writing go on into nothing."""
    number = os.read(heard, 1)
    terminal = sys.__stderr__
    if not number or left.wait(_PATIENCE_S) or terminal is None:
        return
    try:
        while not left.is_set():
            _throw_away(terminal.fileno())
            time.sleep(_AGAIN_S)
        _write_last(os.ttyname(terminal.fileno()), _RESTORE.encode())
    except (OSError, termios.error):  # it has hung up
        if not left.wait(_HUNG_UP_S):
            os._exit(128 + number[0])


def _throw_away(terminal: int) -> None:
    """Make room for what waits to be written: of a flush alone the kernel does not tell who waits."""
    termios.tcflush(terminal, termios.TCOFLUSH)
    termios.tcflow(terminal, termios.TCOOFF)
    termios.tcflow(terminal, termios.TCOON)


def _write_last(name: str, data: bytes) -> None:
    """Put this in the place of what the terminal was not read of."""
    descriptor = os.open(name, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        termios.tcflush(descriptor, termios.TCOFLUSH)
        os.write(descriptor, data)
    finally:
        os.close(descriptor)
