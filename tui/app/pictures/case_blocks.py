"""What there is to say of one pass of a case: a block of lines a subject."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import replace

from rich.text import Text

from profiler.events import Failure, Kernel
from profiler.results import wording
from profiler.results.kernel_names import short_name
from profiler.results.rows import Row
from profiler.units import (
    byte_count,
    count,
    figure,
    joules,
    margin,
    ms,
    percent,
    plain_text,
    ratio,
    tflops,
    three_digits,
)
from tui.app.glyphs import Glyphs
from tui.app.pictures.case_facts import CaseFacts, Pen, wrapped
from tui.app.pictures.distribution import histogram, rounds

_HISTOGRAM_ROWS = 3
_SHARE_BAR = 8


def _time(facts: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    """The answer first: the median and what it is compared with."""
    time, look = row.device_ms, pen.look
    if time is None:
        yield Text(wording.status_word(row), look.muted if row.status == "running" else look.bad)
        return
    wrong = row.status in ("wrong", "nan")
    star = pen.glyphs.fastest if row.is_fastest else ""
    style = look.fastest if row.is_fastest else look.bad if wrong else look.value
    yield Text.assemble(
        (f"{star}{ms(time.median)} ms", style),
        (f" {_interval_sign(margin(time.margin), pen)}", look.muted),
        (f"  {_comparison(facts, row, pen)}", look.value),
    )
    sure = "" if time.margin is None else f"{ms(time.low)} to {ms(time.high)} ms with 95 % confidence, "
    yield from pen.flow(sure + count(time.count, "sample"), look.muted)


def _comparison(facts: CaseFacts, row: Row, pen: Pen) -> str:
    value, sure = wording.speedup(row)
    if not value:
        return "baseline" if row.is_baseline else ""
    name = plain_text(facts.baseline or "")
    if row.is_tie:
        return f"{value}, a {wording.TIE} with {name}"
    return " ".join(filter(None, (value, _interval_sign(sure, pen), f"the speed of {name}")))


def _interval_sign(text: str, pen: Pen) -> str:
    return text.replace("±", pen.glyphs.interval)


def _remarks(_: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    """What the row is marked with and why; failures, launches and notes have lines of their own."""
    if row.failure is None and row.device_ms is not None:
        told_elsewhere = replace(row, notes=(), launch_bound=False, graph_breaks=None)
        for remark in wording.remarks(told_elsewhere):
            yield from pen.flow(remark, pen.look.warning)


def _failure(_: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    """Why there is no result, in full, and what can be done about it."""
    if (failure := row.failure) is None:
        return
    yield from pen.flow(plain_text(failure.message), pen.look.bad)
    for line in _remedies(failure):
        yield from pen.flow(line)


def _remedies(failure: Failure) -> Iterator[str]:
    match failure.kind:
        case "oom":
            detail = wording.failure_detail(failure)
            if failure.requested_bytes is not None or failure.largest_batch is not None:
                yield f"{detail}."
            if failure.largest_batch:
                yield f"--batch {failure.largest_batch} measures the largest that fits."
            elif failure.largest_batch == 0:
                yield "A shorter sequence or fewer heads take less."
        case "timeout":
            yield "--timeout S allows more time."
        case "crashed" | "error":
            yield "The .log file beside the session's has what the worker printed."
        case "unsupported":
            pass  # the message says what is


def _wall(_: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    if row.wall_ms is None:
        return
    over = ""
    if row.device_ms and row.device_ms.median > 0:
        over = f", {ratio(row.wall_ms.median / row.device_ms.median)} the device time"
    launch = f", {wording.LAUNCH_BOUND}" if row.launch_bound else ""
    yield from pen.flow(f"{ms(row.wall_ms.median)} ms{over}{launch}")


def _graph(_: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    if row.graph_ms is not None:
        yield from pen.flow(f"{ms(row.graph_ms.median)} ms as a CUDA graph")
    elif row.graph_reason:
        yield from pen.flow(f"none: {plain_text(row.graph_reason)}", pen.look.muted)


def _rate(_: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    if row.tflops is None:
        return
    place = row.roofline
    shares = _shares(place.percent_of_measured_peak, place.percent_of_datasheet_peak)
    yield from pen.flow(f"{tflops(row.tflops)} TFLOP/s{f', {shares} peak' if shares else ''}")


def _bound(_: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    place = row.roofline
    intensity = "" if place.flop_per_byte is None else f"{three_digits(place.flop_per_byte)} FLOP/byte"
    if said := ", ".join(filter(None, (place.bound, intensity))):
        yield from pen.flow(said)


def _bandwidth(_: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    place = row.roofline
    if said := _shares(place.percent_of_copy_bandwidth, place.percent_of_datasheet_bandwidth):
        yield from pen.flow(f"{said} rate")


def _shares(measured: float | None, datasheet: float | None) -> str:
    """Of the two ceilings of one kind, as "30 % of measured, 23 % of data-sheet"."""
    shares = ((measured, "measured"), (datasheet, "data-sheet"))
    return ", ".join(f"{percent(share)} % of {of}" for share, of in shares if share is not None)


def _samples(facts: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    """How they lie, and how they went."""
    if (record := facts.record.passes.get(row.which)) is None or row.device_ms is None:
        return
    yield from histogram(
        record.device_ms, row.device_ms, pen.width, _HISTOGRAM_ROWS, glyphs=pen.glyphs, look=pen.look
    )
    for line in rounds(record.device_ms, pen.width, glyphs=pen.glyphs, look=pen.look):
        yield from wrapped(line, pen.width)


def _kernels(facts: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    """The longest first, each with its share of the span as a bar."""
    if row.device_ms is None:
        return
    taken = row.kernels
    if taken is None:
        yield from pen.flow(facts.without_kernels, pen.look.muted)
        return
    launched = sum(kernel.count for kernel in taken.kernels)
    yield from pen.flow(
        f"{count(launched, taken.noun)} in {three_digits(taken.span_us)} us, first start to last end"
    )
    longest = taken.longest()
    for kernel in longest:
        yield _kernel(kernel, taken.span_us, pen)
    if rest := taken.kernels[len(longest) :]:
        rest_us = sum(kernel.time_us for kernel in rest)
        yield Text(f"{three_digits(rest_us):>6} us in {len(rest)} more", pen.look.muted)


def _kernel(kernel: Kernel, span_us: float, pen: Pen) -> Text:
    share = kernel.time_us / span_us if span_us else 0.0
    times = f"{kernel.count} x " if kernel.count > 1 else ""
    line = Text(f"{three_digits(kernel.time_us):>6} us {percent(100 * share):>4} % ")
    line.append(share_bar(share, _SHARE_BAR, pen.glyphs), pen.look.spark)
    room = pen.width - line.cell_len - 1 - len(times)
    return line.append(f" {times}{plain_text(short_name(kernel.name, most=max(room, 0)))}")


def share_bar(share: float, width: int, glyphs: Glyphs) -> str:
    """A bar of `width` cells of which `share` (0 to 1) is full, to the fraction that the characters have."""
    steps = len(glyphs.bar) - 1
    full, part = divmod(round(min(max(share, 0.0), 1.0) * width * steps), steps)
    return (glyphs.bar[-1] * full + (glyphs.bar[part] if part else "")).ljust(width)


_MEMORY = (
    ("working", "working_bytes", "peak above the inputs"),
    ("saved", "saved_bytes", "held between the passes"),
    ("absolute", "absolute_bytes", "peak with the inputs"),
    ("reserved", "reserved_bytes", "by the allocator"),
    ("process", "process_bytes", "all that it held on the GPU"),
)


def _memory(_: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    for name, field, meaning in _MEMORY:
        size = getattr(row.memory, field, None)
        if size is not None:
            yield Text.assemble(f"{name:<9}{byte_count(size):>9}", (f"  {meaning}", pen.look.muted))


def _clocks(facts: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    """The SM clock by the GPU's own counters and by NVML, and what held it back."""
    record = facts.record.passes.get(row.which)
    known = [mhz for mhz in record.sm_mhz if mhz is not None] if record else []
    if known:
        middle = f"median {statistics.median(known):.0f}"
        yield from pen.flow(f"SM {min(known):.0f} to {max(known):.0f} MHz, {middle}, by the GPU's counters")
    if row.nvml_sm_mhz is not None:
        yield from pen.flow(f"NVML said {row.nvml_sm_mhz:.0f} MHz meanwhile", pen.look.muted)
    if row.mega_cycles is not None:
        yield from pen.flow(f"{figure(row.mega_cycles)} million SM cycles a call")
    for name, share in row.conditions.items():
        said = "; ".join(filter(None, (wording.condition(name, [share]), wording.condition_effect(name))))
        yield from pen.flow(said, pen.look.warning)


def _energy(_: CaseFacts, row: Row, pen: Pen) -> Iterator[Text]:
    if row.energy is None or row.joules_per_token is None:
        return
    at = "" if row.energy.sm_mhz is None else f" at {row.energy.sm_mhz:.0f} MHz"
    yield from pen.flow(f"{joules(row.energy.joules)} a call, {joules(row.joules_per_token)} a token")
    yield from pen.flow(f"{row.energy.power_w:.0f} W{at} over {row.energy.window_s:.1f} s", pen.look.muted)


DrawPass = Callable[[CaseFacts, Row, Pen], Iterator[Text]]

OF_PASS: tuple[dict[str, DrawPass], ...] = (
    {
        "time": _time,
        "failure": _failure,
        "wall": _wall,
        "graph": _graph,
        "rate": _rate,
        "bound": _bound,
        "bandwidth": _bandwidth,
        "remarks": _remarks,
    },
    {"samples": _samples},
    {"kernels": _kernels},
    {"memory": _memory},
    {"clocks": _clocks},
    {"energy": _energy},
)
"""Groups of blocks about a pass, with an empty line between the groups."""
