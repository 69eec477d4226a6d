"""Sessions made by hand, for the tests of whatever reads, shows or exports one."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

import msgspec

from profiler.events import (
    SCHEMA,
    Accuracy,
    CaseChecked,
    CaseStarted,
    Catalog,
    CatalogEntry,
    Ceilings,
    CopyRate,
    Energy,
    Environment,
    Event,
    Failure,
    FailureKind,
    Finished,
    Gpu,
    Kernel,
    Kernels,
    Log,
    MatmulRate,
    Memory,
    Planned,
    Replayed,
    Result,
    Samples,
    SessionStarted,
    Telemetry,
)
from profiler.plans.plan import Case, Plan
from profiler.session.recording import Recording
from profiler.stats import estimate
from profiler.workload import PASSES, Attention, Pass

GIB = 2**30
BASE_MS = {"fwd": 1.0, "bwd": 2.5, "fwd_bwd": 3.6}  # ms of one call of a case whose speed is 1


def attention(**changes: object) -> Attention:
    """The labs' shape at sequence length 1024, with `changes`; `seq` sets both lengths."""
    seq = changes.pop("seq", 1024)
    heads = changes.get("heads", 16)
    fields = {
        "batch": 32,
        "seq_q": seq,
        "seq_k": seq,
        "heads": heads,
        "kv_heads": heads,
        "head_dim": 64,
        "dtype": "float16",
    }
    return Attention(**(fields | changes))  # type: ignore[arg-type]


def header(command: str = "attnprof run --preset lab6", minor: int = SCHEMA[1]) -> SessionStarted:
    gpu = Gpu(
        name="NVIDIA H100 80GB HBM3",
        compute_capability=(9, 0),
        memory_bytes=80 * GIB,
        sm_count=132,
        event_pair_ms=0.00122,
        driver="570.86.15",
        power_limit_w=700.0,
        max_sm_mhz=1980,
        max_memory_mhz=2619,
    )
    environment = Environment(
        device="cuda:0",
        gpu=gpu,
        cpu="Intel Xeon Platinum 8480+",
        cpu_count=16,
        memory_bytes=128 * GIB,
        os="Linux 6.8",
        python="3.11.7",
        cuda="13.0",
        cudnn="9.15.0",
        packages={"torch": "2.13.0", "flash-attn": "2.8.3"},
        git_commit="2473df7+changes",
    )
    return SessionStarted(
        schema=(SCHEMA[0], minor),
        attnprof="0.1.0",
        started="2026-11-22T04:32:06Z",
        command=command,
        environment=environment,
    )


def plan(
    workloads: Sequence[Attention],
    implementations: Sequence[str] = ("pytorch", "flash2"),
    passes: Sequence[Pass] = PASSES,
    label: str = "",
) -> Plan:
    return Plan(
        workloads=tuple(workloads),
        implementations=tuple(implementations),
        passes=tuple(passes),
        baseline=implementations[0],
        device="cuda:0",
        label=label,
    )


def accuracy(ratio: float = 0.98, wrong: bool = False) -> Accuracy:
    return Accuracy(
        verdict="wrong" if wrong else "ok",
        errors={"out": 0.0004, "dq": 0.31 if wrong else 0.0005},
        plain_errors={"out": 0.0004, "dq": 0.0005},
        limits={"out": 0.001, "dq": 0.0012},
        heads_checked=8,
        heads_total=512,
        ratio=620.0 if wrong else ratio,
    )


def checked(
    case: Case,
    at_s: float = 1.0,
    *,
    backend: str | None = None,
    wrong: bool = False,
    notes: Sequence[str] = (),
) -> list[Event]:
    """A case that starts, and whose first calls run."""
    return [
        CaseStarted(at_s=at_s, case=case.number, workload=case.workload, implementation=case.implementation),
        CaseChecked(
            at_s=at_s + 0.1,
            case=case.number,
            first_call_ms={"fwd": 210.0},
            backend=backend,
            accuracy=accuracy(wrong=wrong),
            notes=tuple(notes),
        ),
    ]


