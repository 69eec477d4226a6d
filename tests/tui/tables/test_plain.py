"""Tables for a pipe: the same as a terminal of any width would have."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from rich.console import Console, Group, RenderableType
from rich.text import Text

from tests.examples import hopper, lab6, single
from tests.training_examples import study
from tui.tables.columns import Column
from tui.tables.plain import as_text
from tui.tables.results import empty_table, fill, results_table
from tui.tables.training import training_view


def by_rich(part: RenderableType) -> str:
    console = Console(highlight=False, width=10_000, no_color=True)
    with console.capture() as captured:
        console.print(part)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def small(columns: Sequence[Column], below: Sequence[str] = ()) -> RenderableType:
    table = empty_table(("a title that is wider than its table",), below, gap=3)
    fill(table, columns, None, groups=(1, 1, 2))
    return Group(Text("what they have in common"), table)


def column(title: str, *cells: str, right: bool = True) -> Column:
    return Column(title, title, list(map(Text, cells)), 0, "number" if right else "words")


@pytest.mark.parametrize(
    "part",
    [
        results_table(lab6(), width=None),
        results_table(hopper(), width=None),
        results_table(single(), width=None),
        *training_view(study(), width=None),
        small(
            [column("impl", "語", "b", "c", right=False), column("\nms", "1", "10.5", "")], ["far below it"]
        ),
        small([column("one", "1 ", "two\nlines", "3"), column("\nother", "1", "2", "3", right=False)]),
        small([column("none")]),
        small([]),
    ],
)
def test_a_table_is_as_rich_prints_it(part: RenderableType) -> None:
    assert as_text(part) == by_rich(part)
