"""Sessions made by hand, for the tests of whatever reads, shows or exports one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from profiler.events import (
    SCHEMA,
    Accuracy,
    CaseChecked,
    CaseStarted,
    Catalog,
    CatalogEntry,
    Environment,
    Event,
    Failure,
    FailureKind,
    Finished,
    Gpu,
    Log,
    Memory,
    Planned,
    Result,
    Samples,
    SessionStarted,
    Telemetry,
)
from profiler.plan import Case, Plan
from profiler.recording import Recording
from profiler.stats import estimate
from profiler.workload import PASSES, Attention, Pass

GIB = 2**30
BASE_MS = {"fwd": 1.0, "bwd": 2.5, "fwd_bwd": 3.6}  # ms of one call of a case whose speed is 1


def attention(**changes: int | str | bool | None) -> Attention:
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


def samples(case: Case, which: Pass, speed: float = 1.0, count: int = 10, wall: float = 1.1) -> Samples:
    """`count` samples around `BASE_MS[which] / speed`; wall time is `wall` times the device's."""
    base = BASE_MS[which] / speed
    times = [base * (1 + 0.001 * (index % 3 - 1)) for index in range(count)]
    return Samples(
        case=case.number, which=which, first_round=0, device_ms=times, wall_ms=[time * wall for time in times]
    )


def measured(
    case: Case,
    passes: Iterable[Pass] = PASSES,
    *,
    speed: float = 1.0,
    wall: float = 1.1,
    converged: bool = True,
    at_s: float = 2.0,
) -> list[Event]:
    """Samples and results of a case's passes, `speed` times as fast as BASE_MS says."""
    events: list[Event] = []
    for which in passes:
        taken = samples(case, which, speed, wall=wall)
        device_ms = estimate(taken.device_ms)
        result = Result(
            at_s=at_s,
            case=case.number,
            workload=case.workload,
            implementation=case.implementation,
            which=which,
            device_ms=device_ms,
            wall_ms=estimate(taken.wall_ms),
            tflops=case.workload.flop(which) / device_ms.median / 1e9,
            memory=Memory(
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
    """A small lab6 in which everything happens that can: results, OOM, unsupported, wrong, partial.

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
