"""`attnprof config`: the settings as they are, as a file that sets them."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import click

from profiler.units import plain_text
from tui import config
from tui.errors import Refusal

if TYPE_CHECKING:
    from textual.binding import Binding

_WIDTH = 88


@click.command("config")
def command() -> None:
    """Print the settings as TOML, and where they are read from.

    The output is a settings file: `attnprof config > FILE` is a start, FILE being the path in its
    first line, or what ATTNPROF_CONFIG is set to.
    """
    from tui.app.actions import actions

    path = config.config_path()
    known = actions()
    try:
        settings = config.load(path, known)
    except config.ConfigError as error:
        raise Refusal(str(error)) from None
    click.echo(as_toml(settings, path, known.values()), nl=False)


def as_toml(settings: config.Settings, path: Path, actions: Iterable[Binding]) -> str:
    """The settings as a TOML file that says what each means; its first line says where it belongs.

    `actions` are listed with the keys they have anyway, as comments where none is set.
    """
    there = "" if path.is_file() else " (there is none: these are the defaults)"
    lines = [f"# {plain_text(str(path))}{there}"]
    meanings = _meanings()
    for setting in fields(config.Settings):
        lines += ["", *_comment(meanings[setting.name])]
        if setting.name == "keys":  # a table, so the last of them
            lines += ["[keys]", *_keys(settings.keys, actions)]
        else:
            lines.append(f"{setting.name} = {_literal(getattr(settings, setting.name))}")
    return "\n".join(lines) + "\n"


def _keys(keys: Mapping[str, str], actions: Iterable[Binding]) -> Iterator[str]:
    for action, key in keys.items():
        yield f"{_literal(action)} = {_literal(key)}"
    for binding in actions:
        if binding.id not in keys:
            what = binding.tooltip or binding.description
            yield f"# {_literal(binding.id)} = {_literal(binding.key)}  # {what}"


def _literal(value: object) -> str:
    """A value as TOML writes it: as JSON does, but for the one control character that JSON lets stand."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in textwrap.wrap(text, _WIDTH)]


def _meanings() -> dict[str, str]:
    """The text beneath each setting in its class: a string on its own is not kept at run time."""
    (definition,) = ast.parse(inspect.getsource(config.Settings)).body
    assert isinstance(definition, ast.ClassDef)
    meanings = {}
    name = ""
    for statement in definition.body:
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name)):
                pass
            case ast.Expr(value=ast.Constant(value=str(text))) if name:
                meanings[name] = " ".join(text.split())
    return meanings
