"""The session that imported results make: a header, a plan of all of them, and the events of each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from profiler import version
from profiler.events import (
    SCHEMA,
    Environment,
    Event,
    Finished,
    Imported,
    PlanEnded,
    Planned,
    Result,
    SessionStarted,
)
from profiler.importing.asked import AskedShapes, completed
from profiler.importing.labs import LabsResult, check_kind, labs_result
from profiler.importing.reading import read_objects
from profiler.importing.refusal import ImportRefused
from profiler.plans.plan import Plan, PlanError
from profiler.units import describe_shape, plain_text
from profiler.workload import PASSES

UNKNOWN_DEVICE = "unknown device"
"""What stands in an imported session's environment: the files do not say what they were measured on."""


def imported_events(
    paths: Sequence[Path], asked: AskedShapes, *, command: str = "", label: str | None = None
) -> list[Event]:
    """A whole session of what the files hold. Without a `label` it is called as the first file is.

    Raises:
        ImportRefused: a file cannot be read or is none of this kind, what it lacks was not given, or
            the files do not make one session.
    """
    objects = [found for path in paths for found in read_objects(path)]
    for found in objects:
        check_kind(found)
    results = [labs_result(*each) for each in zip(objects, completed(objects, asked), strict=True)]
    _check_alone(results)
    plan = _plan(results, paths[0].stem if label is None else label)
    numbers = {(case.workload, case.implementation): case.number for _, of in plan.shapes() for case in of}
    events: list[Event] = [_header(paths, command), Planned(plan=plan)]
    for each in results:
        events += each.events(numbers[each.workload, each.implementation])
    figures = sum(isinstance(event, Result) for event in events)
    return [*events, PlanEnded(ending="completed"), Finished(ending="completed", results=figures)]


def _check_alone(results: Iterable[LabsResult]) -> None:
    """Refuse two results of the same case: a session has one."""
    seen: dict[tuple[object, str], LabsResult] = {}
    for each in results:
        before = seen.setdefault((each.workload, each.implementation), each)
        if before is not each:
            raise ImportRefused(
                f"{before.where} and {each.where} are both {plain_text(each.implementation)} at "
                f"{describe_shape(each.workload)}: where options say what was measured, give a value for "
                "each (--impl Pytorch,Flash2); else import the files one by one"
            )


def _plan(results: Sequence[LabsResult], label: str) -> Plan:
    """The plan of all, whose grid need not be full."""
    names = tuple(dict.fromkeys(each.implementation for each in results))
    try:
        return Plan(
            workloads=tuple(dict.fromkeys(each.workload for each in results)),
            implementations=names,
            passes=tuple(which for which in PASSES if any(which in each.passes for each in results)),
            baseline="pytorch" if "pytorch" in names else None,
            device=UNKNOWN_DEVICE,
            label=label,
        )
    except PlanError as error:
        raise ImportRefused(f"the results make no session: {error}") from None


def _header(paths: Sequence[Path], command: str) -> SessionStarted:
    return SessionStarted(
        schema=SCHEMA,
        attnprof=version.VERSION,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        environment=Environment(device=UNKNOWN_DEVICE),
        imported=Imported(files=tuple(plain_text(path.name) for path in paths)),
    )
