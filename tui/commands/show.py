"""`attnprof show`: a saved session as tables, above them what is behind; or those of its rows asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from profiler.garbage import collecting_no_garbage
from profiler.session.recording import Recording
from profiler.units import count, plain_text
from tui.errors import Refusal
from tui.options.groups import SectionedCommand, section
from tui.tables.showing import console_and_width, open_recording, print_tables

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from profiler.query.selection import Query
    from profiler.workload import Attention, Pass

EXIT_NOTHING = 1

_MOST_LINES = 100  # of a table on a screen: more scrolls past unread
_FORMATS = ("table", "md", "csv", "json")

_rows = section("Which rows")
_form = section("How")


@click.command(
    "show",
    cls=SectionedCommand,
    epilog="Fields go by the names of CSV's columns, or shorter: seq, impl, forward_ms. --fields lists them.",
)
@click.argument("session", required=False)
@_rows("--where", metavar="EXPR", help="Only rows of which this holds: 'seq >= 4k and causal'.")
@_rows("--pass", "passes", metavar="PASSES", help="Of fwd, bwd, fwd_bwd.")
@_rows("--sort", metavar="FIELDS", help="By these, the first foremost; -FIELD has the largest first.")
@_form("--columns", metavar="FIELDS", help="These, in this order: seq,impl,forward_ms,speedup.")
@_form("--pivot", metavar="ROWS:COLUMN:VALUE", help="Folded: seq:impl:forward_ms, seq,heads:impl:memory.")
@_form("--format", "format_name", metavar="|".join(_FORMATS), help="How to write it. Default: table.")
@_form("--all", "show_all", is_flag=True, help="Every row, however many; a pipe has them anyway.")
@_form("--fields", is_flag=True, help="List the fields that there are, and end.")
@_form("--sessions", metavar="DIR", help="Where session files are. Default: ./sessions.")
def command(
    session: str | None,
    sessions: str | None,
    where: str | None,
    passes: str | None,
    sort: str | None,
    columns: str | None,
    pivot: str | None,
    format_name: str | None,
    show_all: bool,
    fields: bool,
) -> None:
    """Show a saved session as a table, or those of its rows that are asked for.

    SESSION is a path, a unique part of a name in the sessions folder, or "last".

    \b
    attnprof show last
    attnprof show last --where "seq >= 4k and impl in (flash2, sdpa)" --sort -speedup
    attnprof show last --pivot seq:impl:forward_ms
    attnprof show last --columns seq,impl,pass,device_ms,speedup --format csv
    """
    if fields:
        _print_fields()
        return
    if session is None:
        raise Refusal("SESSION is missing: a path, a part of a name in the sessions folder, or last")
    query, only = _asked(where, sort, columns, pivot), _passes(passes)
    recording = open_recording(session, sessions)
    with collecting_no_garbage():
        if all(option is None for option in (where, passes, sort, columns, pivot, format_name)):
            _print(recording, whole=show_all)
        else:
            _answer(recording, query, only, format_name or "table", whole=show_all)


def _asked(where: str | None, sort: str | None, columns: str | None, pivot: str | None) -> Query:
    from profiler.query.fields import QueryError
    from profiler.query.selection import Query

    if columns is not None and pivot is not None:
        raise Refusal("give --columns for rows, or --pivot to fold them, not both")
    try:
        return Query.of(where, sort, columns, pivot)
    except QueryError as error:
        raise Refusal(str(error)) from None


def _passes(text: str | None) -> tuple[Pass, ...] | None:
    from profiler.plans.plan import PlanError
    from tui.options.planning import parse_passes

    try:
        return None if text is None else parse_passes(text)
    except PlanError as error:
        raise Refusal(str(error)) from None


def _answer(
    recording: Recording, query: Query, passes: tuple[Pass, ...] | None, format_name: str, *, whole: bool
) -> None:
    """Print the answer; exit with 1 where no row matches."""
    from profiler.query.fields import QueryError
    from tui.tables import query_view

    if format_name not in _FORMATS:
        raise Refusal(f"there is no format '{plain_text(format_name)}'; there are {', '.join(_FORMATS)}")
    try:
        found = query_view.answers(recording, query, passes)
        answered = [each for each in found if each.entries]
        if format_name in ("csv", "json"):
            for part in query_view.for_programs(found, format_name):
                click.echo(part, nl=False)
        elif format_name == "md":
            click.echo(
                "\n".join(part for each in answered for part in query_view.as_markdown(each)), nl=False
            )
        elif answered:
            console, width = console_and_width()
            _print_heading(console, recording)
            for index, each in enumerate(answered):
                if index:
                    console.print()
                shown = each if whole or width is None else each.first(_MOST_LINES)
                print_tables(console, query_view.tables_of(shown, width=width), width)
                _print_rest(console, len(shown.entries), len(each.entries), "row")
    except QueryError as error:
        raise Refusal(str(error)) from None
    if not answered:
        click.echo(query_view.found_nothing(found, recording), err=True)
        raise SystemExit(EXIT_NOTHING)


def _print(recording: Recording, *, whole: bool) -> None:
    """All that there is, on a screen as much of it as a person reads."""
    from rich.text import Text

    from profiler.results.rows import rows_by_case
    from tui.tables.details import details
    from tui.tables.results import results_table
    from tui.tables.training import training_view

    console, width = console_and_width()
    shown = recording if whole or width is None else _first_shapes(recording)
    # The table last: it is what a person looks for, and the lines of kernels may be more than a screen.
    _print_heading(console, recording)
    found = [row for _, of_case in rows_by_case(shown) for row in of_case]
    behind = list(details(shown, found))
    for line in (*behind, *([""] if behind else [])):
        console.print(Text(line), soft_wrap=True)
    tables: list[RenderableType] = [results_table(shown, width=width, all_rows=found)] if shown.cases else []
    if recording.trainings:
        tables += training_view(recording, width=width)
    print_tables(console, tables, width)
    _print_rest(console, len(shown.cases), len(recording.latest().cases), "case")
    warned = [f"warning: {warning}" for warning in recording.warnings]
    logged = [f"{log.level}: {plain_text(log.message)}" for log in recording.logs if log.level != "info"]
    for line in (*warned, *logged):
        console.print(Text(line), soft_wrap=True)


def _first_shapes(recording: Recording) -> Recording:
    """The first shapes, as many as their lines fit in what a person reads of a table; all, if they do."""
    cases = recording.latest().cases.values()
    if len(cases) <= _MOST_LINES:
        return recording
    lines_of_shape: dict[Attention, int] = {}
    for case in cases:
        lines_of_shape[case.workload] = lines_of_shape.get(case.workload, 0) + 1
    room = _MOST_LINES
    shapes: list[Attention] = []
    for shape, lines in lines_of_shape.items():
        room -= lines
        if shapes and room < 0:
            break
        shapes.append(shape)
    return recording.only(*shapes)


def _print_rest(console: Console, shown: int, there: int, noun: str) -> None:
    """That there is more than was shown, and how to see it."""
    if shown < there:
        said = f"these are the first {shown:,} of {count(there, noun)}"
        console.print(f'\n{said}: --where "seq >= 4k" picks some, --all or a pipe shows all', soft_wrap=True)


def _print_heading(console: Console, recording: Recording) -> None:
    from rich.text import Text

    for line in _heading(recording):
        console.print(Text(line), soft_wrap=True)


def _heading(recording: Recording) -> Iterator[str]:
    from profiler.results import wording
    from profiler.session.imported import imported_words

    if header := recording.header:
        packages = header.environment.packages
        versions = [f"{name} {packages[name]}" for name in ("torch", "flash-attn") if name in packages]
        machine = [wording.device_name(header.environment), *versions]
        yield plain_text(", ".join(machine))
        yield plain_text(f"{header.started}  {header.command}")
    yield from imported_words(recording)
    if recording.label:
        yield f"label: {plain_text(recording.label)}"
    for note in recording.notes:
        yield f"note of {wording.day(note.written)}: {plain_text(note.text)}"
    if how := wording.ending(recording):
        yield how
    if not recording.cases and not recording.trainings:
        yield "Nothing was measured."
    yield ""


def _print_fields() -> None:
    """The fields of both kinds of rows, for `| grep`."""
    from profiler.query import PASS_FIELDS, TRAINING_FIELDS
    from profiler.query.reference import field_lines

    lines_by_subject = {
        PASS_FIELDS.subject: list(field_lines(PASS_FIELDS)),
        TRAINING_FIELDS.subject: list(field_lines(TRAINING_FIELDS)),
    }
    for subject, lines in lines_by_subject.items():
        click.echo(f"Of {subject}:")
        widths = [max(len(line[index]) for line in lines) for index in range(2)]
        for name, aliases, type_, meaning in lines:
            click.echo(f"  {name:<{widths[0]}}  {aliases:<{widths[1]}}  {meaning} ({type_})")
