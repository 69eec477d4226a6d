"""A recorded shape as it is played: its events in the order and the small portions of a live measurement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from profiler.clients.repertoire import Repertoire
from profiler.events import CaseStarted, Failure, Result, Samples, SessionEvent
from profiler.plans.plan import Case, Plan
from profiler.session.case_record import CaseRecord, PassRecord
from profiler.workload import Pass

_SLICES = 20
_QUICK_SLICES = 8
_MOST_OPENINGS = 8  # what comes before the first number may not take long

Beat = list[SessionEvent]
"""What is heard at once; a few hundredths of a second lie between two of them."""


def beats(plan: Plan, cases: Sequence[Case], repertoire: Repertoire) -> Iterator[Beat]:
    """All that is told of one shape of a plan, from first calls to kernels.

    A plan without accuracy is one of a person in a hurry: its first numbers come with the second
    beat, and nothing follows the results. Any other is told all that was recorded.
    """
    quick = not plan.takes.accuracy
    played = [(case, repertoire.case(case.workload, case.implementation)) for case in cases]
    opening = [_opening(plan, case, record, repertoire) for case, record in played]
    yield from _gathered(opening, 1 if quick else _MOST_OPENINGS)
    recorded = [(case, record) for case, record in played if record is not None]
    slices = _QUICK_SLICES if quick else _SLICES
    for index in range(slices):
        beat: Beat = [one for pair in recorded for one in _samples(plan, *pair, index, slices)]
        if beat:
            yield beat
    yield [result for pair in recorded for result in _results(plan, *pair)]
    for case, record in recorded:
        if not quick and (extras := list(_extras(plan, case, record))):
            yield extras


def _gathered(beats: list[Beat], most: int) -> Iterator[Beat]:
    """The same events in no more than so many beats."""
    size = max(1, -(-len(beats) // most))
    for first in range(0, len(beats), size):
        yield [event for beat in beats[first : first + size] for event in beat]


def _opening(plan: Plan, case: Case, record: CaseRecord | None, repertoire: Repertoire) -> Beat:
    """The first calls of a case, and what failed of it."""
    if record is None:
        return [_failure(case, None, repertoire.why_not(case.workload, case.implementation))]
    events: Beat = []
    if record.check or any(failure.kind != "unsupported" for failure in record.failures):
        events.append(
            CaseStarted(case=case.number, workload=case.workload, implementation=case.implementation)
        )
    if record.check is not None:
        accuracy = record.check.accuracy if plan.takes.accuracy else None
        events.append(msgspec.structs.replace(record.check, case=case.number, accuracy=accuracy))
    for failure in record.failures:
        if failure.which in (None, *plan.passes_of(case.workload)):
            events.append(msgspec.structs.replace(failure, case=case.number))
    for which in plan.passes_of(case.workload):
        if which not in record.passes and record.failure_of(which) is None:
            events.append(_failure(case, which, repertoire.why_not_pass(which)))
    return events


def _failure(case: Case, which: Pass | None, why: str) -> Failure:
    return Failure(
        case=case.number,
        workload=case.workload,
        implementation=case.implementation,
        kind="unsupported",
        message=why,
        which=which,
    )


def _parts(plan: Plan, record: CaseRecord) -> Iterator[tuple[Pass, PassRecord]]:
    """The passes of a recorded case that a plan asks for."""
    for which in plan.passes:
        if which in record.passes:
            yield which, record.passes[which]


def _results(plan: Plan, case: Case, record: CaseRecord) -> Iterator[Result]:
    for _, part in _parts(plan, record):
        if part.result is not None:
            yield msgspec.structs.replace(part.result, case=case.number)


def _samples(plan: Plan, case: Case, record: CaseRecord, index: int, slices: int) -> Iterator[Samples]:
    for which, part in _parts(plan, record):
        first, last = (len(part.device_ms) * place // slices for place in (index, index + 1))
        if first < last:
            yield Samples(
                case=case.number,
                which=which,
                first_round=first,
                device_ms=part.device_ms[first:last],
                wall_ms=part.wall_ms[first:last],
                sm_mhz=part.sm_mhz[first:last],
            )


def _extras(plan: Plan, case: Case, record: CaseRecord) -> Iterator[SessionEvent]:
    """What was taken after the rounds."""
    for _, part in _parts(plan, record):
        for event in (part.replayed, part.kernels, part.energy):
            if event is not None:
                yield msgspec.structs.replace(event, case=case.number)
