"""The sections about the device: what held it back where, what it does at best, and how it went."""

from __future__ import annotations

from collections.abc import Sequence

from profiler.export.markdown.extent import Extent
from profiler.export.markdown.results import shape_cells
from profiler.export.markdown.text import Column, escape, section, table
from profiler.results.readings import while_measuring
from profiler.results.rows import Row, conditions_of, datasheet_peaks
from profiler.session.recording import Recording
from profiler.units import byte_count, percent, rate, shape_columns


def conditions(all_rows: Sequence[Row], extent: Extent) -> str | None:
    """A line for each shape that was measured under some condition, with its share of the readings."""
    found = conditions_of(all_rows)
    if not found:
        return None
    under = list(dict.fromkeys(row.workload for row in all_rows if row.conditions))
    shares = [
        Column(
            f"{escape(name)} (% of readings)",
            [percent(100 * of_shape[shape]) if shape in of_shape else None for shape in under],
        )
        for name, of_shape in found.items()
    ]
    varying = shape_cells(under, shape_columns(row.workload for row in all_rows))
    return section("Conditions", table([*varying, *shares], aligned=extent.aligned))


def ceilings(recording: Recording) -> str | None:
    """The measured rates beside the data sheet's; only where they were measured."""
    measured, peaks = recording.ceilings, datasheet_peaks(recording)
    if measured is None:
        return None
    names, rates, clocks, promised = [], [], [], []
    for dtype, matmul in measured.matmul.items():
        names.append(f"matmul, {escape(dtype)}, {matmul.size} x {matmul.size} (TFLOP/s)")
        rates.append(matmul.tflops)
        clocks.append(matmul.sm_mhz)
        promised.append(peaks.tflops.get(dtype) if peaks else None)
    if copy := measured.copy:
        names.append(f"copy of {byte_count(copy.bytes)}, read and written (GB/s)")
        rates.append(copy.gb_per_s)
        clocks.append(copy.sm_mhz)
        promised.append(peaks.gb_per_s if peaks else None)
    columns = [
        Column("ceiling", names, right=False),
        Column("measured", [rate(found) for found in rates]),
        Column("SM (MHz)", [None if clock is None else f"{clock:.0f}" for clock in clocks]),
        Column("data sheet", [None if peak is None else rate(peak) for peak in promised]),
        Column(
            "of it (%)",
            [
                percent(100 * found / peak) if peak else None
                for found, peak in zip(rates, promised, strict=True)
            ],
        ),
    ]
    source = f"Data sheet: {escape(peaks.source)}." if peaks else None
    return section("Ceilings", table(columns), source)


def telemetry(recording: Recording) -> str | None:
    """Clocks, power and temperature, what held the clocks back, and who else was there."""
    summary = while_measuring(recording)
    if not summary.spans:
        return None
    columns = [
        Column("reading", [span.name for span in summary.spans], right=False),
        Column("lowest", [f"{span.low:.0f}" for span in summary.spans]),
        Column("median", [f"{span.median:.0f}" for span in summary.spans]),
        Column("highest", [f"{span.high:.0f}" for span in summary.spans]),
    ]
    shares = [f"{escape(reason)} in {share:.0%} of readings" for reason, share in summary.throttle.items()]
    held = f"Held back by: {', '.join(shares)}." if shares else "Nothing held the clocks back."
    # The CPU has no throttle reasons to read: silence there says nothing.
    known = summary.throttle or any(reading.sm_mhz is not None for reading in recording.telemetry)
    others = f"Another process computed on the GPU in {summary.other_processes:.0%} of readings."
    return section(
        "The device while measuring",
        table(columns),
        held if known else None,
        others if summary.other_processes else None,
    )
