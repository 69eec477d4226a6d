"""A case's batch: the one that was asked for, or the largest that fits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from impls.contract import Implementation
from profiler.events import BatchTried
from profiler.protocol import WorkerMessage
from profiler.worker import cut
from profiler.worker.check import CannotRun
from profiler.worker.compiled import forget_compiled
from profiler.worker.devices import Device
from profiler.worker.failures import Explanation
from profiler.worker.training.batch_search import largest_batch
from profiler.worker.training.first_steps import FirstSteps, first_steps
from profiler.worker.training.shared import SharedModel

Send = Callable[[WorkerMessage], None]


@dataclass
class Finding:
    """Looks for the batch of one case; `batch` is the one that was tried last."""

    case: int
    shared: SharedModel
    implementation: Implementation
    device: Device
    send: Send
    batch: int | None = None
    _best: FirstSteps | None = None
    _refusal: Explanation | None = None

    def given(self, batch: int) -> FirstSteps:
        """Its first steps at that batch.

        Raises:
            CannotRun: they cannot be made.
        """
        tried = self._try(batch)
        if isinstance(tried, FirstSteps):
            return tried
        if tried.kind == "oom":
            tried = replace(tried, message=f"out of memory at a batch of {batch}")
        raise CannotRun(tried)

    def largest(self) -> FirstSteps:
        """Its first steps at the largest batch that fits; every try is told.

        Raises:
            CannotRun: not even one sequence fits, or something else is the matter.
        """
        self.device.release()
        static_bytes = self.shared.nbytes
        batch = largest_batch(
            self._fits,
            static_bytes=static_bytes,
            room_bytes=static_bytes + self.device.available_bytes(),
        )
        if not batch:
            assert self._refusal is not None
            raise CannotRun(replace(self._refusal, message="out of memory: not even a batch of one fits"))
        if self._best is None or self._best.trainer.batch != batch:
            return self.given(batch)
        return self._best

    def _fits(self, batch: int) -> int | None:
        if self._has_cuda_graphs:  # they would keep the memory of what was tried before
            self._best = None
            forget_compiled()
        tried = self._try(batch)
        if isinstance(tried, FirstSteps):
            self._best = tried
            self.send(BatchTried(case=self.case, batch=batch, fits=True, peak_bytes=tried.peak_bytes))
            return tried.peak_bytes
        # A large batch may be more than an implementation takes; one sequence that is refused is no batch.
        if tried.kind != "oom" and (tried.kind != "unsupported" or batch == 1):
            raise CannotRun(tried)
        self._refusal = tried
        self.send(BatchTried(case=self.case, batch=batch, fits=False))
        return None

    def _try(self, batch: int) -> FirstSteps | Explanation:
        cut.heed()
        self.batch = batch
        tried = first_steps(self.shared, self.implementation, batch, self.device)
        if isinstance(tried, Explanation) and self._has_cuda_graphs:
            forget_compiled()  # one that is half recorded
            self.device.release()
        return tried

    @property
    def _has_cuda_graphs(self) -> bool:
        return self.shared.training.mode == "reduce-overhead"
