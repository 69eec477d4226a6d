"""`attnprof export`: a saved session as a report for people, Markdown or HTML, or as CSV or JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from profiler.export import (
    CHARTS,
    FORMATS,
    Format,
    UnknownFormat,
    export_parts,
    format_of,
    has_charts,
    report_for,
    usual_charts,
)
from profiler.files import replace_file_by_parts
from profiler.units import count, plain_text
from tui.errors import Refusal
from tui.tables.showing import open_recording

if TYPE_CHECKING:
    from profiler.export import Charts
    from profiler.export.report import Report


@click.command("export")
@click.argument("session")
@click.option(
    "--format",
    "format_name",
    metavar="|".join(FORMATS),
    help="What to write. [default: by the file's suffix]",
)
@click.option("-o", "--output", metavar="FILE", help="Where to write it; - is standard output. [default: -]")
@click.option(
    "--charts",
    type=click.Choice(CHARTS),
    help="Charts of Markdown, in a folder beside it, or within HTML. [default: svg]",
)
@click.option("--sessions", metavar="DIR", help="Where session files are. [default: ./sessions]")
def command(
    session: str, format_name: str | None, output: str | None, charts: Charts | None, sessions: str | None
) -> None:
    """Write a saved session as Markdown, HTML, CSV or JSON.

    SESSION is a path, a unique part of a name in the sessions folder, or "last".
    """
    try:
        chosen = format_of(output, format_name)
    except UnknownFormat as error:
        raise Refusal(str(error)) from error
    path = None if output in (None, "-") else Path(output)
    _check(charts, chosen, path)
    recording = open_recording(session, sessions)
    if not has_charts(chosen):
        _write_parts(export_parts(recording, chosen), path)
        return
    if path is not None:
        _write(report_for(recording, chosen, path, charts or usual_charts(chosen, path)), path)
        return
    click.echo(report_for(recording, chosen, Path(), charts or usual_charts(chosen)).text, nl=False)
    if chosen == "md" and charts is None and sys.stdout.isatty():
        click.echo("its charts are files: -o report.md draws them beside it, -o report.html within", err=True)


def _check(charts: Charts | None, format: Format, path: Path | None) -> None:
    """Refuse charts where there is no place for them."""
    if charts in (None, "none"):
        return
    if not has_charts(format):
        raise Refusal(f"{format} has no charts: leave out --charts, or add --format md or html")
    if format == "md" and path is None:
        raise Refusal(
            "charts of Markdown are files beside it: add -o FILE, or --format html, which has them within"
        )


def save(text: str, path: Path) -> None:
    """Write a text, and say where.

    Raises:
        Refusal: the file cannot be written.
    """
    from profiler.export.report import Report

    _write(Report(text), path)


def _write(report: Report, path: Path) -> None:
    with _refusing(path):
        report.write(path)
    click.echo(f"wrote {written(report, path)}", err=True)


def _write_parts(parts: Iterator[str], path: Path | None) -> None:
    """Write what may be long as it is made; to standard output without a path."""
    if path is None:
        for part in parts:
            click.echo(part, nl=False)
        return
    with _refusing(path):
        replace_file_by_parts(path, (part.encode() for part in parts))
    click.echo(f"wrote {plain_text(str(path))}", err=True)


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if not path.parent.exists():
            folder = plain_text(str(path.parent))
            raise Refusal(f"there is no folder '{folder}': make it, or give another --output") from error
        reason = error.strerror or str(error)
        where = plain_text(str(error.filename or path))
        raise Refusal(f"'{where}' cannot be written ({reason}): give another --output") from error


def written(report: Report, path: Path) -> str:
    """What is where now: "report.md, and 3 charts in report-charts"."""
    name = plain_text(str(path))
    if not report.pictures:
        return name
    return f"{name}, and {count(len(report.pictures), 'chart')} in {plain_text(report.folder)}"
