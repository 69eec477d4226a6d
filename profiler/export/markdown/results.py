"""The tables of results: one a pass, and what every table of cases begins with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from profiler.export.markdown.extent import Extent
from profiler.export.markdown.text import Column, escape, section, table
from profiler.results.rows import Row
from profiler.results.wording import error_ratio, name_with_backend, remarks, speedup, status_word
from profiler.units import TEXT_PARAMETERS, ShapeColumns, margin, mib, ms, percent, shape_columns, tflops
from profiler.workload import PASS_LABELS, PASSES, Attention, Pass


def pass_tables(all_rows: Sequence[Row], extent: Extent) -> Iterable[str]:
    """A section for each pass that was measured, or for the one that sums up."""
    shapes = shape_columns(row.workload for row in all_rows)
    passes = PASSES if extent.every_table or not all_rows else (headline(all_rows),)
    for which in passes:
        if of_pass := [row for row in all_rows if row.which == which]:
            columns = _columns(of_pass, shapes)
            yield section(PASS_LABELS[which].capitalize(), table(columns, aligned=extent.aligned))


def headline(all_rows: Sequence[Row]) -> Pass:
    """The pass that sums the others up: forward+backward, else the last there is."""
    return max((row.which for row in all_rows), key=PASSES.index)


def shape_cells(some: Sequence[Attention], shapes: ShapeColumns) -> list[Column]:
    """What varies between the shapes, with the values of some of them."""
    parameters = zip(*map(shapes.cells, some), strict=True)
    return [
        Column(name, values, right=name not in TEXT_PARAMETERS)
        for name, values in zip(shapes.varying, parameters, strict=False)
    ]


def case_columns(some: Sequence[Row], shapes: ShapeColumns, *, passes: bool = False) -> list[Column]:
    """What tells rows apart: what varies in their shapes, the implementation, the pass if asked for."""
    return [
        *shape_cells([row.workload for row in some], shapes),
        Column("implementation", [escape(name_with_backend(row)) for row in some], right=False),
        *([Column("pass", [PASS_LABELS[row.which] for row in some], right=False)] if passes else []),
    ]


def _columns(of_pass: list[Row], shapes: ShapeColumns) -> list[Column]:
    compares = len({row.implementation for row in of_pass}) > 1
    return [
        *case_columns(of_pass, shapes),
        Column("time (ms)", [_time(row) for row in of_pass]),
        Column("wall (ms)", [ms(row.wall_ms.median) if row.wall_ms else None for row in of_pass]),
        Column("graph (ms)", [ms(row.graph_ms.median) if row.graph_ms else None for row in of_pass]),
        Column("TFLOP/s", [tflops(row.tflops) if row.tflops is not None else None for row in of_pass]),
        Column("peak (%)", [_percent(row.roofline.percent_of_measured_peak) for row in of_pass]),
        Column(
            "data sheet (%)",
            [_percent(row.roofline.percent_of_datasheet_peak) for row in of_pass],
        ),
        Column("memory (MiB)", [mib(row.memory.working_bytes) if row.memory else None for row in of_pass]),
        Column("saved (MiB)", [_saved(row) for row in of_pass]),
        Column("speedup", [_speedup(row) if compares else None for row in of_pass]),
        Column("error", [error_ratio(row) or None for row in of_pass]),
        Column(
            "remarks", [escape("; ".join(remarks(row, graph=False))) or None for row in of_pass], right=False
        ),
    ]


def _time(row: Row) -> str:
    """The median with its interval's wider side; the word for why not, if there is none."""
    if row.device_ms is None:
        return status_word(row)
    median = ms(row.device_ms.median)
    return f"{f'**{median}**' if row.is_fastest else median} {margin(row.device_ms.margin)}".rstrip()


def _saved(row: Row) -> str | None:
    return mib(row.memory.saved_bytes) if row.memory and row.memory.saved_bytes is not None else None


def _speedup(row: Row) -> str | None:
    if row.is_baseline:
        return "baseline" if row.device_ms else None
    return " ".join(filter(None, speedup(row))) or None


def _percent(value: float | None) -> str | None:
    return None if value is None else percent(value)
