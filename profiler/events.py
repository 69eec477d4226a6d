"""The one vocabulary of the pipe and of the session file: everything that can happen in a run.

An event is a line of JSON with its name under "type". sessions/README.md documents each for
readers of the files; `SCHEMA` is raised with every change there (the minor number for what
older readers may ignore, the major for what they may not).
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from profiler.plans.plan import Plan
from profiler.training.model import Training
from profiler.training.plan import TrainingPlan
from profiler.workload import Attention, Pass

SCHEMA = (1, 5)

FailureKind = Literal["oom", "unsupported", "error", "crashed", "timeout"]
Verdict = Literal["ok", "wrong", "nan"]
Ending = Literal["completed", "interrupted", "failed"]

# What no clock, meter or allocator says; a line with more is read as broken, and nothing that computes with
# what was read needs to fear it. Errors against a reference may be any number.
Number = Annotated[float, msgspec.Meta(ge=-1e15, le=1e15)]
Whole = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]


class Gpu(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A GPU as NVML and torch describe it; None where neither could say."""

    name: str
    uuid: str | None = None
    compute_capability: tuple[Whole, Whole] | None = None
    memory_bytes: Whole | None = None
    sm_count: Whole | None = None
    l2_bytes: Whole | None = None
    event_pair_ms: Number | None = None
    """What an empty event pair took, which is already taken off every device time."""
    driver: str | None = None
    power_limit_w: Number | None = None
    max_sm_mhz: Whole | None = None
    max_memory_mhz: Whole | None = None


