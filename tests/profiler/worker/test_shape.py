"""A shape's measurement as a whole: what is made outside the clocks, and what costs one case only."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

import impls
from impls import Implementation, Workload
from impls.contract import Attend, Layout
from profiler.events import CaseChecked, Failure, Result, Samples
from profiler.protocol import ShapeDone, WorkerMessage
from profiler.worker import check, shape
from profiler.worker.accuracy import Reference
from profiler.worker.devices import CpuDevice
from profiler.worker.inputs import Tensors, make_inputs
from profiler.worker.timer import Timing
from profiler.workload import PASSES, Attention
from tests.shapes import attention
from tests.workers import measure

SHAPE = attention(batch=1, heads=2, seq=16, head_dim=8)
Prepare = Callable[[Workload, str], Attend]


class TimingDevice(CpuDevice):
    """A CPU that knows whether a clock is running."""

    clock_runs = False

    def timer(self) -> _Clock:
        return _Clock(self)


class _Clock:
    def __init__(self, device: TimingDevice) -> None:
        self._device = device

    def sample(self, call: Callable[[], object], *, wall: bool) -> Timing:
        self._device.clock_runs = True
        try:
            call()
        finally:
            self._device.clock_runs = False
        return Timing(1.0, 1.0 if wall else None)


class Workshop:
    """Where inputs are made: for which layout, and whether a clock was running."""

    def __init__(self, device: TimingDevice, monkeypatch: pytest.MonkeyPatch) -> None:
        self._device = device
        self.made: list[Layout] = []
        self.made_while_timing: list[Layout] = []
        for module in (check, shape):
            monkeypatch.setattr(module, "make_inputs", self.make)

    def make(self, workload: Attention, layout: Layout, device: str, seed: int) -> Tensors:
        (self.made_while_timing if self._device.clock_runs else self.made).append(layout)
        return make_inputs(workload, layout, device, seed)


@pytest.fixture
def device() -> TimingDevice:
    return TimingDevice()


@pytest.fixture
def workshop(device: TimingDevice, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    return Workshop(device, monkeypatch)


def plain(workload: Workload, device: str) -> Attend:
    return impls.find("pytorch").prepare(workload, device)


def plain_bshd(workload: Workload, device: str) -> Attend:
    attend = plain(workload, device)
    return lambda q, k, v: attend(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(1, 2)


def known(**prepares: Prepare) -> Callable[[str], Implementation]:
    """Implementations by name; one whose name begins with "bshd" takes that layout."""
    found = {
        name: Implementation(
            name=name,
            label=name,
            summary=name,
            prepare=prepare,
            layout="bshd" if name.startswith("bshd") else "bhsd",
        )
        for name, prepare in prepares.items()
    }
    return lambda name: found[name]


def in_rounds(prepare: Prepare) -> Prepare:
    """Plain attention where a case is checked; what `prepare` gives where it is measured in rounds."""
    times = 0

    def either(workload: Workload, device: str) -> Attend:
        nonlocal times
        times += 1
        return (plain if times == 1 else prepare)(workload, device)

    return either


def runs_out_of_memory_once(workload: Workload, device: str) -> Attend:
    attend, failed = plain(workload, device), False

    def attend_but_first(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        nonlocal failed
        if not failed:
            failed = True
            raise torch.OutOfMemoryError("out of memory, with others' inputs beside mine")
        return attend(q, k, v)

    return attend_but_first


def of_type(kind: type[WorkerMessage], messages: list[WorkerMessage]) -> list[WorkerMessage]:
    return [message for message in messages if isinstance(message, kind)]


def results_of(messages: list[WorkerMessage]) -> dict[str, int]:
    """How many results each implementation has."""
    names = [message.implementation for message in messages if isinstance(message, Result)]
    return {name: names.count(name) for name in names}


def test_inputs_are_made_once_a_layout_and_never_inside_a_timed_call(
    device: TimingDevice, workshop: Workshop
) -> None:
    find = known(first=plain, second=plain, bshd=plain_bshd)
    messages = measure(device, SHAPE, ["first", "second", "bshd"], find=find)
    assert results_of(messages) == {"first": 3, "second": 3, "bshd": 3}
    assert workshop.made_while_timing == []
    # One set for each case's check, and in rounds one for each layout.
    assert workshop.made == ["bhsd", "bhsd", "bshd", "bhsd", "bshd"]


def test_inputs_that_gave_way_to_a_case_are_made_again_outside_the_timed_calls(
    device: TimingDevice, workshop: Workshop
) -> None:
    find = known(bshd=plain_bshd, hungry=in_rounds(runs_out_of_memory_once))
    messages = measure(device, SHAPE, ["bshd", "hungry"], find=find)
    assert of_type(Failure, messages) == []
    assert results_of(messages) == {"bshd": 3, "hungry": 3}
    assert workshop.made_while_timing == []
    checked, warmed_up = ["bshd", "bhsd"], ["bshd", "bhsd"]
    assert workshop.made == [*checked, *warmed_up, "bshd"]


def test_a_case_that_runs_out_of_memory_alone_too_fails_alone(
    device: TimingDevice, workshop: Workshop
) -> None:
    def always(workload: Workload, device: str) -> Attend:
        def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("out of memory")

        return attend

    messages = measure(
        device, SHAPE, ["bshd", "hungry"], find=known(bshd=plain_bshd, hungry=in_rounds(always))
    )
    (failure,) = of_type(Failure, messages)
    assert isinstance(failure, Failure)
    assert (failure.implementation, failure.kind) == ("hungry", "oom")
    assert results_of(messages) == {"bshd": 3}
    assert workshop.made_while_timing == []


def test_preparing_that_fails_only_the_second_time_costs_that_case_alone(device: TimingDevice) -> None:
    def not_again(workload: Workload, device: str) -> Attend:
        raise RuntimeError("the workspace is already taken")

    find = known(first=plain, once=in_rounds(not_again), last=plain)
    messages = measure(device, SHAPE, ["first", "once", "last"], find=find)
    (failure,) = of_type(Failure, messages)
    assert isinstance(failure, Failure)
    assert (failure.implementation, failure.which, failure.kind) == ("once", None, "error")
    assert failure.message == "RuntimeError: the workspace is already taken"
    assert results_of(messages) == {"first": 3, "last": 3}
    assert isinstance(messages[-1], ShapeDone)


def test_a_comparison_that_fails_leaves_a_note_and_the_measurement(
    device: TimingDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(*args: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(Reference, "judge", cannot)
    messages = measure(device, SHAPE, ["mine"], find=known(mine=plain))
    (checked,) = of_type(CaseChecked, messages)
    assert isinstance(checked, CaseChecked)
    assert checked.accuracy is None
    assert checked.notes == ("accuracy was not checked: out of memory",)
    assert set(checked.memory) == set(PASSES)
    assert of_type(Failure, messages) == []
    assert results_of(messages) == {"mine": 3}
    assert of_type(Samples, messages)
