"""NVML's layer: what it tells of a GPU, and what it does when NVML won't tell."""

from __future__ import annotations

from types import SimpleNamespace

import pynvml
import pytest

from profiler.events import Telemetry
from profiler.machine.nvml import GpuProcess, Nvml, NvmlDevice, NvmlError, throttle_names, visible
from tests.profiler.fake_nvml import H100, NOT_SUPPORTED, OTHER, FakePynvml


def only_device(library: FakePynvml) -> NvmlDevice:
    (device,) = Nvml.open(library).devices()
    return device


def test_gpu_tells_what_does_not_change() -> None:
    gpu = only_device(FakePynvml()).gpu()
    assert (gpu.name, gpu.uuid, gpu.driver) == ("NVIDIA H100 80GB HBM3", H100, "580.95.05")
    assert gpu.compute_capability == (9, 0)
    assert gpu.memory_bytes == 80 * 2**30
    assert (gpu.power_limit_w, gpu.max_sm_mhz, gpu.max_memory_mhz) == (700.0, 1980, 2619)


def test_reading_has_the_units_it_says() -> None:
    library = FakePynvml()
    library.throttle_bits = 0x1 | 0x4 | 0x40
    assert only_device(library).read(process_id=41) == Telemetry(
        sm_mhz=1590,
        memory_mhz=2619,
        power_w=612.345,
        temperature_c=61,
        utilization_percent=97.0,
        memory_used_bytes=2**29,
        process_bytes=3 * 2**30,
        other_processes=0,
        throttle=("power cap", "thermal slowdown (hardware)"),
    )


@pytest.mark.parametrize(
    ("function", "fields"),
    [
        ("nvmlDeviceGetTemperature", {"temperature_c"}),
        ("nvmlDeviceGetUtilizationRates", {"utilization_percent"}),
        ("nvmlDeviceGetMemoryInfo", {"memory_used_bytes"}),
        ("nvmlDeviceGetComputeRunningProcesses_v3", {"process_bytes", "other_processes"}),
    ],
)
def test_a_call_that_is_not_supported_leaves_only_its_own_fields_unknown(
    function: str, fields: set[str]
) -> None:
    whole = only_device(FakePynvml()).read(41)
    partly = only_device(FakePynvml(refuse={function: NOT_SUPPORTED})).read(41)
    differing = {name for name in whole.__struct_fields__ if getattr(whole, name) != getattr(partly, name)}
    assert differing == fields
    assert all(getattr(partly, field) is None for field in fields)


def test_a_gpu_that_answers_nothing_still_reads() -> None:
    asked = [name.removeprefix("_") for name in dir(FakePynvml) if name.startswith("_nvmlDevice")]
    found = ("nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex")
    device = only_device(FakePynvml(refuse={name: NOT_SUPPORTED for name in asked if name not in found}))
    assert device.read(41) == Telemetry()
    assert device.gpu().name == "NVIDIA GPU"
    assert device.processes() is None
    assert device.settings().persistence is None
    assert device.energy_j() is None
    assert device.memory_used_bytes() is None
    assert device.process_bytes(41) is None
    assert device.sm_clocks_mhz() == ()


def test_power_falls_back_to_the_average_and_never_mixes_the_two() -> None:
    library = FakePynvml(refuse={"instant power": NOT_SUPPORTED})
    device = only_device(library)
    assert device.read().power_w == 350.0
    library.refuse.clear()
    assert device.read().power_w == 350.0


def test_throttle_reasons_come_from_their_old_name_on_old_drivers() -> None:
    not_found = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
    library = FakePynvml(refuse={"nvmlDeviceGetCurrentClocksEventReasons": not_found})
    library.throttle_bits = 0x8
    assert only_device(library).read().throttle == ("hardware slowdown",)


def test_every_throttle_bit_has_a_name_and_an_unknown_one_its_number() -> None:
    known = throttle_names(pynvml.nvmlClocksThrottleReasonAll)
    assert (
        len(known)
        == (pynvml.nvmlClocksThrottleReasonAll & ~pynvml.nvmlClocksThrottleReasonGpuIdle).bit_count()
    )
    assert not any(name.startswith("reason") for name in known)
    assert throttle_names(0x10000) == ("reason 0x10000",)
    assert throttle_names(0x1) == ()


WORKER = SimpleNamespace(pid=41, usedGpuMemory=3 * 2**30)
GUEST = SimpleNamespace(pid=6, usedGpuMemory=2**30)
HIDDEN = SimpleNamespace(pid=41, usedGpuMemory=None)


@pytest.mark.parametrize(
    ("listed", "worker", "bytes_held", "others"),
    [
        ([GUEST, WORKER], 41, 3 * 2**30, 1),
        ([WORKER], 41, 3 * 2**30, 0),
        ([HIDDEN, GUEST], 41, None, 1),
        # Ids of the host, seen from a container: the worker is among them under another one.
        ([WORKER], 7, 3 * 2**30, 0),
        ([GUEST, WORKER], 7, None, 1),
        ([], 7, None, 0),
    ],
)
def test_the_worker_is_told_from_the_others(
    listed: list[SimpleNamespace], worker: int, bytes_held: int | None, others: int
) -> None:
    library = FakePynvml()
    library.processes = listed
    device = only_device(library)
    reading = device.read(worker)
    assert (reading.process_bytes, reading.other_processes) == (bytes_held, others)
    assert device.process_bytes(worker) == bytes_held


