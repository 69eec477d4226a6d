"""The sampler: it samples, stops at once, and never dies in silence."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from queue import Queue
from types import SimpleNamespace

from profiler.events import Log, Telemetry
from profiler.machine.nvml import Nvml
from profiler.machine.telemetry import Sampler, cpu_source, gpu_source, usable_cpus
from tests.profiler.fake_nvml import FakePynvml

WAIT_S = 20.0  # far beyond what a test takes; a test that needs it has failed
GONE_PID = 2**22 + 1  # beyond the largest process id that Linux gives (PID_MAX_LIMIT)


def sampling_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "telemetry"]


def test_readings_are_emitted_one_after_another_until_it_stops() -> None:
    emitted: Queue[Telemetry | Log] = Queue()
    numbers = iter(range(1_000_000))
    sampler = Sampler(lambda: Telemetry(sm_mhz=next(numbers)), emitted.put, interval_s=0.001)
    sampler.start()
    first = [emitted.get(timeout=WAIT_S) for _ in range(5)]
    sampler.stop()
    assert first == [Telemetry(sm_mhz=number) for number in range(5)]
    assert not sampling_threads()


def test_stopping_does_not_wait_for_the_interval() -> None:
    emitted: Queue[Telemetry | Log] = Queue()
    sampler = Sampler(Telemetry, emitted.put, interval_s=3600)
    sampler.start()
    emitted.get(timeout=WAIT_S)
    sampler.stop()
    assert not sampling_threads()
    assert emitted.empty()


def test_a_reading_under_way_at_the_stop_is_not_emitted() -> None:
    emitted: Queue[Telemetry | Log] = Queue()
    reading, go_on = threading.Event(), threading.Event()

    def read() -> Telemetry:
        reading.set()
        go_on.wait(WAIT_S)
        return Telemetry()

    sampler = Sampler(read, emitted.put)
    sampler.start()
    assert reading.wait(WAIT_S)
    sampler._stopping.set()
    go_on.set()
    sampler.stop()
    assert emitted.empty()


def test_stopping_what_never_started_is_no_error() -> None:
    Sampler(Telemetry, lambda event: None).stop()


def test_a_reading_that_fails_is_told_once_and_ends_the_thread() -> None:
    emitted: Queue[Telemetry | Log] = Queue()

    def read() -> Telemetry:
        raise OSError("the driver went away")

    sampler = Sampler(read, emitted.put, interval_s=0.001)
    sampler.start()
    told = emitted.get(timeout=WAIT_S)
    sampler.stop()
    assert told == Log(level="warning", message="telemetry stopped: OSError: the driver went away")
    assert emitted.empty()
    assert not sampling_threads()


def test_gpu_source_reads_the_worker_s_memory_and_counts_the_others() -> None:
    library = FakePynvml()
    library.processes.append(SimpleNamespace(pid=9, usedGpuMemory=2**20))
    (device,) = Nvml.open(library).devices()
    reading = gpu_source(device, 41)()
    assert (reading.process_bytes, reading.other_processes) == (3 * 2**30, 1)
    assert gpu_source(device, 9)().process_bytes == 2**20


def test_cpu_source_reads_the_worker() -> None:
    read = cpu_source(os.getpid())
    first, second = read(), read()
    assert first.utilization_percent is None
    assert second.utilization_percent is not None
    assert second.process_bytes is not None
    assert 2**20 < second.process_bytes < 2**40
    assert second.memory_used_bytes is not None
    assert second.memory_used_bytes > 0
    assert (second.sm_mhz, second.other_processes) == (None, None)


def test_a_worker_that_never_was_gives_nones() -> None:
    reading = cpu_source(GONE_PID)()
    assert (reading.utilization_percent, reading.process_bytes) == (None, None)
    assert reading.memory_used_bytes is not None


def test_a_worker_that_vanishes_gives_nones() -> None:
    worker = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        read = cpu_source(worker.pid)
        assert read().process_bytes is not None
    finally:
        worker.kill()
        worker.communicate()
    reading = read()
    assert (reading.utilization_percent, reading.process_bytes) == (None, None)


def test_usable_cpus_are_at_most_those_there_are() -> None:
    assert 1 <= usable_cpus() <= (os.cpu_count() or 1)
