"""Markdown's own: text that shows as itself, tables that can be aligned in the source, folded sections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from profiler.units import plain_text

_NOTHING = "-"


def escape(text: str) -> str:
    """Text from a session as Markdown that shows as itself, in a table cell too."""
    text = plain_text(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~$])", r"\\\1", text)
    # An underscore inside a word is no emphasis: flash_attn stays readable in the source.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def code(text: str) -> str:
    """Text from a session as a code span, in a table cell too."""
    text = plain_text(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text.replace('|', chr(92) + '|')}{padding}{fence}"


def code_block(text: str, language: str) -> str:
    """A line from a session as a block of code, which GitHub offers to copy."""
    text = plain_text(text)
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}{language}\n{text}\n{fence}"


@dataclass(frozen=True)
class Column:
    """A column of a table: its cells are Markdown already; None is nothing."""

    title: str
    cells: Sequence[str | None]
    right: bool = True


def table(columns: Sequence[Column], *, aligned: bool = True) -> str:
    """The columns as a Markdown table; those without a cell are left out.

    One that is not `aligned` in its source looks the same in a page, and is half as long.
    """
    filled = []
    for column in columns:
        if column.cells and not any(column.cells):
            continue
        cells = [column.title, *(cell or (_NOTHING if column.right else "") for cell in column.cells)]
        width = max(3, *map(len, cells)) if aligned else 0
        cells = [cell.rjust(width) if column.right else cell.ljust(width) for cell in cells]
        rule = "-" * (max(2, width) - 1) + ":" if column.right else "-" * max(1, width)
        filled.append([cells[0], rule, *cells[1:]])
    start, between, end = ("| ", " | ", " |") if aligned else ("|", "|", "|")
    return "\n".join(f"{start}{between.join(line)}{end}" for line in zip(*filled, strict=True))


def section(title: str, *parts: str | None) -> str:
    """A section, its parts apart; those that are empty are left out."""
    return "\n\n".join([f"## {title}", *filter(None, parts)])


def folded(title: str, *parts: str | None) -> str:
    """The same, folded away under its title until a reader asks for it.

    HTML ends at an empty line, and what stands between is Markdown again. Text from a session
    cannot end the fold: it is escaped, or in a code span, and never begins a line.
    """
    return "\n\n".join([f"<details>\n<summary>{title}</summary>", *filter(None, parts), "</details>"])
