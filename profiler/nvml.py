"""NVML behind a small typed layer: which GPU, what it is, and what changes while it works.

Any call may answer "not supported" (passthrough VMs, MIG, older drivers): then that field is
None, and nothing else fails. NVML ignores CUDA_VISIBLE_DEVICES, so the mapping is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from profiler.events import Gpu, Telemetry

# nvml.h, nvmlClocksEventReasons*. "Idle" (0x1) is left out: it slows nothing that runs.
_THROTTLE_REASONS = {
    0x2: "clocks set by the user",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal slowdown (software)",
    0x40: "thermal slowdown (hardware)",
    0x80: "power brake",
    0x100: "display clocks",
    0x200: "board limit",
    0x400: "reliability limit",
}
_IDLE = 0x1


class NvmlError(RuntimeError):
    """NVML cannot be used here; the message is one clause that says why, `remedy` what to do."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


@dataclass(frozen=True)
class GpuProcess:
    """A process that computes on a GPU; `memory_bytes` is None where NVML may not say."""

    pid: int
    memory_bytes: int | None


@dataclass(frozen=True)
class GpuSettings:
    """What an administrator may have set on a GPU; None where it could not be read.

    `application_mhz` is the SM clock set with `nvidia-smi -ac`, beside the board's default.
    """

    persistence: bool | None
    mig: bool | None
    default_power_limit_w: float | None
    application_mhz: int | None
    default_application_mhz: int | None


class NvmlDevice:
    """One GPU. `library` is the pynvml module, or what stands in for it."""

    def __init__(self, library: Any, handle: Any, index: int) -> None:
        self._library = library
        self._handle = handle
        self.index = index
        self._power_is_instant = True

    @property
    def uuid(self) -> str | None:
        """As NVML writes it, with its "GPU-" in front."""
        uuid = self._ask(self._library.nvmlDeviceGetUUID)
        return None if uuid is None else str(uuid)

    def gpu(self) -> Gpu:
        """What does not change; the count of SMs and the size of L2 are torch's to tell."""
        nvml = self._library
        memory = self._memory()
        capability = self._ask(nvml.nvmlDeviceGetCudaComputeCapability)
        return Gpu(
            name=str(self._ask(nvml.nvmlDeviceGetName) or "NVIDIA GPU"),
            uuid=self.uuid,
            compute_capability=None if capability is None else (int(capability[0]), int(capability[1])),
            memory_bytes=None if memory is None else int(memory.total),
            driver=_driver(nvml),
            power_limit_w=_watts(self._ask(nvml.nvmlDeviceGetEnforcedPowerLimit)),
            max_sm_mhz=self._ask(nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_SM),
            max_memory_mhz=self._ask(nvml.nvmlDeviceGetMaxClockInfo, nvml.NVML_CLOCK_MEM),
        )

    def settings(self) -> GpuSettings:
        """What an administrator may have set."""
        nvml = self._library
        persistence = self._ask(nvml.nvmlDeviceGetPersistenceMode)
        mig = self._ask(nvml.nvmlDeviceGetMigMode)
        return GpuSettings(
            persistence=None if persistence is None else bool(persistence),
            mig=None if mig is None else bool(mig[0]),
            default_power_limit_w=_watts(self._ask(nvml.nvmlDeviceGetPowerManagementDefaultLimit)),
            application_mhz=self._ask(nvml.nvmlDeviceGetApplicationsClock, nvml.NVML_CLOCK_SM),
            default_application_mhz=self._ask(nvml.nvmlDeviceGetDefaultApplicationsClock, nvml.NVML_CLOCK_SM),
        )

    def read(self, process_id: int | None = None) -> Telemetry:
        """What changes, now, with the memory of one process; `at_s` is left 0.

        The clock lags by up to 100 ms (NVML's own interval), utilisation by 500 ms.
        """
        nvml = self._library
        memory = self._memory()
        utilization = self._ask(nvml.nvmlDeviceGetUtilizationRates)
        return Telemetry(
            sm_mhz=self._ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM),
            memory_mhz=self._ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM),
            power_w=self._power_w(),
            temperature_c=self._ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
            utilization_percent=None if utilization is None else float(utilization.gpu),
            memory_used_bytes=None if memory is None else int(memory.used),
            process_bytes=None if process_id is None else self._process_bytes(process_id),
            throttle=self._throttle(),
        )

    def processes(self) -> list[GpuProcess] | None:
        """The processes that compute on it, or None where NVML may not list them.

        In a container the ids may be the host's, and the list may be empty without being true.
        """
        # _v3 by name: the plain function turns an old driver's "not found" into another error type.
        found = self._ask(self._library.nvmlDeviceGetComputeRunningProcesses_v3)
        if found is None:
            return None
        return [GpuProcess(pid=int(process.pid), memory_bytes=process.usedGpuMemory) for process in found]

    def _process_bytes(self, process_id: int) -> int | None:
        for process in self.processes() or []:
            if process.pid == process_id:
                return process.memory_bytes
        return None

    def _memory(self) -> Any:
        """Version 2 where there is one: its `used` leaves out what the driver reserves."""
        nvml = self._library
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, nvml.nvmlMemory_v2)
        return memory if memory is not None else self._ask(nvml.nvmlDeviceGetMemoryInfo)

    def _power_w(self) -> float | None:
        """The instant power where there is one: from Ampere on the plain call is a 1 s average."""
        nvml = self._library
        if self._power_is_instant:
            values = self._ask(nvml.nvmlDeviceGetFieldValues, [nvml.NVML_FI_DEV_POWER_INSTANT])
            if values is not None and values[0].nvmlReturn == nvml.NVML_SUCCESS:
                return _watts(values[0].value.uiVal)
            self._power_is_instant = False  # for good, so that one session never mixes the two
        return _watts(self._ask(nvml.nvmlDeviceGetPowerUsage))

    def _throttle(self) -> tuple[str, ...]:
        nvml = self._library
        bits = self._ask(nvml.nvmlDeviceGetCurrentClocksEventReasons)
        if bits is None:  # its name before driver 535
            bits = self._ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons)
        return throttle_names(bits or 0)

    def _ask(self, function: Callable[..., Any], *args: Any) -> Any:
        return _ask(self._library, function, self._handle, *args)


