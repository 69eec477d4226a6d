"""The results table: one line a shape and implementation, as wide as there is room for.

A pure function of a recording, so the live display of a run and the view of a saved session
are the same. Nothing here needs colour to be understood.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from profiler.results import wording
from profiler.results.rows import Row, conditions_of, rows
from profiler.session.recording import Recording
from profiler.units import ShapeColumns, describe_shape, margin, mib, ms, shape_columns, tflops
from profiler.workload import PASS_LABELS
from tui.tables.columns import INTERVAL, MUTED, Column, Line, columns_of, fit, lines_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

_OF_HEADLINE = (
    "wall",
    "graph",
    "TFLOP/s",
    "peak",
    "bound",
    "SM",
    "energy",
    "memory",
    "saved",
    "speedup",
)
_SHORT_TITLES = 60  # in fewer columns "implementation" takes room that numbers need
_MOST_BELOW = 6  # remarks below the table, before it only says how many more there are


def results_table(
    recording: Recording,
    *,
    width: int | None,
    most_lines: int | None = None,
    all_rows: Sequence[Row] | None = None,
    some_rows: Sequence[Row] | None = None,
) -> Table:
    """The recording's results in at most `width` columns of text (None: as many as they take).

    What all shapes share is in the title, what varies has columns; a shape's values stand in
    its first line only. The fastest of each shape and pass is bold with a star. Where room is
    short the least important columns go first, and are named below the table; remarks go there
    too. `most_lines` keeps the last shapes that fit in so many lines of the body. `all_rows` are the
    recording's, if they are known already; `some_rows` are shown in the place of all.
    """
    if some_rows is not None:
        lines = lines_of(some_rows)
    else:
        lines = lines_of(rows(recording) if all_rows is None else all_rows)
    # The plan's shapes, so that the columns stay as they are while a run's shapes come one by one.
    of_plan = recording.plan.workloads if recording.plan and some_rows is None else None
    shapes = shape_columns(of_plan or [line.shape for line in lines])
    lines = _last_shapes(lines, most_lines)
    short = width is not None and width < _SHORT_TITLES
    possible = columns_of(lines, shapes, short=short)
    columns, gap = fit(possible, width)
    below = [*legend(lines, columns), *not_shown(possible, columns), *_conditions_below(lines, shapes)]
    if not any(column.kind == "remarks" for column in columns):
        below += _remarks_below(lines, shapes)
    table = empty_table((shapes.caption(), wording.held_to(recording.plan)), below, gap)
    fill(table, columns, width, [line.shape for line in lines] if _has_groups(lines) else ())
    return table


def empty_table(title: Iterable[str], below: Sequence[str], gap: int) -> Table:
    """A table in the house's style: lines of a title, those `below` it, and `gap` blanks between columns."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    return Table(
        title=Text("\n".join(filter(None, title)), style="bold"),
        title_justify="left",
        caption=Text("\n".join(["", *below]), style=MUTED) if below else None,
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        pad_edge=False,
        padding=(0, gap - 1, 0, 0),  # the box itself puts one blank between columns
    )


def fill(table: Table, columns: Sequence[Column], width: int | None, groups: Sequence[object] = ()) -> None:
    """Put the columns into a table; where a line's group is not that of the line above, a rule between."""
    from rich.text import Text

    for column in columns:
        table.add_column(
            Text(column.title),
            justify="right" if column.kind == "number" else "left",
            no_wrap=column.kind != "remarks",
            width=None if width is None else column.width,
        )
    for index in range(len(columns[0].cells) if columns else 0):
        if index and groups and groups[index] != groups[index - 1]:
            table.add_section()
        table.add_row(*(column.cells[index] for column in columns))


def filled(
    columns: Sequence[Column],
    caption: str,
    below: Sequence[str],
    gap: int,
    width: int | None,
    groups: Sequence[object] = (),
) -> RenderableType:
    """The columns as a table, `framed`."""
    table = empty_table((), (), gap)
    fill(table, columns, width, groups)
    return framed(table, caption, below)


def framed(table: Table, caption: str, below: Sequence[str]) -> RenderableType:
    """The table between its caption and what is said below: apart, so that these are as wide as they like."""
    from rich.console import Group
    from rich.text import Text

    above = [Text(caption, style="bold")] if caption else []
    under = [Text("\n".join(["", *below]), style=MUTED)] if below else []
    return Group(*above, table, *under)


