"""The columns of a comparison's tables, for the terminal and for the app."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from profiler.compare import Comparison, Line, Side, Verdict
from profiler.compare import wording as words
from profiler.training.columns import TEXT_PARAMETERS as TEXT_OF_TRAINING
from profiler.training.columns import training_columns
from profiler.training.model import Training
from profiler.units import TEXT_PARAMETERS, plain_text, shape_columns
from profiler.workload import PASS_LABELS, Attention, Pass
from tui.tables.columns import BAD, FASTEST, MUTED, SHORT_PASS, WARNING, Column, fit, parameter_columns

if TYPE_CHECKING:
    from rich.text import Text

_LONGEST_NAME = 28
VERDICT_STYLE: dict[Verdict, str] = {
    "faster": FASTEST,
    "slower": BAD,
    "same": MUTED,
    "can't tell": WARNING,
    "lost": BAD,
    "gained": FASTEST,
    "neither": MUTED,
}
# Where a time would stand there is room for eight characters; below the table the rest is said.
_SHORT_WORDS = {"unsupported": "n/a", "timed out": "timeout", "not measured": "-"}


def caption(lines: Sequence[Line]) -> str:
    """What all lines have in common: their shape or model, and the pass where there is one alone."""
    trainings = [line.case.subject for line in lines if isinstance(line.case.subject, Training)]
    if trainings:
        return training_columns(trainings).caption()
    passes = _passes(lines)
    shared = shape_columns(_shapes(lines)).caption()
    return ", ".join(filter(None, (shared, PASS_LABELS[passes[0]] if len(passes) == 1 else "")))


def columns_of(comparison: Comparison, lines: Sequence[Line]) -> list[Column]:
    """Every column there could be of lines of one kind; those with nothing in them are left out."""
    columns = _case_columns(lines)
    of_training = isinstance(lines[0].case.subject, Training)
    for index in range(len(comparison.names)):
        if of_training:
            columns += _training_figures(comparison, lines, index)
        else:
            columns.append(_figure(comparison, index, "ms", 1, [_cell(line.sides[index]) for line in lines]))
        if index:
            columns += _changes(comparison, lines, index)
    return [column for column in columns if any(cell.plain.strip("-") for cell in column.cells)]


def _shapes(lines: Iterable[Line]) -> list[Attention]:
    return [line.case.subject for line in lines if isinstance(line.case.subject, Attention)]


def _passes(lines: Iterable[Line]) -> list[Pass]:
    return list(dict.fromkeys(line.case.which for line in lines if line.case.which))


def _case_columns(lines: Sequence[Line]) -> list[Column]:
    """What tells a line from the others; what the line above says already is blank."""
    from rich.text import Text

    trainings = [line.case.subject for line in lines if isinstance(line.case.subject, Training)]
    if trainings:
        told = training_columns(trainings)
        columns = parameter_columns(told.varying, trainings, told.cells, words=TEXT_OF_TRAINING)
    else:
        shapes = _shapes(lines)
        varying = shape_columns(shapes)
        columns = parameter_columns(varying.varying, shapes, varying.cells, words=TEXT_PARAMETERS)
    names = [
        Text("" if index and _same_case(lines[index - 1], line) else _name(line.case.implementation))
        for index, line in enumerate(lines)
    ]
    columns.append(Column("implementation", "\nimplementation", names, 0, kind="words", most=_LONGEST_NAME))
    if len(_passes(lines)) > 1:
        passes = [Text(SHORT_PASS[line.case.which] if line.case.which else "") for line in lines]
        columns.append(Column("pass", "\npass", passes, 0, kind="words"))
    return columns


def _same_case(above: Line, below: Line) -> bool:
    one, other = above.case, below.case
    return (one.subject, one.implementation) == (other.subject, other.implementation)


def _name(name: str) -> str:
    """Of a long path the end, where its file is."""
    shown = plain_text(name)
    return f"…{shown[1 - _LONGEST_NAME :]}" if len(shown) > _LONGEST_NAME and "/" in shown else shown


def _figure(comparison: Comparison, index: int, unit: str, rank: int, cells: list[Text]) -> Column:
    letter = comparison.letters[index]
    if any(cell.plain.endswith(words.PARTIAL) for cell in cells):  # the figures stay below each other
        for cell in cells:
            cell.append("" if cell.plain.endswith(words.PARTIAL) else " ")
    return Column(f"{letter} {unit}", f"{letter}\n{unit}", cells, rank, short_title=f"{letter} {unit}")


def _cell(side: Side | None, *, tokens: bool = False) -> Text:
    from rich.text import Text

    if side is None:
        return Text("-", style=MUTED)
    text = words.throughput(side) if tokens else words.time(side)
    if side.standing == "failed":
        return Text(_SHORT_WORDS.get(text, text), style=WARNING if side.word == "OOM" else BAD)
    return Text(text, style=WARNING if side.is_partial else "")


def _training_figures(comparison: Comparison, lines: Sequence[Line], index: int) -> list[Column]:
    from rich.text import Text

    of_session = [line.sides[index] for line in lines]
    batches = [Text(str(side.batch) if side and side.batch else "-") for side in of_session]
    columns = [
        _figure(comparison, index, "tokens/s", 1, [_cell(side, tokens=True) for side in of_session]),
        _figure(comparison, index, "step ms", 5, [_cell(side) for side in of_session]),
    ]
    if any(side and side.batch != line.base.batch for line in lines for side in line.sides):
        columns.insert(0, _figure(comparison, index, "batch", 3, batches))
    return columns


def _changes(comparison: Comparison, lines: Sequence[Line], index: int) -> list[Column]:
    """What changed from the base to a session: of more than two, under the session's letter."""
    changes = [line.changes[index - 1] for line in lines]
    above = comparison.letters[index] if len(comparison.names) > 2 else ""
    ratios = [words.speedup(change.speedup) if change else ("", "") for change in changes]
    cycles = [
        words.near_one(change.cycles) if change and change.cycles is not None else "" for change in changes
    ]
    verdicts = [(change.verdict, VERDICT_STYLE[change.verdict]) if change else ("", "") for change in changes]
    columns = [
        _change(
            f"{above}\nspeedup", above, 0, [(value or "-", "" if value else MUTED) for value, _ in ratios]
        ),
        _change("95 %\ninterval", above, 2, [(sure, MUTED) for _, sure in ratios]),
        _change("\nverdict", above, 0, verdicts, kind="words"),
        _change("\ncycles", above, 3, [(value or "-", "" if value else MUTED) for value in cycles]),
    ]
    if words.has_memory(lines):
        memory = [words.memory(line, index) for line in lines]
        columns.append(
            _change("memory\n%", above, 3, [(cell or "-", _memory_style(cell)) for cell in memory])
        )
    if any(cycles):
        columns += [_clocks(comparison, lines, each) for each in ((0, 1) if index == 1 else (index,))]
    return columns


