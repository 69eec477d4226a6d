"""`attnprof export`: a saved session as Markdown, CSV or JSON."""

from __future__ import annotations

from pathlib import Path

import click

from profiler.export import FORMATS, UnknownFormat, export, format_of
from profiler.recording import Recording
from profiler.units import plain_text
from tui.commands.show import open_session
from tui.errors import Refusal


@click.command("export")
@click.argument("session")
@click.option(
    "--format",
    "format_name",
    metavar="|".join(FORMATS),
    help="What to write. [default: by the file's suffix]",
)
@click.option("-o", "--output", metavar="FILE", help="Where to write it; - is standard output. [default: -]")
@click.option("--sessions", metavar="DIR", help="Where session files are. [default: ./sessions]")
def command(session: str, format_name: str | None, output: str | None, sessions: str | None) -> None:
    """Write a saved session as Markdown, CSV or JSON.

    SESSION is a path, a unique part of a name in the sessions folder, or "last".
    """
    try:
        chosen = format_of(output, format_name)
    except UnknownFormat as error:
        raise Refusal(str(error)) from error
    text = export(Recording.of(open_session(session, sessions).events), chosen)
    if output in (None, "-"):
        click.echo(text, nl=False)
    else:
        save(text, Path(output))


def save(text: str, path: Path) -> None:
    """Write a report, and say where.

    Raises:
        Refusal: the file cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise Refusal(
            f"'{plain_text(str(path))}' cannot be written ({reason}): give another --output"
        ) from error
    click.echo(f"wrote {plain_text(str(path))}", err=True)
