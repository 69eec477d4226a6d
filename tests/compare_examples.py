"""Pairs of sessions made by hand, for the tests of whatever compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from profiler.events import Environment, Event, Finished, Memory, Planned, SessionStarted, TrainingPlanned
from profiler.plans.plan import Case
from profiler.session.recording import Recording
from profiler.workload import Attention, Pass
from tests.examples import attention, cases, checked, failed, header, measured, plan
from tests.training_examples import trained, training, training_cases, training_failed, training_plan

MEMORY = Memory(working_bytes=84 * 2**20, absolute_bytes=300 * 2**20)


def session(
    speeds: Mapping[str, float],
    *,
    shapes: Sequence[Attention] = (attention(),),
    passes: Sequence[Pass] = ("fwd",),
    sm_mhz: float | None = None,
    memory: Memory = MEMORY,
    wrong: Sequence[str] = (),
    oom: Sequence[str] = (),
    **environment: object,
) -> list[Event]:
    """One in which each implementation is so many times as fast as tests.examples.BASE_MS says.

    Those that are `wrong` are measured all the same; those that are out of memory (`oom`) are not.
    """
    whole = plan(shapes, list(speeds), passes)
    events: list[Event] = [_header(environment), Planned(plan=whole)]
    for case in cases(whole):
        events += _measured(case, passes, speeds[case.implementation], sm_mhz, memory, wrong, oom)
    return [*events, Finished(at_s=9.0, ending="completed")]


def _measured(
    case: Case,
    passes: Sequence[Pass],
    speed: float,
    sm_mhz: float | None,
    memory: Memory,
    wrong: Sequence[str],
    oom: Sequence[str],
) -> list[Event]:
    name = case.implementation
    if name in oom:
        return [failed(case, "oom", "CUDA out of memory", requested_bytes=64 * 2**30)]
    taken = measured(case, passes, speed=speed, sm_mhz=sm_mhz, memory=memory)
    return [*checked(case, wrong=name in wrong), *taken]


def _header(changes: Mapping[str, object]) -> SessionStarted:
    """The examples' own, but for these parts of its environment; `gpu_name` is the GPU's."""
    own = header()
    changes = dict(changes)
    gpu = own.environment.gpu
    assert gpu is not None
    if name := changes.pop("gpu_name", None):
        gpu = msgspec.structs.replace(gpu, name=str(name))
    environment: Environment = msgspec.structs.replace(own.environment, gpu=gpu, **changes)
    return msgspec.structs.replace(own, environment=environment)


def recorded(speeds: Mapping[str, float], **changes: object) -> Recording:
    """The same as a recording."""
    return Recording.of(session(speeds, **changes))  # type: ignore[arg-type]


def study(tokens: Mapping[str, float | None], *, batch: int = 8, rounds: int = 8) -> list[Event]:
    """A training of one row, each implementation with its tokens/s; None is out of memory."""
    whole = training_plan([training(mode="eager")], tuple(tokens))
    events: list[Event] = [header("attnprof train"), TrainingPlanned(plan=whole)]
    for case in training_cases(whole):
        throughput = tokens[case.implementation]
        if throughput is None:
            events.append(training_failed(case, "oom", "not even a batch of 1 fits"))
        else:
            events += trained(case, batch=batch, tokens_per_s=throughput, rounds=rounds)
    return [*events, Finished(at_s=90.0, ending="completed")]
