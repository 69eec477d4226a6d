"""The words that tables and reports use for what became of a row, and what each word means."""

from __future__ import annotations

from collections.abc import Iterable

from profiler.events import Accuracy, Environment, Failure
from profiler.recording import Recording
from profiler.rows import LAUNCH_BOUND_RATIO, Row, Status
from profiler.units import byte_count, count, plain_text, ratio
from profiler.workload import Attention, Pass

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
    return words


def detail(row: Row) -> str:
    """What is to be said of a row's status beyond its word, or "": one clause, as plain text."""
    if row.failure is not None:
        return failure_detail(row.failure)
    if row.status in ("wrong", "nan") and row.accuracy is not None:
        return _accuracy_detail(row.accuracy)
    if row.status == "partial" and row.device_ms is not None:
        return count(row.device_ms.count, "sample")
    return ""


def remarks(row: Row) -> list[str]:
    """The marks of a row, its status with the detail: "OOM: 64.0 GiB asked for, batch 8 expected to fit"."""
    words = marks(row)
    if words and row.status != "ok" and (more := detail(row)):
        words[0] = f"{words[0]}: {more}"
    return words + [plain_text(note) for note in row.notes]


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
    name, backend = plain_text(row.implementation), plain_text(row.backend or "")
    return f"{name} ({backend})" if backend and backend not in name else name


def fastest(rows: Iterable[Row]) -> set[tuple[int, Pass]]:
    """(case, pass) of the lowest median of each shape and pass in which two or more finished right."""
    contenders: dict[tuple[Attention, Pass], list[tuple[float, int]]] = {}
    for row in rows:
        if row.status == "ok" and row.device_ms:
            contenders.setdefault((row.workload, row.which), []).append((row.device_ms.median, row.case))
    return {
        (case, which)
        for (_, which), times in contenders.items()
        if len(times) > 1
        for median, case in times
        if median == min(times)[0]
    }


def device_name(environment: Environment | None) -> str:
    """What the work ran on: the GPU's name, else the CPU's."""
    if environment is None:
        return "an unknown device"
    gpu = environment.gpu.name if environment.gpu and environment.device != "cpu" else ""
    return plain_text(gpu or environment.cpu or environment.device)


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
