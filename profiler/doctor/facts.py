"""What a diagnosis is made from, gathered once from the machine."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TextIO

from profiler.doctor import probe
from profiler.doctor.flash_cute import CuteCopy, installed_cute
from profiler.doctor.probe import Probe
from profiler.events import Gpu, Telemetry
from profiler.machine.environment import cpu_name, package_versions
from profiler.machine.nvml import GpuProcess, GpuSettings, Nvml, NvmlError
from profiler.machine.telemetry import usable_cpus
from profiler.machine.torch_build import TorchBuild, installed_torch

PACKAGES = {
    "flash-attn": "flash_attn",
    "flash-attn-4": "flash_attn.cute",
    "xformers": "xformers.ops",
    "bitsandbytes": "bitsandbytes.optim",
    "triton": "triton",
}
"""Optional distributions, and the module that shows whether each works."""


@dataclass(frozen=True)
class GpuFacts:
    """One GPU as it is now. `visible` says whether CUDA_VISIBLE_DEVICES shows it to CUDA."""

    index: int
    gpu: Gpu
    settings: GpuSettings
    reading: Telemetry
    processes: tuple[GpuProcess, ...] | None
    visible: bool = True


@dataclass(frozen=True)
class DriverFacts:
    """NVIDIA's driver, or why there is none (`missing`) and what to do (`remedy`)."""

    version: str | None = None
    cuda: tuple[int, int] | None = None
    missing: str | None = None
    remedy: str | None = None
    hardware: bool = False
    """Whether an NVIDIA GPU sits in the machine, whatever the driver says."""


@dataclass(frozen=True)
class FolderFacts:
    """Where sessions are saved."""

    path: str
    writable: bool
    free_bytes: int | None


@dataclass(frozen=True)
class TerminalFacts:
    """What the terminal says of itself; `size` is columns and lines, None where there is no terminal."""

    size: tuple[int, int] | None
    colors: str
    encoding: str


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that `diagnose` looks at."""

    python: str
    cpu: str
    cpu_count: int
    torch: TorchBuild | None
    probe: Probe
    driver: DriverFacts
    gpus: tuple[GpuFacts, ...]
    visible_devices: str | None
    packages: dict[str, str]
    cute: CuteCopy | None
    compiler: str | None
    nvcc: str | None
    sessions: FolderFacts
    terminal: TerminalFacts


def gather(sessions: Path, terminal: TerminalFacts, environ: Mapping[str, str]) -> Facts:
    """Look at this machine; takes as long as importing torch does, two minutes at most.

    `sessions` is the folder that sessions would be saved to; it need not exist.
    """
    driver, gpus = _gather_gpus(environ)
    build = installed_torch()
    packages = _installed_packages()
    has_gpu = build is not None and build.cuda is not None and any(gpu.visible for gpu in gpus)
    modules = [PACKAGES[distribution] for distribution in packages]
    return Facts(
        python=platform.python_version(),
        cpu=cpu_name(),
        cpu_count=usable_cpus(),
        torch=build,
        probe=probe.run("cuda" if has_gpu else "cpu", modules) if build else Probe(),
        driver=driver,
        gpus=gpus,
        visible_devices=environ.get("CUDA_VISIBLE_DEVICES"),
        packages=packages,
        cute=installed_cute(),
        compiler=_first_command(environ.get("CXX", ""), "g++", "clang++"),
        nvcc=_first_command(str(Path(environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin/nvcc"), "nvcc"),
        sessions=folder_facts(sessions),
        terminal=terminal,
    )


def folder_facts(folder: Path) -> FolderFacts:
    """Whether files can be made in `folder`, or the folder itself where there is none yet."""
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    try:
        free = shutil.disk_usage(existing).free
    except OSError:
        free = None
    writable = existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)
    return FolderFacts(str(folder), writable, free)


def terminal_facts(stream: TextIO, environ: Mapping[str, str]) -> TerminalFacts:
    """What the stream is connected to, and what the environment says of its colours."""
    size = shutil.get_terminal_size() if stream.isatty() else None
    return TerminalFacts(
        size=None if size is None else (size.columns, size.lines),
        colors=_colors(environ),
        encoding=(stream.encoding or "ascii").lower(),
    )


def _colors(environ: Mapping[str, str]) -> str:
    """As Rich decides it: COLORTERM, then TERM; NO_COLOR and a dumb terminal have none."""
    term = environ.get("TERM", "")
    if environ.get("NO_COLOR") or term in ("dumb", "unknown", ""):
        return "no"
    if environ.get("COLORTERM", "").lower() in ("truecolor", "24bit"):
        return "16 million"
    return "256" if "256color" in term else "16"


def _gather_gpus(environ: Mapping[str, str]) -> tuple[DriverFacts, tuple[GpuFacts, ...]]:
    hardware = _has_nvidia_hardware()
    try:
        nvml = Nvml.open()
    except NvmlError as error:
        return DriverFacts(missing=str(error), remedy=error.remedy, hardware=hardware), ()
    try:
        visible = {device.index for device in nvml.visible_devices(environ)}
        gpus = tuple(
            GpuFacts(
                index=device.index,
                gpu=device.gpu(),
                settings=device.settings(),
                reading=device.read(),
                processes=None if (found := device.processes()) is None else tuple(found),
                visible=device.index in visible,
            )
            for device in nvml.devices()
        )
        return DriverFacts(version=nvml.driver, cuda=nvml.cuda_version, hardware=hardware or bool(gpus)), gpus
    finally:
        nvml.close()


def _installed_packages() -> dict[str, str]:
    found = package_versions(tuple(PACKAGES))
    if "flash-attn" not in found and find_spec("flash_attn_2_cuda"):
        found["flash-attn"] = "unknown version"  # put on PYTHONPATH, without pip
    return found


def _has_nvidia_hardware(pci: Path = Path("/sys/bus/pci/devices")) -> bool:
    """By PCI: vendor 0x10de is NVIDIA, class 0x03.... a display or 3D controller."""
    for device in pci.glob("*"):
        try:
            vendor, kind = (device / "vendor").read_text(), (device / "class").read_text()
        except OSError:
            continue
        if vendor.strip() == "0x10de" and kind.startswith("0x03"):
            return True
    return False


def _first_command(*names: str) -> str | None:
    """The first of these that can be run, by its base name."""
    for name in names:
        if name and shutil.which(name.split()[0]):
            return Path(name.split()[0]).name
    return None
