"""A comparison as Markdown, to be pasted into a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from profiler.compare import wording as words
from profiler.compare.comparison import Comparison, Line
from profiler.compare.meanings import MEANINGS
from profiler.export.markdown.results import shape_cells
from profiler.export.markdown.text import Column, code, escape, folded, section, table
from profiler.training.columns import TEXT_PARAMETERS, training_columns
from profiler.training.model import Training
from profiler.units import shape_columns
from profiler.workload import PASS_LABELS, PASSES, Attention

_TOLD_FIRST = ("slower", "lost", "faster", "gained")


def render(comparison: Comparison) -> str:
    """What came of it first, then what differs around it, what changed, and all of it folded."""
    sections = [
        "# Sessions compared",
        _summary(comparison),
        _surroundings(comparison),
        *_changed(comparison),
        *_whole(comparison),
        _left_over(comparison),
        _explanations(comparison),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _summary(comparison: Comparison) -> str:
    lines = []
    for letter, name, ending in zip(comparison.letters, comparison.names, comparison.endings, strict=True):
        base = ", the base" if letter == "A" else ""
        lines.append(f"{letter}: {code(name)}{base}{f'. {escape(ending)}' if ending else ''}")
    lines += [f"**{escape(line)}**" for line in words.summaries(comparison)]
    lines += [escape(line) for line in words.unlike(comparison)]
    if memory := words.memory_words(comparison):
        lines.append(memory)
    return "\n".join(f"- {line}" for line in lines)


def _surroundings(comparison: Comparison) -> str:
    same = words.same_words(comparison)
    told = f"The same: {escape(same)}." if same else ""
    differences = comparison.surroundings.differences
    if not differences:
        return section("What differs", "Nothing that the sessions tell of.", told)
    columns = [Column("", [escape(difference.name) for difference in differences], right=False)]
    for index, letter in enumerate(comparison.letters):
        values = [escape(difference.values[index]) for difference in differences]
        columns.append(Column(letter, values, right=False))
    return section("What differs", table(columns), told)


def _changed(comparison: Comparison) -> Iterator[str]:
    """The cases with a difference, and what failed; nothing where all are the same."""
    changed = [
        line
        for line in comparison.lines
        if any(change and change.verdict in _TOLD_FIRST for change in line.changes)
    ]
    if changed:
        failed = [f"- {escape(text)}" for text in words.failures(comparison)]
        yield section("What changed", *_tables(comparison, changed), "\n".join(failed))


def _whole(comparison: Comparison) -> Iterator[str]:
    title = f"All {len(comparison.lines)} cases" if len(comparison.lines) > 1 else "The case"
    yield folded(title, *_tables(comparison, comparison.lines))


def _tables(comparison: Comparison, lines: Sequence[Line]) -> Iterator[str]:
    trainings = [line for line in lines if isinstance(line.case.subject, Training)]
    calls = [line for line in lines if not isinstance(line.case.subject, Training)]
    for which in PASSES:
        of_pass = [line for line in calls if line.case.which == which]
        if of_pass:
            shapes = shape_columns(
                line.case.subject for line in calls if not isinstance(line.case.subject, Training)
            )
            told = f"**{PASS_LABELS[which]}**, ms: {escape(shapes.caption())}"
            yield f"{told}\n\n{_table(comparison, of_pass)}"
    if trainings:
        of_rows = training_columns(
            line.case.subject for line in trainings if isinstance(line.case.subject, Training)
        )
        yield f"**training**, tokens/s: {escape(of_rows.caption())}\n\n{_table(comparison, trainings)}"


def _table(comparison: Comparison, lines: Sequence[Line]) -> str:
    columns = [
        *_case_columns(lines),
        Column("implementation", [code(line.case.implementation) for line in lines], right=False),
    ]
    of_training = isinstance(lines[0].case.subject, Training)
    figure = words.throughput if of_training else words.time
    for index, letter in enumerate(comparison.letters):
        columns.append(Column(letter, [escape(figure(line.sides[index])) for line in lines]))
        if of_training:
            batches = [
                str(side.batch) if (side := line.sides[index]) and side.batch else None for line in lines
            ]
            columns.append(Column(f"{letter} batch", batches))
        if index:
            columns += _changes(comparison, lines, index)
    return table(columns)


def _case_columns(lines: Sequence[Line]) -> list[Column]:
    trainings = [line.case.subject for line in lines if isinstance(line.case.subject, Training)]
    if trainings:
        rows = training_columns(trainings)
        parameters = zip(*map(rows.cells, trainings), strict=True)
        return [
            Column(name, list(map(escape, values)), right=name not in TEXT_PARAMETERS)
            for name, values in zip(rows.varying, parameters, strict=False)
        ]
    shapes = [line.case.subject for line in lines if isinstance(line.case.subject, Attention)]
    return shape_cells(shapes, shape_columns(shapes))


def _changes(comparison: Comparison, lines: Sequence[Line], index: int) -> Iterator[Column]:
    above = f"{comparison.letters[index]} " if len(comparison.names) > 2 else ""
    changes = [line.changes[index - 1] for line in lines]
    ratios = [words.speedup_in_a_line(change.speedup) if change else "" for change in changes]
    yield Column(f"{above}speedup", ratios)
    yield Column(f"{above}verdict", [change.verdict if change else "" for change in changes], right=False)
    cycles = [
        words.near_one(change.cycles) if change and change.cycles is not None else None for change in changes
    ]
    yield Column(f"{above}cycles", cycles)
    if words.has_memory(lines):
        yield Column(f"{above}memory (%)", [words.memory(line, index) for line in lines])


def _left_over(comparison: Comparison) -> str | None:
    lines = [f"- {escape(line)}" for line in words.unmatched(comparison)]
    return section("Without a counterpart", "\n".join(lines)) if lines else None


def _explanations(comparison: Comparison) -> str:
    used = {change.verdict for line in comparison.lines for change in line.changes if change}
    shown = {"speedup", *used}
    shown |= {"cycles"} if words.has_cycles(comparison) else set()
    shown |= {"memory"} if words.has_memory(comparison.lines) else set()
    shown |= {words.PARTIAL} if words.has_partial(comparison.lines) else set()
    said = [f"- **{word}**: {meaning}" for word, meaning in MEANINGS.items() if word in shown]
    margin = (
        f"The margin is {words.margin_words(comparison.margin)}. No interval holds drift between sessions."
    )
    return section("What the words mean", "\n".join(said), margin)