def plain_line(row: Row, shapes: ShapeColumns | None = None) -> str:
    """One finished row as a line for a pipe: the shape (what varies in `shapes`), who, what, and how fast."""
    shape = shapes.describe(row.workload) if shapes else describe_shape(row.workload)
    parts = [shape, wording.name_with_backend(row), PASS_LABELS[row.which]]
    if row.device_ms:
        parts.append(f"{ms(row.device_ms.median)} ms {margin(row.device_ms.margin)}".rstrip())
    if row.tflops is not None:
        parts.append(f"{tflops(row.tflops)} TFLOP/s")
    if row.memory:
        parts.append(f"{mib(row.memory.working_bytes)} MiB")
    parts.append(" ".join(filter(None, wording.speedup(row))))
    under = [wording.condition(name, [share]) for name, share in row.conditions.items()]
    parts.append("; ".join(wording.remarks(row) + under))
    return "  ".join(filter(None, parts))


def _last_shapes(lines: list[Line], most_lines: int | None) -> list[Line]:
    """The last lines that fit, from the beginning of a shape; at least the last shape."""
    if most_lines is None:
        return lines
    height, blank = 0, int(_has_groups(lines))
    first = len(lines)
    for index in range(len(lines) - 1, -1, -1):
        height += 1
        if index == 0 or lines[index].shape != lines[index - 1].shape:
            if height > most_lines and first < len(lines):
                break
            first = index
            height += blank
    return lines[first:]


def _has_groups(lines: Sequence[Line]) -> bool:
    """Whether some shape has more than one line, so that shapes are worth setting apart."""
    return any(above.shape == below.shape for above, below in pairwise(lines))


def legend(lines: list[Line], columns: Sequence[Column]) -> list[str]:
    """What a reader needs to know of the columns that are shown."""
    heads = [line.headline for line in lines]
    shown = [column.name for column in columns]
    parts = ["* fastest of its shape and pass, and what ties with it"] if _has_groups(lines) else []
    if INTERVAL in shown:
        parts.append(f"{INTERVAL} the wider side of the 95 % interval")
    if lines and len(lines[0].rows) > 1:
        about = [name for name in _OF_HEADLINE if name in shown]
        parts += [f"{', '.join(about)} of {PASS_LABELS[lines[0].headline.which]}"] if about else []
    if "error" in shown:
        parts.append("error against a reference, over plain PyTorch's")
    if "peak" in shown:
        parts.append("peak: share of the session's measured matmul rate")
    if "SM" in shown and any(row.sm_mhz is None and row.nvml_sm_mhz for row in heads):
        parts.append(f"{wording.NVML_CLOCK} not recorded by the GPU's own counters: NVML's")
    if any(row.is_tie for row in heads):
        parts.append(f"{wording.TIE}: the speedup's 95 % interval holds 1")
    return ["; ".join(parts)] if parts else []


def not_shown(possible: Sequence[Column], columns: Sequence[Column]) -> list[str]:
    """The columns that there was no room for, the most important first; remarks are told below."""
    names = {column.name for column in columns} | {"remarks"}
    dropped = [column for column in possible if column.name not in names]
    by_rank = dict.fromkeys(column.name for column in sorted(dropped, key=lambda column: column.rank))
    return [f"not shown for want of width: {', '.join(by_rank)}"] if by_rank else []


def _conditions_below(lines: list[Line], shapes: ShapeColumns) -> list[str]:
    """What shapes were measured under, each condition once: in how many readings, where, and what it does."""
    found = conditions_of(row for line in lines for row in line.rows.values())
    below = []
    for name, shares in found.items():
        where = _and_more([shapes.describe(shape) for shape in shares])
        said = ": ".join(filter(None, (wording.condition(name, shares.values()), where)))
        below.append("; ".join(filter(None, (said, wording.condition_effect(name)))))
    return below


def _remarks_below(lines: list[Line], shapes: ShapeColumns) -> list[str]:
    """What there is to say of the lines, each thing once.

    Graph times, which no two lines share, are left out where there would be too many to tell.
    """
    below = _by_remarks(lines, shapes, graph=True)
    if len(below) > _MOST_BELOW:
        below = _by_remarks(lines, shapes, graph=False)
    more = len(below) - _MOST_BELOW
    return [*below[:_MOST_BELOW], f"and {more} more; a wider terminal shows all"] if more > 0 else below


def _by_remarks(lines: list[Line], shapes: ShapeColumns, *, graph: bool) -> list[str]:
    about: dict[str, list[str]] = {}
    for line in lines:
        if remarks := "; ".join(line.remarks(graph=graph)):
            where, who = shapes.describe(line.shape), wording.name_with_backend(line.headline)
            about.setdefault(remarks, []).append(f"{who} at {where}" if where else who)
    return [f"{_and_more(names)}: {remarks}" for remarks, names in about.items()]


def _and_more(names: list[str]) -> str:
    return ", ".join(names) if len(names) <= 2 else f"{names[0]} and {len(names) - 1} more"
