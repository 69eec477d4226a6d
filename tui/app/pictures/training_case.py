"""All that is known of one case of training, as lines of text: a block a subject."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from profiler.results import wording
from profiler.training.recording import TrainingRecord
from profiler.training.rows import TrainingRow
from profiler.training.wording import (
    TRAINING_STATUS_WORDS,
    loss,
    seconds,
    tokens_per_s,
    training_remarks,
    training_status_word,
    tried,
)
from profiler.units import (
    byte_count,
    count,
    joules,
    margin,
    ms,
    percent,
    plain_text,
    tflops,
)
from tui.app.glyphs import Glyphs
from tui.app.pictures.case_facts import Pen
from tui.app.pictures.look import Look
from tui.app.pictures.sparkline import sparkline
from tui.app.pictures.train_cases import floor, over, squeezed

_LABEL_WIDTH = 13
_WIDEST = 100  # the eye loses the line in wider ones
_LONGEST_BAR = 60
_SPARK_ROWS = 3


@dataclass(frozen=True)
class TrainingFacts:
    """What a sheet is drawn from; `command` trains the case again, beside what it is compared with."""

    row: TrainingRow
    record: TrainingRecord | None
    baseline: str | None
    command: str
    kernels: str = "kernels"
    """What attention's share is of: on the CPU of operators."""


def sheet(facts: TrainingFacts, width: int, *, look: Look, glyphs: Glyphs) -> list[Text]:
    """The lines, with a blank one between groups of subjects."""
    pen = Pen(min(width - _LABEL_WIDTH, _WIDEST), look, glyphs)
    lines: list[Text] = []
    for group in _BLOCKS:
        block: list[Text] = []
        for label, draw in group.items():
            for index, line in enumerate(draw(facts, pen)):
                named = Text(f"{label if index == 0 else '':<{_LABEL_WIDTH}}", look.header)
                block.append(Text.assemble(named, line))
        lines += [*block, Text()] if block else []
    return lines[:-1]