def samples(
    case: Case,
    which: Pass,
    speed: float = 1.0,
    count: int = 10,
    wall: float = 1.1,
    *,
    sm_mhz: float | None = None,
    phase: int = 0,
    at_s: float = 0.0,
) -> Samples:
    """`count` samples around `BASE_MS[which] / speed`; wall time is `wall` times the device's.

    They come round in threes, 0.1 % apart. Two of the same speed and another `phase` are a tie.
    """
    base = BASE_MS[which] / speed
    times = [base * (1 + 0.001 * ((index + phase) % 3 - 1)) for index in range(count)]
    return Samples(
        at_s=at_s,
        case=case.number,
        which=which,
        first_round=0,
        device_ms=times,
        wall_ms=[time * wall for time in times],
        sm_mhz=[] if sm_mhz is None else [sm_mhz + 10 * (index % 3 - 1) for index in range(count)],
    )


def measured(
    case: Case,
    passes: Iterable[Pass] = PASSES,
    *,
    speed: float = 1.0,
    wall: float = 1.1,
    converged: bool = True,
    sm_mhz: float | None = None,
    phase: int = 0,
    memory: Memory | None = None,
    at_s: float = 2.0,
) -> list[Event]:
    """Samples and results of a case's passes, `speed` times as fast as BASE_MS says."""
    events: list[Event] = []
    for which in passes:
        taken = samples(case, which, speed, wall=wall, sm_mhz=sm_mhz, phase=phase, at_s=at_s)
        device_ms = estimate(taken.device_ms)
        clocks = [mhz for mhz in taken.sm_mhz if mhz is not None]
        cycles = [ms * mhz / 1000 for ms, mhz in zip(taken.device_ms, clocks, strict=False)]
        result = Result(
            at_s=at_s,
            case=case.number,
            workload=case.workload,
            implementation=case.implementation,
            which=which,
            device_ms=device_ms,
            wall_ms=estimate(taken.wall_ms),
            tflops=case.workload.flop(which) / device_ms.median / 1e9,
            sm_mhz=estimate(clocks) if clocks else None,
            mega_cycles=statistics.median(cycles) if cycles else None,
            memory=memory
            or Memory(
                working_bytes=84 * 2**20,
                absolute_bytes=300 * 2**20 if which == "fwd" else 512 * 2**20,
                saved_bytes=66 * 2**20 if which != "bwd" else None,
            ),
            converged=converged,
        )
        events += [taken, result]
    return events


def failed(
    case: Case,
    kind: FailureKind,
    message: str,
    *,
    which: Pass | None = None,
    requested_bytes: int | None = None,
    largest_batch: int | None = None,
) -> Failure:
    return Failure(
        case=case.number,
        workload=case.workload,
        implementation=case.implementation,
        kind=kind,
        message=message,
        which=which,
        requested_bytes=requested_bytes,
        largest_batch=largest_batch,
    )


def cases(of: Plan) -> list[Case]:
    return [case for _, group in of.shapes() for case in group]


