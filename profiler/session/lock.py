"""Tells whether a session file is being written, by a lock that its writer holds until it closes.

The lock is flock's: advisory, of the open file, and gone with the process that held it, however that
ended. Where a file system has no locks, every file looks as if nobody wrote it.
"""

from __future__ import annotations

import fcntl
import time
from contextlib import suppress

_TRIES = 3
_BETWEEN_S = 0.02


def hold(descriptor: int) -> None:
    """Take the lock of an open file until it is closed; a probe that has it for a moment is waited for."""
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def try_hold(descriptor: int) -> bool:
    """Take the lock until the file is closed; False if another writer has it.

    A probe has it for a moment only, so it is tried more than once.
    """
    for _ in range(_TRIES - 1):
        if _try(descriptor, fcntl.LOCK_EX):
            return True
        time.sleep(_BETWEEN_S)
    return _try(descriptor, fcntl.LOCK_EX)


def is_held(descriptor: int) -> bool:
    """Whether a writer has the lock. Probed by sharing it, which disturbs no other probe."""
    if not _try(descriptor, fcntl.LOCK_SH):
        return True
    with suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    return False


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True  # no locks here
    return True
