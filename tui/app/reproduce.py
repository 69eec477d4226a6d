"""The command that measures a row again without the app, under the plan that it was measured under."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from profiler.plans.plan import Plan, Stopping, Takes
from profiler.workload import PASSES, SHORT_DTYPES, Attention
from tui.options.planning import QUICK_STOPPING

_DEFAULT_TIMEOUT_S = 120.0
DEFAULT_DEVICE = "cuda:0"  # what auto finds on a machine with a GPU


def command_for(workload: Attention, implementations: Sequence[str], plan: Plan) -> str:
    """`attnprof run` with every option in which the plan differs from its defaults, quoted for a shell."""
    arguments = [
        "attnprof",
        "run",
        *("--impl", ",".join(implementations)),
        *_shape(workload),
        *baseline_option(implementations, plan.baseline),
        *_passes(workload, plan),
        *_pace(plan.stopping, plan.takes),
        *_rest(plan),
    ]
    return shlex.join(arguments)


def _shape(shape: Attention) -> Iterator[str]:
    yield from _lengths(shape)
    yield from ("--heads", str(shape.heads))
    if shape.kv_heads != shape.heads:
        yield from ("--kv-heads", str(shape.kv_heads))
    yield from ("--head-dim", str(shape.head_dim), "--dtype", SHORT_DTYPES.get(shape.dtype, shape.dtype))
    if shape.causal:
        yield "--causal"
    if shape.window is not None:
        yield from ("--window", str(shape.window))
    if shape.dropout:
        yield from ("--dropout", f"{shape.dropout:.12g}")
    if shape.softcap is not None:
        yield from ("--softcap", f"{shape.softcap:.12g}")


def _lengths(shape: Attention) -> Iterator[str]:
    """How many sequences there are and how long; drawn lengths are listed, whatever drew them."""
    if shape.lengths is not None:
        yield from ("--seq-dist", f"list:{','.join(map(str, shape.lengths))}")
        return
    yield from ("--batch", str(shape.batch), "--seq", str(shape.seq_k))
    if shape.seq_q != (1 if shape.decode else shape.seq_k):
        yield from ("--seq-q", str(shape.seq_q))
    if shape.decode:
        yield "--decode"


def _passes(workload: Attention, plan: Plan) -> Iterator[str]:
    passes = plan.passes_of(workload)
    if workload.has_backward and set(passes) != set(PASSES):
        yield from ("--pass", ",".join(passes))


def baseline_option(implementations: Sequence[str], baseline: str | None) -> Iterator[str]:
    """That of the plan, unless it is the one that would be taken anyway."""
    taken = "pytorch" if "pytorch" in implementations else implementations[0]
    if baseline is not None and baseline != taken:
        yield from ("--baseline", baseline)


def _pace(stopping: Stopping, takes: Takes) -> Iterator[str]:
    """When it stops. --quick is for a plan that takes nothing beside times and memory."""
    standard = Stopping()
    if not (takes.accuracy or takes.graphs or takes.ceilings or takes.energy or takes.kernels):
        standard = QUICK_STOPPING
        yield "--quick"
    if stopping.repeats is not None:
        yield from ("--repeats", str(stopping.repeats))
    else:
        if stopping.precision != standard.precision:
            yield from ("--precision", f"{stopping.precision:.12g}")
        if stopping.budget_s != standard.budget_s:
            yield from ("--budget", f"{stopping.budget_s:.12g}")
    if stopping.cooldown_s:
        yield from ("--cooldown", f"{stopping.cooldown_s:.12g}")
    if takes.energy:
        yield "--energy"
    if takes.kernels:
        yield "--kernels"


def _rest(plan: Plan) -> Iterator[str]:
    if plan.timeout_s != _DEFAULT_TIMEOUT_S:
        yield from ("--timeout", f"{plan.timeout_s:.12g}")
    if plan.memory_limit_bytes is not None:
        yield from ("--memory-limit", typed_size(plan.memory_limit_bytes))
    if plan.seed:
        yield from ("--seed", str(plan.seed))
    if plan.device != DEFAULT_DEVICE:
        yield from ("--device", plan.device)


def typed_size(size_bytes: int) -> str:
    """A size as --memory-limit takes it, exact to the byte: "12GiB", "11444.091796875MiB"."""
    if size_bytes % 2**30 == 0:
        return f"{size_bytes // 2**30}GiB"
    return f"{size_bytes / 2**20!r}MiB".replace(".0MiB", "MiB")
