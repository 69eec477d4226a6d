"""The format that a file is to be written in: the one named, else the one that the file's name tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import TypeVar

from profiler.units import plain_text

_Format = TypeVar("_Format", bound=str)


class UnknownFormat(ValueError):
    """There is no such format; the message is one sentence for the user."""


def format_named(
    path: str | None, explicit: str | None, by_suffix: Mapping[str, _Format], *, of: str = ""
) -> _Format | None:
    """The format that `explicit` names, else the suffix of `path`; None for standard output and no name.

    `by_suffix` has every format there is; `of` says what is to be written, where others have other formats.

    Raises:
        UnknownFormat: what was given names none.
    """
    formats = {str(format): format for format in by_suffix.values()}
    if explicit is not None:
        if explicit in formats:
            return formats[explicit]
        whose = f" of {of}" if of else ""
        raise UnknownFormat(
            f"there is no format '{plain_text(explicit)}'{whose}; there are {', '.join(formats)}"
        )
    if path in (None, "-"):
        return None
    if found := by_suffix.get(PurePath(path).suffix.casefold()):
        return found
    raise UnknownFormat(
        f"the format of '{plain_text(path)}' cannot be told from its name: "
        f"add --format {'|'.join(formats)}, or end the name with .{', .'.join(formats)}"
    )
