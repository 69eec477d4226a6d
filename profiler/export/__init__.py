"""Sessions as reports and tables for other programs: one short file each format."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import PurePath
from typing import Literal, get_args

from profiler.recording import Recording
from profiler.units import plain_text

Format = Literal["md", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

_BY_SUFFIX: dict[str, Format] = {".md": "md", ".markdown": "md", ".csv": "csv", ".json": "json"}
_MODULES: dict[Format, str] = {"md": "markdown", "csv": "csv", "json": "labs"}


class UnknownFormat(ValueError):
    """There is no such format; the message is one sentence for the user."""


def format_of(path: str | None, explicit: str | None) -> Format:
    """The format named by `explicit`, else by the suffix of `path`; Markdown for standard output.

    Raises:
        UnknownFormat: neither names one.
    """
    if explicit is not None:
        if explicit in FORMATS:
            return explicit
        raise UnknownFormat(f"there is no format '{plain_text(explicit)}'; there are {', '.join(FORMATS)}")
    if path in (None, "-"):
        return "md"
    suffix = PurePath(path).suffix.casefold()
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    raise UnknownFormat(
        f"the format of '{plain_text(path)}' cannot be told from its name: "
        f"add --format {'|'.join(FORMATS)}, or end the name with .{', .'.join(FORMATS)}"
    )


def export(recording: Recording, format: Format) -> str:
    """The recording in that format, ending with a newline."""
    render: Callable[[Recording], str] = import_module(f"profiler.export.{_MODULES[format]}").render
    return render(recording)
