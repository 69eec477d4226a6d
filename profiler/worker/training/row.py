"""A row of the table, measured: each case checked and warmed up, then all together in rounds.

A case that is visited makes some steps before its clock runs. With CUDA graphs there can be no rounds,
for they hold their memory as long as they live: there one case is measured after the other, each to
its end.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from impls import UnknownImplementation
from impls.contract import Implementation
from profiler.engine.protocol import MeasureTraining, ShapeDone, Visiting
from profiler.events import Log, TrainingChecked, TrainingStarted
from profiler.training.plan import TrainingCase
from profiler.worker import cut
from profiler.worker.check import CannotRun
from profiler.worker.compiled import forget_compiled, let_backward_reuse
from profiler.worker.devices import Device
from profiler.worker.failures import Explanation, explain
from profiler.worker.lost import raise_if_lost
from profiler.worker.rounds import has_settled
from profiler.worker.training.agreement import Judge
from profiler.worker.training.attention_share import Share, attention_share, operators_of
from profiler.worker.training.finding import Finding
from profiler.worker.training.first_steps import FirstSteps
from profiler.worker.training.modes import wake_compiler
from profiler.worker.training.place import Place, Send
from profiler.worker.training.shared import SharedModel
from profiler.worker.training.steps import Block, diverged_at
from profiler.worker.training.subject import Subject, diverged, failure

Find = Callable[[str], Implementation]

MOST_ROUNDS = 12
"""Measured steps are dealt out to so many rounds: of fewer than nine ratios the interval is all of them, so
that one late step is in it, and of fewer than six there is none."""

# Whoever watches sees steps before the measured ones come about so often.
_BLOCK_MS = 500.0
_LONGEST_BLOCK = 25


def measure_training(request: MeasureTraining, device: Device, find: Find, send: Send) -> None:
    """Do what is asked and send every event of it.

    Raises:
        DeviceLost: the device can no longer be used; what was measured has been sent.
    """
    _freeze()
    with suppress(cut.CutShort), device.holding_limit():
        _measure(request, device, find, send)
    forget_compiled()
    device.release()
    send(ShapeDone())


def _freeze() -> None:
    """A collection would go through all that torch has loaded, a tenth of a second each time."""
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def _measure(request: MeasureTraining, device: Device, find: Find, send: Send) -> None:
    forget_compiled()
    let_backward_reuse()
    shared = _open(request, device, send)
    if shared is None:
        return
    if request.training.mode != "eager":
        wake_compiler(device.name)
    row = _Row(request, shared, device, find, send)
    if request.training.mode == "reduce-overhead":
        for case in request.cases:
            row.measure([case])
            forget_compiled()
    else:
        row.measure(request.cases)


def _open(request: MeasureTraining, device: Device, send: Send) -> SharedModel | None:
    """The model that all cases share; if it cannot be made, no case can be measured."""
    device.release()
    send(Visiting(case=request.cases[0].number))
    try:
        return SharedModel(request.training, device, request.seed)
    except Exception as error:
        explanation = explain(error)
    if explanation.kind == "oom":
        explanation = Explanation(
            "oom",
            "out of memory: not even the parameters and the optimizer's states fit",
            explanation.requested_bytes,
        )
    raise_if_lost(device, explanation, lambda lost: send(failure(request.cases[0], lost)))
    for case in request.cases:
        send(_started(case))
        send(failure(case, explanation))
    return None


class _NoLongerFits(Exception):
    """Memory splinters as training goes on: what first steps fitted in may be too little for later ones."""


class _Row:
    """What is going on in a row: who is there to be measured, and who has the device."""

    def __init__(
        self, request: MeasureTraining, shared: SharedModel, device: Device, find: Find, send: Send
    ) -> None:
        self._request = request
        self._shared = shared
        self._device = device
        self._find = find
        self._send = send
        self._place = Place(shared, device, send)
        self._judge = Judge(shared, device)
        self._order = random.Random(request.seed)
        self._found: int | None = None

    def measure(self, cases: Sequence[TrainingCase]) -> None:
        """Take these cases from their first step to their results."""
        self._place.clear()
        for case in cases:
            self._bring_in(case)
        _freeze()  # what was compiled since the row began is much, too
        try:
            self._run_rounds()
            self._send_results()
        finally:
            gc.unfreeze()
        self._place.clear()

    def _bring_in(self, case: TrainingCase) -> None:
        """Check a case and warm it up; where its batch turns out too large, again at a smaller one."""
        too_large = None
        while (subject := self._checked(case, too_large)) is not None:
            self._place.subjects.append(subject)
            try:
                self._warm_up(subject)
            except _NoLongerFits:
                too_large = subject.trainer.batch
            else:
                return

    def _checked(self, case: TrainingCase, too_large: int | None) -> Subject | None:
        """The case at its batch, looked at; None if it cannot be measured, which has been told."""
        self._send(_started(case))
        try:
            implementation = self._find(case.implementation)
        except UnknownImplementation as error:  # a file that was edited since the engine looked at it
            self._place.fail(case, Explanation("error", str(error)))
            return None
        self._place.leave()
        finding = Finding(
            case.number, self._shared, implementation, self._device, self._send, too_large=too_large
        )
        first = self._first_steps(finding)
        if isinstance(first, FirstSteps):
            self._send(self._what_it_told(case, first))
            return Subject(case, first)
        self._place.fail(case, first, finding.batch)
        return None

    def _first_steps(self, finding: Finding) -> FirstSteps | Explanation:
        """Those of the case at its batch, with all as before them if agreement is to be looked at."""
        batch = self._request.batch
        try:
            first = finding.largest(self._found) if batch is None else finding.given(batch)
            self._found = first.trainer.batch
            if self._request.takes.agreement:
                if self._has_cuda_graphs:  # plain PyTorch would have no memory beside theirs
                    first.trainer.let_go()
                    forget_compiled()
                first.trainer.renew()
        except CannotRun as error:
            return error.explanation
        except Exception as error:
            return explain(error)
        return first

    def _what_it_told(self, case: TrainingCase, first: FirstSteps) -> TrainingChecked:
        trainer, notes = first.trainer, list(first.notes)
        if self._has_cuda_graphs and len(self._request.cases) > 1:
            notes.append("measured by itself, not in rounds: CUDA graphs keep their memory")
        backend = None
        if trainer.implementation.backend_of is not None:
            try:
                backend = trainer.implementation.backend_of(operators_of(trainer))
            except Exception as error:
                notes.append(f"which backend ran is not known: {explain(error).message}")
                self._place.look_after(case, notes[-1])
        agreement = None
        if self._request.takes.agreement:  # the first to record CUDA graphs anew
            agreement, why_not = self._judge.agreement(trainer)
            self._place.look_after(case, why_not)
            notes += [why_not] if why_not else []
        self._device.release()
        return TrainingChecked(
            case=case.number,
            batch=trainer.batch,
            parameters=self._shared.parameters,
            first_step_ms=round(first.first_step_ms, 3),
            compile_ms=None if first.compile_ms is None else round(first.compile_ms, 3),
            graph_breaks=first.graph_breaks,
            agreement=agreement,
            backend=backend,
            notes=tuple(notes),
        )

    def _warm_up(self, subject: Subject) -> None:
        """The steps that are not measured, from the beginning of training.

        Raises:
            _NoLongerFits: a batch that was found ran out of memory, and there are smaller ones.
        """
        asked = self._request.stopping
        if not self._renewed(subject):
            return
        left, times_ms = asked.steps - asked.last, list[float]()
        while left > 0 and subject in self._place.subjects:
            by_time = int(_BLOCK_MS / max(subject.first.later_step_ms, 1e-3))
            count = max(1, min(left, by_time, _LONGEST_BLOCK))
            if (block := self._go_on(subject, count, None)) is None:
                return
            left -= count
            times_ms += block.step_ms
            if asked.precision is not None and has_settled(times_ms):
                return

    def _renewed(self, subject: Subject) -> bool:
        """Whether it begins as before the first step; if that cannot be it has failed, which is told."""
        try:
            subject.trainer.renew()
            return True
        except Exception as error:
            explanation = explain(error)
        self._place.drop(subject)
        self._place.fail(subject.described, explanation, subject.trainer.batch)
        return False

    def _run_rounds(self) -> None:
        """Visit all in rounds, in a fresh random order each, until their steps are made or precise."""
        asked = self._request.stopping
        for round_, count in enumerate(_dealt_out(asked.last)):
            for subject in self._order.sample(self._place.subjects, k=len(self._place.subjects)):
                self._go_on(subject, count, round_)
            if asked.precision is not None and all(
                subject.is_within(asked.precision) for subject in self._place.subjects
            ):
                return

    def _go_on(self, subject: Subject, count: int, round_: int | None) -> Block | None:
        """Some steps of a case, told; None if it has failed, which has been told too.

        Raises:
            _NoLongerFits: as _warm_up.
        """
        self._send(Visiting(case=subject.described.number))
        try:
            block = self._place.visit(subject, count, lead_in=round_ is not None)
        except Exception as error:
            explanation = explain(error)
        else:
            first = subject.steps
            if block.loss:
                self._send(subject.told(block, round_))
            cut.heed()
            if (lost_from := diverged_at(block.loss)) is not None:
                message = f"the loss is not finite from step {first + lost_from} on"
            elif not self._shared.is_finite():
                message = f"the parameters are not finite after step {subject.steps - 1}"
            else:
                return block
            self._place.drop(subject)
            self._place.begin_anew(subject.described)
            self._send(diverged(subject.described, message, subject.trainer.batch))
            return None
        self._place.drop(subject)
        is_found = self._request.batch is None and subject.trainer.batch > 1
        if explanation.kind == "oom" and is_found and round_ is None:
            self._place.begin_anew(subject.described)
            raise _NoLongerFits
        if explanation.kind == "oom" and round_ is not None:
            until = f"after {subject.steps} steps in which its batch of {subject.trainer.batch} fitted"
            explanation = replace(explanation, message=f"out of memory {until}")
        self._place.fail(subject.described, explanation, subject.trainer.batch)
        return None

    def _send_results(self) -> None:
        """Each with attention's share, which is taken last: CUPTI may slow down what comes after it."""
        left = list(self._place.subjects)

        def send_those_left(lost: Explanation) -> None:
            for subject in left:
                self._send(subject.result(self._request.stopping, None))

        while left:
            share = None
            if self._request.takes.attention:
                self._send(Visiting(case=left[0].described.number))
                try:
                    share = self._attention_share(left[0])
                except Exception as error:
                    explanation = explain(error)
                    without = f"no share of attention in {left[0].trainer.implementation.name}"
                    self._send(Log(level="warning", message=f"{without}: {explanation.message}"))
                    raise_if_lost(self._device, explanation, send_those_left)
                    left[0].trainer.recover()
            self._warn_of_retries(left[0])
            self._send(left.pop(0).result(self._request.stopping, share))

    def _warn_of_retries(self, subject: Subject) -> None:
        if times := subject.measured.retries:
            message = (
                f"the allocator had to give memory back {times} times in measured steps of "
                f"{subject.trainer.implementation.name}: a smaller batch may be faster"
            )
            self._send(Log(level="warning", message=message))

    def _attention_share(self, subject: Subject) -> Share:
        cut.heed()
        self._place.enter(subject)
        return attention_share(subject.trainer)

    @property
    def _has_cuda_graphs(self) -> bool:
        return self._request.training.mode == "reduce-overhead"


def _dealt_out(steps: int) -> list[int]:
    """How many steps each round has of every case."""
    rounds = min(steps, MOST_ROUNDS)
    each, more = divmod(steps, rounds)
    return [each + (index < more) for index in range(rounds)]


def _started(case: TrainingCase) -> TrainingStarted:
    return TrainingStarted(case=case.number, training=case.training, implementation=case.implementation)
