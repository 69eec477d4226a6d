"""`attnprof doctor`: what is right and wrong with this machine, and what to type about it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from profiler import doctor
from profiler.version import VERSION

if TYPE_CHECKING:
    from rich.console import Console

_STYLES = {"ok": "green", "warn": "yellow", "problem": "bold red"}
_STATUS_WIDTH = 7  # of "problem"


@click.command("doctor")
def command() -> None:
    """Check GPU, driver, torch, packages and terminal, with a remedy for each problem.

    Ends with exit code 1 if there is a problem, with 0 otherwise.
    """
    checks = doctor.diagnose(_gather())
    if sys.stdout.isatty():
        _paint(checks)
    else:
        click.echo("\n".join(plain_lines(checks)))
    if any(check.status == "problem" for check in checks):
        raise SystemExit(1)


def plain_lines(checks: Sequence[doctor.Check]) -> list[str]:
    """The diagnosis for a pipe: a line a check, its remedy on the next."""
    lines = [f"attnprof {VERSION}"]
    for group, members in _groups(checks):
        lines += ["", group]
        for check in members:
            lines.append(f"  {check.status:{_STATUS_WIDTH}}  {check.name}: {check.finding}")
            if check.remedy:
                lines.append(f"  {'try':{_STATUS_WIDTH}}  {check.remedy}")
    return [*lines, "", summary(checks)]


def summary(checks: Sequence[doctor.Check]) -> str:
    """The last line: how many of each."""
    problems = sum(check.status == "problem" for check in checks)
    warnings = sum(check.status == "warn" for check in checks)
    if not problems and not warnings:
        return "All is well."
    return f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}."


def _gather() -> doctor.Facts:
    sessions = Path(os.environ.get("ATTNPROF_SESSIONS") or "sessions")
    terminal = doctor.terminal_facts(sys.stdout, os.environ)  # before Rich puts its own in stdout's place
    if not sys.stderr.isatty():
        return doctor.gather(sessions, terminal, os.environ)
    from rich.console import Console

    # Importing torch and trying the GPU takes seconds, so say what is going on.
    with Console(stderr=True).status("trying torch and the packages", spinner="line"):
        return doctor.gather(sessions, terminal, os.environ)


def _paint(checks: Sequence[doctor.Check]) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    console.print(Text(f"attnprof {VERSION}"))
    name_width = max(len(check.name) for check in checks)
    for group, members in _groups(checks):
        console.print(Text(f"\n{group}", style="bold"))
        for check in members:
            line = Table.grid(padding=(0, 2))
            line.add_column(width=_STATUS_WIDTH)
            line.add_column(width=name_width)
            line.add_column(overflow="fold")  # a path is worth reading to its end
            status = Text(check.status, style=_STYLES[check.status])
            line.add_row(status, Text(check.name), Text(check.finding))
            console.print(Padding(line, (0, 0, 0, 2), expand=False))
            if check.remedy:
                _paint_remedy(console, check.remedy)
    console.print(Text(f"\n{summary(checks)}"))


def _paint_remedy(console: Console, remedy: str) -> None:
    """On lines of its own and never broken by us, so that it can be copied whole."""
    from rich.text import Text

    text = Text("  ").append(f"{'try':{_STATUS_WIDTH}}  ", style="dim").append(remedy, style="cyan")
    console.print(text, soft_wrap=True)


def _groups(checks: Sequence[doctor.Check]) -> Iterator[tuple[str, list[doctor.Check]]]:
    for group, members in groupby(checks, key=lambda check: check.group):
        yield group, list(members)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
