"""The words that tables and reports use for what became of a row, and what each word means."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from profiler.events import Accuracy, Environment, Estimate, Failure
from profiler.plans.plan import Plan
from profiler.results.conditions import ANOTHER_PROCESS
from profiler.results.launch_bound import LAUNCH_BOUND_RATIO
from profiler.results.rows import Row, Status, holds_one
from profiler.session.recording import Recording
from profiler.training.plan import TrainingPlan
from profiler.units import byte_count, count, ms, percent, plain_text, ratio, ratio_within, three_digits

STATUS_WORDS: dict[Status, str] = {
    "ok": "ok",
    "wrong": "wrong",
    "nan": "NaN",
    "running": "running",
    "partial": "partial",
    "oom": "OOM",
    "unsupported": "unsupported",
    "error": "error",
    "crashed": "crashed",
    "timeout": "timed out",
}

NOT_CONVERGED = "not converged"
LAUNCH_BOUND = "launch-bound"
LAUNCH_VISIBLE = "launch not hidden"
WRITES_INPUTS = "writes its inputs"
TIE = "tie"
NVML_CLOCK = "~"

_HELD_BACK = "a tenth or more of the readings in the shape's rounds say that the clocks were held back"
_COMPARE_CYCLES = "compare cycles; `--lock-clocks` prints the command that fixes the clock"
_CONDITION_MEANINGS: dict[str, str] = {
    "power cap": (
        f"{_HELD_BACK} to stay within the power limit, and times are those of the lower clock: "
        f"{_COMPARE_CYCLES}, and `--cooldown S` lets the GPU rest before each round"
    ),
    "thermal slowdown": (
        f"{_HELD_BACK} because the GPU was too hot: `--cooldown S` lets it rest before each round, better "
        f"cooling helps more; {_COMPARE_CYCLES}"
    ),
    "hardware slowdown": (
        "the GPU halved its clocks or worse, for heat or want of power: look to its cooling and its power "
        "supply before trusting any time"
    ),
    "power brake": "the server's power supply ordered lower clocks: look to it before trusting any time",
    "clocks set by the user": (
        "clocks were limited with nvidia-smi or a like tool: times are those of these clocks, and "
        "`nvidia-smi -q -d CLOCK` tells them"
    ),
    **dict.fromkeys(
        ("sync boost", "display clocks", "board limit", "reliability limit"),
        f"{_HELD_BACK} for this reason of NVML's: {_COMPARE_CYCLES}",
    ),
    ANOTHER_PROCESS: (
        "something else computed on the GPU during the rounds, and times hold its work too: `nvidia-smi` "
        "names it; wait for it to end, and measure again"
    ),
}

# The same in a clause, for where there is no room for what to do about it.
_LOWER_CLOCK = "times are those of a lower clock"
_CONDITION_EFFECTS = {
    **dict.fromkeys(_CONDITION_MEANINGS, _LOWER_CLOCK),
    "clocks set by the user": "times are those of these clocks",
    ANOTHER_PROCESS: "times hold its work too",
}

MEANINGS: dict[str, str] = {
    STATUS_WORDS["wrong"]: (
        "the largest error against a float32 or float64 reference is over twice that of plain PyTorch in the "
        "same dtype plus a rounding allowance; no speedup is given"
    ),
    STATUS_WORDS["nan"]: "a result holds values that are not finite; no speedup is given",
    STATUS_WORDS["oom"]: "out of memory",
    STATUS_WORDS[
        "partial"
    ]: "the session ended while this was measured; the figures are those of its samples so far",
    STATUS_WORDS["crashed"]: "the worker process died in this case",
    STATUS_WORDS["timeout"]: "the case took longer than it was allowed",
    NOT_CONVERGED: (
        "the time budget was spent before ten rounds were, or with the 95 % interval wider than asked for"
    ),
    LAUNCH_BOUND: f"wall time is over {LAUNCH_BOUND_RATIO:g} x device time: eager callers wait for launches",
    LAUNCH_VISIBLE: "device time holds launch latency too, which could not be hidden",
    WRITES_INPUTS: (
        "its calls change the tensors named, which a caller may still need; times and errors are as measured"
    ),
    **_CONDITION_MEANINGS,
}
"""What each mark of a row means, in the order that reports explain them."""


NOT_MEASURED = "not measured"


def status_word(row: Row) -> str:
    """The word for what became of a row; one that the end of the session overtook was not measured."""
    return NOT_MEASURED if row.status == "partial" and row.device_ms is None else STATUS_WORDS[row.status]


def marks(row: Row) -> list[str]:
    """The short words that a row is marked with: its status if not ok, and how far to trust its times."""
    words = [] if row.status == "ok" else [status_word(row)]
    if row.device_ms is None:
        return words
    if not row.converged and row.status not in ("running", "partial"):
        words.append(NOT_CONVERGED)
    if row.launch_bound:
        words.append(LAUNCH_BOUND)
    if not row.launch_hidden and row.wall_ms is not None:  # the CPU has no wall time, and no launches to hide
        words.append(LAUNCH_VISIBLE)
    if row.writes_inputs:
        words.append(WRITES_INPUTS)
    return words


def condition(name: str, shares: Iterable[float]) -> str:
    """What some shapes were measured under, as "power cap in 40 to 83 % of readings"."""
    shown = sorted((percent(100 * share) for share in shares), key=float)
    return f"{plain_text(name)} in {' to '.join(dict.fromkeys((shown[0], shown[-1])))} % of readings"


def condition_effect(name: str) -> str:
    """What a condition does to times, in a clause; "" for one that is not known."""
    return _CONDITION_EFFECTS.get(name, "")


def detail(row: Row) -> str:
    """What is to be said of a row's status beyond its word, or "": one clause, as plain text."""
    if row.failure is not None:
        return failure_detail(row.failure)
    if row.status in ("wrong", "nan") and row.accuracy is not None:
        return _accuracy_detail(row.accuracy)
    if row.status == "partial" and row.device_ms is not None:
        return count(row.device_ms.count, "sample")
    return ""


