"""Sets the published GPT-2 training study beside sessions of the presets gpt2-compile and gpt2-eager.

    attnprof train --preset gpt2-compile --memory-limit 12GiB
    attnprof train --preset gpt2-eager --memory-limit 12GiB
    python -m benchmarks.gpt2_study SESSION...    # prints Markdown; needs no GPU

The published figures, and where they come from, are in gpt2_study.json beside this file: batch and tokens/s
of plain PyTorch, of FlashAttention 1 (here: SDPA's flash backend) and of flash-attn 2. On another GPU
tokens/s are others, so what is compared are ratios within a row, and under a limit of 12 GiB the batches.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.training.presets import TRAINING_PRESETS
from profiler.training.rows import training_rows
from profiler.training.wording import tokens_per_s
from profiler.units import byte_count, ratio

PUBLISHED = Path(__file__).with_name("gpt2_study.json")
MODES = ("compile", "eager")
PLAIN, FLASH1, FLASH2 = "pytorch", "sdpa-flash", "flash2"
NAMES = (PLAIN, FLASH1, FLASH2)
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
class Row:
    """A model at a context in a mode; a cell by implementation, where there is one."""

    mode: str
    model: str
    context: int
    cells: dict[str, Cell]
    out_of_memory: frozenset[str] = frozenset()
    """The implementations of which not even one sequence fits."""

    def over(self, name: str, base: str) -> float | None:
        """Tokens/s of one by those of another."""
        if name not in self.cells or base not in self.cells:
            return None
        return self.cells[name].tokens_per_s / self.cells[base].tokens_per_s


def published() -> list[Row]:
    tables = json.loads(PUBLISHED.read_text())
    return [_published_row(mode, row) for mode in MODES for row in tables[mode]]


def _published_row(mode: str, row: list[Any]) -> Row:
    model, context, *cells = row
    named = dict(zip(NAMES, cells, strict=True))
    # The eager table leaves plain PyTorch out; in the other what is blank did not fit.
    blank = frozenset(name for name, cell in named.items() if not cell and mode == "compile")
    return Row(mode, model, context, {name: Cell(*cell) for name, cell in named.items() if cell}, blank)


def measured(recordings: Sequence[Recording]) -> dict[tuple[str, str, int], Row]:
    """What the sessions have of the study's rows; of one that several have, the last."""
    of_presets = {training for preset in TRAINING_PRESETS.values() for training in preset.trainings}
    found: dict[tuple[str, str, int], Row] = {}
    for recording in recordings:
        plan = recording.training_plan
        if plan is None or plan.batch is not None:
            continue  # the study's batches are the largest that fit
        for row in training_rows(recording):
            training = row.training
            if training not in of_presets:
                continue  # another vocabulary, optimizer, ...
            key = training.mode, training.model.name, training.context
            of_row = found.setdefault(key, Row(*key, {}))
            if row.status == "ok" and row.batch and row.tokens_per_s:
                cell = Cell(row.batch, row.tokens_per_s, row.is_launch_bound)
                of_row.cells[row.implementation] = cell
            if row.status == "oom":
                found[key] = replace(of_row, out_of_memory=of_row.out_of_memory | {row.implementation})
    return found


def pairs(recordings: Sequence[Recording]) -> list[tuple[Row, Row]]:
    """Each published row with the one measured for it, where there is one."""
    found = measured(recordings)
    keyed = ((row, found.get((row.mode, row.model, row.context))) for row in published())
    return [(theirs, ours) for theirs, ours in keyed if ours and (ours.cells or ours.out_of_memory)]


