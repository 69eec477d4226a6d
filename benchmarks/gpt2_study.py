"""Sets the published GPT-2 training study beside sessions of the presets gpt2-compile and gpt2-eager.

    attnprof train --preset gpt2-compile --memory-limit 12GiB
    attnprof train --preset gpt2-eager --memory-limit 12GiB
    python -m benchmarks.gpt2_study SESSION...    # prints Markdown; needs no GPU

The published figures, and where they come from, are in gpt2_study.json beside this file: batch and tokens/s
of plain PyTorch, of SDPA's flash backend (FlashAttention 1 then, 2 since torch 2.2) and of flash-attn 2. On
another GPU tokens/s are others, so what is compared are ratios within a row, and under a limit of 12 GiB the
batches. A measured ratio is that of attnprof's tables, by rounds with its 95 % interval, and a verdict is
one of intervals: what they do not settle cannot be told.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from profiler.events import LEAST_SAMPLES
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.training.presets import TRAINING_PRESETS
from profiler.training.recording import TrainingRecord
from profiler.training.rows import ratio_of_rounds, training_rows
from profiler.training.wording import tokens_per_s
from profiler.units import byte_count, ratio

PUBLISHED = Path(__file__).with_name("gpt2_study.json")
MODES = ("compile", "eager")
PLAIN, SDPA, PACKAGE = "pytorch", "sdpa-flash", "flash2"
NAMES = (PLAIN, SDPA, PACKAGE)
PAIRS = ((SDPA, PLAIN), (PACKAGE, PLAIN), (PACKAGE, SDPA))
SHORT, LONG = 1024, 2048  # up to here contexts are short, from there on long
SAME = 0.05
WAITED = "*"


@dataclass(frozen=True)
class Cell:
    """One configuration's batch and throughput, and whether the GPU waited for the host in its steps."""

    batch: int
    tokens_per_s: float
    is_launch_bound: bool = False

    @property
    def throughput(self) -> str:
        """Its tokens/s, with the mark of a step that was launch-bound."""
        return tokens_per_s(self.tokens_per_s) + (WAITED if self.is_launch_bound else "")


@dataclass(frozen=True)
class Ratio:
    """One throughput over another, and what it lies between: anything where there is no interval."""

    value: float
    low: float = 0.0
    high: float = math.inf

    @classmethod
    def exact(cls, value: float) -> Ratio:
        return cls(value, value, value)

    def __str__(self) -> str:
        is_bounded = self.high < math.inf and self.low < self.high
        return ratio(self.value) + (f" ({self.low:.2f} to {self.high:.2f})" if is_bounded else "")


@dataclass(frozen=True)
class Row:
    """A model at a context in a mode; a cell by implementation, where there is one."""

    mode: str
    model: str
    context: int
    cells: dict[str, Cell]
    out_of_memory: frozenset[str] = frozenset()
    """The implementations of which not even one sequence fits."""
    ratios: dict[tuple[str, str], Ratio] = field(default_factory=dict)
    """Those of PAIRS where both have a throughput."""


def published() -> list[Row]:
    tables = json.loads(PUBLISHED.read_text())
    return [_published_row(mode, row) for mode in MODES for row in tables[mode]]


def _published_row(mode: str, row: list[Any]) -> Row:
    model, context, *cells = row
    named = dict(zip(NAMES, cells, strict=True))
    # The eager table leaves plain PyTorch out; in the other what is blank did not fit.
    blank = frozenset(name for name, cell in named.items() if not cell and mode == "compile")
    there = {name: Cell(*cell) for name, cell in named.items() if cell}
    exact = {
        (name, base): there[name].tokens_per_s / there[base].tokens_per_s
        for name, base in PAIRS
        if name in there and base in there
    }
    return Row(
        mode,
        model,
        context,
        there,
        blank,
        {pair: Ratio(value, value, value) for pair, value in exact.items()},
    )


def measured(recordings: Sequence[Recording]) -> dict[tuple[str, str, int], Row]:
    """What the sessions have of the study's rows; of one that several have, the last."""
    of_presets = {training for preset in TRAINING_PRESETS.values() for training in preset.trainings}
    found: dict[tuple[str, str, int], Row] = {}
    for recording in recordings:
        plan = recording.training_plan
        if plan is None or plan.batch is not None:
            continue  # the study's batches are the largest that fit
        latest = recording.latest().trainings.values()
        records = {(record.training, record.implementation): record for record in latest}
        for row in training_rows(recording):
            training = row.training
            if training not in of_presets:
                continue  # another vocabulary, optimizer, ...
            key = training.mode, training.model.name, training.context
            of_row = found.setdefault(key, Row(*key, {}))
            if row.status == "ok" and row.batch and row.tokens_per_s:
                cell = Cell(row.batch, row.tokens_per_s, row.is_launch_bound)
                of_row.cells[row.implementation] = cell
                here = {name: records[training, name] for name in of_row.cells if (training, name) in records}
                of_row.ratios.update(_ratios(of_row, here))
            if row.status == "oom" and not any(row.tried.values()):
                found[key] = replace(of_row, out_of_memory=of_row.out_of_memory | {row.implementation})
    return found