def lab6_events() -> list[Event]:
    """A small lab6 in which every way to end happens: results, OOM, unsupported, wrong, partial.

    It is what a session without the GPU's counters, ceilings and all else that is optional holds.

    seq 512: pytorch, sdpa three times as fast, flash2 not converged and launch-bound, sdpa-cudnn wrong.
    seq 4096: pytorch out of memory in backward, sdpa partial, flash2 crashed, sdpa-cudnn unsupported.
    """
    names = ("pytorch", "sdpa", "flash2", "sdpa-cudnn")
    whole = plan([attention(seq=512, causal=True), attention(seq=4096, causal=True)], names, label="lab6")
    short, long = cases(whole)[:4], cases(whole)[4:]
    oom = "CUDA out of memory: tried to allocate 64.00 GiB"
    return [
        header(),
        Catalog(implementations=(CatalogEntry(name="pytorch", label="PyTorch", summary="matmul, softmax"),)),
        Planned(plan=whole),
        *checked(short[0], at_s=1.0),
        *checked(short[1], at_s=1.2, backend="cudnn"),
        *checked(short[2], at_s=1.4, notes=["head dim 64 padded to 96"]),
        *checked(short[3], at_s=1.6, wrong=True),
        telemetry(0.5, sm_mhz=345, power_w=70.0),
        telemetry(1.5, sm_mhz=1980, power_w=650.0),
        telemetry(1.8, sm_mhz=1410, power_w=699.0, throttle=("power cap",)),
        *measured(short[0]),
        *measured(short[1], speed=3.0),
        *measured(short[2], speed=2.0, wall=2.0, converged=False),
        *measured(short[3], speed=4.0),
        *checked(long[0], at_s=3.0),
        *measured(long[0], ["fwd"], speed=0.1, at_s=3.5),
        failed(long[0], "oom", oom, which="bwd", requested_bytes=64 * GIB, largest_batch=8),
        failed(long[0], "oom", oom, which="fwd_bwd", requested_bytes=64 * GIB, largest_batch=8),
        *checked(long[1], at_s=3.2, backend="flash"),
        samples(long[1], "fwd", speed=0.5, count=4),
        failed(long[2], "crashed", "the worker was killed by signal 9."),
        failed(long[3], "unsupported", "takes head dims up to 32, not 64"),
        Log(level="warning", message="another process uses this GPU (pid 4242): times may be off"),
        Log(level="info", message="compiled in 2 s"),
        Finished(at_s=4.0, ending="interrupted", reason="Ctrl+C", results=13, failures=4),
    ]


CEILINGS = Ceilings(
    at_s=0.9,
    matmul={"bfloat16": MatmulRate(tflops=750.0, size=8192, sm_mhz=1542.0)},
    copy=CopyRate(gb_per_s=3000.0, bytes=GIB, sm_mhz=1890.0),
)
FLASH_KERNEL = "void flash::flash_fwd_kernel<Flash_fwd_kernel_traits<64, 128, 64, 4>, true>(Flash_fwd_params)"
MANY_KERNELS = tuple(
    Kernel(name=f"elementwise_kernel_{index}", count=index + 1, time_us=10.0 - index) for index in range(8)
)


