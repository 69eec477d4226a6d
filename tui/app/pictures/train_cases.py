"""The cases of one row of training: what each is at, its loss and its tokens/s step by step.

Losses end where rounds begin: from there on all implementations update the same parameters in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.style import Style
from rich.text import Text

from profiler.results import wording
from profiler.results.colours import colour_of
from profiler.training.plan import TrainingPlan
from profiler.training.recording import TrainingRecord
from profiler.training.rows import TrainingRow
from profiler.training.wording import (
    tokens_per_s,
    training_name,
    training_remarks,
    training_status_word,
    tried,
)
from profiler.units import byte_count, count, margin, ms, percent, plain_text
from tui.app.glyphs import Glyphs
from tui.app.pictures.case_facts import wrapped
from tui.app.pictures.look import PLAIN, Look
from tui.app.pictures.names import cut, variant_of
from tui.app.pictures.sparkline import sparkline

_LONGEST_NAME = 20
_STATE = 15  # "step 104 of 125"
_LONGEST_STATE = 20  # "skipped at step 1040"
_LOSS, _TOKENS = 6, 9
_LOSS_NAMES = ("loss before rounds", "loss")
_LEAST_SPARK = 6
_LONGEST_SPARK = 60
_MOST_ROWS = 3
_GAP = 2
_MOST_TRIED = 8


@dataclass(frozen=True)
class Lines:
    """What is drawn: a row's title, its cases in order, and what is to be said of one of them."""

    title: str = ""
    cases: tuple[CaseLine, ...] = ()
    said: str = ""


@dataclass(frozen=True)
class CaseLine:
    """One case. `bad` is whether it came to nothing, `under_way` whether it is what is trained now."""

    name: str
    state: str
    losses: tuple[float | None, ...] = ()
    """Of the steps before the rounds."""
    tokens_per_s: tuple[float, ...] = ()
    shown: float | None = None
    """Tokens/s of the measured steps; of the last step while there are none."""
    under_way: bool = False
    bad: bool = False


def case_line(
    row: TrainingRow,
    record: TrainingRecord | None,
    plan: TrainingPlan | None,
    *,
    under_way: bool,
    skipped: bool = False,
) -> CaseLine:
    """A case as it stands; `skipped` where it was left for the next row."""
    speeds = tuple(record.steps_tokens_per_s) if record else ()
    return CaseLine(
        name=plain_text(row.implementation),
        state=state(row, record, plan, skipped=skipped),
        losses=tuple(record.losses) if record else (),
        tokens_per_s=speeds,
        shown=row.tokens_per_s if row.tokens_per_s is not None else speeds[-1] if speeds else None,
        under_way=under_way,
        bad=row.status not in ("ok", "running", "partial", "pending"),
    )


def state(
    row: TrainingRow, record: TrainingRecord | None, plan: TrainingPlan | None, *, skipped: bool = False
) -> str:
    """What a case is at, or what became of it, in words; where steps were made, in few."""
    word = training_status_word(row)
    if row.status == "pending" and not row.ended:
        return "waits"
    if row.status == "ok":
        return count(row.steps_made, "step")
    if row.status not in ("running", "partial", "pending"):
        return word if row.steps_made else next(iter(training_remarks(row)), word)
    if skipped:
        return f"skipped at step {row.steps_made}" if row.steps_made else "skipped"
    if row.steps_made:
        return f"step {row.steps_made} of {plan.stopping.steps}" if plan else count(row.steps_made, "step")
    if row.status != "running":
        return word
    if record is not None and record.check is not None:
        return f"batch {record.check.batch} is checked; its steps come next"
    if record is not None and plan is not None and plan.batch is None:
        return finding(record)
    return "first step" if row.training.mode == "eager" else "first step: compiling"


def finding(record: TrainingRecord) -> str:
    """How far the search for the batch is: "finding the batch: 8 yes, 16 yes, 24 no"."""
    return ": ".join(filter(None, ("finding the batch", tried(record.batches[-_MOST_TRIED:]))))