def _ratios(row: Row, records: dict[str, TrainingRecord]) -> Iterator[tuple[tuple[str, str], Ratio]]:
    for name, base in PAIRS:
        if name not in records or base not in records:
            continue
        by_rounds = ratio_of_rounds(records[base], records[name])
        if by_rounds is None:
            yield (name, base), Ratio(row.cells[name].tokens_per_s / row.cells[base].tokens_per_s)
        elif by_rounds.count < LEAST_SAMPLES:
            yield (name, base), Ratio(by_rounds.median)
        else:
            yield (name, base), Ratio(by_rounds.median, by_rounds.low, by_rounds.high)


def pairs(recordings: Sequence[Recording]) -> list[tuple[Row, Row]]:
    """Each published row with the one measured for it, where there is one."""
    found = measured(recordings)
    keyed = ((row, found.get((row.mode, row.model, row.context))) for row in published())
    return [(theirs, ours) for theirs, ours in keyed if ours and (ours.cells or ours.out_of_memory)]


def table(some: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """A model's rows: published and measured beside each other in every cell."""
    titles = ["context", *(f"{name}: batch | tokens/s" for name in NAMES)]
    titles += [f"{name} / {base}" for name, base in PAIRS]
    yield f"| {' | '.join(titles)} |"
    yield f"|{'--:|' * sum(title.count('|') + 1 for title in titles)}"
    for theirs, ours in some:
        line = [str(theirs.context)]
        for name in NAMES:
            line += [
                beside(theirs, ours, name, lambda cell: str(cell.batch)),
                beside(theirs, ours, name, lambda cell: cell.throughput),
            ]
        line += [both(theirs.ratios.get(pair), ours.ratios.get(pair)) for pair in PAIRS]
        yield f"| {' | '.join(line)} |"


def beside(theirs: Row, ours: Row, name: str, text: Callable[[Cell], str]) -> str:
    cells = (row.cells.get(name) for row in (theirs, ours))
    return " / ".join("-" if cell is None else text(cell) for cell in cells)


def both(theirs: Ratio | None, ours: Ratio | None) -> str:
    return " / ".join("-" if one is None else str(one) for one in (theirs, ours))


Verdict = Literal["holds", "differs", "cannot be told", "not measured"]


@dataclass(frozen=True)
class Found:
    """What some rows say to a claim: a figure, of how many rows, and whether it holds of them."""

    figure: str
    rows: int
    verdict: Verdict


@dataclass(frozen=True)
class Claim:
    """What the published tables show, and how it is told of any rows."""

    text: str
    of: Callable[[Sequence[Row]], Found]


def judged(
    ratios: Sequence[Ratio], holds: Callable[[Ratio], bool], differs: Callable[[Ratio], bool]
) -> Found:
    """Whether something holds of all of them, or not of one, whatever they are within their intervals."""
    if not ratios:
        return Found("-", 0, "not measured")
    verdict: Verdict = "cannot be told"
    if all(map(holds, ratios)):
        verdict = "holds"
    elif any(map(differs, ratios)):
        verdict = "differs"
    return Found(spread([one.value for one in ratios]), len(ratios), verdict)


def all_over_one(ratios: Sequence[Ratio]) -> Found:
    return judged(ratios, lambda one: one.low > 1, lambda one: one.high <= 1)


def all_the_same(ratios: Sequence[Ratio]) -> Found:
    return judged(
        ratios,
        lambda one: one.low >= 1 - SAME and one.high <= 1 + SAME,
        lambda one: one.low > 1 + SAME or one.high < 1 - SAME,
    )


def faster_wherever_both_fit(name: str) -> Callable[[Sequence[Row]], Found]:
    return lambda rows: all_over_one([row.ratios[name, PLAIN] for row in rows if (name, PLAIN) in row.ratios])


def grows_with_context(rows: Sequence[Row]) -> Found:
    """The package's speedup at a model's longest context by that at its shortest, where both fit."""
    steps = []
    for model in dict.fromkeys((row.mode, row.model) for row in rows):
        of_model = [
            row.ratios[PACKAGE, PLAIN]
            for row in rows
            if (row.mode, row.model) == model and (PACKAGE, PLAIN) in row.ratios
        ]
        if len(of_model) > 1:
            first, last = of_model[0], of_model[-1]
            low, high = last.low / first.high, last.high / first.low if first.low else math.inf
            steps.append(Ratio(last.value / first.value, low, high))
    return all_over_one(steps)


def fits_more(rows: Sequence[Row]) -> Found:
    """Batches of the package by plain PyTorch's, which are exact."""
    both_fit = [row.cells for row in rows if {PACKAGE, PLAIN} <= set(row.cells)]
    found = [Ratio.exact(cells[PACKAGE].batch / cells[PLAIN].batch) for cells in both_fit]
    return judged(found, lambda one: one.low >= 1, lambda one: one.high < 1)


def fits_where_plain_does_not(rows: Sequence[Row]) -> Found:
    tried = [row for row in rows if PACKAGE in row.out_of_memory or PACKAGE in row.cells]
    without = [row for row in tried if PLAIN in row.out_of_memory]
    fits = sum(PACKAGE in row.cells for row in without)
    if not without:
        return Found("-", 0, "not measured")
    return Found(f"{fits} of {len(without)}", len(without), "holds" if fits == len(without) else "differs")


def package_over_sdpa(
    mode: str, contexts: Callable[[int], bool], judge: Callable[[Sequence[Ratio]], Found]
) -> Callable[[Sequence[Row]], Found]:
    return lambda rows: judge(
        [
            row.ratios[PACKAGE, SDPA]
            for row in rows
            if row.mode == mode and row.model != "gpt2-large" and contexts(row.context)
            if (PACKAGE, SDPA) in row.ratios
        ]
    )


def spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return " to ".join(dict.fromkeys((ratio(min(values)), ratio(max(values)))))


CLAIMS = (
    Claim(f"{SDPA} is faster than {PLAIN} wherever both fit", faster_wherever_both_fit(SDPA)),
    Claim(f"{PACKAGE} is faster than {PLAIN} wherever both fit", faster_wherever_both_fit(PACKAGE)),
    Claim("its speedup is larger at the longest context than at the shortest", grows_with_context),
    Claim("the batch that fits is as large or larger", fits_more),
    Claim(f"it fits where {PLAIN} does not", fits_where_plain_does_not),
    Claim(
        f"compiled, small and medium: {PACKAGE} is within {SAME:.0%} of {SDPA} up to context {SHORT}",
        package_over_sdpa("compile", lambda context: context <= SHORT, all_the_same),
    ),
    Claim(
        f"compiled, small and medium: {PACKAGE} is faster than {SDPA} from context {LONG} on",
        package_over_sdpa("compile", lambda context: context >= LONG, all_over_one),
    ),
    Claim(
        f"eager, medium: {PACKAGE} is faster than {SDPA} at every context",
        package_over_sdpa("eager", lambda context: True, all_over_one),
    ),
)


def claims(some: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """Each claim of all published rows, of those of them that were measured, and of the measured ones."""
    yield "| the published tables show | published | in the same rows | measured | rows | verdict |"
    yield "|---|---|---|---|--:|---|"
    for claim in CLAIMS:
        of_all, theirs, ours = map(claim.of, (published(), *zip(*some, strict=True)))
        cells = claim.text, of_all.figure, theirs.figure, ours.figure, f"{ours.rows} of {of_all.rows}"
        yield f"| {' | '.join(cells)} | {ours.verdict} |"


def report(recordings: Sequence[Recording]) -> Iterator[str]:
    """A part by memory limit: batches under one limit say nothing of those under another."""
    for held_to in dict.fromkeys(map(_held_to, recordings)):
        yield from (f"# {held_to}", "")
        yield from part([recording for recording in recordings if _held_to(recording) == held_to])


def part(recordings: Sequence[Recording]) -> Iterator[str]:
    """The tables, published / measured in each cell, and the claims."""
    some = pairs(recordings)
    for mode in MODES:
        for model in dict.fromkeys(row.model for row, _ in some if row.mode == mode):
            of_model = [pair for pair in some if (pair[0].mode, pair[0].model) == (mode, model)]
            yield from (f"## {model}, {mode} (published / measured)", "", *table(of_model), "")
    if any(cell.is_launch_bound for _, ours in some for cell in ours.cells.values()):
        yield from (f"`{WAITED}` launch-bound: in a good part of each step the GPU waited for the host.", "")
    yield from ("## What the tables show", "", *claims(some), "")


def _held_to(recording: Recording) -> str:
    plan = recording.training_plan
    limit_bytes = plan.memory_limit_bytes if plan else None
    return "Without a limit" if limit_bytes is None else f"Held to {byte_count(limit_bytes)}"


def main() -> int:
    if len(sys.argv) < 2:
        print("give one or more sessions of `attnprof train`", file=sys.stderr)
        return 2
    recordings = [Recording.of(read_session(Path(argument)).events) for argument in sys.argv[1:]]
    if not pairs(recordings):
        print(
            "these sessions have no row of the study: see `attnprof train --help`, --preset", file=sys.stderr
        )
        return 1
    for line in report(recordings):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
