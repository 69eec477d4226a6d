"""Cutting a measurement short: the engine asks, and whoever measures heeds it between two calls.

The flag is the process's own, as the request that runs is: a worker serves one at a time.
"""

from __future__ import annotations

import threading

_asked = threading.Event()


class CutShort(BaseException):
    """What is being measured is wanted no more.

    No error of any case, so `except Exception` lets it through, as it does KeyboardInterrupt.
    """


def ask() -> None:
    """Have what runs end at its next call. From any thread."""
    _asked.set()


def forget() -> None:
    """A new request is not meant by what was asked of the last one."""
    _asked.clear()


def is_asked() -> bool:
    """Whether what runs is to end; for whoever has something to bring home first."""
    return _asked.is_set()


def heed() -> None:
    """Called before whatever takes time.

    Raises:
        CutShort: it was asked for.
    """
    if _asked.is_set():
        raise CutShort
