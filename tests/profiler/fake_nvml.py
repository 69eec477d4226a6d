"""A pynvml to test against: an H100 that answers, and any call of which can be told to refuse."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pynvml

NOT_SUPPORTED = pynvml.NVML_ERROR_NOT_SUPPORTED
H100 = "GPU-5a0f3c1e-0000-1111-2222-333344445555"
OTHER = "GPU-9b1d2e3f-6666-7777-8888-99990000aaaa"


class FakePynvml:
    """Stands in for the module. Constants and errors are pynvml's own; a call not faked here fails.

    `refuse` maps names of functions to the NVML error code they raise; `asked` are those called so far.
    """

    def __init__(self, uuids: tuple[str, ...] = (H100,), refuse: dict[str, int] | None = None) -> None:
        self.uuids = uuids
        self.refuse = refuse or {}
        self.throttle_bits = 0x1
        self.processes = [SimpleNamespace(pid=41, usedGpuMemory=3 * 2**30)]
        self.instant_milliwatts = 612_345
        self.application_mhz = 1980
        self.mig = 0
        self.persistence = 1
        self.energy_millijoules = 5_000_250
        self.memory_clocks = [1593, 2619]
        self.asked: list[str] = []
        self.closed = 0

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("nvmlDevice") and not name.startswith("nvmlSystem"):
            return getattr(pynvml, name)
        assert hasattr(pynvml, name), f"pynvml has no {name}"
        answer = getattr(self, f"_{name}")

        def call(*args: Any) -> Any:
            self.asked.append(name)
            if name in self.refuse:
                raise pynvml.NVMLError(self.refuse[name])
            return answer(*args)

        return call

    def nvmlInit(self) -> None:  # noqa: N802
        if "nvmlInit" in self.refuse:
            raise pynvml.NVMLError(self.refuse["nvmlInit"])

    def nvmlShutdown(self) -> None:  # noqa: N802
        self.closed += 1
        if self.closed > 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_UNINITIALIZED)

    def _nvmlSystemGetDriverVersion(self) -> str:  # noqa: N802
        return "580.95.05"

    def _nvmlSystemGetCudaDriverVersion_v2(self) -> int:  # noqa: N802
        return 13_010

    def _nvmlDeviceGetCount(self) -> int:  # noqa: N802
        return len(self.uuids)

    def _nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802
        return index

    def _nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:  # noqa: N802
        return f"part {uuid}"

    def _nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, part: str) -> int:  # noqa: N802
        return len(self.uuids) - 1

    def _nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802
        return self.uuids[handle]

    def _nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802
        return "NVIDIA H100 80GB HBM3"

    def _nvmlDeviceGetCudaComputeCapability(self, handle: int) -> tuple[int, int]:  # noqa: N802
        return 9, 0

    def _nvmlDeviceGetMemoryInfo(self, handle: int, version: int | None = None) -> SimpleNamespace:  # noqa: N802
        # Version 2 keeps what the driver reserves out of `used`.
        return SimpleNamespace(total=80 * 2**30, used=2**29 if version else 2**30)

    def _nvmlDeviceGetEnforcedPowerLimit(self, handle: int) -> int:  # noqa: N802
        return 700_000

    def _nvmlDeviceGetPowerManagementDefaultLimit(self, handle: int) -> int:  # noqa: N802
        return 700_000

    def _nvmlDeviceGetMaxClockInfo(self, handle: int, clock: int) -> int:  # noqa: N802
        return {pynvml.NVML_CLOCK_SM: 1980, pynvml.NVML_CLOCK_MEM: 2619}[clock]

    def _nvmlDeviceGetClockInfo(self, handle: int, clock: int) -> int:  # noqa: N802
        return {pynvml.NVML_CLOCK_SM: 1590, pynvml.NVML_CLOCK_MEM: 2619}[clock]

    def _nvmlDeviceGetApplicationsClock(self, handle: int, clock: int) -> int:  # noqa: N802
        return self.application_mhz

    def _nvmlDeviceGetDefaultApplicationsClock(self, handle: int, clock: int) -> int:  # noqa: N802
        return 1980

    def _nvmlDeviceGetSupportedMemoryClocks(self, handle: int) -> list[int]:  # noqa: N802
        return self.memory_clocks

    def _nvmlDeviceGetSupportedGraphicsClocks(self, handle: int, memory_mhz: int) -> list[int]:  # noqa: N802
        # As an H100 has them: every 15 MHz, fewer at the lower memory clock.
        return list(range(345, {2619: 1980, 1593: 1200}[memory_mhz] + 1, 15))

    def _nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802
        return self.energy_millijoules

    def _nvmlDeviceGetPersistenceMode(self, handle: int) -> int:  # noqa: N802
        return self.persistence

    def _nvmlDeviceGetMigMode(self, handle: int) -> list[int]:  # noqa: N802
        return [self.mig, self.mig]

    def _nvmlDeviceGetTemperature(self, handle: int, sensor: int) -> int:  # noqa: N802
        return 61

    def _nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:  # noqa: N802
        return SimpleNamespace(gpu=97, memory=40)

    def _nvmlDeviceGetFieldValues(self, handle: int, fields: list[int]) -> list[SimpleNamespace]:  # noqa: N802
        assert fields == [pynvml.NVML_FI_DEV_POWER_INSTANT]
        value = SimpleNamespace(uiVal=self.instant_milliwatts)
        return [
            SimpleNamespace(nvmlReturn=self.refuse.get("instant power", pynvml.NVML_SUCCESS), value=value)
        ]

    def _nvmlDeviceGetPowerUsage(self, handle: int) -> int:  # noqa: N802
        return 350_000

    def _nvmlDeviceGetCurrentClocksEventReasons(self, handle: int) -> int:  # noqa: N802
        return self.throttle_bits

    def _nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:  # noqa: N802
        return self.throttle_bits

    def _nvmlDeviceGetComputeRunningProcesses_v3(self, handle: int) -> list[SimpleNamespace]:  # noqa: N802
        return self.processes
