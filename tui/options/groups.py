"""Help with the options of a command in sections, which click has not got."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import click

_F = TypeVar("_F", bound=Callable[..., Any])


class _SectionOption(click.Option):
    """An option that knows its section in the help."""

    def __init__(self, *args: Any, section: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.section = section


def section(title: str) -> Callable[..., Callable[[_F], _F]]:
    """A stand-in for `click.option` whose options the help shows under `title`."""
    return partial(click.option, cls=_SectionOption, section=title)


class SectionedCommand(click.Command):
    """Shows its options in their sections, in the order in which these first occur.

    Options without one (click's own --help) end the last.
    """

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write every section; one column of options runs through them all."""
        sections: dict[str, list[tuple[str, str]]] = {}
        others: list[tuple[str, str]] = []
        for parameter in self.get_params(ctx):
            if isinstance(parameter, click.Option) and (record := parameter.get_help_record(ctx)):
                if isinstance(parameter, _SectionOption):
                    sections.setdefault(parameter.section, []).append(record)
                else:
                    others.append(record)
        sections.setdefault(next(reversed(sections), "Options"), []).extend(others)
        width = max(len(term) for records in sections.values() for term, _ in records)
        for title, records in sections.items():
            with formatter.section(title):
                formatter.write_dl([(term.ljust(width), text) for term, text in records], col_max=width)
