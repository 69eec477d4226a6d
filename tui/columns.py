"""The columns of the results table: what each holds, and which of them fit into a width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from profiler import wording
from profiler.rows import Row, Status
from profiler.units import TEXT_PARAMETERS, ShapeColumns, margin, mib, ms, ratio, tflops
from profiler.workload import PASSES, Attention, Pass

if TYPE_CHECKING:
    from rich.text import Text

SHORT_PASS: dict[Pass, str] = {"fwd": "forward", "bwd": "backward", "fwd_bwd": "fwd+bwd"}
# A time has room for eight characters: there the status is a short word, and the remarks say the rest.
_SHORT_STATUS: dict[Status, str] = {**wording.STATUS_WORDS, "unsupported": "n/a", "timeout": "timeout"}
_STATUS_STYLE: dict[Status, str] = {
    "ok": "",
    "wrong": "red",
    "nan": "red",
    "running": "dim",
    "partial": "dim",
    "oom": "yellow",
    "unsupported": "dim",
    "error": "red",
    "crashed": "red",
    "timeout": "red",
}

INTERVAL = "±"

_LONGEST_NAME = 28  # a longer name of an implementation is cut where room is short
_LEAST_REMARKS = 24  # in a narrower column they would make the table taller than they are worth
_TIGHT_RANK = 3  # columns up to this rank are worth a narrower gap between them


@dataclass(frozen=True)
class Line:
    """What one implementation did with one shape: its rows by pass, and the pass that sums it up."""

    rows: dict[Pass, Row]
    headline: Row

    @property
    def shape(self) -> Attention:
        return self.headline.workload

    @property
    def remarks(self) -> list[str]:
        """What there is to say, each thing once, naming its passes where it is not about all."""
        about: dict[str, list[Pass]] = {}
        for which, row in self.rows.items():
            for remark in wording.remarks(row):
                about.setdefault(remark, []).append(which)
        about.pop(wording.STATUS_WORDS["running"], None)  # the times that come and go say so
        return [
            remark if len(passes) == len(self.rows) else f"{remark} ({_listed(passes)})"
            for remark, passes in about.items()
        ]


def _listed(passes: list[Pass]) -> str:
    return ", ".join(SHORT_PASS[which] for which in passes)


def lines_of(all_rows: Iterable[Row]) -> list[Line]:
    """The rows by case, in order. The headline is forward+backward, else the last pass there is."""
    by_case: dict[int, dict[Pass, Row]] = {}
    for row in all_rows:
        by_case.setdefault(row.case, {})[row.which] = row
    return [
        Line(passes, next(passes[which] for which in reversed(PASSES) if which in passes))
        for passes in by_case.values()
    ]


@dataclass(frozen=True)
class Column:
    """A column before there is a table: rank 0 always stays, the highest is the first to go."""

    title: str  # two lines: the second is the unit, or the name where there is none
    cells: list[Text]
    rank: int
    kind: Literal["number", "words", "remarks"] = "number"
    most: int | None = None

    @property
    def width(self) -> int:
        widths = [*map(len, self.title.split("\n")), *(cell.cell_len for cell in self.cells)]
        return min(max(widths), self.most or max(widths))

    @property
    def least(self) -> int:
        return min(self.width, _LEAST_REMARKS) if self.kind == "remarks" else self.width


def columns_of(
    lines: list[Line], shapes: ShapeColumns, best: set[tuple[int, Pass]], *, short: bool
) -> list[Column]:
    """Every column there could be, in the order they stand in; those with nothing in them left out."""
    from rich.text import Text

    def numbers(title: str, rank: int, cells: Iterable[str | None]) -> Column:
        return Column(title, [Text(cell or "-", style="" if cell else "dim") for cell in cells], rank)

    heads = [line.headline for line in lines]
    columns = [
        *_shape_columns(lines, shapes),
        Column(
            "\nimpl" if short else "\nimplementation",
            [Text(wording.name_with_backend(head)) for head in heads],
            rank=0,
            kind="words",
            most=_LONGEST_NAME,
        ),
    ]
    for which in (which for which in PASSES if any(which in line.rows for line in lines)):
        of_pass = [line.rows[which] for line in lines]
        times = [_time(row, (row.case, which) in best) for row in of_pass]
        intervals = [margin(row.device_ms.margin) if row.device_ms else "" for row in of_pass]
        columns += [
            Column(f"{SHORT_PASS[which]}\nms", times, rank=0 if which == heads[0].which else 1),
            Column(f"\n{INTERVAL}", [Text(interval, style="dim") for interval in intervals], rank=6),
        ]
    columns += [
        numbers("wall\nms", 7, (ms(head.wall_ms.median) if head.wall_ms else None for head in heads)),
        numbers("\nTFLOP/s", 2, (None if head.tflops is None else tflops(head.tflops) for head in heads)),
        numbers(
            "memory\nMiB", 3, (mib(head.memory.working_bytes) if head.memory else None for head in heads)
        ),
        numbers("saved\nMiB", 8, map(_saved, heads)),
    ]
    if len({head.implementation for head in heads}) > 1:
        columns.append(Column("\nspeedup", [_speedup(head) for head in heads], rank=0))
    columns += [
        numbers("\nerror", 4, (wording.error_ratio(head) for head in heads)),
        Column("\nremarks", [Text("; ".join(line.remarks)) for line in lines], rank=5, kind="remarks"),
    ]
    return [column for column in columns if any(cell.plain.strip("-") for cell in column.cells)]


def _shape_columns(lines: list[Line], shapes: ShapeColumns) -> list[Column]:
    """The varying parameters; a line with the shape of the one above it leaves them blank."""
    from rich.text import Text

    cells = [
        [""] * len(shapes.varying)
        if index and lines[index - 1].shape == line.shape
        else shapes.cells(line.shape)
        for index, line in enumerate(lines)
    ]
    return [
        Column(
            f"\n{name}" if " " not in name else name.replace(" ", "\n"),
            [Text(line[position]) for line in cells],
            rank=0,
            kind="words" if name in TEXT_PARAMETERS else "number",
        )
        for position, name in enumerate(shapes.varying)
    ]


def _time(row: Row, is_fastest: bool) -> Text:
    """The median, or the word for why there is none; dots where it is being measured."""
    from rich.text import Text

    style = _STATUS_STYLE[row.status]
    if row.device_ms is not None:
        median = ms(row.device_ms.median)
        return Text(f"*{median}", style="bold green") if is_fastest else Text(median, style=style)
    if row.status == "running":
        return Text("...", style=style)
    return Text("-" if row.status == "partial" else _SHORT_STATUS[row.status], style=style)


def _saved(row: Row) -> str | None:
    return mib(row.memory.saved_bytes) if row.memory and row.memory.saved_bytes is not None else None


def _speedup(row: Row) -> Text:
    """Over the baseline, which is marked; the verdict where a wrong result has none."""
    from rich.text import Text

    if row.is_baseline:
        return Text("baseline", style="dim")
    if row.status in ("wrong", "nan"):
        return Text(_SHORT_STATUS[row.status], style=_STATUS_STYLE[row.status])
    return Text(ratio(row.speedup.median)) if row.speedup else Text("-", style="dim")


def fit(columns: Sequence[Column], width: int | None) -> tuple[list[Column], int]:
    """The columns that fit and the gap between them; the last, remarks, takes the room that is left."""
    top = max((column.rank for column in columns), default=0)
    if width is None:
        return list(columns), 2
    attempts = [(rank, 2) for rank in range(top, _TIGHT_RANK - 1, -1)]
    attempts += [(rank, 1) for rank in range(_TIGHT_RANK, -1, -1)]
    for rank, gap in attempts:
        kept = [column for column in columns if column.rank <= rank]
        room = width - gap * (len(kept) - 1) - sum(column.least for column in kept)
        if room >= 0:
            break
    return [
        replace(column, most=column.least + max(room, 0)) if column.kind == "remarks" else column
        for column in kept
    ], gap
