"""What the measurement asks of a device: clocks, memory, facts. CUDA here beside the CPU."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import psutil
import torch

from impls.contract import DeviceKind
from profiler.engine.protocol import Ready
from profiler.machine.nvml import Nvml, NvmlDevice, NvmlError
from profiler.units import byte_count
from profiler.worker.hidden_launch import HiddenLaunchTimer, LaunchBench
from profiler.worker.host_memory import HostMemory
from profiler.worker.host_record import recorded
from profiler.worker.timer import CallTimer, HostTimer

if TYPE_CHECKING:
    from profiler.worker.sm_clock import SmClock

T = TypeVar("T")


@dataclass(frozen=True)
class Tracked(Generic[T]):
    """What a call returned, and its memory in bytes above what was allocated when it began.

    `peak_bytes` is the most during the call, `held_bytes` what remains with its result alive.
    """

    result: T
    peak_bytes: int
    held_bytes: int


@dataclass(frozen=True)
class Allocator:
    """How often it asked the device for memory, and how often it first had to give some back for that."""

    requests: int = 0
    retries: int = 0


class Device(Protocol):
    """A device under measurement. `name` is torch's ("cuda:0")."""

    kind: DeviceKind
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
        """The most that the allocator has held since the last track() or release(); None without one."""
        ...

    def process_bytes(self) -> int | None:
        """What the driver says this process holds on the device now; None where it cannot say."""
        ...

    def available_bytes(self) -> int:
        """What can be allocated in one piece after a release()."""
        ...

    def without_limit(self) -> AbstractContextManager[None]:
        """For what is attnprof's own work and not the case's: the memory limit does not hold within."""
        ...

    def holding_limit(self) -> AbstractContextManager[None]:
        """Within, tensors have the room under a memory limit that they have now.

        Kernels that are loaded meanwhile take none of it: a batch that was found to fit goes on to.
        """
        ...

    def allocator(self) -> Allocator:
        """What the allocator has had to do so far."""
        ...

    def release(self) -> None:
        """Give memory of dropped tensors back, so that the next case begins with all there is."""
        ...


class CudaDevice:
    """A CUDA GPU: times by events with the launch hidden, memory by the caching allocator.

    Raises:
        RuntimeError: `memory_limit_bytes` is less than CUDA itself takes.
    """

    kind: DeviceKind = "cuda"

    def __init__(self, index: int, memory_limit_bytes: int | None = None) -> None:
        self.name = f"cuda:{index}"
        self._index = index
        self._notes: list[str] = []
        torch.cuda.set_device(index)
        self._properties = torch.cuda.get_device_properties(index)
        self.capture_stream = torch.cuda.Stream(index)
        """Where CUDA graphs are captured: one for all, for cuBLAS keeps workspaces for every stream."""
        for stream in (torch.cuda.current_stream(), self.capture_stream):
            with torch.cuda.stream(stream):
                _first_calls(self.name)
        torch.cuda.synchronize()
        self._nvml = self._find_nvml()
        self.bench = LaunchBench(self.name, self._properties.L2_cache_size, self._open_clock())
        self._own_bytes = torch.cuda.memory_reserved()
        self._allowed_bytes = self._properties.total_memory
        self._limit_bytes = memory_limit_bytes
        self._holds_limit = False
        if memory_limit_bytes is not None:
            self._check_limit(memory_limit_bytes)
            self._hold_to(memory_limit_bytes)

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
            event_pair_ms=self.bench.event_pair_ms,
            notes=tuple(self._notes),
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

    def process_bytes(self) -> int | None:
        return self._nvml.process_bytes(os.getpid()) if self._nvml else None

    def available_bytes(self) -> int:
        free, _ = torch.cuda.mem_get_info()
        return min(free, max(self._allowed_bytes - torch.cuda.memory_reserved(), 0))

    @contextmanager
    def without_limit(self) -> Iterator[None]:
        allowed_bytes, limit_bytes = self._allowed_bytes, self._limit_bytes
        self._limit_bytes = None
        self._allow(self._properties.total_memory)
        try:
            yield
        finally:
            self._limit_bytes = limit_bytes
            self._allow(allowed_bytes)

    @contextmanager
    def holding_limit(self) -> Iterator[None]:
        self.release()
        self._holds_limit = True
        try:
            yield
        finally:
            self._holds_limit = False

    def allocator(self) -> Allocator:
        stats = torch.cuda.memory_stats()
        return Allocator(stats.get("num_device_alloc", 0), stats.get("num_alloc_retries", 0))

    def energy_j(self) -> float | None:
        """The GPU's energy counter in joules, or None without one. Slow to read: not near a sample."""
        return self._nvml.energy_j() if self._nvml else None

    def release(self) -> None:
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        # Kernels that were loaded since then take from a small card too.
        if self._limit_bytes is not None and not self._holds_limit:
            self._hold_to(self._limit_bytes)

    def _find_nvml(self) -> NvmlDevice | None:
        try:
            return Nvml.open().find(str(self._properties.uuid))
        except NvmlError:  # the engine says why there is no telemetry
            return None

    def _open_clock(self) -> SmClock | None:
        """Clocks of single samples, if Triton works here."""
        try:
            from profiler.worker.sm_clock import SmClock

            return SmClock(self.name)
        except Exception as error:
            why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self._notes.append(
                f"SM clocks are NVML's, not each sample's own: Triton does not work here ({why})"
            )
            return None

    def _check_limit(self, limit_bytes: int) -> None:
        if self.process_bytes() is None:
            self._notes.append(
                "what CUDA itself takes is not counted in the memory limit: NVML does not say it"
            )
        if (context := self._context_bytes()) >= limit_bytes:
            raise RuntimeError(
                f"a memory limit of {byte_count(limit_bytes)} leaves nothing: "
                f"CUDA itself takes {byte_count(context)} here"
            )

    def _hold_to(self, limit_bytes: int) -> None:
        """Leave tensors what a card of that size would: CUDA's own part counts, attnprof's does not."""
        self._allow(max(limit_bytes - self._context_bytes(), 0) + self._own_bytes)

    def _context_bytes(self) -> int:
        """What CUDA itself has taken for this process so far: its context, and the kernels loaded."""
        held = self.process_bytes()
        return 0 if held is None else held - torch.cuda.memory_reserved()

    def _allow(self, allocator_bytes: int) -> None:
        self._allowed_bytes = allocator_bytes
        total = self._properties.total_memory
        torch.cuda.set_per_process_memory_fraction(min(allocator_bytes / total, 1.0), self._index)


