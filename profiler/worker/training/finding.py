"""A case's batch: the one that was asked for, or the largest that fits."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from impls.contract import Implementation
from profiler.engine.protocol import WorkerMessage
from profiler.events import BatchTried
from profiler.worker import cut
from profiler.worker.check import CannotRun
from profiler.worker.compiled import forget_compiled
from profiler.worker.devices import Device
from profiler.worker.failures import Explanation
from profiler.worker.lost import answers
from profiler.worker.training.batch_search import EIGHT, MOST, largest_batch
from profiler.worker.training.first_steps import FirstSteps, first_steps
from profiler.worker.training.shared import SharedModel

# Of the memory: so much more a batch between two multiples of eight would use.
_MUCH = 0.2

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
    too_large: int | None = None
    """One that fitted in the first steps, and no longer later."""
    _best: FirstSteps | None = None
    _refusal: Explanation | None = None
    _fitted: bool = False
    _notes: list[str] = field(default_factory=list)

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

    def largest(self, first: int | None = None) -> FirstSteps:
        """Its first steps at the largest batch that fits; every try is told. `first` is a likely one.

        Raises:
            CannotRun: not even one sequence fits, or something else is the matter.
        """
        self.device.release()
        static_bytes = self.shared.nbytes
        room_bytes = static_bytes + self.device.available_bytes()
        batch = largest_batch(
            self._fits,
            static_bytes=static_bytes,
            room_bytes=room_bytes,
            first=first,
            most=self.too_large - 1 if self.too_large else MOST,
        )
        if not batch:
            assert self._refusal is not None
            raise CannotRun(replace(self._refusal, message="out of memory: not even a batch of one fits"))
        best, self._best = self._best, None
        if best is None or best.trainer.batch != batch:
            best = self.given(batch)
        best.notes += self._notes
        if self.too_large:
            best.notes.append(f"a batch of {self.too_large} fitted at first, and later no longer")
        elif batch >= EIGHT and not self._notes and (left := 1 - best.peak_bytes / room_bytes) > _MUCH:
            best.notes.append(
                f"{left:.0%} of the memory is left, for above {EIGHT} only multiples of it are tried"
            )
        return best

    def _fits(self, batch: int) -> int | None:
        if self._has_cuda_graphs:  # they would keep the memory of what was tried before
            self._best = None
            forget_compiled()
        tried = self._try(batch)
        if isinstance(tried, FirstSteps):
            self._best, self._fitted = tried, True
            self.send(BatchTried(case=self.case, batch=batch, fits=True, peak_bytes=tried.peak_bytes))
            return tried.peak_bytes
        if tried.kind != "oom":
            if not self._may_be_too_large(batch, tried):
                raise CannotRun(tried)
            self._notes.append(f"a batch of {batch} was taken for one that does not fit: {tried.message}")
        self._refusal = tried
        self.send(BatchTried(case=self.case, batch=batch, fits=False))
        return None

    def _may_be_too_large(self, batch: int, tried: Explanation) -> bool:
        """Whether it may be the batch that an implementation does not take or has a bug at.

        One sequence that is refused is no batch; and what fails at an ordinary batch, before any has
        fitted, would at others.
        """
        if tried.kind == "unsupported":
            return batch > 1
        return (self._fitted or batch > EIGHT) and answers(self.device)

    def _try(self, batch: int) -> FirstSteps | Explanation:
        cut.heed()
        self.batch = batch
        tried = first_steps(self.shared, self.implementation, batch, self.device)
        if isinstance(tried, Explanation) and self._has_cuda_graphs:
            forget_compiled()  # one that is half recorded
            with suppress(RuntimeError):  # from a device that is lost, which whoever hears of this sees
                self.device.release()
        return tried

    @property
    def _has_cuda_graphs(self) -> bool:
        return self.shared.training.mode == "reduce-overhead"
