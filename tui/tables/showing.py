"""How the commands that show saved sessions open them, and print their tables on a screen or into a pipe."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from profiler.session.file import SessionError, find_session, sessions_folder
from profiler.session.reader import RecordedFile, read_recording
from profiler.session.recording import Recording
from profiler.units import plain_text
from tui.errors import Refusal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


def open_recorded(session: str, sessions: str | None) -> RecordedFile:
    """The session meant, with what could not be read in it said on stderr.

    Of a large session lines about a case are read when they are asked for: what could not be is then said
    when the command ends.

    Raises:
        Refusal: there is none, or it cannot be read.
    """
    try:
        file = read_recording(find_session(session, sessions_folder(sessions)))
    except SessionError as error:
        raise Refusal(str(error)) from error
    _say(file, file.problems)
    click.get_current_context().call_on_close(lambda: _say(file, file.recording.unread))
    return file


def open_recording(session: str, sessions: str | None) -> Recording:
    """What the session meant adds up to.

    Raises:
        Refusal: there is none, or it cannot be read.
    """
    return open_recorded(session, sessions).recording


def _say(file: RecordedFile, problems: Iterable[str]) -> None:
    for problem in problems:
        click.echo(f"{plain_text(file.path.name)}, {problem}", err=True)


def console_and_width() -> tuple[Console, int | None]:
    """The terminal, and its width. In a pipe nothing is left out or wrapped: the reader may have any
    width, or be a program."""
    from rich.console import Console

    console = Console(highlight=False)
    return console, console.width if console.is_terminal or "COLUMNS" in os.environ else None


def print_tables(
    console: Console, tables: Iterable[RenderableType], width: int | None, *, apart: bool = True
) -> None:
    """Print tables as `console_and_width` has it, `apart` with an empty line between."""
    from tui.tables.plain import as_text

    for index, table in enumerate(tables):
        if index and apart:
            console.print()
        if width is None:
            click.echo(as_text(table))
        else:
            console.print(table)
