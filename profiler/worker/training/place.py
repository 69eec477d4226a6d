"""The device and the shared model, which one case of a row at a time has.

Between two visits a case keeps what it was prepared and compiled with, not its activations: whoever is
visited finds the device as if it were alone. A case that fails leaves nothing behind for the next.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence

from profiler.engine.protocol import WorkerMessage
from profiler.training.plan import TrainingCase
from profiler.worker.compiled import forget_compiled
from profiler.worker.devices import Device
from profiler.worker.failures import Explanation, explain
from profiler.worker.lost import raise_if_lost
from profiler.worker.training.shared import SharedModel
from profiler.worker.training.steps import Block, run_block
from profiler.worker.training.subject import Subject, failure

Send = Callable[[WorkerMessage], None]

# After a visit to another case the first step allocates, and the second does where it finds what the
# first has left; else one fills the queue.
_LEAD_IN = 1
_LEAD_IN_AFTER_ANOTHER = 2


class Place:
    """Who of `subjects`, those that are measured, has the device, and how one that fails leaves it."""

    def __init__(self, shared: SharedModel, device: Device, send: Send) -> None:
        self.shared = shared
        self.device = device
        self.subjects: list[Subject] = []
        self._send = send
        self._at: Subject | None = None

    def clear(self) -> None:
        """Nobody is measured any more."""
        self.subjects, self._at = [], None

    def leave(self) -> None:
        """Nobody has the device: whoever comes next finds it empty."""
        self._at = None

    def enter(self, subject: Subject) -> bool:
        """Give it the device; whether another had it before."""
        if self._at is subject:
            return False
        self.device.release()
        self._at = subject
        return True

    def visit(self, subject: Subject, count: int, *, lead_in: bool) -> Block:
        """So many steps of a case, after a few that are not timed where `lead_in`.

        It fitted alone, so if memory runs out it is tidied up, and at last the others let go of theirs.
        """
        another = self.enter(subject)
        untimed = (_LEAD_IN_AFTER_ANOTHER if another else _LEAD_IN) if lead_in else 0
        block = self._block_if_it_fits(subject, count, untimed)
        if block is None:
            block = self._block_if_it_fits(subject, count, _LEAD_IN_AFTER_ANOTHER)
        if block is None:
            _let_go([other for other in self.subjects if other is not subject])
            self.device.release()
            block = run_block(subject.trainer, count, lead_in=_LEAD_IN_AFTER_ANOTHER)
        return block

    def _block_if_it_fits(self, subject: Subject, count: int, lead_in: int) -> Block | None:
        """None where memory ran out, of which nothing is left then."""
        try:
            return run_block(subject.trainer, count, lead_in=lead_in)
        except RuntimeError as error:  # torch.OutOfMemoryError is one, and so is the CPU allocator's
            if explain(error).kind != "oom":
                raise
        subject.trainer.recover()
        self.device.release()
        return None

    def drop(self, subject: Subject) -> None:
        """Leave a case out from now on; the others' parameters are to be none of its making."""
        self.subjects.remove(subject)
        _let_go([subject])
        self.leave()

    def fail(self, case: TrainingCase, explanation: Explanation, batch: int | None = None) -> None:
        """Tell why a case has no result, and clear up after it.

        Raises:
            DeviceLost: the device can no longer be used, which has been told.
        """
        raise_if_lost(self.device, explanation, lambda lost: self._send(failure(case, lost, batch)))
        self.begin_anew(case)
        self._send(failure(case, explanation, batch))

    def begin_anew(self, case: TrainingCase) -> None:
        """Parameters and states as before the first step, after a case has failed.

        Raises:
            DeviceLost: as `fail`.
        """
        if self.shared.training.mode == "reduce-overhead":  # its graphs keep their memory until then
            forget_compiled()
        self.device.release()
        try:
            self.shared.renew()
            return
        except Exception as error:
            explanation = explain(error)
        raise_if_lost(self.device, explanation, lambda lost: self._send(failure(case, lost)))
        _let_go(self.subjects)
        forget_compiled()
        self.shared.renew()  # a worker in which this fails too can measure nothing more

    def look_after(self, case: TrainingCase, cause: str | None) -> None:
        """See that the device still answers, after something that may have failed.

        Raises:
            DeviceLost: as `fail`.
        """
        if cause is not None:
            raise_if_lost(
                self.device, Explanation("error", cause), lambda lost: self._send(failure(case, lost))
            )


def _let_go(subjects: Sequence[Subject]) -> None:
    """Have them drop what can be made again, so that it can be collected."""
    gc.unfreeze()
    for subject in subjects:
        subject.trainer.let_go()