class CpuDevice:
    """The CPU: times by the host's clock, memory by the allocations that torch's profiler records.

    Without `memory` this process may take what it can get.
    """

    kind: DeviceKind = "cpu"
    name = "cpu"

    def __init__(self, memory: HostMemory | None = None) -> None:
        self._memory = memory

    def facts(self) -> Ready:
        return Ready(pid=os.getpid(), torch=str(torch.__version__), device_name="CPU")

    def synchronize(self) -> None:
        """Nothing to wait for: a CPU call returns when it is done."""

    def timer(self) -> CallTimer:
        return HostTimer(time.perf_counter_ns)

    def track(self, call: Callable[[], T]) -> Tracked[T]:
        result, events = recorded(call, memory=True)
        held = peak = 0
        for event in events:
            if event.name() == "[memory]":
                held += event.nbytes()
                peak = max(peak, held)
        return Tracked(result, peak, held)

    def reserved_bytes(self) -> int | None:
        return None

    def process_bytes(self) -> int | None:
        return None

    def available_bytes(self) -> int:
        return self._memory.available_bytes() if self._memory else psutil.virtual_memory().available

    def without_limit(self) -> AbstractContextManager[None]:
        return self._memory.without_limit() if self._memory else nullcontext()

    def holding_limit(self) -> AbstractContextManager[None]:
        return nullcontext()

    def allocator(self) -> Allocator:
        return Allocator()

    def release(self) -> None:
        gc.collect()


def _first_calls(device: str) -> None:
    """Have torch take and load what its first calls would, while nothing of a case is there yet.

    cuBLAS takes workspaces for this thread and for autograd's: later they would be cut from a case's
    freed block, which then could never be given back. A first backward with a gradient loads modules
    for seconds.
    """
    small = torch.ones(16, 16, device=device, requires_grad=True)
    loss = (small @ small).sum()
    torch.autograd.grad(loss, small, torch.ones_like(loss))


def open_device(name: str, memory_limit_bytes: int | None = None) -> Device:
    """The device called `name` ("cpu", "cuda:1"), held to `memory_limit_bytes` if given.

    Raises:
        RuntimeError: CUDA cannot be used; the message says why in torch's words. Or the limit is
            less than CUDA itself takes.
    """
    # Plain float32 products: TF32 would be a tenth of float32's digits under float32's name.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if name == "cpu":
        CpuDevice().track(lambda: _first_calls(name))  # loads torch's profiler too, ahead of the limit
        if memory_limit_bytes is not None:
            import_module("torch._inductor")  # the modules of a case that compiles are none of its memory
        return CpuDevice(HostMemory(memory_limit_bytes))
    return CudaDevice(torch.device(name).index or 0, memory_limit_bytes)


def _dotted_cudnn(number: int) -> str:
    """91501 -> "9.15.1"; before cuDNN 9 the major number stood in the thousands."""
    major, rest = divmod(number, 10_000) if number >= 90_000 else divmod(number, 1_000)
    return f"{major}.{rest // 100}.{rest % 100}"