class Environment(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the run was made on. `packages` maps distribution names to versions."""

    device: str
    gpu: Gpu | None = None
    cpu: str = ""
    cpu_count: Whole | None = None
    memory_bytes: Whole | None = None
    os: str = ""
    python: str = ""
    cuda: str | None = None
    cudnn: str | None = None
    packages: dict[str, str] = {}
    git_commit: str | None = None
    """The commit checked out in the working directory, with "+changes" if it was edited since."""


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type"):
    """Something that happened `at_s` seconds after the session began."""

    at_s: Number = 0.0


class Imported(msgspec.Struct, kw_only=True):
    """The files, named without folders, that a session's results were read from and not measured."""

    files: tuple[str, ...]


class SessionStarted(Event, tag="session", kw_only=True, omit_defaults=True):
    """The first line of every session file. `started` is UTC, ISO 8601.

    Of an `imported` session `started` and `command` are those of the import, `environment` is that of
    the measurement, as far as it is known.
    """

    schema: tuple[Whole, Whole]
    attnprof: str
    started: str
    command: str
    environment: Environment
    imported: Imported | None = None


class Continued(Event, tag="continued", kw_only=True, omit_defaults=True):
    """From here on another run goes on with the session. `started` is UTC, ISO 8601."""

    attnprof: str
    started: str
    command: str
    environment: Environment


class CatalogEntry(msgspec.Struct, kw_only=True, omit_defaults=True):
    """An implementation, and why it cannot run here (None if it can) with what to install.

    `compiles` is whether each shape's first call takes seconds, because it compiles.
    """

    name: str
    label: str
    summary: str
    unavailable: str | None = None
    install: str | None = None
    compiles: bool = False


class Catalog(Event, tag="catalog", kw_only=True, omit_defaults=True):
    """Implementations, and which of them can run here: first all that attnprof lists, then those named."""

    implementations: tuple[CatalogEntry, ...]


class Planned(Event, tag="plan", kw_only=True, omit_defaults=True):
    """What is going to be measured."""

    plan: Plan


class CaseStarted(Event, tag="case", kw_only=True, omit_defaults=True):
    """A case's first call is about to be made. A second one of the same case begins it anew."""

    case: Whole
    workload: Attention
    implementation: str


class Accuracy(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Largest absolute errors by tensor (out, dq, dk, dv) against a float32 or float64 reference.

    `limits` is twice plain PyTorch's own error in the same dtype plus a rounding allowance;
    over it is "wrong". `ratio` is the worst error over plain PyTorch's, None where that is zero.
    `queries_checked` is how many queries of a head were compared where not all were; dk and dv,
    which every query adds to, are then left out.
    """

    verdict: Verdict
    errors: dict[str, float | None]
    plain_errors: dict[str, float]
    limits: dict[str, float]
    heads_checked: Whole
    heads_total: Whole
    ratio: float | None = None
    queries_checked: Whole | None = None


class Memory(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """Bytes of tensors during one call of a pass.

    `working` is the peak above the inputs, `saved` what is held between the passes (the output
    included), `absolute` the peak with the inputs, `reserved` what the allocator held then,
    `process` what NVML says the worker held on the GPU: with CUDA's own and what libraries
    allocate past torch.
    """

    working_bytes: Whole
    absolute_bytes: Whole
    saved_bytes: Whole | None = None
    reserved_bytes: Whole | None = None
    process_bytes: Whole | None = None


class CaseChecked(Event, tag="check", kw_only=True, omit_defaults=True):
    """What a case's first calls told: that it runs, what ran, and whether it is right.

    `first_call_ms` is the host time of the first forward and backward, compilation included.
    `writes_inputs` are the inputs (q, k, v, grad_out) that its calls changed. `graph_breaks` counts
    torch.compile's graph breaks by their reason; None where nothing was compiled.
    """

    case: Whole
    first_call_ms: dict[Pass, Number]
    memory: dict[Pass, Memory] = {}
    backend: str | None = None
    accuracy: Accuracy | None = None
    writes_inputs: tuple[str, ...] = ()
    graph_breaks: dict[str, Whole] | None = None
    notes: tuple[str, ...] = ()


class Samples(Event, tag="samples", kw_only=True, omit_defaults=True):
    """Times of one call each, one a round, from round `first_round` on without a gap.

    `wall_ms` may be shorter than `device_ms`: wall time is sampled in the first rounds only,
    and on the CPU, where the host's clock measures both, not at all. `sm_mhz` is the SM clock
    during each sample by the GPU's own counters; empty where they cannot be had, None where a
    reading failed.
    """

    case: Whole
    which: Pass = msgspec.field(name="pass")
    first_round: Whole
    device_ms: list[Number]
    wall_ms: list[Number] = []
    sm_mhz: list[Number | None] = []


LEAST_SAMPLES = 6
"""Below this no two samples bound the median with 95 % confidence."""


class Estimate(msgspec.Struct, kw_only=True, frozen=True):
    """A median with its 95 % interval, from `count` samples."""

    median: Number
    low: Number
    high: Number
    count: Whole

    @property
    def margin(self) -> float | None:
        """The interval's wider side as a fraction of the median; None where too few samples have none."""
        if self.count < LEAST_SAMPLES or not self.median:
            return None
        return max(self.high - self.median, self.median - self.low) / self.median


class Result(Event, tag="result", kw_only=True, omit_defaults=True):
    """One pass of one case, measured. On the CPU `device_ms` is the host's clock.

    `sm_mhz` is the SM clock during its samples and `mega_cycles` the median of their times in
    millions of SM cycles; None where the GPU's counters cannot be had.
    """

    case: Whole
    workload: Attention
    implementation: str
    which: Pass = msgspec.field(name="pass")
    device_ms: Estimate
    wall_ms: Estimate | None = None
    tflops: Number
    sm_mhz: Estimate | None = None
    mega_cycles: Number | None = None
    memory: Memory | None = None
    converged: bool = True
    launch_hidden: bool = True


class Replayed(Event, tag="graph", kw_only=True, omit_defaults=True):
    """A launch-bound pass as a CUDA graph: device time of each replay, or why it cannot be captured.

    It is taken after the rounds, the launch of the graph itself hidden like any other's.
    """

    case: Whole
    which: Pass = msgspec.field(name="pass")
    replay_ms: list[Number] = []
    reason: str | None = None


class Kernel(msgspec.Struct, kw_only=True, frozen=True):
    """The GPU kernels of one name in one call of a pass, and their time together."""

    name: str
    count: Whole
    time_us: Number


class Kernels(Event, tag="kernels", kw_only=True, omit_defaults=True):
    """What one call of a pass ran, longest first. `span_us` is from the first start to the last end.

    On the CPU `operators` is true: they stand in the kernels' place.
    """

    case: Whole
    which: Pass = msgspec.field(name="pass")
    kernels: tuple[Kernel, ...]
    span_us: Number
    operators: bool = False

    @property
    def noun(self) -> str:
        """What one of them is called."""
        return "operator" if self.operators else "kernel"

    def longest(self) -> tuple[Kernel, ...]:
        """Those worth listing: the longest, until what is left is a hundredth of all their time."""
        left = total = sum(kernel.time_us for kernel in self.kernels)
        for index, kernel in enumerate(self.kernels):
            if left <= total / 100:
                return self.kernels[:index]
            left -= kernel.time_us
        return self.kernels


class Energy(Event, tag="energy", kw_only=True, omit_defaults=True):
    """What a pass draws when it is called again and again: mean power over `window_s` times a call's time.

    `call_ms` is the time of one of the repeated calls, from the end of one to the end of the next.
    """

    case: Whole
    which: Pass = msgspec.field(name="pass")
    joules: Number
    power_w: Number
    window_s: Number
    call_ms: Number
    sm_mhz: Number | None = None


class MatmulRate(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """The rate of a square matmul of `size`, and the SM clock it ran at."""

    tflops: Number
    size: Whole
    sm_mhz: Number | None = None


class CopyRate(msgspec.Struct, kw_only=True, omit_defaults=True, frozen=True):
    """The rate, reading and writing together, of copying `bytes` within the device's memory."""

    gb_per_s: Number
    bytes: Whole
    sm_mhz: Number | None = None


class Ceilings(Event, tag="ceilings", kw_only=True, omit_defaults=True):
    """What the device does at best, measured once a session: matmuls by dtype, and copying."""

    matmul: dict[str, MatmulRate]
    copy: CopyRate | None = None


class Failure(Event, tag="failure", kw_only=True, omit_defaults=True):
    """A case, or only one pass of it, that ended without its result, and why, in one sentence.

    `largest_batch` is the largest batch expected to fit, where that helps; 0 if not even one.
    """

    case: Whole
    workload: Attention
    implementation: str
    kind: FailureKind
    message: str
    which: Pass | None = msgspec.field(name="pass", default=None)
    requested_bytes: Whole | None = None
    largest_batch: Whole | None = None


class TrainingPlanned(Event, tag="training_plan", kw_only=True, omit_defaults=True):
    """What is going to be trained."""

    plan: TrainingPlan


class TrainingStarted(Event, tag="training", kw_only=True, omit_defaults=True):
    """A model is about to be trained with an implementation. A second one of the same case begins it anew."""

    case: Whole
    training: Training
    implementation: str


class BatchTried(Event, tag="batch", kw_only=True, omit_defaults=True):
    """A batch that was tried while the largest was looked for: whether a whole step of it fits.

    `peak_bytes` is the most that its tensors held at once, None where it did not fit.
    """

    case: Whole
    batch: Whole
    fits: bool
    peak_bytes: Whole | None = None


class Agreement(msgspec.Struct, kw_only=True, frozen=True):
    """The first step's loss and gradients beside plain PyTorch's, of the same model, tokens and batch.

    `loss` is the implementation's, as it is trained; `plain_loss` plain PyTorch's in the same dtype, and
    `reference_loss` in float32. `gradient_error` is the distance of the gradient of the attention layers'
    first weights from the float32 one, over the length of that, for the queries', the keys' or the
    values' part of them, whichever is nearest its limit; `plain_gradient_error` is plain PyTorch's.
    None is a number that is not finite. Over `loss_limit` from the reference, or over
    `gradient_limit`, is "wrong".
    """

    verdict: Verdict
    loss: float | None
    plain_loss: float
    reference_loss: float
    loss_limit: float
    gradient_error: float | None
    plain_gradient_error: float
    gradient_limit: float


class TrainingChecked(Event, tag="training_check", kw_only=True, omit_defaults=True):
    """What the first step at the batch that is measured told.

    `first_step_ms` is its host time, compilation included, and `compile_ms` what of it is over a later
    step's. `graph_breaks` counts torch.compile's graph breaks by their reason; None where nothing was
    compiled. `backend` is what a dispatching implementation chose.
    """

    case: Whole
    batch: Whole
    parameters: Whole
    first_step_ms: Number
    compile_ms: Number | None = None
    graph_breaks: dict[str, Whole] | None = None
    agreement: Agreement | None = None
    backend: str | None = None
    notes: tuple[str, ...] = ()


class Steps(Event, tag="steps", kw_only=True, omit_defaults=True):
    """Steps of a case, from its `first_step`-th on without a gap, counted from 0.

    `step_ms` is from the end of the step before to the end of this: on a GPU by its own events, without
    waiting between steps. Its parts are `forward_ms`, `backward_ms`, and the rest in `optimizer_ms`.
    Steps that only lead into a visit are neither told nor counted.
    `measured` tells the steps that count from those before; they come in rounds. `loss` is that of
    each step before its update, None where it is not finite.
    """

    case: Whole
    first_step: Whole
    measured: bool
    step_ms: list[Number]
    forward_ms: list[Number]
    backward_ms: list[Number]
    optimizer_ms: list[Number]
    loss: list[float | None]
    round: Whole | None = None


class TrainingResult(Event, tag="training_result", kw_only=True, omit_defaults=True):
    """A case, measured. `tokens_per_s` are those of all measured steps over the time of all of them.

    The parts of a step are medians; the interval of `step_ms` is by visits. `attention_percent` is the time
    of attention's own kernels in one step in percent of that of all its kernels; None where it was not
    taken, or its calls by themselves came to more than the step. `gpu_busy_percent` is the time of all
    kernels of one step in percent of the median measured step: the rest of it the GPU waits for the host.
    None where it was not taken, and on the CPU. `skipped_steps` are measured ones whose update was left
    out because a gradient of the scaled loss had overflowed. Memory is that of one step: tensors' peak,
    what the allocator held, and what NVML says of the process.
    """

    case: Whole
    training: Training
    implementation: str
    batch: Whole
    tokens_per_s: Number
    step_ms: Estimate
    forward_ms: Number
    backward_ms: Number
    optimizer_ms: Number
    peak_bytes: Whole
    reserved_bytes: Whole | None = None
    process_bytes: Whole | None = None
    attention_percent: Number | None = None
    gpu_busy_percent: Number | None = None
    skipped_steps: Whole = 0
    converged: bool = True


class TrainingFailure(Event, tag="training_failure", kw_only=True, omit_defaults=True):
    """A case that ended without its result, and why, in one sentence.

    Out of memory means that not even a batch of one fits, or not the batch that was asked for. "diverged"
    is a loss that is not finite from some step on.
    """

    case: Whole
    training: Training
    implementation: str
    kind: FailureKind | Literal["diverged"]
    message: str
    batch: Whole | None = None
    requested_bytes: Whole | None = None


class Telemetry(Event, tag="telemetry", kw_only=True, omit_defaults=True):
    """A reading of the device at 10 Hz; a field is left out where it could not be read.

    `other_processes` counts those that compute on the GPU beside the worker.
    On the CPU `utilization_percent` is the worker's share of all usable cores, 0 to 100,
    `process_bytes` its resident memory and `memory_used_bytes` the whole machine's.
    """

    sm_mhz: Whole | None = None
    memory_mhz: Whole | None = None
    power_w: Number | None = None
    temperature_c: Whole | None = None
    utilization_percent: Number | None = None
    memory_used_bytes: Whole | None = None
    process_bytes: Whole | None = None
    other_processes: Whole | None = None
    throttle: tuple[str, ...] = ()


class Log(Event, tag="log", kw_only=True, omit_defaults=True):
    """Something worth saying that belongs to no one result."""

    level: Literal["info", "warning", "error"]
    message: str


class PlanEnded(Event, tag="plan_ended", kw_only=True, omit_defaults=True):
    """Nothing more of the latest plan will be measured; `ending` says why."""

    ending: Ending
    reason: str = ""


class Finished(Event, tag="finished", kw_only=True, omit_defaults=True):
    """The end of a session that was closed; `reason` says what ended it, if not completion.

    Labels and notes may follow, and a run that goes on with the session.
    """

    ending: Ending
    reason: str = ""
    results: Whole = 0
    failures: Whole = 0


class Labelled(Event, tag="labelled", kw_only=True, omit_defaults=True):
    """The session's label from now on, in place of its plan's; "" for none."""

    label: str


class Note(Event, tag="note", kw_only=True, omit_defaults=True):
    """What a person wrote about the session, perhaps long after it was closed; `written` is UTC, ISO 8601."""

    text: str
    written: str


SessionEvent = (
    SessionStarted
    | Continued
    | Catalog
    | Planned
    | CaseStarted
    | CaseChecked
    | Samples
    | Result
    | Replayed
    | Kernels
    | Energy
    | Ceilings
    | Failure
    | TrainingPlanned
    | TrainingStarted
    | BatchTried
    | TrainingChecked
    | Steps
    | TrainingResult
    | TrainingFailure
    | Telemetry
    | Log
    | PlanEnded
    | Finished
    | Labelled
    | Note
)
