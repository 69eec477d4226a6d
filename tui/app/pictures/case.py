"""All that is known of one case, as lines of text: a block a subject, a column a pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest

from rich.text import Text

from profiler.events import Accuracy
from profiler.results import wording
from profiler.units import plain_text, ratio, three_digits
from profiler.workload import PASS_LABELS, Pass
from tui.app.glyphs import Glyphs
from tui.app.pictures.case_blocks import OF_PASS
from tui.app.pictures.case_facts import CaseFacts, Pen, wrapped
from tui.app.pictures.look import Look

_LABEL_WIDTH = 11
_GAP = 3
_LEAST_COLUMN = 44  # narrower columns do not stand side by side
_WIDEST = 76  # of a column; the eye loses the line in wider ones


def passes_side_by_side(passes: int, width: int) -> bool:
    """Whether a sheet of that width has room for a column a pass."""
    return passes * (_LEAST_COLUMN + _GAP) + _LABEL_WIDTH - _GAP <= width


def sheet(facts: CaseFacts, passes: Sequence[Pass], width: int, *, look: Look, glyphs: Glyphs) -> list[Text]:
    """The lines about those passes, side by side, and below them those about the case as a whole."""
    shown = [row for row in facts.rows if row.which in passes]
    number = max(len(shown), 1)
    column = min((width - _LABEL_WIDTH + _GAP) // number - _GAP, _WIDEST)
    pen = Pen(column, look, glyphs)
    lines: list[Text] = []
    for group in OF_PASS:
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


def _block(label: str, columns: list[list[Text]], pen: Pen) -> list[Text]:
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


def _accuracy(facts: CaseFacts, pen: Pen) -> Iterator[Text]:
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


def _first_calls(facts: CaseFacts, pen: Pen) -> Iterator[Text]:
    first = facts.rows[0].first_calls_ms if facts.rows else {}
    if said := ", ".join(f"{PASS_LABELS[which]} {three_digits(time)} ms" for which, time in first.items()):
        yield from pen.flow(f"{said}, with loading and compilation")


def _backend(facts: CaseFacts, pen: Pen) -> Iterator[Text]:
    if facts.rows and facts.rows[0].backend:
        yield from pen.flow(plain_text(facts.rows[0].backend))


def _notes(facts: CaseFacts, pen: Pen) -> Iterator[Text]:
    if not facts.rows:
        return
    for note in facts.rows[0].notes:
        yield from pen.flow(plain_text(note))
    for reason, number in (facts.rows[0].graph_breaks or {}).items():
        yield from pen.flow(f"graph break, {number} x: {plain_text(reason)}")


def _command(facts: CaseFacts, pen: Pen) -> Iterator[Text]:
    yield from pen.flow(facts.command, pen.look.value)


_DrawCase = Callable[[CaseFacts, Pen], Iterator[Text]]

_OF_CASE: tuple[dict[str, _DrawCase], ...] = (
    {"accuracy": _accuracy},
    {"first call": _first_calls, "backend": _backend, "notes": _notes},
    {"again": _command},
)
"""Those about the case."""
