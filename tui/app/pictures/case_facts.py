"""What a case's sheet is drawn from, and with."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from rich.console import Console
from rich.style import Style
from rich.text import Text

from profiler.results.rows import Row
from profiler.session.case_record import CaseRecord
from tui.app.glyphs import Glyphs
from tui.app.pictures.look import Look


@dataclass(frozen=True)
class CaseFacts:
    """What a sheet is drawn from: the case's rows by pass, its record, and what is said beside them.

    `baseline` is what speedups refer to, `command` measures the case again, or says why none does.
    `without_kernels` tells how to take them.
    """

    rows: tuple[Row, ...]
    record: CaseRecord
    baseline: str | None
    command: str
    without_kernels: str


@dataclass(frozen=True)
class Pen:
    """How lines are drawn: so wide, with these styles and characters."""

    width: int
    look: Look
    glyphs: Glyphs

    def flow(self, text: str, style: Style | str = "") -> list[Text]:
        """Plain text in as many lines as it takes."""
        return wrapped(Text(text, style), self.width)


def wrapped(text: Text, width: int) -> list[Text]:
    """The text in lines of at most `width` cells; words that are longer are parted."""
    return list(text.wrap(_console(), max(width, 1), overflow="fold"))


@cache
def _console() -> Console:
    """Text.wrap asks one for the size of a tab, of which plain text has none."""
    return Console(width=80)
