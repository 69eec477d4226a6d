"""Children that try cells: several at once, each in the place of one that died, until a time is up."""

from __future__ import annotations

import math
import os
import queue
import select
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import msgspec

from benchmarks.features_protocol import Task, Tried
from profiler.engine.protocol import Ready
from profiler.units import count

ROOT = Path(__file__).resolve().parents[1]
_START_LIMIT_S = 180.0
_LEAVING_S = 1.0
_GRACE_S = 5.0  # what runs when the time is up may end
_LONGEST_LAST_WORDS = 200


class ChildLost(Exception):
    """A child has died or hangs; the message is what is known of why."""


@dataclass(frozen=True)
class Order:
    """A task of some kind: once a name's tasks of a kind have crashed so often, no more are tried."""

    number: int
    task: Task
    kind: str
    most_crashes: int


@dataclass(frozen=True)
class Report:
    """What became of an order: `tried`, or how the child was `lost` over it, or why it was `skipped`."""

    tried: Tried | None = None
    lost: str = ""
    skipped: str = ""


class Child:
    """One process that tries what it is asked to, one at a time."""

    ready: Ready

    def __init__(self, command: Sequence[str]) -> None:
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
        environ = {"KINETO_LOG_LEVEL": "9", "TORCHINDUCTOR_COMPILE_THREADS": "4", **os.environ}
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**environ, "PYTHONPATH": path},
            start_new_session=True,  # what it starts itself ends with it
        )
        self._received = b""

    def open(self) -> None:
        """Wait until it has said what its device is.

        Raises:
            ChildLost: it has not.
        """
        self.ready = msgspec.json.decode(self._line(_START_LIMIT_S), type=Ready)

    def attempt(self, task: Task, limit_s: float) -> Tried:
        """What became of the task.

        Raises:
            ChildLost: nothing in that time.
        """
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # then there will be no answer
            self._process.stdin.write(msgspec.json.encode(task) + b"\n")
            self._process.stdin.flush()
        return msgspec.json.decode(self._line(limit_s), type=Tried)

    def kill(self) -> None:
        """End it, and all that it has started, wherever it is; whoever waits for its answer notices."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close(self) -> None:
        """End it for good."""
        self.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._log):
            assert stream is not None
            with suppress(BrokenPipeError):
                stream.close()

    def _line(self, limit_s: float) -> bytes:
        assert self._process.stdout is not None
        descriptor, until_s = self._process.stdout.fileno(), time.monotonic() + limit_s
        while b"\n" not in self._received:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([descriptor], [], [], left_s)[0]:
                raise ChildLost(f"no answer in {limit_s:.0f} s")
            if not (part := os.read(descriptor, 1 << 16)):
                raise ChildLost(self._last_words())
            self._received += part
        line, _, self._received = self._received.partition(b"\n")
        return line

    def _last_words(self) -> str:
        """How it ended, and the last line that it wrote."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_LEAVING_S)
        code = self._process.returncode
        how = f"exit code {code}"
        if code is not None and code < 0:
            with suppress(ValueError):
                how = signal.Signals(-code).name
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f"{how}: {lines[-1].strip()[:_LONGEST_LAST_WORDS]}" if lines else how


@dataclass
class Pool:
    """Several children working through jobs: orders that one child does in a row.

    `told` is called for each order with what became of it, by one thread at a time. After `until_s`
    of the clock nothing more is begun, and what runs then has a few seconds left.
    """

    command: Sequence[str]
    told: Callable[[Order, Report], None]
    cell_limit_s: float
    until_s: float = math.inf
    clock: Callable[[], float] = time.monotonic
    ready: Ready | None = None
    """What the first child said of its device."""
    _failed: str = ""
    """Why no further child can be started."""
    _is_stopping: bool = False
    _crashes: Counter[tuple[str, str]] = field(default_factory=Counter)
    _children: set[Child] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def work_through(self, jobs: Iterable[Sequence[Order]], count: int) -> None:
        """Do all jobs, in their order, with so many children at once.

        Raises:
            ChildLost: not one child could be started.
        """
        waiting: queue.SimpleQueue[Sequence[Order]] = queue.SimpleQueue()
        for job in jobs:
            waiting.put(job)
        with ThreadPoolExecutor(count) as threads:
            serving = [threads.submit(self._serve, waiting) for _ in range(count)]
            try:
                for future in as_completed(serving):
                    future.result()
            finally:  # nobody is left, unless this was interrupted
                self._is_stopping = True
                for child in list(self._children):
                    child.kill()
        if self.ready is None and self._failed:
            raise ChildLost(self._failed)

    def _serve(self, waiting: queue.SimpleQueue[Sequence[Order]]) -> None:
        child: Child | None = None
        try:
            while True:
                for order in waiting.get_nowait():
                    report, child = self._do(order, child)
                    with self._lock:
                        self.told(order, report)
        except queue.Empty:
            pass
        finally:
            if child is not None:
                self._close(child)

    def _do(self, order: Order, child: Child | None) -> tuple[Report, Child | None]:
        """What became of it, and the child that the next order goes to."""
        if reason := self._over() or self._hopeless(order):
            return Report(skipped=reason), child
        if child is None:
            if self._failed:
                return Report(skipped=self._failed), None
            try:
                child = self._open_child()
            except ChildLost as error:
                self._failed = f"no child could be started: {error}"
                return Report(skipped=self._over() or self._failed), None
        limit_s = min(self.cell_limit_s, self.until_s - self.clock() + _GRACE_S)
        try:
            tried = child.attempt(order.task, limit_s)
        except ChildLost as error:
            self._close(child)
            if reason := self._over():
                return Report(skipped=reason), None
            self._crashes[order.task.name, order.kind] += 1
            return Report(lost=str(error)), None
        if tried.outcome == "lost":
            self._close(child)
            self._crashes[order.task.name, order.kind] += 1
            return Report(lost=tried.message), None
        return Report(tried), child

    def _over(self) -> str:
        """Why nothing is to be begun any more, or ""."""
        if self._is_stopping:
            return "interrupted"
        return "the time was up" if self.clock() >= self.until_s else ""

    def _hopeless(self, order: Order) -> str:
        """Why this is not to be tried, or ""."""
        if self._crashes[order.task.name, order.kind] < order.most_crashes:
            return ""
        return f"crashed {count(order.most_crashes, 'time')} before"

    def _open_child(self) -> Child:
        child = Child(self.command)
        self._children.add(child)
        if self._is_stopping:
            child.kill()
        try:
            child.open()
        except ChildLost:
            self._close(child)
            raise
        self.ready = self.ready or child.ready
        return child

    def _close(self, child: Child) -> None:
        self._children.discard(child)
        child.close()
