"""The list of implementations and parameters as lines of text, and which row stands on which line."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

import impls
from impls.contract import DeviceInfo
from profiler.events import CatalogEntry
from profiler.plans.plan import PlanError
from profiler.results.colours import colour_of
from profiler.units import plain_text
from profiler.workload import Attention
from tui.app.choice import Choice
from tui.app.glyphs import Glyphs
from tui.app.line_edit import LineEdit
from tui.app.parameter import Parameter
from tui.app.parameters import listed
from tui.app.pictures.look import Look
from tui.app.pictures.names import cut, variant_of

Row = CatalogEntry | Parameter
Item = Row | str
"""What a line shows: a row, or a heading; "" leaves it empty."""

_STATUS_LINES = 3
_REFUSAL_LINES = 5
_FIELD = 14
_LEAST_REASON = 6
_HEADINGS = ("Implementations", "Shape")

# The reasons of impls/contract.py, in the few characters beside a name.
_SHORT_REASONS = (
    (r"needs a CUDA GPU", "no GPU"),
    (r".* is not installed", "missing"),
    (r"needs compute capability ([\d.]+).*", r"sm \1+"),
    (r"ends at compute capability ([\d.]+).*", r"sm \1-"),
    (r"takes head dims up to (\d+).*", r"dim > \1"),
    (r"takes head dims from (\d+) on.*", r"dim < \1"),
    (r"takes head dims that are multiples of (\d+).*", r"dim % \1"),
    (r"has no grouped-query attention.*", "no GQA"),
    (r"has no sliding window", "no window"),
    (r"has no bottom-right causal mask.*", "no causal"),
    (r"has no (dropout|softcap)", r"no \1"),
    (r"has no path for decoding.*", "no decode"),
    (r"has no variable-length batches|has no mask for the padding.*", "no varlen"),
    (r"has no float32.*", "no fp32"),
    (r"has no float16.*", "no fp16"),
    (r"has no bfloat16.*|.* has no bfloat16 .*", "no bf16"),
)


@dataclass(frozen=True)
class Shown:
    """All that the picture depends on beside its size. `cursor` and `top` count rows, not lines."""

    choice: Choice
    catalog: tuple[CatalogEntry, ...] = ()
    device: DeviceInfo | None = None
    cursor: int = 0
    focused: bool = False
    editor: LineEdit | None = None
    refusal: str = ""
    note: str = ""
    rows: tuple[Row, ...] = field(init=False)

    def __post_init__(self) -> None:
        rows = (*self.catalog, *listed(self.choice))
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "cursor", min(self.cursor, len(rows) - 1))

    @property
    def row(self) -> Row:
        """The one under the cursor."""
        return self.rows[self.cursor]


@dataclass(frozen=True)
class Layout:
    """What each line shows, how many below are left to say more, and whether rows are out of view."""

    items: tuple[Item, ...]
    status_lines: int
    above: bool = False
    below: bool = False


def lay_out(shown: Shown, height: int, top: int) -> tuple[Layout, int]:
    """The lines of a list of `height`, and the row at its top: `top`, or what keeps the cursor in view."""
    status_lines = _STATUS_LINES if height >= 4 * _STATUS_LINES else min(1, height // 4)
    room = height - status_lines
    rows = shown.rows
    if room < len(rows):
        room = max(room, 1)
        top = min(max(top, shown.cursor - room + 1), shown.cursor, len(rows) - room)
        return Layout(rows[top : top + room], status_lines, top > 0, top + room < len(rows)), top
    spare = room - len(rows)
    first: tuple[Item, ...] = (_HEADINGS[0],) if spare >= 2 else ()
    between = ("", _HEADINGS[1]) if spare >= 4 else (_HEADINGS[1],) if spare >= 1 else ()
    after = ("",) if spare >= 3 else ()
    return Layout((*first, *shown.catalog, *between, *listed(shown.choice), *after), status_lines), 0


def picture(shown: Shown, layout: Layout, width: int, glyphs: Glyphs, look: Look) -> list[Text]:
    """The list, and below it what there is to say of the row under the cursor."""
    scrolls = layout.above or layout.below
    pen = _Pen(shown, width - 2 * scrolls, glyphs, look)
    lines = [pen.line(item) for item in layout.items]
    for wanted, index, mark in ((layout.above, 0, glyphs.up), (layout.below, -1, glyphs.down)):
        if wanted:
            lines[index] = Text.assemble(lines[index], " ", (mark, look.muted))
    lines += _status(shown, layout.status_lines, width, look)
    if shown.refusal and shown.row in layout.items:
        end = _refuse(lines, layout.items.index(shown.row), shown.refusal, width, look)
        if end > len(layout.items):  # what is left of a sentence that it stands on would read as its end
            lines[end:] = [Text()] * (len(lines) - end)
    return lines


def why_not(entry: CatalogEntry, choice: Choice, device: DeviceInfo | None) -> str:
    """Why an implementation cannot run, here or on this shape; "" if it can."""
    if entry.unavailable is not None:
        return plain_text(entry.unavailable)
    return _unsupported(entry.name, choice.workload(), device) if device else ""


def short_reason(reason: str) -> str:
    """The same in a word or two."""
    for pattern, short in _SHORT_REASONS:
        if match := re.fullmatch(pattern, reason):
            return match.expand(short)
    return reason


@lru_cache(maxsize=256)
def _unsupported(name: str, workload: Attention, device: DeviceInfo) -> str:
    try:
        implementation = impls.find(name)
    except impls.UnknownImplementation:
        return ""
    # The engine may be on another machine: which packages are there, its catalog tells.
    return replace(implementation, requires=None).supports(workload, device) or ""


@dataclass(frozen=True)
class _Pen:
    """Draws lines of one width."""

    shown: Shown
    width: int
    glyphs: Glyphs
    look: Look

    def line(self, item: Item) -> Text:
        if isinstance(item, str):
            return Text.assemble((set_cell_size(f" {item}", self.width), self.look.muted))
        under_cursor = item is self.shown.row
        text = Text(self.glyphs.cursor if under_cursor else " ", no_wrap=True)
        for part, style in (
            self._implementation(item) if isinstance(item, CatalogEntry) else self._parameter(item)
        ):
            text.append(part, style)
        if under_cursor and self.shown.editor is None:
            # First, so that what has a style of its own keeps it.
            text.stylize_before(self.look.cursor if self.shown.focused else self.look.cursor_away)
        return text

    def _implementation(self, entry: CatalogEntry) -> Iterator[tuple[str, Style]]:
        glyphs, look = self.glyphs, self.look
        reason = why_not(entry, self.shown.choice, self.shown.device)
        chosen, away = entry.name in self.shown.choice.implementations, entry.unavailable is not None
        # The mark is in the colour that the implementation has in every chart.
        mark = glyphs.checked if chosen else glyphs.missing if away else glyphs.unchecked
        yield mark, look.muted if away else Style(color=colour_of(entry.name))
        label, room = plain_text(entry.label), max(self.width - 3, 0)
        aside, style = self._aside(entry, reason, room - cell_len(label) - 1)
        room -= cell_len(aside)
        name = set_cell_size(cut(label, room - bool(aside), glyphs, end=self._kept(entry, label)), room)
        yield f" {name}", look.muted if reason else Style.null()
        yield aside, style

    @staticmethod
    def _kept(entry: CatalogEntry, label: str) -> str:
        """The last word of a variant's label: the rest it shares with what it is a variant of."""
        return f" {label.rpartition(' ')[2]}" if variant_of(entry.name) else ""

    def _aside(self, entry: CatalogEntry, reason: str, room: int) -> tuple[str, Style]:
        """What stands right of a name in so much room: why it cannot run, or that it is the baseline."""
        if reason:
            style = self.look.muted if entry.unavailable is not None else self.look.warning
            return (cut(short_reason(reason), room, self.glyphs) if room >= _LEAST_REASON else ""), style
        if entry.name != self.shown.choice.baseline:
            return "", self.look.muted
        mark = f"{self.glyphs.baseline} baseline"
        return mark if cell_len(mark) <= room else self.glyphs.baseline, self.look.muted

    def _parameter(self, parameter: Parameter) -> Iterator[tuple[str, Style]]:
        shown, glyphs, look = self.shown, self.glyphs, self.look
        under_cursor, plain = parameter is shown.row, Style.null()
        room = max(self.width - len(parameter.label) - 3, 0)  # between the label and the right arrow
        yield parameter.label, plain
        if under_cursor and shown.editor is not None:
            yield from self._field(shown.editor, room)
            return
        value = cut(parameter.text(shown.choice), room - 3, glyphs)
        style = look.muted if parameter.follows(shown.choice) else plain
        before, after = self._arrows(parameter) if under_cursor else (" ", " ")
        yield " " * (room - cell_len(value) - 2) + before + " ", plain
        yield value, style
        yield f" {after}", plain

    def _arrows(self, parameter: Parameter) -> tuple[str, str]:
        """An arrow on each side to which the value can be stepped."""
        return (
            self.glyphs.left if self._steps(parameter, -1) else " ",
            self.glyphs.right if self._steps(parameter, +1) else " ",
        )

    def _steps(self, parameter: Parameter, direction: int) -> bool:
        try:
            parameter.step(self.shown.choice, direction, device=self.shown.device)
        except PlanError:
            return False
        return True

    def _field(self, editor: LineEdit, room: int) -> Iterator[tuple[str, Style]]:
        """What is being typed, in brackets; as much as fits around its cursor."""
        size = max(min(_FIELD, room - 2), 1)
        start = max(0, editor.cursor - size + 1)
        visible = editor.text[start : start + size].ljust(size)
        at = editor.cursor - start
        yield " " * (room - size - 1) + "[", Style.null()
        if editor.fresh:
            yield visible[:at], self.look.chosen
        else:
            yield visible[:at], self.look.header
        yield visible[at : at + 1], Style(reverse=True)
        yield visible[at + 1 :], self.look.header
        yield "] ", Style.null()


