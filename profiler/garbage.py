"""Python's garbage collector, held off where there is none: it costs as much as what it looks through."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collecting_no_garbage(*, freezing: bool = False) -> Iterator[None]:
    """For making very many objects that form no cycles, such as events and rows, and are kept.

    The collector would look through all of them again and again, for as long as they take to be made. With
    `freezing` it does not look through them later either.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            if freezing:
                gc.freeze()
            gc.enable()