def test_processes_are_asked_for_once_a_reading_and_not_without_a_worker() -> None:
    library = FakePynvml()
    device = only_device(library)
    reading = device.read()
    assert (reading.process_bytes, reading.other_processes) == (None, None)
    assert library.asked.count("nvmlDeviceGetComputeRunningProcesses_v3") == 0
    device.read(41)
    assert library.asked.count("nvmlDeviceGetComputeRunningProcesses_v3") == 1


def test_energy_is_in_joules() -> None:
    assert only_device(FakePynvml()).energy_j() == 5000.25


def test_sm_clocks_are_those_of_the_highest_memory_clock_highest_first() -> None:
    library = FakePynvml()
    clocks = only_device(library).sm_clocks_mhz()
    assert (len(clocks), clocks[:2], clocks[-1]) == (110, (1980, 1965), 345)
    library.memory_clocks = []
    assert only_device(library).sm_clocks_mhz() == ()


def test_processes_may_hide_their_memory() -> None:
    library = FakePynvml()
    library.processes = [SimpleNamespace(pid=5, usedGpuMemory=None)]
    assert only_device(library).processes() == [GpuProcess(pid=5, memory_bytes=None)]


def test_memory_in_use_is_read_the_old_way_where_there_is_no_other() -> None:
    library = FakePynvml()
    whole = library._nvmlDeviceGetMemoryInfo

    def first_version_only(handle: int, version: int | None = None) -> SimpleNamespace:
        if version:
            raise pynvml.NVMLError(NOT_SUPPORTED)
        return whole(handle)

    library._nvmlDeviceGetMemoryInfo = first_version_only  # type: ignore[method-assign]
    assert only_device(library).read().memory_used_bytes == 2**30


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "no NVIDIA driver"),
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "not loaded"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "updated"),
        (pynvml.NVML_ERROR_GPU_IS_LOST, "NVML says"),
    ],
)
def test_opening_says_why_not_and_what_to_do(code: int, words: str) -> None:
    with pytest.raises(NvmlError, match=words) as caught:
        Nvml.open(FakePynvml(refuse={"nvmlInit": code}))
    assert caught.value.remedy


def test_closing_twice_is_no_error() -> None:
    library = FakePynvml()
    nvml = Nvml.open(library)
    nvml.close()
    nvml.close()
    assert library.closed == 2


def test_versions() -> None:
    nvml = Nvml.open(FakePynvml())
    assert nvml.driver == "580.95.05"
    assert nvml.cuda_version == (13, 1)


@pytest.mark.parametrize("uuid", [OTHER, OTHER.removeprefix("GPU-"), OTHER.upper(), OTHER[:8]])
def test_a_gpu_is_found_by_its_uuid_however_it_is_written(uuid: str) -> None:
    device = Nvml.open(FakePynvml((H100, OTHER))).find(uuid)
    assert device is not None
    assert device.index == 1


@pytest.mark.parametrize("which", [2, "GPU-ffff", "", "GPU-"])
def test_a_gpu_that_is_not_there_is_not_found(which: int | str) -> None:
    assert Nvml.open(FakePynvml((H100, OTHER))).find(which) is None


def test_a_beginning_that_two_share_finds_neither() -> None:
    assert Nvml.open(FakePynvml(("GPU-aa11", "GPU-aa22"))).find("GPU-aa") is None


@pytest.mark.parametrize("mig", [f"MIG-{OTHER}/1/0", "MIG-0b1c2d3e-aaaa-bbbb-cccc-ddddeeeeffff"])
def test_a_mig_slice_is_answered_with_its_gpu(mig: str) -> None:
    device = Nvml.open(FakePynvml((H100, OTHER))).find(mig)
    assert device is not None
    assert device.uuid == OTHER


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (None, None),
        ("", ()),
        ("-1", ()),
        ("NoDevFiles", ()),
        ("2", (2,)),
        ("1, 0", (1, 0)),
        ("0,-1,1", (0,)),
        ("GPU-8932,MIG-77", ("GPU-8932", "MIG-77")),
    ],
)
def test_cuda_visible_devices_is_read_as_cuda_reads_it(
    text: str | None, seen: tuple[int | str, ...] | None
) -> None:
    assert visible({} if text is None else {"CUDA_VISIBLE_DEVICES": text}) == seen


def test_visible_devices_end_at_the_first_that_does_not_exist() -> None:
    nvml = Nvml.open(FakePynvml((H100, OTHER)))
    assert [device.index for device in nvml.visible_devices({})] == [0, 1]
    assert [device.index for device in nvml.visible_devices({"CUDA_VISIBLE_DEVICES": "1,0"})] == [1, 0]
    assert [device.index for device in nvml.visible_devices({"CUDA_VISIBLE_DEVICES": "1,7,0"})] == [1]
