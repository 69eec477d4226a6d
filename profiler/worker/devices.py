"""What the measurement asks of a device: clocks, memory, facts. CUDA here beside the CPU."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import psutil
import torch

from profiler.protocol import Ready
from profiler.worker.hidden_launch import HiddenLaunchTimer, LaunchBench
from profiler.worker.timer import CallTimer, HostTimer

T = TypeVar("T")


@dataclass(frozen=True)
class Tracked(Generic[T]):
    """What a call returned, and its memory in bytes above what was allocated when it began.

    `peak_bytes` is the most during the call, `held_bytes` what remains with its result alive.
    """

    result: T
    peak_bytes: int
    held_bytes: int


class Device(Protocol):
    """A device under measurement. `name` is torch's ("cuda:0")."""

    name: str

    def facts(self) -> Ready: ...
    def synchronize(self) -> None: ...
    def timer(self) -> CallTimer:
        """A timer for one call, which learns about that call as it goes."""
        ...

    def track(self, call: Callable[[], T]) -> Tracked[T]:
        """Make the call once and say what memory its tensors took."""
        ...

    def reserved_bytes(self) -> int | None:
        """The most that the allocator has held since the last track(), or None without one."""
        ...

    def available_bytes(self) -> int:
        """What can be allocated in one piece after a release()."""
        ...

    def release(self) -> None:
        """Give memory of dropped tensors back, so that the next case begins with all there is."""
        ...


class CudaDevice:
    """A CUDA GPU: times by events with the launch hidden, memory by the caching allocator."""

    def __init__(self, index: int) -> None:
        self.name = f"cuda:{index}"
        torch.cuda.set_device(index)
        self._properties = torch.cuda.get_device_properties(index)
        _allocate_workspaces(self.name)
        self.bench = LaunchBench(self.name, self._properties.L2_cache_size)

    def facts(self) -> Ready:
        """What torch says of the GPU; `uuid` is without NVML's "GPU-"."""
        properties, cudnn = self._properties, torch.backends.cudnn.version()
        return Ready(
            pid=os.getpid(),
            torch=str(torch.__version__),
            device_name=properties.name,
            cuda=torch.version.cuda,
            cudnn=_dotted_cudnn(cudnn) if cudnn else None,
            gpu_uuid=str(properties.uuid),
            compute_capability=(properties.major, properties.minor),
            memory_bytes=properties.total_memory,
            sm_count=properties.multi_processor_count,
            l2_bytes=properties.L2_cache_size,
        )

    def synchronize(self) -> None:
        torch.cuda.synchronize()

    def timer(self) -> CallTimer:
        return HiddenLaunchTimer(self.bench)

    def track(self, call: Callable[[], T]) -> Tracked[T]:
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        result = call()
        torch.cuda.synchronize()
        return Tracked(
            result, torch.cuda.max_memory_allocated() - before, torch.cuda.memory_allocated() - before
        )

    def reserved_bytes(self) -> int | None:
        return torch.cuda.max_memory_reserved()

    def available_bytes(self) -> int:
        free, _ = torch.cuda.mem_get_info()
        return free

    def release(self) -> None:
        gc.collect()
        torch.cuda.empty_cache()


class CpuDevice:
    """The CPU: times by the host's clock, memory by the allocations that torch's profiler records."""

    name = "cpu"

    def facts(self) -> Ready:
        return Ready(pid=os.getpid(), torch=str(torch.__version__), device_name="CPU")

    def synchronize(self) -> None:
        """Nothing to wait for: a CPU call returns when it is done."""

    def timer(self) -> CallTimer:
        return HostTimer(time.perf_counter_ns)

    def track(self, call: Callable[[], T]) -> Tracked[T]:
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CPU], profile_memory=True, acc_events=True) as profiled:
            result = call()
        held = peak = 0
        kineto = profiled.profiler
        assert kineto is not None and kineto.kineto_results is not None
        for event in kineto.kineto_results.events():
            if event.name() == "[memory]":
                held += event.nbytes()
                peak = max(peak, held)
        return Tracked(result, peak, held)

    def reserved_bytes(self) -> int | None:
        return None

    def available_bytes(self) -> int:
        available: int = psutil.virtual_memory().available
        return available

    def release(self) -> None:
        gc.collect()


def _allocate_workspaces(device: str) -> None:
    """Have cuBLAS take its workspaces, this thread's and autograd's, while the allocator is empty.

    Later they would be cut from a case's freed block, which then could never be given back.
    """
    small = torch.ones(16, 16, device=device, requires_grad=True)
    torch.autograd.grad((small @ small).sum(), small)
    torch.cuda.synchronize()


def open_device(name: str) -> Device:
    """The device called `name` ("cpu", "cuda:1").

    Raises:
        RuntimeError: CUDA cannot be used; the message says why in torch's words.
    """
    # Plain float32 products: TF32 would be a tenth of float32's digits under float32's name.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if name == "cpu":
        _guard_host_memory()
        return CpuDevice()
    return CudaDevice(torch.device(name).index or 0)


def _guard_host_memory() -> None:
    """Make an allocation beyond what is free fail at once, as a GPU's does.

    Otherwise Linux grants it and kills the process, or swaps, once it is touched.
    """
    try:
        import resource
    except ImportError:  # no such limits here; the system's own behaviour remains
        return
    private = psutil.Process().memory_info().vms
    limit = private + psutil.virtual_memory().available
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _dotted_cudnn(number: int) -> str:
    """91501 -> "9.15.1"; before cuDNN 9 the major number stood in the thousands."""
    major, rest = divmod(number, 10_000) if number >= 90_000 else divmod(number, 1_000)
    return f"{major}.{rest // 100}.{rest % 100}"
