"""A comparison in the terminal: what differs around it, the tables, and below them what came of it.

Pure functions of the comparison. Nothing here needs colour to be understood.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from profiler.compare import Comparison, Line
from profiler.compare import wording as words
from profiler.training.model import Training
from tui.tables.columns import Column
from tui.tables.compare_columns import caption, columns_of, fitting
from tui.tables.results import empty_table, filled

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_MOST_FAILURES = 8


def comparison_view(comparison: Comparison, *, width: int | None) -> Iterator[RenderableType]:
    """All there is to show of it in at most `width` columns (None: as many as it takes)."""
    from rich.text import Text

    yield Text("\n".join(heading(comparison)))
    if comparison.surroundings.differences:
        yield differences_table(comparison)
    for lines in (comparison.of_attention, comparison.of_training):
        if lines:
            yield lines_table(comparison, lines, width=width)
    yield Text("\n".join(below(comparison, most=None if width is None else _MOST_FAILURES)))


def heading(comparison: Comparison) -> list[str]:
    """The sessions with their letters, how they ended if early, and what is the same around them."""
    lines = []
    for (letter, name), ending in zip(words.titles(comparison), comparison.endings, strict=True):
        lines += [f"{letter}  {name}", *([f"   {ending}"] if ending else [])]
    if same := words.same_words(comparison):
        lines.append(f"the same: {same}")
    return lines


def differences_table(comparison: Comparison) -> Table:
    """What differs around the sessions."""
    from rich.text import Text

    table = empty_table((), [], 2)
    for title in ("what differs", *comparison.letters):
        table.add_column(Text(title), no_wrap=False, overflow="fold")
    for difference in comparison.surroundings.differences:
        table.add_row(Text(difference.name), *(Text(value or "-") for value in difference.values))
    return table


def lines_table(comparison: Comparison, lines: Sequence[Line], *, width: int | None) -> RenderableType:
    """The lines of one kind; where room is short the least important columns go, and are named below."""
    possible = columns_of(comparison, lines)
    shown, gap = fitting(possible, width)
    below_it = legend(comparison, lines, possible, shown)
    groups = [line.case.subject for line in lines] if has_groups(lines) else ()
    return filled(shown, caption(lines), below_it, gap, width, groups)


def has_groups(lines: Sequence[Line]) -> bool:
    """Whether some shape or row of training has more than one line."""
    return len({line.case.subject for line in lines}) < len(lines)


def legend(
    comparison: Comparison, lines: Sequence[Line], possible: Sequence[Column], shown: Sequence[Column]
) -> list[str]:
    """What a reader needs to know of the columns that are shown, and those there was no room for."""
    names = " ".join(column.brief for column in shown)
    margin = words.margin_words(comparison.margin)
    parts = []
    if "speedup" in names:
        time = "time of a token" if isinstance(lines[0].case.subject, Training) else "time"
        parts.append(
            f"speedup: A's {time} over the other's, over 1 is faster; same: within {margin} as a whole"
        )
    if "cycles" in names:
        parts.append("cycles: the speedup in SM cycles, where clocks differed by over 1 %")
    if "memory" in names:
        parts.append("memory: peak against A's, = the same to the byte")
    if words.has_partial(lines):
        parts.append(f"{words.PARTIAL} the session ended before the result")
    left_out = [column for column in possible if column.key not in {column.key for column in shown}]
    by_rank = dict.fromkeys(column.brief for column in sorted(left_out, key=lambda column: column.rank))
    return [
        *(["; ".join(parts)] if parts else []),
        *([f"not shown for want of width: {', '.join(by_rank)}"] if by_rank else []),
    ]


def below(comparison: Comparison, *, most: int | None) -> list[str]:
    """What failed, what could not be compared, and last what came of it."""
    failed = list(words.failures(comparison))
    more = len(failed) - most if most is not None else 0
    if more > 0:
        failed = [*failed[:most], f"and {more} more; in a pipe all are told"]
    lines = [*failed, *words.unlike(comparison), *words.unmatched(comparison)]
    memory = words.memory_words(comparison)
    return [*lines, *([memory] if memory else []), *words.summaries(comparison)]