def hopper_events() -> list[Event]:
    """A session that takes all there is, of two shapes in bfloat16, forward and forward+backward.

    seq 256: compiled ties with pytorch, breaks its graph twice and writes to q; sdpa-flash and flash2
    are four times as fast and tie; both are launch-bound, flash2 cannot be captured as a graph.
    seq 4096, under the power cap and beside another process: flash2 is 20 times as fast, and its
    kernels and energy are known; the others' errors are those of 64 queries a head.
    """
    names = ("pytorch", "compiled", "sdpa-flash", "flash2")
    passes: tuple[Pass, ...] = ("fwd", "fwd_bwd")
    shapes = [attention(seq=seq, causal=True, dtype="bfloat16", batch=8) for seq in (256, 4096)]
    whole = plan(shapes, names, passes)
    short, long = cases(whole)[:4], cases(whole)[4:]
    scores = Memory(
        working_bytes=900 * 2**20,
        absolute_bytes=1100 * 2**20,
        saved_bytes=80 * 2**20,
        reserved_bytes=1400 * 2**20,
        process_bytes=2100 * 2**20,
    )
    fused = msgspec.structs.replace(scores, working_bytes=64 * 2**20, saved_bytes=65 * 2**20)
    events: list[Event] = [header("attnprof run --energy --kernels"), Planned(plan=whole), CEILINGS]
    for index, case in enumerate(short):
        events += checked(case, at_s=1.0 + index / 10)
    events += [
        CaseChecked(
            at_s=1.2,
            case=short[1].number,
            first_call_ms={"fwd": 9000.0},
            accuracy=accuracy(),
            writes_inputs=("q",),
            graph_breaks={"call to a builtin that is not traced": 2},
        ),
        telemetry(2.0, sm_mhz=1980, power_w=400.0),
        *measured(short[0], passes, sm_mhz=1900.0, memory=scores, at_s=2.5),
        *measured(short[1], passes, sm_mhz=1900.0, phase=1, memory=scores, at_s=2.5),
        *measured(short[2], passes, speed=4.0, wall=2.0, sm_mhz=1900.0, memory=fused, at_s=2.5),
        *measured(short[3], passes, speed=4.0, wall=2.0, sm_mhz=1900.0, phase=1, memory=fused, at_s=2.5),
        Replayed(at_s=2.6, case=short[2].number, which="fwd_bwd", replay_ms=[0.8] * 7),
        Replayed(at_s=2.6, case=short[3].number, which="fwd_bwd", reason="it waits for the GPU."),
        *(event for case in long for event in checked(case, at_s=3.0)),
        *(telemetry(3.2 + n / 10, sm_mhz=1410, power_w=699.0, throttle=("power cap",)) for n in range(5)),
        telemetry(3.7, sm_mhz=1410, power_w=699.0, other_processes=1),
    ]
    for case, speed in zip(long, (0.1, 0.2, 1.0, 2.0), strict=True):
        tensors = scores if speed < 1 else fused
        events += measured(case, passes, speed=speed, sm_mhz=1400.0, memory=tensors, at_s=3.8)
        if speed < 2:
            events.append(partly_checked(case))
    return [
        *events,
        Energy(
            at_s=5.0,
            case=long[3].number,
            which="fwd_bwd",
            joules=1.25,
            power_w=690.0,
            window_s=1.0,
            call_ms=1.81,
            sm_mhz=1405.0,
        ),
        Kernels(
            at_s=5.1,
            case=long[3].number,
            which="fwd",
            kernels=(Kernel(name=FLASH_KERNEL, count=1, time_us=480.0),),
            span_us=500.0,
        ),
        Kernels(at_s=5.2, case=long[0].number, which="fwd", kernels=MANY_KERNELS, span_us=80.0),
        Finished(at_s=6.0, ending="completed", results=16),
    ]


def partly_checked(case: Case) -> CaseChecked:
    """The check of a case too large to be compared whole."""
    return CaseChecked(
        at_s=3.1,
        case=case.number,
        first_call_ms={"fwd": 210.0},
        accuracy=Accuracy(
            verdict="ok",
            errors={"out": 0.002},
            plain_errors={"out": 0.002},
            limits={"out": 0.005},
            heads_checked=2,
            heads_total=128,
            ratio=1.0,
            queries_checked=64,
        ),
    )


def held_events(events: Iterable[Event], memory_limit_bytes: int) -> list[Event]:
    """The same session under a memory limit."""
    return [
        Planned(plan=msgspec.structs.replace(event.plan, memory_limit_bytes=memory_limit_bytes))
        if isinstance(event, Planned)
        else event
        for event in events
    ]


def held(events: Iterable[Event], memory_limit_bytes: int) -> Recording:
    return Recording.of(held_events(events, memory_limit_bytes))


def hopper() -> Recording:
    return Recording.of(hopper_events())


def telemetry(at_s: float, **fields: object) -> Telemetry:
    return Telemetry(at_s=at_s, temperature_c=61, **fields)  # type: ignore[arg-type]


def lab6() -> Recording:
    return Recording.of(lab6_events())


def single_events(passes: Sequence[Pass] = PASSES) -> list[Event]:
    """A complete session of one shape and one implementation."""
    whole = plan([attention(causal=True)], ["flash2"], passes)
    (case,) = cases(whole)
    return [
        header("attnprof run --impl flash2 --causal"),
        Planned(plan=whole),
        *checked(case),
        *measured(case, passes),
        Finished(at_s=3.0, ending="completed", results=len(passes)),
    ]


def single(passes: Sequence[Pass] = PASSES) -> Recording:
    return Recording.of(single_events(passes))