def table(some: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """A model's rows: published and measured beside each other in every cell."""
    titles = ["context", *(f"{name}: batch | tokens/s" for name in NAMES)]
    titles += [f"{name} / {PLAIN}" for name in NAMES[1:]]
    titles += [f"{FLASH2} - {FLASH1} (%)"]
    yield f"| {' | '.join(titles)} |"
    yield f"|{'--:|' * sum(title.count('|') + 1 for title in titles)}"
    for theirs, ours in some:
        line = [str(theirs.context)]
        for name in NAMES:
            line += [
                beside(theirs, ours, name, lambda cell: str(cell.batch)),
                beside(theirs, ours, name, lambda cell: cell.throughput),
            ]
        line += [both(theirs.over(name, PLAIN), ours.over(name, PLAIN), ratio) for name in (FLASH1, FLASH2)]
        line += [both(difference(theirs), difference(ours), "{:+.1f}".format)]
        yield f"| {' | '.join(line)} |"


def beside(theirs: Row, ours: Row, name: str, text: Callable[[Cell], str]) -> str:
    cells = (row.cells.get(name) for row in (theirs, ours))
    return " / ".join("-" if cell is None else text(cell) for cell in cells)


def both(theirs: float | None, ours: float | None, text: Callable[[float], str]) -> str:
    return " / ".join("-" if value is None else text(value) for value in (theirs, ours))


def difference(row: Row) -> float | None:
    """What FlashAttention 2 has over 1, in percent of its own tokens/s, as the study counts."""
    over = row.over(FLASH2, FLASH1)
    return None if over is None else 100 * (1 - 1 / over)


@dataclass(frozen=True)
class Claim:
    """What the published tables show, and how it is told of any rows: a figure, and whether it holds."""

    text: str
    of: Callable[[Sequence[Row]], tuple[str, bool | None]]


def faster_wherever_both_fit(name: str) -> Callable[[Sequence[Row]], tuple[str, bool | None]]:
    def of(rows: Sequence[Row]) -> tuple[str, bool | None]:
        found = [over for row in rows if (over := row.over(name, PLAIN)) is not None]
        return spread(found), min(found) > 1 if found else None

    return of


def grows_with_context(rows: Sequence[Row]) -> tuple[str, bool | None]:
    """FlashAttention 2's speedup at a model's longest context by that at its shortest, where both fit."""
    steps = []
    for model in dict.fromkeys((row.mode, row.model) for row in rows):
        of_model = [
            over
            for row in rows
            if (row.mode, row.model) == model and (over := row.over(FLASH2, PLAIN)) is not None
        ]
        if len(of_model) > 1:
            steps.append(of_model[-1] / of_model[0])
    return spread(steps), min(steps) > 1 if steps else None


def fits_more(rows: Sequence[Row]) -> tuple[str, bool | None]:
    """Batches of FlashAttention 2 by plain PyTorch's."""
    found = [
        row.cells[FLASH2].batch / row.cells[PLAIN].batch for row in rows if {FLASH2, PLAIN} <= set(row.cells)
    ]
    return spread(found), min(found) >= 1 if found else None


def fits_where_plain_does_not(rows: Sequence[Row]) -> tuple[str, bool | None]:
    tried = [row for row in rows if FLASH2 in row.out_of_memory or FLASH2 in row.cells]
    without = [row for row in tried if PLAIN in row.out_of_memory]
    fits = sum(FLASH2 in row.cells for row in without)
    return f"{fits} of {len(without)} rows", fits == len(without) if without else None


def second_over_first(
    mode: str, contexts: Callable[[int], bool], holds: Callable[[Sequence[float]], bool]
) -> Callable[[Sequence[Row]], tuple[str, bool | None]]:
    def of(rows: Sequence[Row]) -> tuple[str, bool | None]:
        found = [
            over
            for row in rows
            if row.mode == mode and row.model != "gpt2-large" and contexts(row.context)
            if (over := row.over(FLASH2, FLASH1)) is not None
        ]
        return spread(found), holds(found) if found else None

    return of


def spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return " to ".join(dict.fromkeys((ratio(min(values)), ratio(max(values)))))


CLAIMS = (
    Claim(
        "FlashAttention 1 is faster than plain PyTorch wherever both fit", faster_wherever_both_fit(FLASH1)
    ),
    Claim(
        "FlashAttention 2 is faster than plain PyTorch wherever both fit", faster_wherever_both_fit(FLASH2)
    ),
    Claim("its speedup is larger at the longest context than at the shortest", grows_with_context),
    Claim("the batch that fits is as large or larger", fits_more),
    Claim("it fits where plain PyTorch does not", fits_where_plain_does_not),
    Claim(
        f"compiled, small and medium: 2 is within {SAME:.0%} of 1 up to context {SHORT}",
        second_over_first(
            "compile",
            lambda context: context <= SHORT,
            lambda found: all(abs(value - 1) <= SAME for value in found),
        ),
    ),
    Claim(
        f"compiled, small and medium: 2 is faster than 1 from context {LONG} on",
        second_over_first("compile", lambda context: context >= LONG, lambda found: min(found) > 1),
    ),
    Claim(
        "eager, medium: 2 is faster than 1 at every context",
        second_over_first("eager", lambda context: True, lambda found: min(found) > 1),
    ),
)


def claims(some: Sequence[tuple[Row, Row]]) -> Iterator[str]:
    """Each claim of the published rows and of the measured ones, and whether it holds of the latter."""
    yield "| the published tables show | published | measured | verdict |"
    yield "|---|---|---|---|"
    for claim in CLAIMS:
        (theirs, _), (ours, holds) = (claim.of([pair[side] for pair in some]) for side in (0, 1))
        verdict = "not measured" if holds is None else "holds" if holds else "differs"
        yield f"| {claim.text} | {theirs} | {ours} | {verdict} |"


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