def remarks(row: Row, *, graph: bool = True) -> list[str]:
    """The marks of a row with their details, and what else there is to say of it but its shape's conditions.

    Such as "OOM: 64.0 GiB asked for, batch 8 expected to fit" or "no CUDA graph: it waits for the GPU".
    Without `graph` the time as a CUDA graph is left to a column.
    """
    words = marks(row)
    if words and row.status != "ok" and (more := detail(row)):
        words[0] = f"{words[0]}: {more}"
    if row.writes_inputs and WRITES_INPUTS in words:
        names = ", ".join(map(plain_text, row.writes_inputs))
        words[words.index(WRITES_INPUTS)] = f"{WRITES_INPUTS}: {names}"
    if LAUNCH_BOUND in words and row.graph_ms and graph:
        words.insert(words.index(LAUNCH_BOUND) + 1, f"graph {ms(row.graph_ms.median)} ms")
    if row.launch_bound and row.graph_reason:
        words.append(f"no CUDA graph: {plain_text(row.graph_reason).rstrip('.')}")
    words += _compilation(row)
    return words + [plain_text(note) for note in row.notes]


def _compilation(row: Row) -> list[str]:
    """What compiling came to: graph breaks, and the time of the first calls, which is mostly its own."""
    if row.graph_breaks is None:
        return []
    words = [count(sum(row.graph_breaks.values()), "graph break")] if row.graph_breaks else ["no graph break"]
    if row.first_calls_ms:
        words.append(f"first calls {three_digits(sum(row.first_calls_ms.values()) / 1000)} s")
    return words


def speedup(row: Row) -> tuple[str, str]:
    """Over the baseline, and how sure that is: ("2.31x", "±0.02") or ("1.00x", "tie"); "" if not known."""
    return ratio_and_margin(row.speedup)


def ratio_and_margin(value: Estimate | None) -> tuple[str, str]:
    """A ratio of the same rounds, and how sure it is, as `speedup` has it."""
    if value is None:
        return "", ""
    if holds_one(value):
        return ratio(value.median), TIE
    if value.margin is None:
        return ratio(value.median), ""
    return ratio_within(value.median, value.low, value.high)


