"""Leaving by a signal where the terminal is gone."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

STUCK = """
import asyncio, signal, threading
from tui import leaving

leaving._HUNG_UP_S = 0.2

async def app():
    with leaving.leaving_on_signals(lambda status: threading.Event().wait()):
        print("here", flush=True)
        while True:
            await asyncio.sleep(0.01)

asyncio.run(app())
"""
"""An app that waits for good once it is told to leave, as for a writer that has ended with an error."""

PAINTING = """
import asyncio, signal, sys
from tui.leaving import leaving_on_signals

resumed = []
signal.signal(signal.SIGCONT, lambda *_: resumed.append(1))

async def app():
    ended = asyncio.get_running_loop().create_future()
    with leaving_on_signals(ended.set_result):
        print("here", flush=True)
        while not ended.done():
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
    sys.exit(ended.result() if not resumed else 99)

asyncio.run(app())
"""
"""An app that would begin to paint anew at SIGCONT, as Textual does."""


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    yield ours, theirs
    for descriptor in (ours, theirs):
        with suppress(OSError):
            os.close(descriptor)


@contextmanager
def started(script: str, theirs: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        try:
            yield process
        finally:
            process.kill()  # else a test that fails would wait for it


def test_an_app_that_cannot_leave_ends_when_its_terminal_is_gone(terminal: tuple[int, int]) -> None:
    ours, theirs = terminal
    with started(STUCK, theirs) as process:
        os.close(theirs)
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=5) == 128 + signal.SIGHUP


def test_it_is_not_ended_while_its_terminal_is_there(terminal: tuple[int, int]) -> None:
    with started(STUCK, terminal[1]) as process:
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)


def test_the_signal_that_comes_with_a_hang_up_begins_nothing_anew(terminal: tuple[int, int]) -> None:
    with started(PAINTING, terminal[1]) as process:
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGCONT)
        assert process.wait(timeout=5) == 128 + signal.SIGHUP
