"""Runs an engine to its end in this process, whatever signal comes."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from profiler.engine.engine import Engine, only
from profiler.engine.work import AnyPlan
from profiler.events import Finished
from tui.headless.progress import Progress

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_WORDS = {signal.SIGINT: "Ctrl+C", signal.SIGTERM: "SIGTERM", signal.SIGHUP: "the terminal hung up"}


def run(engine: Engine, plan: AnyPlan, progress: Progress) -> tuple[Finished, int]:
    """The session's last event, and an exit status: 0, or 128 + the signal that ended it."""
    return asyncio.run(_run(engine, plan, progress))


async def _run(engine: Engine, plan: AnyPlan, progress: Progress) -> tuple[Finished, int]:
    status = 0

    def end(number: signal.Signals) -> None:
        nonlocal status
        status = status or 128 + number
        engine.stop(_WORDS[number])

    with _handling(end):
        painting = asyncio.create_task(progress.paint(engine.stop))
        try:
            finished = await engine.run(only(plan))
        finally:
            await _end(painting)
    if progress.reader_left:
        status = 128 + signal.SIGPIPE  # as a shell reports it
    elif finished.ending != "completed" and not status:
        status = 1
    return finished, status


async def _end(painting: asyncio.Task[None]) -> None:
    """End the display. If it had failed, that is said, and was no reason to stop measuring."""
    painting.cancel()
    try:
        await painting
    except asyncio.CancelledError:
        pass
    except Exception as error:
        sys.stderr.write(f"the display failed: {type(error).__name__}: {error}\n")


@contextmanager
def _handling(end: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Signals call `end`, except those that this process was started to ignore, as by nohup."""
    loop = asyncio.get_running_loop()
    heeded = [number for number in _SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
    for number in heeded:
        loop.add_signal_handler(number, end, number)
    try:
        yield
    finally:
        for number in heeded:
            loop.remove_signal_handler(number)