def _speed(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    """The answer first: tokens/s and what they are compared with."""
    row, look = facts.row, pen.look
    if row.tokens_per_s is None:
        quiet = row.status in ("running", "pending", "partial")
        yield Text(training_status_word(row), look.muted if quiet else look.bad)
        return
    ok = row.status in ("ok", "running", "partial")
    said = "baseline" if row.is_baseline else ""
    if row.speedup is not None:
        said = over(row, facts.baseline, "the throughput of").replace("±", pen.glyphs.interval)
    yield Text.assemble(
        (f"{tokens_per_s(row.tokens_per_s)} tokens/s", look.value if ok else look.bad),
        (f"  {plain_text(said)}" if said else "", look.value),
    )
    if row.status != "ok":
        yield Text(training_status_word(row), look.warning if ok else look.bad)


def _remarks(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    """Why it failed, or is wrong, in full, and what else there is to say but for graph breaks."""
    row = replace(facts.row, graph_breaks=None)
    style = pen.look.bad if row.tokens_per_s is None else pen.look.warning
    for remark in training_remarks(row):
        yield from pen.flow(remark, style)


def _step(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    time = facts.row.step_ms
    if time is None:
        return
    sure = "" if time.margin is None else f"{ms(time.low)} to {ms(time.high)} ms with 95 % confidence, "
    interval = margin(time.margin).replace("±", pen.glyphs.interval)
    yield Text.assemble(f"{ms(time.median)} ms ", (interval, pen.look.muted))
    yield from pen.flow(f"{sure}{count(time.count, 'step')} measured", pen.look.muted)


def _parts(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    """A step as a bar in three shades, and the parts in words below it.

    Their shares are of their sum: medians of the parts do not add up to the median of the whole.
    """
    parts = facts.row.parts
    if parts is None:
        return
    times = {"forward": parts.forward_ms, "backward": parts.backward_ms, "optimizer": parts.optimizer_ms}
    whole = sum(times.values())
    if whole <= 0:
        return
    shades = dict(zip(times, (pen.glyphs.shades[index] for index in (4, 3, 1)), strict=True))
    length = min(pen.width, _LONGEST_BAR)
    ends, drawn = 0.0, ""
    for name, time_ms in times.items():
        ends += time_ms / whole * length
        drawn += shades[name] * (round(ends) - len(drawn))
    yield Text(drawn, pen.look.spark)
    of_what = " of a step's parts together"
    for name, time_ms in times.items():
        yield Text.assemble(
            (f"{shades[name]} ", pen.look.spark),
            f"{name:<10}{ms(time_ms):>9} ms {percent(100 * time_ms / whole):>4} %",
            (of_what, pen.look.muted),
        )
        of_what = ""


def _attention(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    share = facts.row.attention_percent
    if share is not None:
        yield from pen.flow(f"{percent(share)} % of the time of all {facts.kernels} in a step")
    busy = facts.row.gpu_busy_percent
    if busy is not None:
        waits = ": launch-bound, the rest it waits for the host" if facts.row.is_launch_bound else ""
        yield from pen.flow(f"the GPU works in {percent(busy)} % of a step{waits}")


def _mfu(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    """With the formula, for there are several."""
    row = facts.row
    if row.tokens_per_s is None:
        return
    rate = row.training.model_tflops(row.tokens_per_s)
    shares = []
    if row.mfu_percent is not None:
        shares.append(f"{percent(row.mfu_percent)} % of the data sheet's {row.training.dtype} rate")
    if row.of_measured_percent is not None:
        shares.append(f"{percent(row.of_measured_percent)} % of the matmul rate measured here")
    yield from pen.flow(", ".join([f"{tflops(rate)} TFLOP/s of the model's own work", *shares]))
    yield from pen.flow("6N + 12LWC a token (PaLM, appendix B)", pen.look.muted)


def _memory(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    row = facts.row
    if row.peak_bytes is None:
        return
    held = [f"{byte_count(row.peak_bytes)} of tensors at the peak"]
    if row.reserved_bytes is not None:
        held.append(f"{byte_count(row.reserved_bytes)} held by the allocator")
    if row.process_bytes is not None:
        held.append(f"{byte_count(row.process_bytes)} by the process")
    yield from pen.flow(", ".join(held))


def _batch(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    row, record = facts.row, facts.record
    if row.batch is not None:
        tokens = row.batch * row.training.context
        yield from pen.flow(
            f"{count(row.batch, 'sequence')} of {row.training.context:,} = {tokens:,} tokens a step"
        )
    if record is not None and record.batches:
        yield from pen.flow(f"tried: {tried(record.batches)}", pen.look.muted)


def _losses(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    """Step by step, as long as the parameters are the implementation's own."""
    losses = facts.record.losses if facts.record else []
    known = [each for each in losses if each is not None]
    if known:
        yield from _course(squeezed(losses, _course_width(pen)), None, pen)
        yield from pen.flow(f"{loss(known[0])} at first, {loss(known[-1])} in step {len(losses):,}")
    if len(known) < len(losses):
        yield from pen.flow(f"not finite in {count(len(losses) - len(known), 'step')}", pen.look.bad)
    if facts.record and facts.record.measured:
        whence = "it ends where rounds begin" if losses else "not shown"
        yield from pen.flow(
            f"{whence}: in rounds all implementations update the same parameters in turn", pen.look.muted
        )


def _speeds(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    """Tokens/s step by step, the scale from half of the highest."""
    speeds = facts.record.steps_tokens_per_s if facts.record else []
    if speeds:
        shown = squeezed(speeds, _course_width(pen))
        yield from _course(shown, floor(shown), pen)
        measured = len(facts.record.measured_steps_ms) if facts.record else 0
        yield from pen.flow(_measured_of(len(speeds), measured), pen.look.muted)


def _measured_of(steps: int, measured: int) -> str:
    """How many steps count: "of 28 steps the last 24 are measured"."""
    if not measured:
        return f"{count(steps, 'step')}, none of them measured"
    if measured == steps:
        return f"{count(steps, 'step')}, {'which is' if steps == 1 else 'all'} measured"
    return f"of {count(steps, 'step')} the last {'is' if measured == 1 else f'{measured:,} are'} measured"


def _course_width(pen: Pen) -> int:
    return min(pen.width, _LONGEST_BAR)


def _course(shown: Sequence[float | None], low: float | None, pen: Pen) -> Iterator[Text]:
    for line in sparkline(shown, len(shown), pen.glyphs, low=low, rows=_SPARK_ROWS):
        yield Text(line, pen.look.spark)


def _agreement(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    """The first step beside plain PyTorch's and float32's."""
    found = facts.row.agreement
    if found is None:
        return
    style = pen.look.muted if found.verdict == "ok" else pen.look.bad
    yield Text.assemble(f"loss {loss(found.loss)} ", (TRAINING_STATUS_WORDS[found.verdict], style))
    yield from pen.flow(
        f"plain PyTorch's {loss(found.plain_loss)}, in float32 {loss(found.reference_loss)}; "
        f"allowed is {found.loss_limit:.2g} off that",
        pen.look.muted,
    )
    gradient = "not finite" if found.gradient_error is None else f"{found.gradient_error:.2g}"
    yield from pen.flow(
        f"gradients off by {gradient} of their length, plain PyTorch's by {found.plain_gradient_error:.2g}; "
        f"allowed is {found.gradient_limit:.2g}",
        pen.look.muted,
    )


def _compiling(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    row = facts.row
    if row.first_step_ms is None:
        return
    more = "" if row.compile_ms is None else f", of which compiling {seconds(row.compile_ms)} s"
    yield from pen.flow(f"{seconds(row.first_step_ms)} s{more}")


def _breaks(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    breaks = facts.row.graph_breaks
    if breaks is None:
        return
    if not breaks:
        yield from pen.flow("none: one graph")
    for reason, number in breaks.items():
        yield from pen.flow(f"{number} x: {plain_text(reason)}")


def _clocks(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    row = facts.row
    found = []
    if row.sm_mhz is not None:
        found.append(f"SM clock {row.sm_mhz:.0f} MHz")
    if row.power_w is not None:
        found.append(f"{row.power_w:.0f} W")
    if row.joules_per_token is not None:
        found.append(f"{joules(row.joules_per_token)} a token")
    if found:
        yield from pen.flow(", ".join(found))
    for name, share in row.throttle.items():
        effect = wording.condition_effect(name)
        said = wording.condition(name, [share]) + (f": {effect}" if effect else "")
        yield from pen.flow(said, pen.look.warning)


def _command(facts: TrainingFacts, pen: Pen) -> Iterator[Text]:
    yield from pen.flow(facts.command, pen.look.value)


_Draw = Callable[[TrainingFacts, Pen], Iterator[Text]]

_BLOCKS: tuple[dict[str, _Draw], ...] = (
    {"throughput": _speed, "remarks": _remarks},
    {"step": _step, "": _parts, "attention": _attention},
    {"MFU": _mfu, "clocks": _clocks},
    {"batch": _batch, "memory": _memory},
    {"loss": _losses},
    {"tokens/s": _speeds},
    {"first step": _compiling, "graph breaks": _breaks},
    {"agreement": _agreement},
    {"again": _command},
)
