"""One GPU by NVML: what it is, what an administrator set, and what changes while it works.

Any call may answer "not supported" (passthrough VMs, MIG, older drivers): then that field is
None, and nothing else fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from profiler.events import Gpu, Telemetry

# nvml.h, nvmlClocksEventReasons*. "Idle" (0x1) is left out: it slows nothing that runs.
_THROTTLE_REASONS = {
    # Application clocks (nvidia-smi -ac); whether locked ones (-lgc) set it too, nvml.h does not say.
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
            driver=driver_version(nvml),
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
        """What changes, now, with one process's memory and the count of the others; `at_s` is left 0.

        The clock lags by up to 100 ms (NVML's own interval), utilisation by 500 ms.
        """
        nvml = self._library
        processes = None if process_id is None else self.processes()
        utilization = self._ask(nvml.nvmlDeviceGetUtilizationRates)
        return Telemetry(
            sm_mhz=self._ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_SM),
            memory_mhz=self._ask(nvml.nvmlDeviceGetClockInfo, nvml.NVML_CLOCK_MEM),
            power_w=self._power_w(),
            temperature_c=self._ask(nvml.nvmlDeviceGetTemperature, nvml.NVML_TEMPERATURE_GPU),
            utilization_percent=None if utilization is None else float(utilization.gpu),
            memory_used_bytes=self.memory_used_bytes(),
            process_bytes=_bytes_of(processes, process_id),
            other_processes=_others(processes, process_id),
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

    def process_bytes(self, pid: int) -> int | None:
        """What a process holds here, with CUDA's own; None where NVML does not say.

        In a container NVML may give the host's ids: where `pid` is not listed, and exactly one
        process is, that is the one.
        """
        return _bytes_of(self.processes(), pid)

    def memory_used_bytes(self) -> int | None:
        """What all processes hold together."""
        memory = self._memory()
        return None if memory is None else int(memory.used)

    def energy_j(self) -> float | None:
        """The energy drawn since the driver was loaded, from Volta on.

        On an H100 a read takes 3 to 5 ms and the counter steps about every 100 ms.
        """
        millijoules = self._ask(self._library.nvmlDeviceGetTotalEnergyConsumption)
        return None if millijoules is None else millijoules / 1000

    def sm_clocks_mhz(self) -> tuple[int, ...]:
        """The SM clocks that can be locked at the highest memory clock, highest first; () if not told."""
        nvml = self._library
        memory_clocks = self._ask(nvml.nvmlDeviceGetSupportedMemoryClocks)
        if not memory_clocks:
            return ()
        clocks = self._ask(nvml.nvmlDeviceGetSupportedGraphicsClocks, max(memory_clocks))
        return tuple(sorted(map(int, clocks or ()), reverse=True))

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
        return ask(self._library, function, self._handle, *args)


def _bytes_of(processes: list[GpuProcess] | None, pid: int | None) -> int | None:
    """What `pid` holds; the only process there is stands for one that is not listed."""
    found = [process for process in processes or [] if process.pid == pid] or processes or []
    return found[0].memory_bytes if len(found) == 1 else None


def _others(processes: list[GpuProcess] | None, pid: int | None) -> int | None:
    """How many there are beside `pid`; where it is not listed, as in a container, one of them is it."""
    if processes is None:
        return None
    others = sum(process.pid != pid for process in processes)
    return others if others < len(processes) else max(others - 1, 0)


def throttle_names(bits: int) -> tuple[str, ...]:
    """The reasons in NVML's bit field by name, lowest bit first; a bit unknown here by its number."""
    return tuple(
        _THROTTLE_REASONS.get(1 << place, f"reason {1 << place:#x}")
        for place in range(bits.bit_length())
        if bits & ~_IDLE & (1 << place)
    )


def ask(library: Any, function: Callable[..., Any], *args: Any) -> Any:
    """The function's answer, or None where NVML has none."""
    try:
        return function(*args)
    except library.NVMLError:
        return None


def driver_version(library: Any) -> str | None:
    """The driver's version, such as "580.95.05"."""
    version = ask(library, library.nvmlSystemGetDriverVersion)
    return None if version is None else str(version)


def _watts(milliwatts: int | None) -> float | None:
    return None if milliwatts is None else milliwatts / 1000
