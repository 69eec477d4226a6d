"""What a run is made on: the device that was asked for, and the machine around it.

Nothing here names the host, a user or a folder: session files are shared.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from impls.contract import DeviceInfo
from profiler.events import Environment, Gpu
from profiler.machine.nvml import Nvml, NvmlError, visible
from profiler.machine.telemetry import usable_cpus
from profiler.machine.torch_build import TorchBuild, installed_torch

# Those whose version can change a result; only the installed ones are recorded.
_PACKAGES = (
    "attnprof",
    "torch",
    "triton",
    "flash-attn",
    "flash-attn-3",
    "flash-attn-4",
    "xformers",
    "bitsandbytes",
    "nvidia-cudnn-cu12",
    "nvidia-cudnn-cu13",
    "nvidia-cublas-cu12",
    "nvidia-cublas",
    "nvidia-cutlass-dsl",
    "nvidia-ml-py",
    "numpy",
    "textual",
)
# A repository on a slow network disk must not hold up a run.
_GIT_TIMEOUT_S = 2.0
_INSTALL_CUDA_TORCH = "install a CUDA build of torch (pytorch.org/get-started gives the command)"


class DeviceError(ValueError):
    """The device asked for cannot be used; the message is one sentence with the remedy."""


@dataclass(frozen=True)
class Device:
    """A device to measure on, by torch's name for it ("cuda:0").

    `note` says why the choice may surprise: a GPU that "auto" had to pass over.
    """

    name: str
    info: DeviceInfo
    gpu: Gpu | None = None
    note: str | None = None


def resolve_device(
    option: str,
    *,
    environ: Mapping[str, str] | None = None,
    build: TorchBuild | None = None,
    nvml: Nvml | None = None,
) -> Device:
    """The device that "auto", "cpu", "cuda" or "cuda:N" stands for, found without importing torch.

    "auto" is the first GPU that CUDA may see if the installed torch is a CUDA build, else the CPU.
    What is not given (`environ`, `build`, `nvml`) is this process's own.

    Raises:
        DeviceError: there is no torch, no such device, or this torch cannot use it.
    """
    environ = os.environ if environ is None else environ
    build = build or installed_torch()
    if build is None:
        raise DeviceError("torch is not installed: pip install torch (pytorch.org/get-started for a GPU)")
    kind, _, ordinal = option.strip().casefold().partition(":")
    if kind not in ("auto", "cpu", "cuda") or (ordinal and not (kind == "cuda" and ordinal.isdecimal())):
        raise DeviceError(f"there is no device '{option}'; say auto, cpu, cuda or cuda:N")
    if kind == "cpu":
        return _cpu()
    try:
        gpus = _visible_gpus(environ, nvml)
    except NvmlError as error:
        if kind == "auto":
            return _cpu()
        raise DeviceError(f"no GPU can be used: {error}; --device cpu works without one") from None
    try:
        return _cuda(int(ordinal or 0), gpus, build, environ)
    except DeviceError as error:
        if kind == "cuda":
            raise
        return _cpu(note=f"{gpus[0].name} is not used: {error}" if gpus else None)


def describe(
    device: str,
    gpu: Gpu | None = None,
    *,
    cuda: str | None = None,
    cudnn: str | None = None,
    folder: Path | None = None,
    ask_git: bool = True,
) -> Environment:
    """The machine as it is now; `cuda` and `cudnn` are the versions that torch reports.

    `folder` is where the git commit is looked up, by default the working directory; where git
    is slow that takes up to two seconds, and `ask_git` False leaves it out.
    """
    return Environment(
        device=device,
        gpu=gpu,
        cpu=cpu_name(),
        cpu_count=usable_cpus(),
        memory_bytes=int(psutil.virtual_memory().total),
        os=_os_name(),
        python=platform.python_version(),
        cuda=cuda,
        cudnn=cudnn,
        packages=package_versions(_PACKAGES),
        git_commit=git_commit(folder or Path()) if ask_git else None,
    )


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The CPU's model, or its architecture where the system does not name it (most ARM)."""
    try:
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return " ".join(value.split())
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine() or "unknown CPU"


def package_versions(distributions: tuple[str, ...]) -> dict[str, str]:
    """The versions of those distributions that are installed."""
    found: dict[str, str] = {}
    for name in distributions:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit(folder: Path, timeout_s: float = _GIT_TIMEOUT_S) -> str | None:
    """The commit checked out in `folder`, with "+changes" if tracked files differ from it.

    None where there is no git, no repository, no commit, or no answer in time.
    """
    # --exclude=* leaves out every tag, so that the answer is always a commit.
    command = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},  # never in the way of the user's own git
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _visible_gpus(environ: Mapping[str, str], nvml: Nvml | None) -> list[Gpu]:
    if nvml is not None:
        return [device.gpu() for device in nvml.visible_devices(environ)]
    nvml = Nvml.open()
    try:
        return [device.gpu() for device in nvml.visible_devices(environ)]
    finally:
        nvml.close()


def _cpu(note: str | None = None) -> Device:
    return Device("cpu", DeviceInfo("cpu", cpu_name()), note=note)


def _cuda(ordinal: int, gpus: list[Gpu], build: TorchBuild, environ: Mapping[str, str]) -> Device:
    if build.cuda is None:
        kind = "a ROCm build, which attnprof does not measure" if build.hip else "a CPU-only build"
        raise DeviceError(f"torch {build.version} is {kind}: {_INSTALL_CUDA_TORCH}")
    if not gpus:
        if visible(environ) is not None:
            hidden = environ["CUDA_VISIBLE_DEVICES"]
            raise DeviceError(
                f"CUDA_VISIBLE_DEVICES={hidden!r} leaves CUDA no GPU: unset it, or name one there"
            )
        raise DeviceError("the NVIDIA driver finds no GPU: nvidia-smi shows what it sees")
    if ordinal >= len(gpus):
        there = "only cuda:0" if len(gpus) == 1 else f"cuda:0 to cuda:{len(gpus) - 1}"
        limited = " under CUDA_VISIBLE_DEVICES" if visible(environ) is not None else ""
        raise DeviceError(f"there is no cuda:{ordinal}; there is {there}{limited}")
    gpu = gpus[ordinal]
    return Device(f"cuda:{ordinal}", DeviceInfo("cuda", gpu.name, gpu.compute_capability), gpu)


def _os_name() -> str:
    """The distribution and the kernel, such as "Ubuntu 24.04.1 LTS, Linux 6.8.0"."""
    # Without the distributor's suffix, which names builds and sometimes machines.
    kernel = f"{platform.system()} {platform.release().partition('-')[0]}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, {kernel}"
    except (OSError, KeyError):
        return kernel
