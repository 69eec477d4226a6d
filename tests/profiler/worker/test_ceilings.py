"""What a device does at best: by a device whose clock is made up, and on the CPU as it is."""

from __future__ import annotations

import time

import pytest
import torch

from profiler.events import Ceilings, Log
from profiler.worker import ceilings
from profiler.worker.ceilings import measure_ceilings, send_ceilings
from profiler.worker.devices import CpuDevice
from profiler.worker.timer import Call, CallTimer, Timing

COPY_MS = 2.0


class _MadeUp:
    """A matmul takes a microsecond for every 256 rows, anything else 2 ms; both at 1500 MHz."""

    def __init__(self, device: _Device) -> None:
        self._device = device

    def sample(self, call: Call, *, wall: bool) -> Timing:
        result = call()
        assert isinstance(result, torch.Tensor)
        self._device.largest_bytes = max(self._device.largest_bytes, result.nbytes)
        rows = result.shape[0]
        return Timing(rows / 256_000 if result.dim() == 2 else COPY_MS, sm_mhz=1500.0)


class _Device(CpuDevice):
    available = 2**34
    largest_bytes = 0

    def timer(self) -> CallTimer:
        return _MadeUp(self)

    def available_bytes(self) -> int:
        return self.available


def effort(enough_ms: float) -> ceilings._Effort:
    return ceilings._Effort(
        smallest_matmul=64,
        largest_matmul=512,
        enough_ms=enough_ms,
        copy_bytes=2**20,
        warm_up_s=0.0,
        budget_s=0.1,
    )


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceilings._EFFORT, "cpu", effort(enough_ms=0.9))


@pytest.mark.usefixtures("in_a_hurry")
def test_rates_are_work_by_time_with_the_clock_beside() -> None:
    measured = measure_ceilings(["float32"], _Device())
    matmul = measured.matmul["float32"]
    assert matmul.size == 512  # 512 rows take 2 us: never enough, so the largest
    assert matmul.tflops == pytest.approx(2 * 512**3 / 2e-6 / 1e12, rel=1e-3)
    assert matmul.sm_mhz == 1500.0
    assert measured.copy is not None
    assert measured.copy.gb_per_s == pytest.approx(2 * 2**20 / (COPY_MS / 1000) / 1e9, rel=0.05)


@pytest.mark.usefixtures("in_a_hurry")
def test_a_matmul_grows_no_further_than_it_has_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ceilings._EFFORT, "cpu", effort(enough_ms=0.0005))
    assert measure_ceilings(["float32"], _Device()).matmul["float32"].size == 128


@pytest.mark.usefixtures("in_a_hurry")
def test_on_a_small_device_it_takes_a_quarter_of_what_is_free_at_most() -> None:
    device = _Device()
    device.available = 2**20
    measured = measure_ceilings(["float32"], device)
    assert 3 * 4 * measured.matmul["float32"].size ** 2 <= 2**18
    assert measured.copy is not None
    assert 2 * measured.copy.bytes <= 2**18
    assert device.largest_bytes <= 2**18


@pytest.mark.usefixtures("in_a_hurry")
def test_on_the_cpu_each_dtype_is_measured() -> None:
    began_s = time.monotonic()
    measured = measure_ceilings(["float32", "bfloat16"], CpuDevice())
    spent_s = time.monotonic() - began_s
    assert set(measured.matmul) == {"float32", "bfloat16"}
    for rate in measured.matmul.values():
        assert rate.sm_mhz is None
        # No matmul of that size can have taken longer than all of the measurement.
        assert rate.tflops * 1e12 > 2 * rate.size**3 / spent_s


def test_what_cannot_be_measured_is_said_and_answered() -> None:
    class Failing(CpuDevice):
        def release(self) -> None:
            raise RuntimeError("no more")

    sent: list[Ceilings | Log] = []
    send_ceilings(["float32"], Failing(), sent.append)
    log, answer = sent
    assert isinstance(log, Log)
    assert "no more" in log.message
    assert answer == Ceilings(matmul={})
