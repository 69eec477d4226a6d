"""The events of a session of 100,000 results, made up: figures are plausible, and measured nowhere."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

import msgspec

from profiler.events import (
    SCHEMA,
    Accuracy,
    CaseChecked,
    CaseStarted,
    Ceilings,
    CopyRate,
    Environment,
    Event,
    Finished,
    Gpu,
    MatmulRate,
    Memory,
    PlanEnded,
    Planned,
    Result,
    Samples,
    SessionStarted,
    Telemetry,
)
from profiler.plans.plan import Case, Plan
from profiler.stats import estimate, mega_cycles
from profiler.workload import PASSES, Attention, Pass

HEAD_DIMS = (64, 96, 128, 256)  # a plan each
BATCHES = (1, 2, 4, 8, 16, 32, 64)
SEQS = (128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
HEADS = (1, 2, 4, 8, 12, 16, 20, 24, 32, 40)
IMPLEMENTATIONS = ("pytorch", "sdpa-flash", "sdpa-cudnn", "flash2", "flash3", "flash4")
ROUNDS = (3, 7)  # samples come in two events a pass, as a run tells of them
_OF_FORWARD: dict[Pass, float] = {"fwd": 1.0, "bwd": 2.6, "fwd_bwd": 3.6}
_READINGS_A_SHAPE = 8  # 10 Hz, and a shape takes less than a second


def plans() -> Iterator[Plan]:
    """The session's plans."""
    first = 0
    for head_dim in HEAD_DIMS:
        workloads = tuple(
            Attention(
                batch=batch,
                seq_q=seq,
                seq_k=seq,
                heads=heads,
                kv_heads=heads,
                head_dim=head_dim,
                dtype="float16",
                causal=causal,
            )
            for batch, seq, heads, causal in itertools.product(BATCHES, SEQS, HEADS, (False, True))
        )
        plan = Plan(
            workloads=workloads,
            implementations=IMPLEMENTATIONS,
            baseline=IMPLEMENTATIONS[0],
            device="cuda:0",
            label="big",
            first_case=first,
        )
        first += plan.count
        yield plan


def events(seed: int = 0) -> Iterator[Event]:
    """The whole session's events in order, with its time running on."""
    chance = random.Random(seed)
    at_s = 0.0
    results = 0
    yield _header()
    yield Ceilings(
        at_s=2.0,
        matmul={"float16": MatmulRate(tflops=741.3, size=8192, sm_mhz=1605.2)},
        copy=CopyRate(gb_per_s=2871.4, bytes=2**30, sm_mhz=1979.1),
    )
    for plan in plans():
        yield Planned(at_s=round(at_s, 3), plan=plan)
        for workload, cases in plan.shapes():
            for event in _shape(workload, cases, chance):
                at_s += 0.04 if isinstance(event, Telemetry) else 0.002
                results += isinstance(event, Result)
                yield msgspec.structs.replace(event, at_s=round(at_s, 3))
        yield PlanEnded(at_s=round(at_s, 3), ending="completed")
    yield Finished(at_s=round(at_s, 3), ending="completed", results=results)


def _shape(workload: Attention, cases: tuple[Case, ...], chance: random.Random) -> Iterator[Event]:
    """What a run tells of one shape: checks, then rounds, then results, and readings between them."""
    speeds = {case.number: 1 + 3 * index * chance.random() for index, case in enumerate(cases)}
    for case in cases:
        yield CaseStarted(case=case.number, workload=workload, implementation=case.implementation)
        yield _checked(case, chance)
        yield _reading(chance)
    samples = {
        (case.number, which): _samples(case, which, speeds[case.number], chance)
        for case in cases
        for which in PASSES
    }
    first = 0
    for count in ROUNDS:
        for (number, which), times in samples.items():
            device_ms, wall_ms, sm_mhz = times
            taken = slice(first, first + count)
            yield Samples(
                case=number,
                which=which,
                first_round=first,
                device_ms=device_ms[taken],
                wall_ms=wall_ms[taken],
                sm_mhz=sm_mhz[taken],
            )
        yield _reading(chance)
        first += count
    for case in cases:
        for which in PASSES:
            yield _result(case, which, samples[case.number, which], chance)


