"""Readings of the device while it works: a thread that samples, and what it samples."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import psutil

from profiler.events import Log, Telemetry
from profiler.machine.nvml import NvmlDevice

Source = Callable[[], Telemetry]
"""Takes one reading, with `at_s` left 0."""

INTERVAL_S = 0.1
# NVML answers in microseconds; a join that lasts this long means that the driver hangs.
_JOIN_S = 2.0


class Sampler:
    """Reads every `interval_s` seconds in a thread of its own and hands each reading to `emit`.

    `emit` is called in that thread. A reading that fails is emitted once, as a Log, and ends
    the sampling; a run goes on without telemetry.
    """

    def __init__(
        self,
        read: Source,
        emit: Callable[[Telemetry | Log], None],
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._read = read
        self._emit = emit
        self._interval_s = interval_s
        self._stopping = threading.Event()
        # A daemon, so that a call stuck in a wedged driver cannot keep the process alive.
        self._thread = threading.Thread(target=self._sample, name="telemetry", daemon=True)

    def start(self) -> None:
        """Take the first reading now. A sampler starts once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread and wait for it; nothing is emitted afterwards unless the driver hangs."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_JOIN_S)

    def _sample(self) -> None:
        due = time.monotonic()
        while not self._stopping.is_set():
            try:
                reading = self._read()
            except Exception as error:  # whatever it is, it must be told: threads die silently
                self._emit(
                    Log(level="warning", message=f"telemetry stopped: {type(error).__name__}: {error}")
                )
                return
            if self._stopping.is_set():
                return
            self._emit(reading)
            # By the clock, so that a slow reading does not stretch the interval; one that was missed is left.
            due = max(due + self._interval_s, time.monotonic())
            self._stopping.wait(due - time.monotonic())


def gpu_source(device: NvmlDevice, worker_pid: int) -> Source:
    """Readings of a GPU, with the worker's memory on it and how many other processes compute there."""
    return lambda: device.read(worker_pid)


def cpu_source(worker_pid: int) -> Source:
    """Readings of the worker on the CPU.

    `utilization_percent` is of all CPUs that this process may use, and None in the first reading,
    which has no interval to speak of; `process_bytes` is the worker's resident memory,
    `memory_used_bytes` the system's. A worker that is gone gives None for its own two.
    """
    try:
        process = psutil.Process(worker_pid)
        process.cpu_percent()  # the interval of the next call begins here
    except psutil.Error:
        process = None
    cpus = usable_cpus()
    readings = 0

    def read() -> Telemetry:
        nonlocal readings
        readings += 1
        utilization, resident = None, None
        if process is not None:
            try:
                with process.oneshot():
                    utilization = process.cpu_percent() / cpus if readings > 1 else None
                    resident = int(process.memory_info().rss)
            except psutil.Error:
                utilization, resident = None, None
        return Telemetry(
            utilization_percent=utilization,
            process_bytes=resident,
            memory_used_bytes=int(psutil.virtual_memory().used),
        )

    return read


def usable_cpus() -> int:
    """How many CPUs this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