def summary(row: TrainingRow, baseline: str | None) -> str:
    """One case in a sentence: how fast it is, what it holds, what is amiss; "" while nothing is known."""
    said = []
    if row.speedup is not None:
        said.append(over(row, baseline, "over"))
    if row.step_ms is not None:
        said.append(
            " ".join(filter(None, (f"a step {ms(row.step_ms.median)} ms", margin(row.step_ms.margin))))
        )
    if row.attention_percent is not None:
        said.append(f"attention {percent(row.attention_percent)} %")
    if row.mfu_percent is not None:
        said.append(f"MFU {percent(row.mfu_percent)} %")
    if row.peak_bytes is not None:
        said.append(byte_count(row.peak_bytes))
    amiss = training_remarks(row)
    amiss += [wording.condition(condition, [share]) for condition, share in row.throttle.items()]
    told = "; ".join(filter(None, (", ".join(said), *amiss)))
    if not told and row.status in ("pending", "running"):  # its line says what it is at
        return ""
    return f"{training_name(row)}: {told or training_status_word(row)}"


def over(row: TrainingRow, baseline: str | None, verb: str) -> str:
    """The speedup in words: "1.53x ±0.01 over pytorch", or "1.00x, a tie with pytorch"."""
    value, sure = wording.ratio_and_margin(row.speedup)
    name = plain_text(baseline or "")
    if sure == wording.TIE:
        return f"{value}, a {sure} with {name}"
    return " ".join(filter(None, (value, sure, verb, name)))


