"""All that is known of one case, as lines of text: a block a subject, a column a pass."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import zip_longest

from rich.console import Console
from rich.style import Style
from rich.text import Text

from profiler import wording
from profiler.events import Accuracy, Failure, Kernel
from profiler.kernel_names import short_name
from profiler.recording import CaseRecord
from profiler.rows import Row
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
from profiler.workload import PASS_LABELS, Pass
from tui.app.glyphs import Glyphs
from tui.app.pictures.distribution import histogram, rounds
from tui.app.pictures.look import Look

_LABEL_WIDTH = 11
_GAP = 3
_LEAST_COLUMN = 44  # narrower columns do not stand side by side
_WIDEST = 76  # of a column; the eye loses the line in wider ones
_HISTOGRAM_ROWS = 3
_SHARE_BAR = 8


@dataclass(frozen=True)
class CaseFacts:
    """What a sheet is drawn from: the case's rows by pass, its record, and what is said beside them.

    `baseline` is what speedups refer to, `command` measures the case again, or says why none does.
    `without_kernels` tells how to take them.
    """

    rows: tuple[Row, ...]
    record: CaseRecord
    baseline: str | None
    command: str
    without_kernels: str


@dataclass(frozen=True)
class _Pen:
    """How lines are drawn: so wide, with these styles and characters."""

    width: int
    look: Look
    glyphs: Glyphs

    def flow(self, text: str, style: Style | str = "") -> list[Text]:
        """Plain text in as many lines as it takes."""
        return wrapped(Text(text, style), self.width)


def passes_side_by_side(passes: int, width: int) -> bool:
    """Whether a sheet of that width has room for a column a pass."""
    return passes * (_LEAST_COLUMN + _GAP) + _LABEL_WIDTH - _GAP <= width


def wrapped(text: Text, width: int) -> list[Text]:
    """The text in lines of at most `width` cells; words that are longer are parted."""
    return list(text.wrap(_console(), max(width, 1), overflow="fold"))


@cache
def _console() -> Console:
    """Text.wrap asks one for the size of a tab, of which plain text has none."""
    return Console(width=80)


def sheet(facts: CaseFacts, passes: Sequence[Pass], width: int, *, look: Look, glyphs: Glyphs) -> list[Text]:
    """The lines about those passes, side by side, and below them those about the case as a whole."""
    shown = [row for row in facts.rows if row.which in passes]
    number = max(len(shown), 1)
    column = min((width - _LABEL_WIDTH + _GAP) // number - _GAP, _WIDEST)
    pen = _Pen(column, look, glyphs)
    lines: list[Text] = []
    for group in _OF_PASS:
        block: list[Text] = []
        for label, draw in group.items():
            block += _block(label, [list(draw(facts, row, pen)) for row in shown], pen)
        lines += [*block, Text()] if block else []
    whole = replace(pen, width=min(width - _LABEL_WIDTH, number * (column + _GAP) - _GAP))
    for case_group in _OF_CASE:
        block = []
        for label, draw_case in case_group.items():
            block += _block(label, [list(draw_case(facts, whole))], whole)
        lines += [*block, Text()] if block else []
    return lines[:-1]


def _block(label: str, columns: list[list[Text]], pen: _Pen) -> list[Text]:
    """Columns of lines beside each other, with a label before the first; nothing if all are empty."""
    if not any(columns):
        return []
    columns = [[part for line in column for part in _within(line, pen.width)] for column in columns]
    lines = []
    for index, cells in enumerate(zip_longest(*columns, fillvalue=Text())):
        line = Text(f"{label if index == 0 else '':<{_LABEL_WIDTH}}", pen.look.header)
        line = Text.assemble(line)
        for place, cell in enumerate(cells):
            line.append_text(cell)
            if place + 1 < len(cells):
                line.append(" " * (pen.width - cell.cell_len + _GAP))
        lines.append(line)
    return lines


def _within(line: Text, width: int) -> list[Text]:
    """The line as it is, spaces at its end too, or parted where it is too long."""
    return [line] if line.cell_len <= width else wrapped(line, width)


def _time(facts: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
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


def _comparison(facts: CaseFacts, row: Row, pen: _Pen) -> str:
    value, sure = wording.speedup(row)
    if not value:
        return "baseline" if row.is_baseline else ""
    name = plain_text(facts.baseline or "")
    if row.is_tie:
        return f"{value}, a {wording.TIE} with {name}"
    return " ".join(filter(None, (value, _interval_sign(sure, pen), f"the speed of {name}")))


def _interval_sign(text: str, pen: _Pen) -> str:
    return text.replace("±", pen.glyphs.interval)


def _remarks(_: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
    """What the row is marked with and why; failures, launches and notes have lines of their own."""
    if row.failure is None and row.device_ms is not None:
        told_elsewhere = replace(row, notes=(), launch_bound=False, graph_breaks=None)
        for remark in wording.remarks(told_elsewhere):
            yield from pen.flow(remark, pen.look.warning)


def _failure(_: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
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


def _wall(_: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
    if row.wall_ms is None:
        return
    over = ""
    if row.device_ms and row.device_ms.median > 0:
        over = f", {ratio(row.wall_ms.median / row.device_ms.median)} the device time"
    launch = f", {wording.LAUNCH_BOUND}" if row.launch_bound else ""
    yield from pen.flow(f"{ms(row.wall_ms.median)} ms{over}{launch}")


def _graph(_: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
    if row.graph_ms is not None:
        yield from pen.flow(f"{ms(row.graph_ms.median)} ms as a CUDA graph")
    elif row.graph_reason:
        yield from pen.flow(f"none: {plain_text(row.graph_reason)}", pen.look.muted)


def _rate(_: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
    if row.tflops is None:
        return
    place = row.roofline
    shares = _shares(place.percent_of_measured_peak, place.percent_of_datasheet_peak)
    yield from pen.flow(f"{tflops(row.tflops)} TFLOP/s{f', {shares} peak' if shares else ''}")


def _bound(_: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
    place = row.roofline
    intensity = "" if place.flop_per_byte is None else f"{three_digits(place.flop_per_byte)} FLOP/byte"
    if said := ", ".join(filter(None, (place.bound, intensity))):
        yield from pen.flow(said)


def _bandwidth(_: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
    place = row.roofline
    if said := _shares(place.percent_of_copy_bandwidth, place.percent_of_datasheet_bandwidth):
        yield from pen.flow(f"{said} rate")


def _shares(measured: float | None, datasheet: float | None) -> str:
    """Of the two ceilings of one kind, as "30 % of measured, 23 % of data-sheet"."""
    shares = ((measured, "measured"), (datasheet, "data-sheet"))
    return ", ".join(f"{percent(share)} % of {of}" for share, of in shares if share is not None)


def _samples(facts: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
    """How they lie, and how they went."""
    if (record := facts.record.passes.get(row.which)) is None or row.device_ms is None:
        return
    yield from histogram(
        record.device_ms, row.device_ms, pen.width, _HISTOGRAM_ROWS, glyphs=pen.glyphs, look=pen.look
    )
    for line in rounds(record.device_ms, pen.width, glyphs=pen.glyphs, look=pen.look):
        yield from wrapped(line, pen.width)


def _kernels(facts: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
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


def _kernel(kernel: Kernel, span_us: float, pen: _Pen) -> Text:
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


def _memory(_: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
    for name, field, meaning in _MEMORY:
        size = getattr(row.memory, field, None)
        if size is not None:
            yield Text.assemble(f"{name:<9}{byte_count(size):>9}", (f"  {meaning}", pen.look.muted))


def _clocks(facts: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
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


def _energy(_: CaseFacts, row: Row, pen: _Pen) -> Iterator[Text]:
    if row.energy is None or row.joules_per_token is None:
        return
    at = "" if row.energy.sm_mhz is None else f" at {row.energy.sm_mhz:.0f} MHz"
    yield from pen.flow(f"{joules(row.energy.joules)} a call, {joules(row.joules_per_token)} a token")
    yield from pen.flow(f"{row.energy.power_w:.0f} W{at} over {row.energy.window_s:.1f} s", pen.look.muted)


def _accuracy(facts: CaseFacts, pen: _Pen) -> Iterator[Text]:
    """Of each tensor the largest error, plain PyTorch's, and the limit; then on how much it was taken."""
    check = facts.rows[0].accuracy if facts.rows else None
    if check is None:
        return
    yield Text(f"{'':<6}{'error':>10}{'plain':>10}{'limit':>10}", pen.look.muted)
    for name, error in check.errors.items():
        verdict = _verdict(check, name)
        shown = "not finite" if error is None else f"{error:.2g}"
        plain, limit = (f"{of[name]:.2g}" if name in of else "-" for of in (check.plain_errors, check.limits))
        style = pen.look.muted if verdict == "ok" else pen.look.bad
        yield Text.assemble(f"{plain_text(name):<6}{shown:>10}{plain:>10}{limit:>10}  ", (verdict, style))
    worst = "" if check.ratio is None else f"worst {ratio(check.ratio)} plain PyTorch's in the same dtype; "
    partly = "" if check.queries_checked is None else ", without dk and dv"
    yield from pen.flow(f"{worst}of {wording.heads_checked(check)}{partly}", pen.look.muted)


