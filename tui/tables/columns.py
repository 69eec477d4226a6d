"""The columns of the results table: what each holds, and which of them fit into a width."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeVar

from profiler.events import Estimate
from profiler.results import wording
from profiler.results.rows import Row, Status
from profiler.units import TEXT_PARAMETERS, ShapeColumns, figure, margin, mib, ms, percent, tflops
from profiler.workload import PASSES, Attention, Pass

if TYPE_CHECKING:
    from rich.text import Text

_Subject = TypeVar("_Subject")

SHORT_PASS: dict[Pass, str] = {"fwd": "forward", "bwd": "backward", "fwd_bwd": "fwd+bwd"}
_BRIEF_PASS: dict[Pass, str] = {"fwd": "fwd ms", "bwd": "bwd ms", "fwd_bwd": "fwd+bwd"}  # seven characters
# A time has room for eight characters: there the status is a short word, and the remarks say the rest.
SHORT_STATUS: dict[Status, str] = {**wording.STATUS_WORDS, "unsupported": "n/a", "timeout": "timeout"}
# What a cell says beyond its words, as the style that the headless tables give it.
FASTEST = "bold green"
BAD = "red"
WARNING = "yellow"
MUTED = "dim"

STATUS_STYLE: dict[Status, str] = {
    "ok": "",
    "wrong": BAD,
    "nan": BAD,
    "running": MUTED,
    "partial": MUTED,
    "oom": WARNING,
    "unsupported": MUTED,
    "error": BAD,
    "crashed": BAD,
    "timeout": BAD,
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

    def remarks(self, *, graph: bool) -> list[str]:
        """What there is to say, each thing once, naming its passes where it is not about all.

        With `graph` also the headline's time as a CUDA graph, for where it has no column.
        """
        about: dict[str, list[Pass]] = {}
        for which, row in self.rows.items():
            for remark in wording.remarks(row, graph=graph and row is self.headline):
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
    """A column before there is a table: rank 0 always stays, the highest is the first to go.

    `key` tells it from the others, and is the id of the metric it shows where it shows one
    (tui.app.metrics). `brief` is its title where there is one line for it.
    """

    key: str
    title: str  # two lines: the second is the unit, or the name where there is none
    cells: list[Text]
    rank: int
    kind: Literal["number", "words", "remarks"] = "number"
    most: int | None = None
    short_title: str = ""

    @property
    def brief(self) -> str:
        return self.short_title or self.name

    @property
    def name(self) -> str:
        return self.title.split("\n")[0] or self.title.strip()

    @cached_property
    def width(self) -> int:
        widths = [*map(len, self.title.split("\n")), *(cell.cell_len for cell in self.cells)]
        return min(max(widths), self.most or max(widths))

    @property
    def least(self) -> int:
        return min(self.width, _LEAST_REMARKS) if self.kind == "remarks" else self.width


def _name(row: Row) -> str:
    """The implementation; of a long path the end, where its file is."""
    name = wording.name_with_backend(row)
    if len(name) > _LONGEST_NAME and "/" in name:
        return f"…{name[1 - _LONGEST_NAME :]}"
    return name


def columns_of(lines: list[Line], shapes: ShapeColumns, *, short: bool) -> list[Column]:
    """Every column there could be, in the order they stand in; those with nothing in them left out.

    `short` is for so little room that a name and a margin take it from the numbers.
    """
    from rich.text import Text

    heads = [line.headline for line in lines]
    columns = [
        *_shape_columns(lines, shapes),
        Column(
            "implementation",
            "\nimpl" if short else "\nimplementation",
            [Text(_name(head)) for head in heads],
            rank=0,
            kind="words",
            most=_LONGEST_NAME,
        ),
    ]
    for which in (which for which in PASSES if any(which in line.rows for line in lines)):
        # Of several plans each may have asked for other passes, and decoding has forward alone.
        of_pass = [line.rows.get(which) for line in lines]
        times = [_time(row) if row else Text("-", style=MUTED) for row in of_pass]
        intervals = [margin(row.device_ms.margin) if row and row.device_ms else "" for row in of_pass]
        columns += [
            Column(
                which,
                f"{SHORT_PASS[which]}\nms",
                times,
                rank=0 if which == heads[0].which else 1,
                short_title=_BRIEF_PASS[which],
            ),
            Column(
                f"{which} interval",
                f"\n{INTERVAL}",
                [Text(interval, style=MUTED) for interval in intervals],
                10,
            ),
        ]
    columns += _figures(heads)
    if len({head.implementation for head in heads}) > 1:
        columns.append(Column("speedup", "\nspeedup", _speedups(heads, short=short), rank=0))
    columns += [
        _numbers("error", "\nerror", 5, (wording.error_ratio(head) for head in heads)),
        Column(
            "remarks",
            "\nremarks",
            # Where there is room for these there is a column of graph times too.
            [Text("; ".join(line.remarks(graph=False))) for line in lines],
            rank=9,
            kind="remarks",
        ),
    ]
    return [column for column in columns if any(cell.plain.strip("-") for cell in column.cells)]


def _numbers(key: str, title: str, rank: int, cells: Iterable[str | None], brief: str = "") -> Column:
    from rich.text import Text

    texts = [Text(cell or "-", style="" if cell else MUTED) for cell in cells]
    return Column(key, title, texts, rank, short_title=brief)


def _figures(heads: list[Row]) -> list[Column]:
    """What there is beside times: of the pass that sums a line up."""
    from rich.text import Text

    bounds = [Text(head.roofline.bound or "-", style=MUTED) for head in heads]
    rates = (None if head.tflops is None else tflops(head.tflops) for head in heads)
    working = (mib(head.memory.working_bytes) if head.memory else None for head in heads)
    return [
        _numbers("wall", "wall\nms", 11, (_median(head.wall_ms) for head in heads), "wall ms"),
        _numbers("graph", "graph\nms", 8, (_median(head.graph_ms) for head in heads), "graph ms"),
        _numbers("tflops", "\nTFLOP/s", 2, rates),
        _numbers("peak", "peak\n%", 6, map(_percent_of_peak, heads), "peak %"),
        Column("bound", "\nbound", bounds, rank=12, kind="words"),
        _numbers("sm_clock", "SM\nMHz", 7, map(wording.sm_clock, heads), "SM MHz"),
        _energy(heads),
        _numbers("memory", "memory\nMiB", 3, working, "MiB"),
        _numbers("saved", "saved\nMiB", 13, map(_saved, heads), "saved MiB"),
    ]


def _median(time: Estimate | None) -> str | None:
    return ms(time.median) if time else None


def _percent_of_peak(row: Row) -> str | None:
    share = row.roofline.percent_of_measured_peak
    return None if share is None else percent(share)


def _energy(heads: list[Row]) -> Column:
    """Joules a call, in the unit that keeps the largest readable. Who has it asked for it: it goes late."""
    joules = [head.energy.joules if head.energy else None for head in heads]
    unit, factor = ("J", 1) if max(filter(None, joules), default=0) >= 1 else ("mJ", 1000)
    calls = (None if call is None else figure(factor * call) for call in joules)
    return _numbers("energy", f"energy\n{unit}", 4, calls, unit)


def _shape_columns(lines: list[Line], shapes: ShapeColumns) -> list[Column]:
    return parameter_columns(
        shapes.varying, [line.shape for line in lines], shapes.cells, words=TEXT_PARAMETERS
    )


def parameter_columns(
    names: Sequence[str],
    subjects: Sequence[_Subject],
    cells_of: Callable[[_Subject], Sequence[str]],
    *,
    words: Collection[str],
) -> list[Column]:
    """The varying parameters of a line's subject; a line with that of the one above leaves them blank.

    `words` are the names of those that are read as words, not as numbers.
    """
    from rich.text import Text

    cells = [
        [""] * len(names) if index and subjects[index - 1] == subject else cells_of(subject)
        for index, subject in enumerate(subjects)
    ]
    return [
        Column(
            name,
            f"\n{name}" if " " not in name else name.replace(" ", "\n"),
            [Text(line[position]) for line in cells],
            rank=0,
            kind="words" if name in words else "number",
        )
        for position, name in enumerate(names)
    ]


def _time(row: Row) -> Text:
    """The median, or the word for why there is none; dots where it is being measured."""
    from rich.text import Text

    style = STATUS_STYLE[row.status]
    if row.device_ms is not None:
        median = ms(row.device_ms.median)
        return Text(f"*{median}", style=FASTEST) if row.is_fastest else Text(median, style=style)
    if row.status == "running":
        return Text("...", style=style)
    return Text("-" if row.status == "partial" else SHORT_STATUS[row.status], style=style)


def _saved(row: Row) -> str | None:
    return mib(row.memory.saved_bytes) if row.memory and row.memory.saved_bytes is not None else None


def _speedups(heads: list[Row], *, short: bool) -> list[Text]:
    """Over the baseline, which is marked; the verdict where a wrong result has none.

    The ratios stand below each other, and so do the margins. A `short` one has no margin.
    """
    from rich.text import Text

    found = [wording.speedup(head) for head in heads]
    found = [(value, "" if short and sure != wording.TIE else sure) for value, sure in found]
    room = max((len(sure) for value, sure in found if value), default=0)
    return [
        _no_speedup(head) if not value else Text(f"{value} {sure:<{room}}" if room else value)
        for head, (value, sure) in zip(heads, found, strict=True)
    ]


def _no_speedup(row: Row) -> Text:
    from rich.text import Text

    if row.is_baseline:
        return Text("baseline", style=MUTED)
    if row.status in ("wrong", "nan"):
        return Text(SHORT_STATUS[row.status], style=STATUS_STYLE[row.status])
    return Text("-", style=MUTED)


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
