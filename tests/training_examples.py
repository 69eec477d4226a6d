"""Sessions of training made by hand, for the tests of whatever reads, shows or exports one."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from profiler.events import (
    Agreement,
    BatchTried,
    Ceilings,
    Event,
    FailureKind,
    Finished,
    MatmulRate,
    Steps,
    Telemetry,
    TrainingChecked,
    TrainingFailure,
    TrainingPlanned,
    TrainingResult,
    TrainingStarted,
)
from profiler.session.recording import Recording
from profiler.stats import estimate
from profiler.training.model import Mode, Optimizer, Training, gpt2
from profiler.training.plan import TrainingCase, TrainingPlan
from tests.examples import GIB, header

IMPLEMENTATIONS = ("pytorch", "sdpa-flash", "flash2")


def training(
    model: str = "small",
    context: int = 1024,
    mode: Mode = "compile",
    optimizer: Optimizer = "adamw-foreach",
    dtype: str = "float16",
) -> Training:
    return Training(model=gpt2(model), context=context, mode=mode, optimizer=optimizer, dtype=dtype)


def training_plan(
    trainings: Sequence[Training], implementations: Sequence[str] = IMPLEMENTATIONS, **changes: object
) -> TrainingPlan:
    fields = {
        "trainings": tuple(trainings),
        "implementations": tuple(implementations),
        "baseline": implementations[0],
        "device": "cuda:0",
    }
    return TrainingPlan(**(fields | changes))  # type: ignore[arg-type]


def training_cases(plan: TrainingPlan) -> list[TrainingCase]:
    return [case for _, cases in plan.rows() for case in cases]


def agreement(verdict: str = "ok") -> Agreement:
    return Agreement(
        verdict=verdict,  # type: ignore[arg-type]
        loss=None if verdict == "nan" else 11.9 if verdict == "wrong" else 9.7042,
        plain_loss=9.7041,
        reference_loss=9.7040,
        loss_limit=0.01,
        gradient_error=None if verdict == "nan" else 0.002,
        plain_gradient_error=0.0025,
        gradient_limit=0.006,
    )


def begun(case: TrainingCase, at_s: float = 1.0) -> TrainingStarted:
    return TrainingStarted(
        case=case.number, training=case.training, implementation=case.implementation, at_s=at_s
    )


def steps(
    case: TrainingCase,
    step_ms: Sequence[float],
    *,
    first: int = 0,
    round: int | None = None,
    at_s: float = 2.0,
) -> Steps:
    """Steps of these times, a third of each in either pass but the optimizer's; the loss falls."""
    return Steps(
        case=case.number,
        first_step=first,
        measured=round is not None,
        step_ms=list(step_ms),
        forward_ms=[0.3 * each for each in step_ms],
        backward_ms=[0.6 * each for each in step_ms],
        optimizer_ms=[0.1 * each for each in step_ms],
        loss=[9.7 - 0.01 * (first + index) for index in range(len(step_ms))],
        round=round,
        at_s=at_s,
    )


def trained(
    case: TrainingCase,
    *,
    batch: int,
    tokens_per_s: float,
    at_s: float = 1.0,
    rounds: int = 8,
    breaks: dict[str, int] | None = None,
    verdict: str = "ok",
    notes: Sequence[str] = (),
) -> Iterator[Event]:
    """A case from its beginning to its result, at this throughput but for 1 % in some rounds."""
    step_ms = 1000 * batch * case.training.context / tokens_per_s
    times = [step_ms * (1 + 0.01 * (index % 3 - 1)) for index in range(3 * rounds)]
    yield begun(case, at_s)
    yield BatchTried(case=case.number, batch=2 * batch, fits=False, at_s=at_s)
    yield BatchTried(case=case.number, batch=batch, fits=True, peak_bytes=9 * GIB, at_s=at_s)
    yield TrainingChecked(
        case=case.number,
        batch=batch,
        parameters=case.training.parameters,
        first_step_ms=step_ms + 20_000,
        compile_ms=20_000 if case.training.mode != "eager" else None,
        graph_breaks=breaks if breaks is not None else {} if case.training.mode != "eager" else None,
        agreement=agreement(verdict),
        notes=tuple(notes),
        at_s=at_s,
    )
    yield steps(case, [step_ms] * 4, at_s=at_s)
    for number in range(rounds):
        at_s += 3 * step_ms / 1000
        yield steps(case, times[3 * number : 3 * number + 3], first=4 + 3 * number, round=number, at_s=at_s)
    yield TrainingResult(
        case=case.number,
        training=case.training,
        implementation=case.implementation,
        batch=batch,
        tokens_per_s=1000 * batch * case.training.context * len(times) / sum(times),
        step_ms=estimate(times),
        forward_ms=0.3 * statistics.median(times),
        backward_ms=0.6 * statistics.median(times),
        optimizer_ms=0.1 * statistics.median(times),
        peak_bytes=9 * GIB,
        reserved_bytes=10 * GIB,
        process_bytes=11 * GIB,
        attention_percent=31.0,
        gpu_busy_percent=96.0,
        at_s=at_s,
    )


def wavering(events: Iterable[Event]) -> Iterator[Event]:
    """The same case, every other visit taking a third less time: what is near it is not told from it."""
    for event in events:
        if isinstance(event, Steps) and event.round is not None and event.round % 2:
            fields = ("step_ms", "forward_ms", "backward_ms", "optimizer_ms")
            shorter = {name: [each / 1.5 for each in getattr(event, name)] for name in fields}
            yield msgspec.structs.replace(event, **shorter)
        else:
            yield event


def training_failed(
    case: TrainingCase, kind: FailureKind | str, message: str, requested_bytes: int | None = None
) -> TrainingFailure:
    return TrainingFailure(
        case=case.number,
        training=case.training,
        implementation=case.implementation,
        kind=kind,  # type: ignore[arg-type]
        message=message,
        requested_bytes=requested_bytes,
        at_s=1.0,
    )


# What the study has of its smallest model: context, then batch and tokens/s by implementation.
STUDY = {
    256: ((52, 63_820), (64, 72_785), (64, 71_628)),
    1024: ((6, 42_936), (16, 65_065), (16, 65_523)),
    4096: (None, (4, 37_697), (4, 53_791)),
}


def study_events() -> list[Event]:
    """GPT-2 small under torch.compile at three contexts; plain PyTorch does not fit at the longest."""
    plan = training_plan(
        [training(context=context) for context in STUDY],
        label="gpt2-compile",
        memory_limit_bytes=12 * GIB,
    )
    events: list[Event] = [
        header("attnprof train --preset gpt2-compile"),
        TrainingPlanned(plan=plan),
        Ceilings(matmul={"float16": MatmulRate(tflops=700.0, size=8192)}),
    ]
    for _, cases in plan.rows():
        for case, found in zip(cases, STUDY[cases[0].training.context], strict=True):
            if found is None:
                events += [
                    begun(case),
                    BatchTried(case=case.number, batch=1, fits=False),
                    training_failed(case, "oom", "not even a batch of 1 fits", 6 * GIB),
                ]
                continue
            breaks = {"call to a C extension": 12} if case.implementation == "flash2" else None
            events += trained(case, batch=found[0], tokens_per_s=found[1], breaks=breaks)
    events += [
        Telemetry(at_s=1.0 + 0.1 * index, sm_mhz=1500, power_w=650.0, throttle=("power cap",))
        for index in range(200)
    ]
    return [*events, Finished(ending="completed", results=8, failures=1)]


def study() -> Recording:
    return Recording.of(study_events())