def _verdict(check: Accuracy, tensor: str) -> str:
    error, limit = check.errors[tensor], check.limits.get(tensor)
    if error is None:
        return "NaN"
    return "wrong" if limit is not None and error > limit else "ok"


def _first_calls(facts: CaseFacts, pen: _Pen) -> Iterator[Text]:
    first = facts.rows[0].first_calls_ms if facts.rows else {}
    if said := ", ".join(f"{PASS_LABELS[which]} {three_digits(time)} ms" for which, time in first.items()):
        yield from pen.flow(f"{said}, with loading and compilation")


def _backend(facts: CaseFacts, pen: _Pen) -> Iterator[Text]:
    if facts.rows and facts.rows[0].backend:
        yield from pen.flow(plain_text(facts.rows[0].backend))


def _notes(facts: CaseFacts, pen: _Pen) -> Iterator[Text]:
    if not facts.rows:
        return
    for note in facts.rows[0].notes:
        yield from pen.flow(plain_text(note))
    for reason, number in (facts.rows[0].graph_breaks or {}).items():
        yield from pen.flow(f"graph break, {number} x: {plain_text(reason)}")


def _command(facts: CaseFacts, pen: _Pen) -> Iterator[Text]:
    yield from pen.flow(facts.command, pen.look.value)


_DrawPass = Callable[[CaseFacts, Row, _Pen], Iterator[Text]]
_DrawCase = Callable[[CaseFacts, _Pen], Iterator[Text]]

_OF_PASS: tuple[dict[str, _DrawPass], ...] = (
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

_OF_CASE: tuple[dict[str, _DrawCase], ...] = (
    {"accuracy": _accuracy},
    {"first call": _first_calls, "backend": _backend, "notes": _notes},
    {"again": _command},
)
"""Those about the case."""