def _status(shown: Shown, lines: int, width: int, look: Look) -> list[Text]:
    """What there is to say of the row under the cursor, or of what was just done, in so many lines."""
    words, style = _said(shown, look)
    wrapped = _wrapped(words, width, lines)
    return [Text.assemble((f" {line}", style)) for line in wrapped] + [Text()] * (lines - len(wrapped))


def _said(shown: Shown, look: Look) -> tuple[str, Style]:
    if shown.note:
        return shown.note, look.warning
    row = shown.row
    if isinstance(row, Parameter):
        return row.help, look.muted
    reason = why_not(row, shown.choice, shown.device)
    if not reason:
        return plain_text(row.summary), look.muted
    if row.unavailable is None:
        return f"not this shape: {reason}", look.warning
    # A command that installs it says by itself what is missing.
    return f"missing: {plain_text(row.install)}" if row.install else reason, look.warning


def _refuse(lines: list[Text], at: int, refusal: str, width: int, look: Look) -> int:
    """Write the refusal over the lines below its row; over those above where there are more of them.

    Returns where it ends.
    """
    below, above = len(lines) - at - 1, at
    said = _wrapped(plain_text(refusal), width - 1, min(_REFUSAL_LINES, max(below, above)))
    start = at + 1 if len(said) <= below else at - len(said)
    for index, words in enumerate(said, start):
        lines[index] = Text.assemble((set_cell_size(f"  {words}", width), look.bad))
    return start + len(said)


def _wrapped(words: str, width: int, lines: int) -> list[str]:
    if lines < 1:
        return []
    return textwrap.wrap(
        words, max(width - 2, 8), max_lines=lines, placeholder=" ...", break_on_hyphens=False
    )