class Nvml:
    """NVML, opened. `library` is the pynvml module, or what stands in for it."""

    def __init__(self, library: Any) -> None:
        self._library = library

    @classmethod
    def open(cls, library: Any = None) -> Nvml:
        """Start NVML.

        Raises:
            NvmlError: there is no driver, or it cannot be used.
        """
        if library is None:
            library = _pynvml()
        try:
            library.nvmlInit()
        except library.NVMLError as error:
            raise _reason_closed(library, error) from None
        return cls(library)

    def close(self) -> None:
        """Let go of the driver; a second call does nothing."""
        _ask(self._library, self._library.nvmlShutdown)

    @property
    def driver(self) -> str | None:
        """The driver's version, such as "580.95.05"."""
        return _driver(self._library)

    @property
    def cuda_version(self) -> tuple[int, int] | None:
        """The newest CUDA that the driver runs without its compatibility package."""
        number = _ask(self._library, self._library.nvmlSystemGetCudaDriverVersion_v2)
        return None if number is None else (number // 1000, number % 1000 // 10)

    def devices(self) -> list[NvmlDevice]:
        """Every GPU that answers, in NVML's order (by PCI bus)."""
        nvml = self._library
        handles = [
            (index, _ask(nvml, nvml.nvmlDeviceGetHandleByIndex, index))
            for index in range(_ask(nvml, nvml.nvmlDeviceGetCount) or 0)
        ]
        return [NvmlDevice(nvml, handle, index) for index, handle in handles if handle is not None]

    def find(self, which: int | str) -> NvmlDevice | None:
        """The GPU of an index, or of a UUID: with or without "GPU-", in any case, or its beginning.

        A MIG slice is answered with the GPU that it is part of.
        """
        devices = self.devices()
        if isinstance(which, int):
            return next((device for device in devices if device.index == which), None)
        wanted = self._parent_uuid(which) if which.upper().startswith("MIG-") else which
        if not (key := _uuid_key(wanted or "")):
            return None
        found = [device for device in devices if _uuid_key(device.uuid or "").startswith(key)]
        return found[0] if len(found) == 1 else None

    def visible_devices(self, environ: Mapping[str, str]) -> list[NvmlDevice]:
        """The GPUs that CUDA sees, in CUDA's order.

        Where GPUs differ and CUDA_DEVICE_ORDER is not PCI_BUS_ID, CUDA puts the fastest first,
        which NVML cannot know: the UUID that torch reports decides.
        """
        chosen = visible(environ)
        if chosen is None:
            return self.devices()
        seen: list[NvmlDevice] = []
        for which in chosen:
            if (device := self.find(which)) is None:
                break  # CUDA too stops at the first that it does not know
            seen.append(device)
        return seen

    def _parent_uuid(self, mig: str) -> str | None:
        """Of "MIG-GPU-<uuid>/1/0", which names its GPU, or of "MIG-<uuid>", which NVML knows."""
        rest = mig[len("MIG-") :]
        if rest.upper().startswith("GPU-"):
            return rest.partition("/")[0]
        nvml = self._library
        if (part := _ask(nvml, nvml.nvmlDeviceGetHandleByUUID, mig)) is None:
            return None
        parent = _ask(nvml, nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle, part)
        return None if parent is None else NvmlDevice(nvml, parent, -1).uuid


def visible(environ: Mapping[str, str]) -> tuple[int | str, ...] | None:
    """What CUDA_VISIBLE_DEVICES lets CUDA see, as NVML indices or UUIDs; None for everything.

    As in CUDA, the list ends at the first entry that can be neither, such as -1.
    """
    text = environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return None
    chosen: list[int | str] = []
    for entry in (part.strip() for part in text.split(",")):
        if entry.isdecimal():
            chosen.append(int(entry))
        elif entry.upper().startswith(("GPU-", "MIG-")):
            chosen.append(entry)
        else:
            break
    return tuple(chosen)


def throttle_names(bits: int) -> tuple[str, ...]:
    """The reasons in NVML's bit field by name, lowest bit first; a bit unknown here by its number."""
    return tuple(
        _THROTTLE_REASONS.get(1 << place, f"reason {1 << place:#x}")
        for place in range(bits.bit_length())
        if bits & ~_IDLE & (1 << place)
    )


def _ask(library: Any, function: Callable[..., Any], *args: Any) -> Any:
    """The function's answer, or None where NVML has none."""
    try:
        return function(*args)
    except library.NVMLError:
        return None


def _driver(library: Any) -> str | None:
    version = _ask(library, library.nvmlSystemGetDriverVersion)
    return None if version is None else str(version)


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000


def _uuid_key(uuid: str) -> str:
    return uuid.casefold().removeprefix("gpu-")


def _pynvml() -> Any:
    try:
        import pynvml  # 30 ms, so not before it is needed
    except ImportError:
        raise NvmlError("the package nvidia-ml-py is not installed", "pip install nvidia-ml-py") from None
    return pynvml


def _reason_closed(library: Any, error: Exception) -> NvmlError:
    reasons = {
        library.NVML_ERROR_LIBRARY_NOT_FOUND: NvmlError(
            "there is no NVIDIA driver (libnvidia-ml.so.1 is not found)",
            "sudo apt-get install nvidia-driver, or in Docker: docker run --gpus all ...",
        ),
        library.NVML_ERROR_DRIVER_NOT_LOADED: NvmlError(
            "the NVIDIA driver is installed but not loaded", "sudo modprobe nvidia"
        ),
        library.NVML_ERROR_NO_PERMISSION: NvmlError(
            "this user may not use the NVIDIA driver", "sudo usermod -aG video,render $USER, and log in again"
        ),
        library.NVML_ERROR_LIB_RM_VERSION_MISMATCH: NvmlError(
            "the NVIDIA driver was updated and the older one is still loaded", "sudo reboot"
        ),
    }
    code = getattr(error, "value", None)
    return reasons.get(code) or NvmlError(f"NVML says: {error}", "nvidia-smi")