def _memory_style(cell: str) -> str:
    return MUTED if cell in ("", "=") else WARNING if cell.startswith("+") else ""


def _clocks(comparison: Comparison, lines: Sequence[Line], index: int) -> Column:
    from rich.text import Text

    clocks = [side.sm_mhz if (side := line.sides[index]) else None for line in lines]
    cells = [Text(f"{clock.median:.0f}" if clock else "-", MUTED) for clock in clocks]
    letter = comparison.letters[index]
    return Column(f"{letter} MHz", f"{letter} SM\nMHz", cells, 6, short_title=f"{letter} SM MHz")


def _change(
    title: str,
    above: str,
    rank: int,
    cells: Iterable[tuple[str, str]],
    kind: Literal["number", "words"] = "number",
) -> Column:
    from rich.text import Text

    brief = (
        f"{above} {title.strip().replace(chr(10), ' ')}" if above and not title.startswith(above) else title
    )
    brief = " ".join(brief.split())
    return Column(f"{above} {brief}", title, [Text(*cell) for cell in cells], rank, kind, short_title=brief)


def fitting(columns: Sequence[Column], width: int | None) -> tuple[list[Column], int]:
    """Those that fit, and the gap between them; the wider gap wherever there is room for all."""
    whole = sum(column.width for column in columns) + 2 * (len(columns) - 1)
    return (list(columns), 2) if width is None or whole <= width else fit(columns, width)
