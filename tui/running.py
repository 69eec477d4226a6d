"""Runs an engine to its end in this process, whatever signal comes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from profiler.engine import Engine
from profiler.events import Finished
from tui.progress import Progress

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WORDS = {signal.SIGINT: "Ctrl+C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "the terminal hung up"}


def run(engine: Engine, progress: Progress) -> tuple[Finished, int]:
    """The session's last event, and an exit status: 0, or 128 + the signal that ended it."""
    return asyncio.run(_run(engine, progress))


async def _run(engine: Engine, progress: Progress) -> tuple[Finished, int]:
    status = 0

    def end(number: signal.Signals) -> None:
        nonlocal status
        status = status or 128 + number
        engine.stop(_WORDS[number])

    with _handling(end):
        painting = asyncio.create_task(progress.paint(engine.stop))
        try:
            finished = await engine.run()
        finally:
            painting.cancel()
    if finished.ending == "failed":
        status = 1
    if finished.ending == "interrupted" and not status:  # a closed pipe, as a shell reports it
        status = 128 + signal.SIGPIPE
    return finished, status


@contextmanager
def _handling(end: object) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in _SIGNALS:
        loop.add_signal_handler(number, end, number)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
