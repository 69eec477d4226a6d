"""What is behind the results table of a session: kernels, energy, graph breaks, partial checks, ceilings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from profiler.results import wording
from profiler.results.kernel_names import short_name
from profiler.results.rows import Row, datasheet_peaks, one_a_case, rows
from profiler.session.recording import Recording
from profiler.units import ShapeColumns, count, joules, percent, plain_text, rate, shape_columns, three_digits
from profiler.workload import PASS_LABELS

_MOST_KERNELS = 6  # of one call, before it only says how many more there are


def details(recording: Recording, all_rows: Sequence[Row] | None = None) -> Iterator[str]:
    """Lines of plain text, with an empty one between the parts; `all_rows` if these are known already."""
    all_rows = rows(recording) if all_rows is None else all_rows
    shapes = shape_columns(row.workload for row in all_rows)
    parts = (
        _kernel_lines(all_rows, shapes),
        _energy_lines(all_rows, shapes),
        _graph_break_lines(all_rows, shapes),
        _partly_checked_lines(all_rows, shapes),
        _ceiling_lines(recording),
    )
    told = [lines for part in parts if (lines := list(part))]
    for index, lines in enumerate(told):
        yield from ["", *lines] if index else lines


def _kernel_lines(all_rows: Iterable[Row], shapes: ShapeColumns) -> Iterator[str]:
    """The longest kernels of one call of each pass that they were taken of."""
    for row in all_rows:
        if row.kernels is None or not row.kernels.kernels:
            continue
        kernels, span_us = row.kernels.kernels, row.kernels.span_us
        launched = count(sum(kernel.count for kernel in kernels), row.kernels.noun)
        shown = row.kernels.longest()[:_MOST_KERNELS]
        yield f"{_subject(row, shapes)}, {PASS_LABELS[row.which]}: {launched} in {three_digits(span_us)} us"
        for kernel in shown:
            time = f"{three_digits(kernel.time_us)} us"
            share = f"{percent(100 * kernel.time_us / span_us)} %" if span_us else ""
            times = f"{kernel.count} x" if kernel.count > 1 else ""
            yield f"  {time:>10} {share:>6} {times:>5}  {plain_text(short_name(kernel.name))}"
        if rest := kernels[len(shown) :]:
            rest_us = sum(kernel.time_us for kernel in rest)
            yield f"  {f'{three_digits(rest_us)} us':>10} in {len(rest)} more; the session has all"


def _energy_lines(all_rows: Iterable[Row], shapes: ShapeColumns) -> Iterator[str]:
    """A line for each pass that it was taken of: of one call, of one query, and the power meanwhile."""
    for row in all_rows:
        if row.energy is None or row.joules_per_token is None:
            continue
        taken = (
            f"{joules(row.energy.joules)} a call",
            f"{joules(row.joules_per_token)} a token",
            f"{row.energy.power_w:.0f} W{_at_clock(row.energy.sm_mhz)}",
        )
        yield f"{_subject(row, shapes)}, {PASS_LABELS[row.which]}: {', '.join(taken)}"


def _graph_break_lines(all_rows: Iterable[Row], shapes: ShapeColumns) -> Iterator[str]:
    for row in one_a_case(row for row in all_rows if row.graph_breaks):
        breaks = row.graph_breaks or {}
        yield f"{_subject(row, shapes)}: {count(sum(breaks.values()), 'graph break')}"
        for reason, number in breaks.items():
            yield f"  {number} x  {plain_text(reason)}"


def _partly_checked_lines(all_rows: Iterable[Row], shapes: ShapeColumns) -> Iterator[str]:
    """Shapes whose errors are those of some queries only, each once."""
    said = {
        (shapes.describe(row.workload), wording.heads_checked(row.accuracy)): None
        for row in all_rows
        if row.accuracy and row.accuracy.queries_checked is not None
    }
    for where, checked in said:
        yield f"error{f' at {where}' if where else ''}: of {checked}, without dk and dv"


def _ceiling_lines(recording: Recording) -> Iterator[str]:
    """One line: what the device did at best, and what its data sheet says of the same."""
    measured, peaks = recording.ceilings, datasheet_peaks(recording)
    if measured is None:
        return
    rates = [
        f"{plain_text(dtype)} {rate(matmul.tflops)} TFLOP/s{_at_clock(matmul.sm_mhz)}"
        for dtype, matmul in measured.matmul.items()
    ]
    parts = [f"matmul {', '.join(rates)}"] if rates else []
    if copy := measured.copy:
        parts.append(f"copy {rate(copy.gb_per_s)} GB/s{_at_clock(copy.sm_mhz)}")
    line = f"ceilings: {', '.join(parts)}"
    if peaks is not None:
        promised = [
            f"{plain_text(dtype)} {rate(peaks.tflops[dtype])} TFLOP/s"
            for dtype in measured.matmul
            if dtype in peaks.tflops
        ]
        line += f"; data sheet {', '.join([*promised, f'{rate(peaks.gb_per_s)} GB/s'])}"
    yield line


def _at_clock(sm_mhz: float | None) -> str:
    return "" if sm_mhz is None else f" at {sm_mhz:.0f} MHz"


def _subject(row: Row, shapes: ShapeColumns) -> str:
    return ", ".join(filter(None, (shapes.describe(row.workload), wording.name_with_backend(row))))
