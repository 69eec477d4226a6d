"""`attnprof list`: the implementations, why one cannot run here, and what each can do."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

import impls
from impls.compiled import MODES
from profiler.engine import catalog
from profiler.features import FEATURES, Features, Mark, describe_head_dims, matrix
from profiler.machine.environment import Device, DeviceError, resolve_device
from profiler.workload import SHORT_DTYPES
from tui.errors import Refusal

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_SHORTEST_DTYPES = {"float16": "16", "bfloat16": "b16", "float32": "32"}
_RUNS = "yes"
_WIDEST, _WIDEST_DIMS = 1000, 9
_MARKS: dict[Mark, str] = {"yes": "yes", "some": "~", "no": "-"}
_STYLES = {"yes": "green", "~": "yellow", "once": "yellow", "-": "dim"}
# What a terminal of 80 columns has room for, and what it means.
_HEADINGS = {
    "": "* runs here; the others are shown as on a GPU that they take",
    "name": "",
    "dtypes": "16 float16, b16 bfloat16, 32 float32",
    "dims": "head dims; /8 by eights, + and above",
    "bwd": "backward; once: only as part of forward+backward",
    "q!=k": "causal with unlike numbers of queries and keys, the last query at the last key",
    "gqa": "grouped-query attention",
    "win": "sliding window",
    "drop": "dropout",
    "cap": "softcap",
    "dec": "decoding from a cache of keys and values",
    "ragged": "sequences of unlike lengths: packed, padded with a mask, or padded if causal",
    "GPUs": "by compute capability",
}
_MEANINGS = {"~": "not with everything else (below)", "-": "no"}


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
@click.option(
    "--features", is_flag=True, help="What each can do: dtypes, head dims, masks, dropout and so on."
)
def command(device: str, features: bool) -> None:
    """Show the implementations: what each is, and whether it can run here."""
    try:
        resolved = resolve_device(device)
    except DeviceError as error:
        raise Refusal(str(error)) from None
    if not sys.stdout.isatty():
        if features:
            click.echo("\n".join(plain_features(matrix(impls.catalog(), resolved.info))))
        else:
            click.echo("\n".join(plain_lines(list_rows(resolved))))
        if resolved.note:
            click.echo(resolved.note, err=True)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(f"On {resolved.name}: {resolved.info.name}"))
    if resolved.note:
        console.print(Text(resolved.note, style="yellow"))
    if features:
        _paint_features(console, matrix(impls.catalog(), resolved.info))
    else:
        _paint(console, list_rows(resolved))


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
    return _aligned(cells)


def plain_features(rows: Sequence[Features]) -> list[str]:
    """The same of what each can do; "some" is explained by the reasons in the last column."""
    marked = [feature.upper().replace("UNEQUAL CAUSAL", "CAUSAL Q!=K") for feature in FEATURES]
    cells = [("NAME", "HERE", "DTYPES", "HEAD DIMS", "BACKWARD", *marked, "CAPABILITY", "VARIANTS", "LIMITS")]
    for row in rows:
        taken = {**row.marks, "ragged": row.ragged or row.marks["ragged"]}
        cells.append(
            (
                row.name,
                row.here or _RUNS,
                " ".join(SHORT_DTYPES[dtype] for dtype in row.dtypes) or "none",
                describe_head_dims(row.head_dims),
                row.backward,
                *(taken[feature] for feature in FEATURES),
                row.capability,
                " ".join(row.variants) or "none",
                "; ".join(row.limits),
            )
        )
    return _aligned(cells)


def _aligned(cells: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    ]


def _dtypes(implementation: impls.Implementation, device: Device) -> str:
    return " ".join(
        SHORT_DTYPES[name]
        for name in implementation.dtypes_on(device.info.kind)
        if not device.info.lacks(name)
    )


def _paint(console: Console, listed: Sequence[ListRow]) -> None:
    from rich.text import Text

    console.print(_table(listed))
    for row in listed:
        if row.install:  # below the table, unbroken, so that it can be copied
            console.print(Text(f"For {row.name}: ").append(row.install, style="cyan"), soft_wrap=True)


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


def _paint_features(console: Console, rows: Sequence[Features]) -> None:
    """A table, which nothing but ASCII and no colour is needed for, and what its words mean below."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in _HEADINGS:
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row))
    # Where there is no room for it the terminal folds its lines: nothing is cut off.
    needed = console.measure(table, options=console.options.update(max_width=_WIDEST)).maximum
    Console(width=max(console.width, needed)).print(table)
    legend = Table.grid(padding=(0, 1, 0, 0))
    for word, meaning in (*_HEADINGS.items(), *_MEANINGS.items()):
        if meaning:
            legend.add_row(Text(word, style="bold"), Text(meaning, style="dim"))
    console.print(Text())
    console.print(legend)
    variants = [f"{row.name}+{variant}" for row in rows for variant in row.variants]
    variants += [f"NAME+{mode}" for mode in MODES]
    console.print(Text(f"\nVariants: {', '.join(variants)} (NAME: any, by torch.compile)."))
    for row in rows:
        said = [] if _dims(row) else [f"head dims {describe_head_dims(row.head_dims)}"]
        if said or row.limits:
            console.print(Text(f"~ {row.name}: {'; '.join((*said, *row.limits))}"))


def _cells(row: Features) -> list[Text]:
    from rich.text import Text

    marks = [_MARKS[row.marks[feature]] for feature in FEATURES if feature != "ragged"]
    ragged = "-" if row.ragged is None else row.ragged.removesuffix(" only")
    if row.marks["ragged"] == "some":
        ragged += "~"
    backward = "-" if row.backward == "no" else row.backward
    said = [
        "" if row.here else "*",
        row.name,
        " ".join(_SHORTEST_DTYPES[dtype] for dtype in row.dtypes) or "-",
        _dims(row) or f"to {row.head_dims[-1]}~",
        *(backward, *marks, ragged, _short(row.capability)),
    ]
    return [Text(word, style=_STYLES.get(word, "")) for word in said]


def _dims(row: Features) -> str:
    """The head dims, or "" if there is no room for them in the table."""
    return "" if len(text := _short(describe_head_dims(row.head_dims))) > _WIDEST_DIMS else text


def _short(span: str) -> str:
    """ "8-256/8" for "8..256 by 8", "16+" for "16.."."""
    return re.sub(r"\.\.(?=\d)", "-", span).replace("..", "+").replace(" by ", "/")
