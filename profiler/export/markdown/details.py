"""What is behind the results, folded: clocks, bounds, memory, energy, accuracy, kernels, graph breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from profiler.events import Accuracy
from profiler.export.markdown.extent import Extent
from profiler.export.markdown.results import case_columns, headline
from profiler.export.markdown.text import Column, code, escape, folded, section, table
from profiler.results.kernel_names import short_name
from profiler.results.rows import Row, one_a_case
from profiler.results.wording import error_ratio, heads_checked, name_with_backend, sm_clock
from profiler.units import ShapeColumns, count, figure, mib, ms, percent, shape_columns, three_digits
from profiler.workload import PASS_LABELS, PASSES

# Room for the template arguments that tell two kernels apart; the whole name is in the session.
_KERNEL_NAME = 120
_FIRST_CALLS, _ACCURACY = "First calls", "First calls and accuracy"


def details(all_rows: Sequence[Row], extent: Extent) -> Iterator[str]:
    """Each section that has something in it."""
    if not extent.details:
        return
    shapes = shape_columns(row.workload for row in all_rows)
    told = [row for row in all_rows if extent.every_pass or row.which == headline(all_rows)]
    measured = [row for row in told if row.device_ms]
    checked = one_a_case(row for row in all_rows if row.accuracy or row.first_calls_ms)
    for title, some, columns in (
        ("Clocks and bounds", measured, _clocks_and_bounds),
        ("Memory", [row for row in measured if row.memory], _memory),
        ("Energy", [row for row in measured if row.energy], _energy),
        (_FIRST_CALLS if not any(row.accuracy for row in checked) else _ACCURACY, checked, _first_calls),
    ):
        held = columns(some)
        if any(any(column.cells) for column in held):
            of_each = case_columns(some, shapes, passes=extent.every_pass and some is not checked)
            yield folded(title, table([*of_each, *held], aligned=extent.aligned))
    with_kernels = [row for row in told if extent.kernels and row.kernels and row.kernels.kernels]
    if with_kernels:
        yield folded("Kernels", *(_kernels(row, shapes, extent) for row in with_kernels))
    if broken := one_a_case(row for row in all_rows if row.graph_breaks):
        yield section("Graph breaks", "\n".join(_graph_breaks(row, shapes) for row in broken))


def left_out(all_rows: Sequence[Row], extent: Extent) -> str | None:
    """What is not told for want of room, and where it is."""
    if extent.every_pass or not all_rows:
        return None
    which = headline(all_rows)
    said = (
        f"The details are those of {PASS_LABELS[which]}; `attnprof export SESSION -o x.csv` has every pass."
    )
    if not extent.details:
        tables = "" if extent.every_table else f"The table is that of {PASS_LABELS[which]} alone. "
        said = (
            f"{tables}Details of clocks, memory and accuracy did not fit here: `attnprof export SESSION "
            "-o x.html` has everything in one page, `-o x.csv` every figure."
        )
    if any(row.kernels and not (extent.kernels and row.which == which) for row in all_rows):
        said += " All kernels are in `attnprof export SESSION -o x.json`."
    return said


def _cells(values: Sequence[float | None], text: Callable[[float], str]) -> list[str | None]:
    return [None if value is None else text(value) for value in values]


def _clocks_and_bounds(some: list[Row]) -> list[Column]:
    places = [row.roofline for row in some]
    return [
        Column("SM (MHz)", [escape(sm_clock(row)) or None for row in some]),
        Column("Mcycles", _cells([row.mega_cycles for row in some], figure)),
        Column("FLOP/byte", _cells([place.flop_per_byte for place in places], three_digits)),
        Column(
            "copy bandwidth (%)",
            _cells([place.percent_of_copy_bandwidth for place in places], percent),
        ),
        Column(
            "data sheet bandwidth (%)",
            _cells([place.percent_of_datasheet_bandwidth for place in places], percent),
        ),
        Column("bound", [place.bound for place in places], right=False),
    ]


def _memory(some: list[Row]) -> list[Column]:
    parts = [row.memory for row in some if row.memory]
    return [
        Column("absolute (MiB)", _cells([part.absolute_bytes for part in parts], mib)),
        Column("reserved (MiB)", _cells([part.reserved_bytes for part in parts], mib)),
        Column("process (MiB)", _cells([part.process_bytes for part in parts], mib)),
    ]


def _energy(some: list[Row]) -> list[Column]:
    taken = [row.energy for row in some if row.energy]
    per_token = [row.joules_per_token for row in some]
    return [
        Column("J per call", _cells([energy.joules for energy in taken], figure)),
        Column("mJ per token", _cells([joules and 1000 * joules for joules in per_token], figure)),
        Column("power (W)", _cells([energy.power_w for energy in taken], "{:.0f}".format)),
        Column("call (ms)", _cells([energy.call_ms for energy in taken], ms)),
        Column("SM (MHz)", _cells([energy.sm_mhz for energy in taken], "{:.0f}".format)),
    ]


def _first_calls(some: list[Row]) -> list[Column]:
    """What a case's first calls told: how long they took, and how far off their results are."""
    checks = [row.accuracy for row in some]
    tensors = dict.fromkeys(name for check in checks if check for name in check.errors)
    return [
        *(
            Column(
                f"first {PASS_LABELS[which]} (ms)",
                _cells([row.first_calls_ms.get(which) for row in some], ms),
            )
            for which in PASSES
        ),
        *(Column(escape(tensor), [_error_of(check, tensor) for check in checks]) for tensor in tensors),
        Column("error", [error_ratio(row) or None for row in some]),
        Column("verdict", [check.verdict if check else None for check in checks], right=False),
        Column("checked", [heads_checked(check) if check else None for check in checks], right=False),
    ]


