"""`attnprof list`: the implementations, and why one cannot run here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

import impls
from profiler import catalog
from profiler.environment import Device, DeviceError, resolve_device
from tui.errors import Refusal

if TYPE_CHECKING:
    from rich.table import Table

_SHORT_DTYPES = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}
_RUNS = "yes"


@dataclass(frozen=True)
class ListRow:
    """One implementation as it is listed; `here` is "yes" or why not."""

    name: str
    here: str
    install: str
    summary: str
    aliases: str
    dtypes: str


@click.command("list")
@click.option(
    "--device", default="auto", show_default=True, metavar="DEVICE", help="auto, cpu, cuda or cuda:N."
)
def command(device: str) -> None:
    """Show the implementations: what each is, and whether it can run here."""
    try:
        resolved = resolve_device(device)
    except DeviceError as error:
        raise Refusal(str(error)) from None
    listed = list_rows(resolved)
    if not sys.stdout.isatty():
        click.echo("\n".join(plain_lines(listed)))
        if resolved.note:
            click.echo(resolved.note, err=True)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(f"On {resolved.name}: {resolved.info.name}"))
    if resolved.note:
        console.print(Text(resolved.note, style="yellow"))
    console.print(_table(listed))
    for row in listed:
        if row.install:  # below the table, unbroken, so that it can be copied
            console.print(Text(f"For {row.name}: ").append(row.install, style="cyan"), soft_wrap=True)


def list_rows(device: Device) -> list[ListRow]:
    """The rows of the table, in the catalog's order."""
    return [
        ListRow(
            name=entry.name,
            here=entry.unavailable or _RUNS,
            install=entry.install or "",
            summary=entry.summary,
            aliases=", ".join(implementation.aliases),
            dtypes=_dtypes(implementation, device),
        )
        for entry, implementation in zip(catalog.entries(device.info), impls.catalog(), strict=True)
    ]


def plain_lines(listed: Sequence[ListRow]) -> list[str]:
    """A line an implementation, in columns that line up, whatever the width."""
    cells = [("NAME", "HERE", "DTYPES", "WHAT IT IS", "ALIASES", "INSTALL")]
    cells += [(row.name, row.here, row.dtypes, row.summary, row.aliases, row.install) for row in listed]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _dtypes(implementation: impls.Implementation, device: Device) -> str:
    return " ".join(
        _SHORT_DTYPES[name]
        for name in implementation.dtypes_on(device.info.kind)
        if not device.info.lacks(name)
    )


def _table(listed: Sequence[ListRow]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Name", no_wrap=True)
    table.add_column("Runs here")
    table.add_column("What it is", overflow="fold")
    for row in listed:
        runs = row.here == _RUNS
        what = Text(row.summary).append(f"\n{row.dtypes}", style="dim")
        if row.aliases:
            what.append(f"; also called {row.aliases}", style="dim")
        name = Text(row.name, style="bold" if runs else "dim")
        table.add_row(name, Text(row.here, style="green" if runs else "yellow"), what)
    return table