def _samples(
    case: Case, which: Pass, speed: float, chance: random.Random
) -> tuple[list[float], list[float], list[float | None]]:
    """Device time, wall time and the SM's clock of every round."""
    shape = case.workload
    middle_ms = (0.004 + shape.flop("fwd") / 1e11 / speed) * _OF_FORWARD[which]
    device_ms = [round(middle_ms * chance.gauss(1, 0.004), 6) for _ in range(sum(ROUNDS))]
    wall_ms = [round(time_ms + chance.uniform(0.02, 0.05), 6) for time_ms in device_ms]
    return device_ms, wall_ms, [round(chance.gauss(1700, 15), 1) for _ in device_ms]


def _result(
    case: Case,
    which: Pass,
    times: tuple[list[float], list[float], list[float | None]],
    chance: random.Random,
) -> Result:
    device_ms, wall_ms, sm_mhz = times
    median = estimate(device_ms)
    return Result(
        case=case.number,
        workload=case.workload,
        implementation=case.implementation,
        which=which,
        device_ms=median,
        wall_ms=estimate(wall_ms),
        tflops=case.workload.tflops(which, median.median),
        sm_mhz=estimate([mhz for mhz in sm_mhz if mhz is not None]),
        mega_cycles=mega_cycles(device_ms, sm_mhz),
        memory=_memory(case.workload, chance),
    )


def _checked(case: Case, chance: random.Random) -> CaseChecked:
    tensors = ("out", "dq", "dk", "dv")
    return CaseChecked(
        case=case.number,
        first_call_ms={"fwd": round(chance.uniform(0.5, 3), 6), "bwd": round(chance.uniform(1, 6), 6)},
        memory={which: _memory(case.workload, chance) for which in PASSES},
        accuracy=Accuracy(
            verdict="ok",
            errors={tensor: chance.uniform(5e-4, 1e-3) for tensor in tensors},
            plain_errors={tensor: chance.uniform(5e-4, 1e-3) for tensor in tensors},
            limits={tensor: chance.uniform(2e-3, 4e-3) for tensor in tensors},
            heads_checked=case.workload.heads,
            heads_total=case.workload.heads * case.workload.batch,
            ratio=chance.uniform(0.8, 1.2),
        ),
    )


def _memory(shape: Attention, chance: random.Random) -> Memory:
    tensor_bytes = shape.batch * shape.seq_q * shape.emb_dim * 2
    return Memory(
        working_bytes=tensor_bytes,
        absolute_bytes=4 * tensor_bytes,
        saved_bytes=tensor_bytes,
        reserved_bytes=5 * tensor_bytes + chance.randrange(2**24),
        process_bytes=6 * tensor_bytes + 2**29,
    )


def _reading(chance: random.Random) -> Telemetry:
    return Telemetry(
        sm_mhz=1700 + chance.randrange(60),
        memory_mhz=2619,
        power_w=round(chance.uniform(400, 690), 1),
        temperature_c=50 + chance.randrange(15),
        utilization_percent=100.0,
        memory_used_bytes=8 * 2**30 + chance.randrange(2**30),
        process_bytes=7 * 2**30,
        other_processes=0,
    )


def _header() -> SessionStarted:
    return SessionStarted(
        schema=SCHEMA,
        attnprof="0.1.0",
        started="2026-11-22T04:32:06+00:00",
        command="attnprof run --batch 1..64 --seq 128..64k --heads 1..40",
        environment=Environment(
            device="cuda:0",
            gpu=Gpu(
                name="NVIDIA H100 80GB HBM3",
                compute_capability=(9, 0),
                memory_bytes=80 * 2**30,
                sm_count=132,
                max_sm_mhz=1980,
            ),
            python="3.11.7",
            packages={"torch": "2.13.0", "flash-attn": "2.8.3"},
        ),
    )
