"""NVML, opened, and which GPU is which; what one GPU tells is in profiler/machine/nvml_device.py.

NVML ignores CUDA_VISIBLE_DEVICES, so the mapping is done here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from profiler.machine.nvml_device import (
    GpuProcess,
    GpuSettings,
    NvmlDevice,
    ask,
    driver_version,
    throttle_names,
)

__all__ = [
    "GpuProcess",
    "GpuSettings",
    "Nvml",
    "NvmlDevice",
    "NvmlError",
    "throttle_names",
    "visible",
]


class NvmlError(RuntimeError):
    """NVML cannot be used here; the message is one clause that says why, `remedy` what to do."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.remedy = remedy


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
        ask(self._library, self._library.nvmlShutdown)

    @property
    def driver(self) -> str | None:
        """The driver's version, such as "580.95.05"."""
        return driver_version(self._library)

    @property
    def cuda_version(self) -> tuple[int, int] | None:
        """The newest CUDA that the driver runs without its compatibility package."""
        number = ask(self._library, self._library.nvmlSystemGetCudaDriverVersion_v2)
        return None if number is None else (number // 1000, number % 1000 // 10)

    def devices(self) -> list[NvmlDevice]:
        """Every GPU that answers, in NVML's order (by PCI bus)."""
        nvml = self._library
        handles = [
            (index, ask(nvml, nvml.nvmlDeviceGetHandleByIndex, index))
            for index in range(ask(nvml, nvml.nvmlDeviceGetCount) or 0)
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
        if (part := ask(nvml, nvml.nvmlDeviceGetHandleByUUID, mig)) is None:
            return None
        parent = ask(nvml, nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle, part)
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
