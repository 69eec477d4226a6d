"""The lines above a sweep: what it is of, which metric is shown, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from profiler.results import wording
from profiler.units import clock, count, plain_text, shape_columns
from tui.app.glyphs import Glyphs
from tui.app.pictures.look import Look
from tui.app.sweep_state import Sweep
from tui.app.view import View

if TYPE_CHECKING:
    from rich.text import Text

_BAR_WIDTH = 20


@dataclass(frozen=True)
class Head:
    """What the lines say. Seconds are whole: half of one is no reason to paint again."""

    title: str = ""
    metric: str = ""
    baseline: str = ""
    done: int = 0
    count: int = 0
    elapsed_s: int | None = None
    left_s: int | None = None
    is_running: bool = False
    paused: bool = False
    preparing: bool = False
    skipping: bool = False
    """Whether what is under way is about to be left."""
    note: str = ""
    hint: str = ""
    """Which keys to begin with, or how to read what is shown, where it is no metric."""
    unit: str = "shape"
    """What is measured to its end before a pause."""


def caption(view: View, sweep: Sweep) -> str:
    """On what, and what all shapes have in common."""
    header = view.recording.header
    device = wording.device_name(header.environment) if header else ""
    if not device and view.hello:
        device = plain_text(view.hello.device_name)
    return ": ".join(filter(None, (device, shape_columns(sweep.shapes).caption())))


def draw(head: Head, width: int, *, look: Look, glyphs: Glyphs) -> list[Text]:
    """Three lines: the title, what the figures are, how far it is or what there is to do."""
    from rich.text import Text

    found = [Text(head.title, look.header), _legend(head, look, glyphs), _progress(head, look, glyphs)]
    for line in found:
        line.truncate(width, overflow="crop" if glyphs.ellipsis.isascii() else "ellipsis")
    return found


def _legend(head: Head, look: Look, glyphs: Glyphs) -> Text:
    from rich.text import Text

    if not head.metric:
        return Text(head.hint, look.muted)
    line = Text.assemble((head.metric, look.chosen), "   ", (glyphs.fastest, look.fastest))
    line.append(" fastest of its shape", look.muted)
    if head.baseline:
        line.append(f"   {glyphs.baseline} {plain_text(head.baseline)} is the baseline", look.muted)
    return line


def _progress(head: Head, look: Look, glyphs: Glyphs) -> Text:
    """A bar with its numbers while there is something to come; then only what is amiss."""
    from rich.text import Text

    if not head.count:
        return Text(head.note, look.warning)
    cases = f"{head.done:,} of {count(head.count, 'case')}"
    if not head.is_running:
        return Text.assemble((cases, look.muted), (f"   {head.note}" if head.note else "", look.warning))
    line = Text.assemble((bar(head.done / head.count, _BAR_WIDTH, glyphs), look.spark))
    line.append(f" {cases}", look.value)
    if head.preparing:
        line.append("   getting ready", look.muted)
    if head.elapsed_s is not None:
        line.append(f"   {clock(head.elapsed_s)}", look.muted)
    if head.left_s is not None:
        line.append(f"   about {clock(head.left_s)} left", look.muted)
    if head.skipping:
        line.append(f"   skipping this {head.unit} ...", look.warning)
    if head.paused:
        line.append(f"   paused after this {head.unit}: p goes on", look.warning)
    return line


def bar(share: float, width: int, glyphs: Glyphs) -> str:
    """A bar filled to a share, in as fine steps as the glyphs have, its whole length shown."""
    steps = len(glyphs.bar) - 1
    filled = round(min(max(share, 0.0), 1.0) * width * steps)
    whole, part = divmod(filled, steps)
    drawn = glyphs.bar[-1] * whole + (glyphs.bar[part] if part else "")
    return drawn + glyphs.missing * (width - len(drawn))
