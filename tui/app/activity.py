"""What goes on on the Bench, in words."""

from __future__ import annotations

from profiler.events import Estimate
from profiler.results.rows import is_imported
from profiler.units import margin
from tui.app.bench_driver import Stage
from tui.app.choice import Choice
from tui.app.view import View
from tui.tables.columns import Line

NO_SHAPE = "no shape was measured in this session"


def why_nothing(view: View | None, choice: Choice) -> str:
    """Why there is no number of the choice, in a few words."""
    if view is not None and view.lost:
        return "nothing is measured: the engine has died"
    if view is None or view.hello is None or (view.mode == "live" and view.recording.header is None):
        return "loading torch"
    if has_no_shape(view):
        trained = "; 4 shows what was trained" if view.recording.trainings else ""
        return f"{NO_SHAPE}{trained}"
    if view.mode in ("recording", "watch"):
        return "this shape is not in the recording"
    if not choice.implementations:
        return "check an implementation"
    if view.training is not None:
        return "not measured: a training is running"
    return "not measured: a sweep is running" if is_sweeping(view) else "measuring"


def has_no_shape(view: View) -> bool:
    """Whether a recording is of other things than shapes, as of training alone."""
    recording = view.recording
    return view.mode in ("recording", "watch") and not recording.plans and not recording.by_shape


def activity(
    view: View, choice: Choice, lines: list[Line], stage: Stage | None, seen: Stage | None
) -> tuple[str, str]:
    """What goes on, in a few words, and the look of them."""
    if view.mode in ("recording", "watch"):
        if is_imported(view.recording):
            return "imported", "warning"
        being_measured = view.running is not None or view.training is not None
        return ("being measured", "warning") if being_measured else ("recording", "muted")
    if view.lost:
        return "the engine has died", "bad"
    if view.recording.header is None:
        return "loading torch", "muted"
    worst = max((time.margin or 0 for line in lines for time in _times(line)), default=0)
    known = margin(worst) if 0 < worst < 1 else ""
    words = {"quick": "measuring", "full": "refining"}
    if stage is not None:
        return f"{words[stage]} {known}".strip(), "warning"
    if view.training is not None:
        return "a training is running", "warning"
    if is_sweeping(view):
        return "a sweep is running", "warning"
    if view.running is not None and choice.workload() in view.running.workloads:
        return "measuring", "warning"
    if seen is not None and lines:
        return f"{'measured' if seen == 'full' else 'quick look'} {known}".strip(), "fastest"
    return ("demonstration", "muted") if view.mode == "demo" else ("", "")


def is_sweeping(view: View) -> bool:
    """Whether other shapes than the Bench's are measured."""
    return view.running is not None and view.running.is_sweep


def _times(line: Line) -> list[Estimate]:
    return [row.device_ms for row in line.rows.values() if row.device_ms is not None]


def is_live(lines: list[Line]) -> bool:
    """Whether any of it is being measured."""
    return any(row.status == "running" for line in lines for row in line.rows.values())
