"""What the tab key completes in the options of several commands."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click
from click.shell_completion import CompletionItem

Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete_implementations(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names and Python files, of a list the last; once a name is typed with its plus, its variants."""
    import impls
    from impls.compiled import MODES

    before, comma, last = incomplete.rpartition(",")
    names = {item.name: item.summary for item in impls.catalog()}
    base = next((item for item in impls.catalog() if item.name == last.rpartition("+")[0]), None)
    if base is not None:
        names = {f"{base.name}+{variant}": base.summary for variant in (*base.variants, *MODES)}
    names |= dict.fromkeys(_python_files(last) if last else (), "a file of your own")
    return _items(names, last, before + comma)


def complete_presets(questions: Mapping[str, str]) -> Complete:
    """One of these names, each with its question."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return _items(questions, incomplete)

    return complete


def complete_list(names: Iterable[str]) -> Complete:
    """The last name of a list of these."""
    possible = dict.fromkeys(names, "")

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        before, comma, last = incomplete.rpartition(",")
        return _items(possible, last, before + comma)

    return complete


def _items(names: Mapping[str, str], typed: str, before: str = "") -> list[CompletionItem]:
    return [
        CompletionItem(f"{before}{name}", help=summary or None)
        for name, summary in names.items()
        if name.startswith(typed)
    ]


def _python_files(beginning: str) -> list[str]:
    """Those whose path, as it is typed, begins so."""
    folder, slash, start = beginning.rpartition("/")
    found = (file.name for file in Path(f"{folder}{slash}").glob("*.py") if file.name.startswith(start))
    return sorted(f"{folder}{slash}{name}" for name in found)
