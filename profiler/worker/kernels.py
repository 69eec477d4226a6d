"""The GPU kernels of one call by name, count and time, from CUPTI; on the CPU the operators."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile, record_function

from profiler.events import Kernel
from profiler.worker.host_record import recorded

_CALL = "attnprof: the call"
_MARKER = "spin_kernel"  # what torch.cuda._sleep runs
# At most what a GPU's clock does, so that the hold is never shorter than meant.
_CYCLES_PER_US = 3000
_HOLD_FACTOR = 2.0
_LEAST_HOLD_US = 200.0
_MOST_HOLD_US = 30_000.0


@dataclass(frozen=True)
class Activity:
    """Something that ran from `start_ns` to `end_ns`, on the GPU or in a thread of the host."""

    name: str
    start_ns: int
    end_ns: int
    thread: int = 0


def kernels_of(
    call: Callable[[], object], *, on_gpu: bool, before: Callable[[], object] | None = None
) -> tuple[tuple[Kernel, ...], float]:
    """The kernels of one call, longest total time first, and the us from the first's start to the last's end.

    The call is made more than once, only its last time counts; `before` (an L2 flush, say) is
    queued ahead of each. Copies and fills are kernels too. On the CPU a kernel is an operator
    with the time in which none of its own operators ran.

    Raises:
        RuntimeError: nothing was recorded, as when another profiler holds CUPTI.
    """
    ready = before or _nothing
    activities = _on_gpu(call, ready) if on_gpu else _on_cpu(call, ready)
    if not activities:
        raise RuntimeError("torch's profiler recorded nothing of the call")
    span_ns = max(one.end_ns for one in activities) - min(one.start_ns for one in activities)
    times_ns = [one.end_ns - one.start_ns for one in activities] if on_gpu else self_times_ns(activities)
    return by_name(activities, times_ns), span_ns / 1000


def _nothing() -> None:
    pass


def _on_gpu(call: Callable[[], object], ready: Callable[[], object]) -> list[Activity]:
    """The last call's activities: those that start behind a marker in the GPU's own time.

    CUPTI starts with the first call, which is slow and may be incomplete. The host's clock is no
    boundary, it is only matched to the GPU's; and the ranges of record_function do not reach
    backward's thread. The marker also holds the stream until the call is queued, so that the span
    is the kernels' and not the launches'.
    """
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA], acc_events=True) as profiled:
        for _ in range(2):
            torch.cuda.synchronize()
            began_ns = time.perf_counter_ns()
            ready()
            call()
            queueing_us = (time.perf_counter_ns() - began_ns) / 1000
        ready()
        torch.cuda.synchronize()
        hold_us = min(max(_HOLD_FACTOR * queueing_us, _LEAST_HOLD_US), _MOST_HOLD_US)
        torch.cuda._sleep(int(hold_us * _CYCLES_PER_US))
        call()
        torch.cuda.synchronize()
    kineto = profiled.profiler
    assert kineto is not None and kineto.kineto_results is not None
    return behind_marker(_activities(kineto.kineto_results.events(), DeviceType.CUDA))


def _on_cpu(call: Callable[[], object], ready: Callable[[], object]) -> list[Activity]:
    """The last call's operators: those within its range, by the one clock that all are read from."""

    def calls() -> None:
        ready()
        call()
        ready()
        with record_function(_CALL):
            call()

    _, events = recorded(calls)
    activities = _activities(events, DeviceType.CPU)
    (whole,) = (one for one in activities if one.name == _CALL)
    return [
        one
        for one in activities
        if whole.start_ns <= one.start_ns and one.end_ns <= whole.end_ns and one is not whole
    ]


def _activities(events: Iterable[Any], device: DeviceType) -> list[Activity]:
    return [
        Activity(
            event.name(), event.start_ns(), event.start_ns() + event.duration_ns(), event.start_thread_id()
        )
        for event in events
        if event.device_type() == device
        # The GPU's timeline repeats the host's ranges. On the host they stay: compiled code has no operators.
        and not (device == DeviceType.CUDA and event.is_user_annotation())
        and not event.name().startswith(("profiler::", "[memory]"))
    ]


def behind_marker(activities: Iterable[Activity]) -> list[Activity]:
    """The GPU's activities that start after the last spin kernel does."""
    ordered = sorted(activities, key=lambda one: one.start_ns)
    markers = [index for index, one in enumerate(ordered) if _MARKER in one.name]
    return ordered[markers[-1] + 1 :] if markers else []


def self_times_ns(activities: Sequence[Activity]) -> list[int]:
    """What of each activity's time is not also that of another within it, in the same thread."""
    times_ns = [one.end_ns - one.start_ns for one in activities]
    around: dict[int, list[int]] = {}
    outermost_first = sorted(
        range(len(activities)), key=lambda index: (activities[index].start_ns, -activities[index].end_ns)
    )
    for index in outermost_first:
        one = activities[index]
        enclosing = around.setdefault(one.thread, [])
        while enclosing and activities[enclosing[-1]].end_ns < one.end_ns:
            enclosing.pop()
        if enclosing:
            times_ns[enclosing[-1]] -= one.end_ns - one.start_ns
        enclosing.append(index)
    return times_ns


def by_name(activities: Sequence[Activity], times_ns: Sequence[int]) -> tuple[Kernel, ...]:
    """Counts and times of the activities of a name together, longest first."""
    counts: dict[str, int] = {}
    totals_ns: dict[str, int] = {}
    for one, time_ns in zip(activities, times_ns, strict=True):
        counts[one.name] = counts.get(one.name, 0) + 1
        totals_ns[one.name] = totals_ns.get(one.name, 0) + time_ns
    longest_first = sorted(totals_ns, key=lambda name: -totals_ns[name])
    return tuple(
        Kernel(name=name, count=counts[name], time_us=totals_ns[name] / 1000) for name in longest_first
    )
