"""A shape's measurement as a whole: what is made outside the clocks, and what costs one case only."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

import impls
from impls import Implementation, Workload
from impls.contract import Attend, Layout
from profiler.engine.protocol import ShapeDone, WorkerMessage
from profiler.events import CaseChecked, CaseStarted, Failure, Kernels, Log, Result, Samples
from profiler.plans.plan import Takes
from profiler.worker import check, subject
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
        for module in (check, subject):
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


@pytest.mark.parametrize("gives_way", [True, False])
def test_a_first_call_that_runs_out_beside_what_others_keep_is_made_again_alone(
    device: TimingDevice, *, gives_way: bool
) -> None:
    kept: list[weakref.ref[Attend]] = []
    tries = 0

    def keeps_a_mask(workload: Workload, device: str) -> Attend:
        attend = plain(workload, device)
        kept.append(weakref.ref(attend))
        return attend

    def needs_the_room(workload: Workload, device: str) -> Attend:
        nonlocal tries
        tries += 1
        if not gives_way or any(attend() is not None for attend in kept):
            raise torch.OutOfMemoryError("out of memory")
        return plain(workload, device)

    others = known(keeping=keeps_a_mask, hungry=needs_the_room)

    def find(name: str) -> Implementation:
        return replace(others(name), compiled=name == "keeping")

    messages = measure(device, SHAPE, ["keeping", "hungry"], find=find)
    failures = [(said.implementation, said.kind) for said in messages if isinstance(said, Failure)]
    if gives_way:
        assert failures == []
        assert results_of(messages) == {"keeping": 3, "hungry": 3}
    else:
        assert failures == [("hungry", "oom")]
        assert tries == 2  # beside the other, and alone
    assert len(of_type(CaseStarted, messages)) == 2


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


def writes_into_k(workload: Workload, device: str) -> Attend:
    attend = plain(workload, device)

    def attend_and_scribble(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        out = attend(q, k, v)
        with torch.no_grad():
            k.data.mul_(1.5)
        return out

    return attend_and_scribble


def test_an_implementation_that_writes_into_its_inputs_is_reported_and_keeps_them_to_itself(
    device: TimingDevice,
) -> None:
    seen: list[torch.Tensor] = []

    def watches(workload: Workload, name: str) -> Attend:
        attend = plain(workload, name)

        def attend_and_watch(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            seen.append(k.detach().clone())
            return attend(q, k, v)

        return attend_and_watch

    messages = measure(
        device, SHAPE, ["scribbles", "watches"], find=known(scribbles=writes_into_k, watches=watches)
    )
    written = {
        message.case: message.writes_inputs for message in messages if isinstance(message, CaseChecked)
    }
    assert written == {0: ("k",), 1: ()}
    fresh = make_inputs(SHAPE, "bhsd", "cpu", 0).k
    assert all(torch.equal(k, fresh) for k in seen)
    assert results_of(messages) == {"scribbles": 3, "watches": 3}


def test_in_a_hurry_no_accuracy_is_checked(device: TimingDevice) -> None:
    for accuracy in (True, False):
        messages = measure(device, SHAPE, ["pytorch"], takes=Takes(accuracy=accuracy))
        (checked,) = (message for message in messages if isinstance(message, CaseChecked))
        assert (checked.accuracy is not None) is accuracy


def test_kernels_are_taken_where_asked_for_and_after_the_results(device: TimingDevice) -> None:
    assert not [m for m in measure(device, SHAPE, ["pytorch"]) if isinstance(m, Kernels)]
    messages = measure(device, SHAPE, ["pytorch"], takes=Takes(kernels=True))
    kinds = [type(message) for message in messages if isinstance(message, Result | Kernels)]
    assert kinds == [Result] * 3 + [Kernels] * 3
    forward = next(message for message in messages if isinstance(message, Kernels))
    assert {"aten::baddbmm", "aten::bmm"} <= {kernel.name for kernel in forward.kernels}


def test_energy_that_cannot_be_had_is_said_and_costs_nothing_else(device: TimingDevice) -> None:
    messages = measure(device, SHAPE, ["pytorch"], passes=("fwd",), takes=Takes(energy=True))
    (log,) = (message for message in messages if isinstance(message, Log))
    assert log.message.startswith("no energy of pytorch forward")
    assert results_of(messages) == {"pytorch": 1}


def test_a_calls_cycles_are_those_of_its_own_samples(device: TimingDevice) -> None:
    """Half the samples take twice the time at half the clock: the cycles are the same in all."""

    class Throttling(_Clock):
        samples = 0

        def sample(self, call: Callable[[], object], *, wall: bool) -> Timing:
            call()
            self.samples += 1
            return Timing(1.0, sm_mhz=1800.0) if self.samples % 2 else Timing(2.0, sm_mhz=900.0)

    class Device(TimingDevice):
        def timer(self) -> _Clock:
            return Throttling(self)

    messages = measure(Device(), SHAPE, ["pytorch"], passes=("fwd",), repeats=4)
    (result,) = (message for message in messages if isinstance(message, Result))
    assert result.mega_cycles == 1.8
    assert result.sm_mhz is not None
    assert result.sm_mhz.median == 1350.0
    clocks = [clock for message in messages if isinstance(message, Samples) for clock in message.sm_mhz]
    assert sorted(clocks, key=lambda mhz: mhz or 0) == [900.0, 900.0, 1800.0, 1800.0]