def _error_of(check: Accuracy | None, tensor: str) -> str | None:
    """The largest absolute error of one tensor; None where it was not compared."""
    if check is None or tensor not in check.errors:
        return None
    error = check.errors[tensor]
    return "not finite" if error is None else f"{error:.2g}"


def _subject(row: Row, shapes: ShapeColumns) -> str:
    return ", ".join(filter(None, (code(name_with_backend(row)), escape(shapes.describe(row.workload)))))


def _kernels(row: Row, shapes: ShapeColumns, extent: Extent) -> str | None:
    """One call's kernels: the longest first, as they are in the session."""
    if row.kernels is None:
        return None
    kernels, span_us, noun = row.kernels.longest(), row.kernels.span_us, row.kernels.noun
    launched = sum(kernel.count for kernel in row.kernels.kernels)
    said = f"{count(launched, noun)} in {three_digits(span_us)} us from the first start to the last end"
    if rest := row.kernels.kernels[len(kernels) :]:
        rest_us = sum(kernel.time_us for kernel in rest)
        said += f"; {three_digits(rest_us)} us of it in {len(rest)} more, which the session has"
    columns = [
        Column(noun, [code(short_name(kernel.name, most=_KERNEL_NAME)) for kernel in kernels], right=False),
        Column("count", [str(kernel.count) for kernel in kernels]),
        Column("time (us)", [three_digits(kernel.time_us) for kernel in kernels]),
        Column(
            "share (%)", [percent(100 * kernel.time_us / span_us) if span_us else None for kernel in kernels]
        ),
    ]
    heading = f"### {_subject(row, shapes)}, {PASS_LABELS[row.which]}"
    return "\n\n".join((heading, f"{said}.", table(columns, aligned=extent.aligned)))


def _graph_breaks(row: Row, shapes: ShapeColumns) -> str:
    reasons = (f"{code(reason)} ({number} x)" for reason, number in (row.graph_breaks or {}).items())
    return f"- {_subject(row, shapes)}: {', '.join(reasons)}"
