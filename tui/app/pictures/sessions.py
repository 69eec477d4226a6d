"""The list of sessions: a line each, as many columns as fit, and below it what is known of the one chosen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text

from profiler.session.listing import SessionSummary
from profiler.units import byte_count, count, plain_text
from tui.app.glyphs import Glyphs
from tui.app.pictures.case_facts import wrapped
from tui.app.pictures.look import Look
from tui.tables.columns import BAD, FASTEST, MUTED, WARNING, Column, fit

_LONGEST_DEVICE = 20
_LONGEST_ENDING = 24


@dataclass(frozen=True)
class SessionRows:
    """The columns that fit into a width, and the gap between them.

    `letters` are those of the sessions that are marked, "" for the others; where none is they take no room.
    """

    columns: list[Column]
    gap: int
    ellipsis: str
    letters: Sequence[str] = ()

    @classmethod
    def fitting(
        cls, sessions: Sequence[SessionSummary], width: int, glyphs: Glyphs, letters: Sequence[str] = ()
    ) -> SessionRows:
        """Long texts are cut first, then the least important columns go."""
        room = width - (4 if any(letters) else 2)
        whole = _columns(sessions, label=24, varied=28)
        columns, gap = fit(whole, room)
        if len(columns) < len(whole):
            columns, gap = fit(_columns(sessions, label=16, varied=14), room)
        return cls(columns, gap, glyphs.ellipsis, letters if any(letters) else ())

    def header(self, look: Look) -> Text:
        """The titles."""
        before = "    " if self.letters else "  "
        return self._line([Text(column.title.strip()) for column in self.columns], before, look.header)

    def row(self, index: int, mark: str, look: Look) -> Text:
        """One session."""
        cells = [column.cells[index].copy() for column in self.columns]
        for cell in cells:
            cell.style = look.of_column(str(cell.style))
        line = self._line(
            cells, f"{mark} {self.letters[index] or ' '} " if self.letters else f"{mark} ", Style.null()
        )
        if self.letters:
            line.stylize(look.chosen, 2, 3)
        return line

    def _line(self, cells: list[Text], before: str, style: Style) -> Text:
        line = Text(before, style)
        for column, cell in zip(self.columns, cells, strict=True):
            if cell.cell_len > column.width:
                cell.truncate(column.width - 1)
                cell.append(self.ellipsis)
            room = " " * (column.width - cell.cell_len)
            line.append_text(
                Text.assemble(room, cell) if column.kind == "number" else Text.assemble(cell, room)
            )
            line.append(" " * self.gap)
        line.right_crop(self.gap)
        return line


def _columns(sessions: Sequence[SessionSummary], *, label: int, varied: int) -> list[Column]:
    """Every column there could be; `label` and `varied` are the most that those texts may take."""

    def words(title: str, rank: int, cells: Iterable[str | Text], most: int | None = None) -> Column:
        return Column(title, title, [_text(cell) for cell in cells], rank, "words", most)

    def numbers(title: str, rank: int, cells: Iterable[str | Text]) -> Column:
        return Column(title, title, [_text(cell) for cell in cells], rank)

    return [
        words("started", 0, map(_started, sessions)),
        words("label", 0, (session.label for session in sessions), most=label),
        numbers("shapes", 3, map(_shapes, sessions)),
        numbers("impl", 4, (str(session.implementations or "") for session in sessions)),
        words("varied", 5, (", ".join(session.varied) for session in sessions), most=varied),
        words("GPU", 2, map(_device, sessions), most=_LONGEST_DEVICE),
        words("ending", 0, map(_ending, sessions), most=_LONGEST_ENDING),
        numbers("size", 6, (Text(byte_count(session.size_bytes), MUTED) for session in sessions)),
    ]


def _text(cell: str | Text) -> Text:
    return Text(cell) if isinstance(cell, str) else cell


def short_device(name: str) -> str:
    """A GPU's name without its maker, of a CPU's what tells it apart: "H100 80GB HBM3"."""
    return re.sub(r"^NVIDIA |\((?:R|TM)\)| CPU\b| Processor\b| @.*$", "", name).strip()


def _device(session: SessionSummary) -> Text:
    return Text(short_device(session.device), MUTED)


def _started(session: SessionSummary) -> str:
    return session.started.strftime("%Y-%m-%d %H:%M") if session.started else "?"


def _shapes(session: SessionSummary) -> str:
    """How many, "+" where more follow; of training they are rows."""
    if not session.shapes:
        return ""
    noun = " row" if session.shapes == 1 and not session.has_more else " rows"
    return f"{session.shapes}{'+' if session.has_more else ''}{noun if session.is_training else ''}"


_ENDING_STYLE = {"completed": MUTED, "running": FASTEST}


def _ending(session: SessionSummary) -> Text:
    if session.problem:
        return Text(session.problem, BAD)
    return Text(session.ending, _ENDING_STYLE.get(session.ending, WARNING))


def about(session: SessionSummary, width: int, look: Look) -> list[Text]:
    """What is known of a session beyond its line: its file, what was measured, how it ended, its notes."""
    lines = [Text(plain_text(session.path.name), look.value)]
    if session.shapes:
        more = ", then others" if session.has_more else ""
        if session.has_both:
            more = ", then shapes" if session.is_training else ", then training"
        shapes = (
            f"training, {count(session.shapes, 'row')}"
            if session.is_training
            else count(session.shapes, "shape")
        )
        measured = f"{shapes} x {count(session.implementations, 'implementation')}{more}"
        varied = f"varied: {', '.join(session.varied)}" if session.varied else ""
        lines.append(Text("; ".join(filter(None, (measured, session.shape, varied)))))
    if session.device or session.command:
        lines.append(Text("; ".join(filter(None, (session.device, session.command))), look.muted))
    if session.reason:
        lines.append(Text(f"{session.ending}: {session.reason}", look.warning))
    lines += [Text(f"note: {note}") for note in reversed(session.notes)]
    return [part for line in lines for part in wrapped(line, width)]
