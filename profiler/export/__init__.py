"""Sessions as reports and tables for other programs: one short file each format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal, get_args

from profiler.export.file_formats import UnknownFormat, format_named
from profiler.files import is_ordinary
from profiler.session.recording import Recording

if TYPE_CHECKING:
    from profiler.export.report import Report

__all__ = [
    "CHARTS",
    "FORMATS",
    "Charts",
    "Format",
    "UnknownFormat",
    "export",
    "export_parts",
    "format_of",
    "has_charts",
    "report_for",
    "usual_charts",
]

Format = Literal["md", "html", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

Charts = Literal["svg", "png", "none"]
CHARTS: tuple[Charts, ...] = get_args(Charts)

_BY_SUFFIX: dict[str, Format] = {
    ".md": "md",
    ".markdown": "md",
    ".html": "html",
    ".htm": "html",
    ".csv": "csv",
    ".json": "json",
}


def format_of(path: str | None, explicit: str | None) -> Format:
    """The format named by `explicit`, else by the suffix of `path`; Markdown for standard output.

    Raises:
        UnknownFormat: neither names one.
    """
    return format_named(path, explicit, _BY_SUFFIX) or "md"


def has_charts(format: Format) -> bool:
    """Whether a format is for people, who look at charts, and not for programs."""
    return format in ("md", "html")


def usual_charts(format: Format, path: Path | None = None) -> Charts:
    """The charts of a format unless others are asked for: none where there is no folder for them.

    Those of Markdown are files, so that there are none without a `path`, or beside a pipe or a device
    such as /dev/stdout.
    """
    if format == "md" and path is not None and is_ordinary(path):
        return "svg"
    return "svg" if format == "html" else "none"


def export(recording: Recording, format: Format) -> str:
    """The recording as text that stands alone, ending with a newline.

    A page of HTML has its charts in itself; Markdown has none, for they are files (`report_for`).
    """
    return "".join(export_parts(recording, format))


def export_parts(recording: Recording, format: Format) -> Iterator[str]:
    """The same part by part: of CSV and JSON, which may be long, as they are made."""
    match format:
        case "html":
            from profiler.export import html

            yield html.render(recording)
        case "md":
            from profiler.export import markdown

            yield markdown.render(recording)
        case "csv":
            from profiler.export import csv

            yield from csv.parts(recording)
        case "json":
            from profiler.export import labs

            yield from labs.parts(recording)


def report_for(recording: Recording, format: Format, path: PurePath, charts: Charts = "svg") -> Report:
    """The recording as the file `path` is to hold it, with the charts that stand beside that file.

    Those of Markdown are drawn when they are written; the text already refers to them.
    """
    from profiler.export.report import Report, folder_of

    if format == "html":
        from profiler.export import html

        return Report(html.render(recording, None if charts == "none" else charts))
    if format != "md" or charts == "none":
        return Report(export(recording, format))
    from profiler.export import markdown
    from profiler.export.charts import pictures

    shown, folder = pictures(recording), folder_of(path)
    links = {picture.name: f"{folder}/{picture.name}.{charts}" for picture in shown}
    return Report(markdown.render(recording, shown, links), folder, shown, charts)