def squeezed(values: Sequence[float | None], width: int) -> list[float | None]:
    """All values in at most `width` places, each the mean of those that share it."""
    if len(values) <= width:
        return list(values)
    places: list[float | None] = []
    for place in range(width):
        part = values[place * len(values) // width : (place + 1) * len(values) // width]
        known = [value for value in part if value is not None]
        places.append(sum(known) / len(known) if known else None)
    return places


def draw(lines: Lines, width: int, height: int, glyphs: Glyphs, look: Look = PLAIN) -> list[Text]:
    """The title, a line or more for each case, and what is said below them; nothing below two lines."""
    if not lines.cases or height < 2:
        return []
    said = wrapped(Text(lines.said.replace("±", glyphs.interval), look.muted), width) if lines.said else []
    room = max(1, height - 1 - min(len(said), height // 4))
    cases = _in_view(lines.cases, room)
    rows = min(max((height - len(said)) // len(cases) - 1, 1), _MOST_ROWS)
    layout = _Layout.fitting(cases, width, rows)
    picture = [layout.header(lines.title, look)]
    for index, case in enumerate(cases):
        drawn = layout.draw(case, glyphs, look)
        picture += [Text(end="")] if index and len(drawn) > 1 else []
        picture += drawn
    left = height - len(picture)
    if len(said) > left > 0:
        said = said[:left]
        said[-1].truncate(width - 1)
        said[-1].append(glyphs.ellipsis)
    return [*picture, *said[: max(left, 0)]]


def _in_view(cases: Sequence[CaseLine], room: int) -> Sequence[CaseLine]:
    """As many as there is room for, the one under way among them."""
    at = next((index for index, case in enumerate(cases) if case.under_way), 0)
    first = min(max(0, at - room + 1), max(0, len(cases) - room))
    return cases[first : first + room]


@dataclass(frozen=True)
class _Layout:
    """Widths of the name and of the sparklines, 0 where there is no room for these; and their height."""

    name: int
    state: int
    spark: int
    rows: int
    width: int

    @classmethod
    def fitting(cls, cases: Sequence[CaseLine], width: int, rows: int) -> _Layout:
        name = min(max(len(case.name) for case in cases), _LONGEST_NAME)
        longest = max((len(case.state) for case in cases if case.tokens_per_s), default=0)
        state = min(max(longest, _STATE), _LONGEST_STATE)
        taken = 2 + name + _GAP + state + 2 * (_GAP + 1) + _LOSS + _TOKENS
        spark = min((width - taken) // 2, _LONGEST_SPARK)
        if spark < _LEAST_SPARK:
            spark, rows = 0, 1
        return cls(name, state, spark, rows, width)

    def header(self, title: str, look: Look) -> Text:
        """What row it is, and what the figures are; that losses end before the rounds where there is room."""
        end = 2 + self.name + _GAP + self.state
        figures = self._figures(_LOSS_NAMES[0])
        if len(figures) - len(figures.lstrip()) < _GAP or len(title) > self._title_room(figures):
            figures = self._figures(_LOSS_NAMES[1])
        room = self._title_room(figures)
        line = Text(_shortened(title, room), look.header, no_wrap=True, end="")
        line.truncate(room)
        line = Text.assemble(line, no_wrap=True, end="")
        line.append(figures.lstrip().rjust(end + len(figures) - line.cell_len), look.muted)
        line.truncate(self.width)
        return line

    def _figures(self, loss: str) -> str:
        """The titles over a case's figures."""
        titles = ((loss, _LOSS), ("tokens/s", _TOKENS))
        return "".join(
            " " * _GAP + f"{name:>{self.spark + bool(self.spark) + size}}" for name, size in titles
        )

    def _title_room(self, figures: str) -> int:
        before = 2 + self.name + _GAP + self.state + len(figures) - len(figures.lstrip())
        return before - _GAP

    def draw(self, case: CaseLine, glyphs: Glyphs, look: Look) -> list[Text]:
        """A case's lines: the figures stand on the lowest."""
        last = Text(f"{glyphs.cursor if case.under_way else ' '} ", look.value, no_wrap=True, end="")
        last = Text.assemble(last, no_wrap=True, end="")
        shown = cut(case.name, self.name, glyphs, end=variant_of(case.name))
        last.append(f"{shown:<{self.name}}", Style(color=colour_of(case.name)))
        last.append(" " * _GAP)
        style = look.bad if case.bad else look.muted
        if not case.tokens_per_s:
            last.append(case.state, look.warning if case.under_way else style)
            if last.cell_len > self.width:
                last.truncate(self.width - 1)
                last.append(glyphs.ellipsis)
            return [last]
        last.append(f"{case.state:<{self.state}.{self.state}}", style)
        above = [Text(" " * last.cell_len, no_wrap=True, end="") for _ in range(self.rows - 1)]
        speeds = squeezed(case.tokens_per_s, self.spark)
        figures = (
            (squeezed(case.losses, self.spark), None, _loss(case.losses), _LOSS),
            (speeds, floor(speeds), _tokens(case), _TOKENS),
        )
        for values, low, figure, size in figures:
            if self.spark:
                blocks = sparkline(values, self.spark, glyphs, low=low, rows=self.rows)
                for line, row in zip((*above, last), blocks, strict=True):
                    line.append(" " * _GAP).append(row, look.spark)
                for line in above:
                    line.append(" " * (size + 1))
                last.append(f" {figure:>{size}}", look.value)
            else:
                last.append(f"{' ' * _GAP}{figure:>{size}}", look.value)
        last.truncate(self.width)
        return [*above, last]


def _shortened(title: str, width: int) -> str:
    """As many clauses of a row's title as there is room for; the context stays."""
    clauses = title.split(", ")
    while len(", ".join(clauses)) > width and len(clauses) > 1:
        others = [index for index, clause in enumerate(clauses) if not clause.startswith("context ")]
        del clauses[others[-1]]
    return ", ".join(clauses)


def floor(speeds: Sequence[float | None]) -> float | None:
    """Where the scale of tokens/s begins, as drawn: noise of a hundredth is not to look like a course."""
    return max((speed for speed in speeds if speed is not None), default=0.0) / 2 or None


def _loss(losses: Sequence[float | None]) -> str:
    if not losses:
        return "-"
    return "NaN" if losses[-1] is None else f"{losses[-1]:.3f}"[:_LOSS]


def _tokens(case: CaseLine) -> str:
    return "" if case.shown is None else tokens_per_s(case.shown)
