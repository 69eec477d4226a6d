"""`attnprof show`: a saved session as tables, above them what is behind."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from profiler.recording import Recording
from profiler.session import SessionError, find_session, sessions_folder
from profiler.session_reader import SessionFile, read_session
from profiler.units import plain_text
from tui.errors import Refusal

if TYPE_CHECKING:
    from rich.console import RenderableType


@click.command("show")
@click.argument("session")
@click.option("--sessions", metavar="DIR", help="Where session files are. [default: ./sessions]")
def command(session: str, sessions: str | None) -> None:
    """Show a saved session as a table.

    SESSION is a path, a unique part of a name in the sessions folder, or "last".
    """
    file = open_session(session, sessions)
    _print(Recording.of(file.events))


def open_session(session: str, sessions: str | None) -> SessionFile:
    """The session meant, with what could not be read in it said on stderr.

    Raises:
        Refusal: there is none, or it cannot be read.
    """
    try:
        file = read_session(find_session(session, sessions_folder(sessions)))
    except SessionError as error:
        raise Refusal(str(error)) from error
    for problem in file.problems:
        click.echo(f"{plain_text(file.path.name)}, {problem}", err=True)
    return file


def _print(recording: Recording) -> None:
    from rich.console import Console
    from rich.text import Text

    from tui.details import details
    from tui.tables import as_text, results_table
    from tui.training_tables import training_view

    console = Console(highlight=False)
    # The table last: it is what a person looks for, and the lines of kernels may be more than a screen.
    behind = list(details(recording))
    for line in (*_heading(recording), *behind, *([""] if behind else [])):
        console.print(Text(line), soft_wrap=True)
    # In a pipe nothing is left out or wrapped: the reader may have any width, or be a program.
    width = console.width if console.is_terminal or "COLUMNS" in os.environ else None
    tables: list[RenderableType] = [results_table(recording, width=width)] if recording.cases else []
    if recording.trainings:
        tables += training_view(recording, width=width)
    for index, table in enumerate(tables):
        if index:
            console.print()
        if width is None:
            click.echo(as_text(table))
        else:
            console.print(table)
    for log in recording.logs:
        if log.level != "info":
            console.print(Text(f"{log.level}: {plain_text(log.message)}"), soft_wrap=True)


def _heading(recording: Recording) -> Iterator[str]:
    from profiler import wording

    if header := recording.header:
        packages = header.environment.packages
        versions = [f"{name} {packages[name]}" for name in ("torch", "flash-attn") if name in packages]
        machine = [wording.device_name(header.environment), *versions]
        yield plain_text(", ".join(machine))
        yield plain_text(f"{header.started}  {header.command}")
    if recording.label:
        yield f"label: {plain_text(recording.label)}"
    for note in recording.notes:
        yield f"note of {wording.day(note.written)}: {plain_text(note.text)}"
    if how := wording.ending(recording):
        yield how
    if not recording.cases and not recording.trainings:
        yield "Nothing was measured."
    yield ""
