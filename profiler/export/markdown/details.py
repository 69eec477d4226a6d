"""The tables behind the results: clocks and bounds, memory, energy, accuracy, kernels, graph breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from profiler.export.markdown.results import case_columns
from profiler.export.markdown.text import Column, code, escape, section, table
from profiler.kernel_names import short_name
from profiler.rows import Row
from profiler.units import ShapeColumns, count, figure, mib, ms, percent, ratio, shape_columns, three_digits
from profiler.wording import heads_checked, name_with_backend, sm_clock
from profiler.workload import PASS_LABELS

# Room for the template arguments that tell two kernels apart; the whole name is in the session.
_KERNEL_NAME = 120


def details(all_rows: Sequence[Row]) -> Iterator[str]:
    """Each section that has something in it."""
    shapes = shape_columns(row.workload for row in all_rows)
    measured = [row for row in all_rows if row.device_ms]
    yield from _section("Clocks and bounds", measured, shapes, _clocks_and_bounds)
    yield from _section("Memory", [row for row in measured if row.memory], shapes, _memory)
    yield from _section("Energy", [row for row in measured if row.energy], shapes, _energy)
    yield from _section(
        "Accuracy", _one_a_case(row for row in all_rows if row.accuracy), shapes, _accuracy, passes=False
    )
    if kernels := [_kernels(row, shapes) for row in all_rows if row.kernels and row.kernels.kernels]:
        yield section("Kernels", *kernels)
    if broken := _one_a_case(row for row in all_rows if row.graph_breaks):
        yield section("Graph breaks", "\n".join(_graph_breaks(row, shapes) for row in broken))


def _section(
    title: str,
    some: list[Row],
    shapes: ShapeColumns,
    columns: Callable[[list[Row]], list[Column]],
    *,
    passes: bool = True,
) -> Iterator[str]:
    """The section with a line for each of the rows, unless no column has anything in it."""
    held = columns(some)
    if any(any(column.cells) for column in held):
        yield section(title, table([*case_columns(some, shapes, passes=passes), *held]))


def _one_a_case(some: Iterable[Row]) -> list[Row]:
    """The first row of each case: what is known of the case stands in all of its rows."""
    first: dict[int, Row] = {}
    for row in some:
        first.setdefault(row.case, row)
    return list(first.values())


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
        Column("bound", [place.bound for place in places], right=False),
    ]


def _memory(some: list[Row]) -> list[Column]:
    parts = [row.memory for row in some if row.memory]
    return [
        Column("working (MiB)", _cells([part.working_bytes for part in parts], mib)),
        Column("saved (MiB)", _cells([part.saved_bytes for part in parts], mib)),
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


def _accuracy(some: list[Row]) -> list[Column]:
    checks = [row.accuracy for row in some if row.accuracy]
    tensors = dict.fromkeys(name for check in checks for name in check.errors)

    def errors(tensor: str) -> list[str | None]:
        found = [(tensor in check.errors, check.errors.get(tensor)) for check in checks]
        return [
            ("not finite" if error is None else f"{error:.2g}") if was_checked else None
            for was_checked, error in found
        ]

    return [
        *(Column(escape(tensor), errors(tensor)) for tensor in tensors),
        Column("by plain PyTorch's", _cells([check.ratio for check in checks], ratio)),
        Column("verdict", [check.verdict for check in checks], right=False),
        Column("checked", [heads_checked(check) for check in checks], right=False),
    ]


def _subject(row: Row, shapes: ShapeColumns) -> str:
    return ", ".join(filter(None, (code(name_with_backend(row)), escape(shapes.describe(row.workload)))))


def _kernels(row: Row, shapes: ShapeColumns) -> str | None:
    """One call's kernels: the longest first, as they are in the session."""
    if row.kernels is None:
        return None
    kernels, span_us, noun = row.kernels.longest(), row.kernels.span_us, row.kernels.noun
    launched = sum(kernel.count for kernel in row.kernels.kernels)
    said = f"{count(launched, noun)} in {three_digits(span_us)} us from the first start to the last end"
    if rest := row.kernels.kernels[len(kernels) :]:
        rest_us = sum(kernel.time_us for kernel in rest)
        said += f", {three_digits(rest_us)} us of them in {count(len(rest), 'short one')} left out here"
    columns = [
        Column(noun, [code(short_name(kernel.name, most=_KERNEL_NAME)) for kernel in kernels], right=False),
        Column("count", [str(kernel.count) for kernel in kernels]),
        Column("time (us)", [three_digits(kernel.time_us) for kernel in kernels]),
        Column(
            "share (%)", [percent(100 * kernel.time_us / span_us) if span_us else None for kernel in kernels]
        ),
    ]
    heading = f"### {_subject(row, shapes)}, {PASS_LABELS[row.which]}"
    return "\n\n".join((heading, f"{said}.", table(columns)))


def _graph_breaks(row: Row, shapes: ShapeColumns) -> str:
    reasons = (f"{code(reason)} ({number} x)" for reason, number in (row.graph_breaks or {}).items())
    return f"- {_subject(row, shapes)}: {', '.join(reasons)}"
