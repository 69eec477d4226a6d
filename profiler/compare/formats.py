"""A comparison for people and for other programs: Markdown, JSON."""

from __future__ import annotations

from typing import Literal, get_args

from profiler.compare.comparison import Comparison
from profiler.export.file_formats import UnknownFormat, format_named

__all__ = ["FORMATS", "Format", "UnknownFormat", "format_of", "render"]

Format = Literal["md", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

_BY_SUFFIX: dict[str, Format] = {".md": "md", ".markdown": "md", ".json": "json"}


def format_of(path: str | None, explicit: str | None) -> Format | None:
    """The format named by `explicit`, else by the suffix of `path`; None where neither was given.

    Raises:
        UnknownFormat: what was given names none.
    """
    return format_named(path, explicit, _BY_SUFFIX, of="a comparison")


def render(comparison: Comparison, format: Format) -> str:
    """The comparison in that format, ending with a newline."""
    from profiler.compare import json, markdown

    return markdown.render(comparison) if format == "md" else json.render(comparison)
