"""The host's memory as a device's: an allocation beyond what is free or allowed fails at once.

Otherwise Linux grants it and kills the process, or swaps, once it is touched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psutil


class HostMemory:
    """This process held to what was free when it began, and to `limit_bytes` of it if given."""

    def __init__(self, limit_bytes: int | None) -> None:
        self._before_bytes = _private_bytes()
        self._limit_bytes: int | None = None
        self._guard(limit_bytes)

    def available_bytes(self) -> int:
        """What can still be allocated."""
        free: int = psutil.virtual_memory().available
        if self._limit_bytes is None:
            return free
        used = max(_private_bytes() - self._before_bytes, 0)
        return min(free, max(self._limit_bytes - used, 0))

    @contextmanager
    def without_limit(self) -> Iterator[None]:
        """All that is free may be taken within; what is left of it afterwards does not count."""
        held_to, began_bytes = self._limit_bytes, _private_bytes()
        self._guard(None)
        try:
            yield
        finally:
            self._before_bytes += max(_private_bytes() - began_bytes, 0)
            self._guard(held_to)

    def _guard(self, limit_bytes: int | None) -> None:
        self._limit_bytes = limit_bytes
        try:
            import resource
        except ImportError:  # no such limits here; the system's own behaviour remains
            return
        free = psutil.virtual_memory().available
        most = _private_bytes() + free
        if limit_bytes is not None:
            most = min(most, self._before_bytes + limit_bytes)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard == resource.RLIM_INFINITY or most < hard:
            resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _private_bytes() -> int:
    """What RLIMIT_DATA counts of this process: what it has written or may write to alone."""
    memory = psutil.Process().memory_info()
    size: int = getattr(memory, "data", memory.vms)  # macOS has no such figure
    return size
