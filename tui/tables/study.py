"""The study's table in the terminal: contexts down, implementations across, as wide as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from profiler.events import Estimate
from profiler.results.wording import NOT_MEASURED, TIE, ratio_and_margin
from profiler.training.rows import TrainingStatus
from profiler.training.study import StudyCell, StudyTable
from profiler.training.wording import (
    NOT_TOLD_APART,
    NOT_TOLD_APART_MEANS,
    THROUGHPUT_AND_SPEEDUP,
    difference_words,
    study_title,
    study_word,
    tokens_per_s,
)
from profiler.units import plain_text
from tui.tables.columns import BAD, INTERVAL, MUTED, WARNING
from tui.tables.results import empty_table, framed

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

TRAINING_STATUS_STYLE: dict[TrainingStatus, str] = {
    **dict.fromkeys(("running", "partial", "pending", "unsupported"), MUTED),
    **dict.fromkeys(("wrong", "nan", "diverged", "error", "crashed", "timeout"), BAD),
    "oom": WARNING,
}
_SHORT_WORDS = {NOT_MEASURED: "-", "timed out": "timeout"}  # where tokens/s have eight characters
_NAME = "implementation"
_DIFFERENCE = "difference"
_BETWEEN = 2  # blanks between two implementations
_RANKS = (4, 3, 2, 1, 0)
_SHOWN_WITH_LESS = tuple((rank, gap) for rank in _RANKS for gap in (2, 1))
"""Which parts are tried, by the highest rank, and the blanks between them."""


@dataclass(frozen=True)
class _Part:
    """A figure of each row under its title; rank 0 always stays, the highest is the first to go.

    Where it goes its `short` cells stay, if it has some; `lost` is what that leaves out.
    """

    title: str
    cells: Sequence[Text]
    rank: int
    short: Sequence[Text] = ()
    lost: str = ""

    @property
    def width(self) -> int:
        return max(len(self.title), *(cell.cell_len for cell in self.cells))

    def shown(self, rank: int) -> _Part | None:
        if self.rank <= rank:
            return self
        return replace(self, cells=self.short) if self.short else None


@dataclass(frozen=True)
class _Group:
    """The parts that stand together under a name."""

    title: str
    parts: Sequence[_Part]
    short_title: str = ""
    """For where not all of its parts are shown."""

    def shown(self, rank: int) -> _Group:
        kept = [shown for part in self.parts if (shown := part.shown(rank))]
        title = self.title if len(kept) == len(self.parts) else self.short_title or self.title
        return replace(self, title=title, parts=kept)

    def width(self, gap: int) -> int:
        return max(len(self.title), sum(part.width for part in self.parts) + gap * (len(self.parts) - 1))


def study_table(table: StudyTable, *, width: int | None, note: str = "") -> RenderableType:
    """One of the study's tables in at most `width` columns (None: as many as they take).

    Where room is short first the least important figures go, named below the table; then implementations
    stand below each other. `note` is a second line of the title.
    """
    groups = _groups(table)
    for rank, gap in _SHOWN_WITH_LESS:
        shown = [kept for group in groups if (kept := group.shown(rank)).parts]
        taken = sum(group.width(gap) for group in shown) + _BETWEEN * (len(shown) - 1)
        if width is None or taken <= width:
            lost = [part.lost for group in groups for part in group.parts if part.rank > rank]
            return _across(table, shown, gap, list(dict.fromkeys(filter(None, lost))), note)
    return _down(table, width, note)


def _groups(table: StudyTable) -> list[_Group]:
    from rich.text import Text

    contexts = [Text(str(row.context)) for row in table.rows]
    groups = [_Group("", [_Part("context", contexts, 0)])]
    for name in table.implementations:
        cells = [row.cells.get(name, StudyCell("pending")) for row in table.rows]
        parts = _figures(cells)
        if name != table.baseline and table.baseline in table.implementations:
            parts.append(_speedup([cell.speedup for cell in cells]))
        groups.append(_Group(plain_text(name), parts))
    if table.compared is not None:
        one, other = map(plain_text, table.compared)
        title = _DIFFERENCE if len(one) + len(other) > 20 else f"{one} - {other}"
        parts = _differences(list(map(difference_words, table.rows)))
        groups.append(_Group(title, [replace(parts[0], title="tokens/s"), parts[1]], short_title="diff."))
    return groups


def _figures(cells: Sequence[StudyCell]) -> list[_Part]:
    words = list(map(_throughput, cells))
    return [
        _Part("batch", list(map(_batch, cells)), 0),
        _Part("tokens/s", words, 2, list(map(_shortened, words))),
    ]


def _speedup(ratios: Sequence[Estimate | None]) -> _Part:
    """With how sure each is, the ratios below each other; where there is no room for that a tie is a word."""
    from rich.text import Text

    said = list(map(ratio_and_margin, ratios))
    room = max((len(sure) for _, sure in said), default=0)
    whole = [
        Text.assemble(value, (f" {sure:<{room}}" if room else "", MUTED)) if value else Text("")
        for value, sure in said
    ]
    short = [Text(TIE, style=MUTED) if sure == TIE else Text(value) for value, sure in said]
    return _Part(
        "speedup", whole, 1, short, lost=INTERVAL if any(INTERVAL in sure for _, sure in said) else ""
    )


def _differences(told: Sequence[tuple[str, str]]) -> list[_Part]:
    """In tokens/s, and in percent."""
    from rich.text import Text

    tokens, percents = zip(*told, strict=True)
    return [
        _Part(
            _DIFFERENCE, list(map(Text, tokens)), 4, lost=f"{_DIFFERENCE} in tokens/s" if any(tokens) else ""
        ),
        _Part("%", list(map(Text, percents)), 3, lost=f"{_DIFFERENCE} in %" if any(percents) else ""),
    ]


def _batch(cell: StudyCell) -> Text:
    from rich.text import Text

    return Text(str(cell.batch or ""), style="" if cell.status == "ok" else MUTED)


def _throughput(cell: StudyCell) -> Text:
    """Tokens/s, or the word for why there are none; dots while they are on their way."""
    from rich.text import Text

    if cell.tokens_per_s is not None:
        return Text(tokens_per_s(cell.tokens_per_s))
    style = TRAINING_STATUS_STYLE.get(cell.status, "")
    return Text("..." if cell.status == "running" else study_word(cell), style=style)


def _shortened(word: Text) -> Text:
    from rich.text import Text

    return Text(_SHORT_WORDS.get(word.plain, word.plain), style=word.style)


def _across(
    table: StudyTable, groups: Sequence[_Group], gap: int, lost: Sequence[str], note: str
) -> RenderableType:
    """A column of the table is a whole group, its parts within it."""
    from rich.text import Text

    made = empty_table((), (), _BETWEEN)
    between = Text(" " * gap)
    for group in groups:
        titles = between.plain.join(part.title.rjust(part.width) for part in group.parts)
        width = group.width(gap)
        made.add_column(Text(f"{group.title:^{width}}".rstrip() + f"\n{titles:>{width}}"), no_wrap=True)
    for index in range(len(table.rows)):
        made.add_row(*(_line(group, index, between) for group in groups))
    below = _below(table, [part for group in groups for part in group.parts], lost)
    return framed(made, _caption(table, note), below)


def _below(table: StudyTable, shown: Sequence[_Part], lost: Sequence[str]) -> list[str]:
    """What there was no room for, and what a reader needs to know of what is shown."""
    cells = [cell.plain.rstrip() for part in shown for cell in part.cells]
    said = [
        f"{INTERVAL} the wider side of the 95 % interval" if any(INTERVAL in cell for cell in cells) else "",
        f"{TIE}: the interval holds 1" if any(cell.endswith(TIE) for cell in cells) else "",
        f"- {NOT_MEASURED}" if "-" in cells else "",
        NOT_TOLD_APART_MEANS if any(cell.startswith(NOT_TOLD_APART) for cell in cells) else "",
    ]
    difference = ""
    if table.compared and any(part.title == "%" and any(part.cells) for part in shown):
        one, other = map(plain_text, table.compared)
        difference = f"difference: {one} - {other}, % of {one}'s own tokens/s"
    return [
        *([f"not shown for want of width: {', '.join(lost)}"] if lost else []),
        *filter(None, ("; ".join(filter(None, said)), difference)),
        *([THROUGHPUT_AND_SPEEDUP] if table.is_ordered_twice else []),
    ]


def _line(group: _Group, index: int, between: Text) -> Text:
    """The figures of one row, each below its title."""
    cells = []
    for part in group.parts:
        cell = part.cells[index].copy()
        cell.align("right", part.width)
        cells.append(cell)
    line = between.join(cells)
    line.align("right", group.width(len(between)))
    return line


def _down(table: StudyTable, width: int | None, note: str) -> RenderableType:
    """A line for each context and implementation, the difference in that of a context's last."""
    from rich.text import Text

    possible = _columns_down(table)
    lost: list[str] = []
    for rank in _RANKS:
        columns = [kept for column in possible if (kept := column.shown(rank))]
        lost = list(dict.fromkeys(column.lost for column in possible if column.rank > rank and column.lost))
        if width is None or sum(column.width for column in columns) + len(columns) - 1 <= width:
            break
    taken = sum(column.width for column in columns)
    gap = 2 if width is None or taken + 2 * (len(columns) - 1) <= width else 1
    made = empty_table((), (), gap)
    for column in columns:
        is_name = column.title == _NAME
        made.add_column(Text(column.title), justify="left" if is_name else "right", no_wrap=True)
    for index in range(len(columns[0].cells)):
        if index and columns[0].cells[index].plain and len(table.implementations) > 1:
            made.add_section()
        made.add_row(*(column.cells[index] for column in columns))
    below = _below(table, columns, lost)
    return framed(made, _caption(table, note), below)


def _columns_down(table: StudyTable) -> list[_Part]:
    from rich.text import Text

    lines = [(row, name) for row in table.rows for name in table.implementations]
    cells = [row.cells.get(name, StudyCell("pending")) for row, name in lines]
    first, last = table.implementations[0], table.implementations[-1]
    columns = [
        _Part("context", [Text(str(row.context) if name == first else "") for row, name in lines], 0),
        _Part(_NAME, [Text(plain_text(name)) for _, name in lines], 0),
        *_figures(cells),
    ]
    if len(table.implementations) > 1:
        columns.append(_speedup([cell.speedup for cell in cells]))
    differences = [difference_words(row) if name == last else ("", "") for row, name in lines]
    if any(map(any, differences)):
        columns += _differences(differences)
    return columns


def _caption(table: StudyTable, note: str) -> str:
    return "\n".join(filter(None, (study_title(table), note)))