def sm_clock(row: Row) -> str:
    """MHz by the GPU's own counters, or by NVML with a "~" before it; "" where neither is known."""
    if row.sm_mhz is not None:
        return f"{row.sm_mhz.median:.0f}"
    return "" if row.nvml_sm_mhz is None else f"{NVML_CLOCK}{row.nvml_sm_mhz:.0f}"


def heads_checked(accuracy: Accuracy) -> str:
    """On how much the error was taken, as a clause: "64 queries of each of 8 of 512 heads"."""
    heads = f"{accuracy.heads_checked} of {count(accuracy.heads_total, 'head')}"
    if accuracy.heads_checked == accuracy.heads_total:
        heads = "all heads"
    if accuracy.queries_checked is None:
        return heads
    return f"{count(accuracy.queries_checked, 'query', 'queries')} of each of {heads}"


def failure_detail(failure: Failure) -> str:
    """Why there is no result, as one clause: for want of memory, what was asked for and what would fit."""
    if failure.kind != "oom":
        return plain_text(failure.message).rstrip(".")
    parts = []
    if failure.requested_bytes is not None:
        parts.append(f"{byte_count(failure.requested_bytes)} asked for")
    if failure.largest_batch is not None:
        fits = f"batch {failure.largest_batch}" if failure.largest_batch else "not even batch 1"
        parts.append(f"{fits} expected to fit")
    return ", ".join(parts) or plain_text(failure.message).rstrip(".")


def _accuracy_detail(accuracy: Accuracy) -> str:
    over = [
        f"{plain_text(name)} off by {error:.2g}, limit {accuracy.limits[name]:.2g}"
        for name, error in accuracy.errors.items()
        if error is not None and name in accuracy.limits and error > accuracy.limits[name]
    ]
    not_finite = [plain_text(name) for name, error in accuracy.errors.items() if error is None]
    return "; ".join(over + ([f"not finite in {', '.join(not_finite)}"] if not_finite else []))


def error_ratio(row: Row) -> str:
    """The worst error over plain PyTorch's own, or "" if it was not checked."""
    if row.accuracy is None:
        return ""
    if row.accuracy.ratio is None:
        return "ok" if row.accuracy.verdict == "ok" else ""  # plain PyTorch was exact: nothing to divide by
    return ratio(row.accuracy.ratio)


def name_with_backend(row: Row) -> str:
    """The implementation, with the backend that ran where its name does not say it: "sdpa (cudnn)"."""
    return with_backend(row.implementation, row.backend)


def with_backend(implementation: str, backend: str | None) -> str:
    """An implementation's name with the backend that ran, as plain text."""
    name, ran = plain_text(implementation), plain_text(backend or "")
    return f"{name} ({ran})" if ran and ran not in name else name


def device_name(environment: Environment | None) -> str:
    """What the work ran on: the GPU's name, else the CPU's."""
    if environment is None:
        return "an unknown device"
    gpu = environment.gpu.name if environment.gpu and environment.device != "cpu" else ""
    return plain_text(gpu or environment.cpu or environment.device)


def held_to(plan: Plan | TrainingPlan | None) -> str:
    """The memory limit that a run was given, as a line of its own; "" if none."""
    if plan is None or plan.memory_limit_bytes is None:
        return ""
    return f"held to {byte_count(plan.memory_limit_bytes)} (--memory-limit)"


def day(written: str) -> str:
    """The day of an ISO time, in UTC; the text as it is where it is none."""
    try:
        time = datetime.fromisoformat(written)
    except ValueError:
        return plain_text(written)
    return (time.astimezone(UTC) if time.tzinfo else time).date().isoformat()


def ending(recording: Recording) -> str | None:
    """How a session ended if it did not complete, as a sentence; None if it did."""
    finished = recording.finished
    if finished is None:
        return "This session was not closed: it is still running, or it was killed."
    if finished.ending == "completed":
        return None
    verb = "was interrupted" if finished.ending == "interrupted" else "failed"
    why = plain_text(finished.reason).rstrip(".")
    return f"This session {verb}{f': {why}' if why else ''}."
