"""The settings of a person, from a TOML file; what is not set there has its default.

The file is config.toml in the system's folder for settings of attnprof, or what ATTNPROF_CONFIG names.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import platformdirs

import impls

CONFIG_VARIABLE = "ATTNPROF_CONFIG"

_LONGEST_SHOWN = 60


class ConfigError(ValueError):
    """The file cannot be used; the message is one sentence that names it, the key and what is possible."""


@dataclass(frozen=True)
class Settings:
    """Every setting with its default; the text beneath each is its comment in `attnprof config`."""

    theme: str = "textual-dark"
    """Colours, by the name of one of Textual's themes."""

    ascii: bool = False
    """Draw with ASCII alone, where the terminal's font has no blocks; as --ascii does."""

    mouse: bool = True
    """Take the mouse; false, as --no-mouse, leaves selecting and copying to the terminal."""

    repaints_per_s: int = 4
    """How often numbers are painted anew, from 1 to 30 times a second; fewer suit a slow link."""

    sessions: str = "sessions"
    """The folder of session files; --sessions and ATTNPROF_SESSIONS come before it."""

    baseline: str = "pytorch"
    """The implementation that speedups refer to, where it can run."""

    refine: bool = True
    """Measure a shape in full once one rests on it; false stays with the quick times."""

    refine_after_s: float = 1.0
    """How many seconds one has to rest on a shape for that."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """Other keys for actions, by the action's name: one key, or several as "x,ctrl+x"."""


DEFAULTS = Settings()


def config_path() -> Path:
    """Where the settings are read from, whether or not there is a file."""
    named = os.environ.get(CONFIG_VARIABLE)
    return Path(named) if named else platformdirs.user_config_path("attnprof") / "config.toml"


def load(path: Path | None = None, actions: Collection[str] = ()) -> Settings:
    """The settings in `path`, by default the person's own file; all defaults where there is none.

    `actions` are the names that [keys] may have; without any, every name is taken.

    Raises:
        ConfigError: it cannot be read, is no TOML, or a setting is not known or not possible.
    """
    path = path or config_path()
    values = _read(path)
    known = [setting.name for setting in fields(Settings)]
    for name, value in values.items():
        if name not in known:
            raise ConfigError(f"{path}: there is no setting '{name}'; {_instead(name, known)}")
        if not _CHECKS[name].possible(value):
            raise ConfigError(f"{path}: {name} takes {_CHECKS[name].takes()}, not {_shown(value)}")
    for action in values.get("keys", ()) if actions else ():
        if action not in actions:
            raise ConfigError(
                f"{path}: [keys] has '{action}', which is no action; {_instead(action, actions)}"
            )
    return Settings(**values)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    if isinstance(values.get("keys"), dict):
        values["keys"] = dict(_flat(values["keys"]))
    return values


def _flat(table: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Its values by dotted name: unquoted, `picker.up = "k"` is a table within the table."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _instead(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _shown(value: object) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


@dataclass(frozen=True)
class _Check:
    """What a setting may be, in words and as a test."""

    takes: Callable[[], str]
    possible: Callable[[Any], bool]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_keys(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_text(keys) and all(map(str.strip, keys.split(","))) for keys in value.values()
    )


def _is_implementation(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(impls.find(value))
    except impls.UnknownImplementation:
        return False


@cache
def _themes() -> tuple[str, ...]:
    from textual.theme import BUILTIN_THEMES

    return tuple(BUILTIN_THEMES)


_SWITCH = _Check(lambda: "true or false", lambda value: isinstance(value, bool))
_CHECKS = {
    "theme": _Check(lambda: f"one of {', '.join(_themes())}", lambda value: value in _themes()),
    "ascii": _SWITCH,
    "mouse": _SWITCH,
    "repaints_per_s": _Check(
        lambda: "a whole number from 1 to 30",
        lambda value: _is_number(value) and isinstance(value, int) and 1 <= value <= 30,
    ),
    "sessions": _Check(lambda: "a folder, as text in quotes", _is_text),
    "baseline": _Check(
        lambda: f"one of {', '.join(item.name for item in impls.catalog())}", _is_implementation
    ),
    "refine": _SWITCH,
    "refine_after_s": _Check(
        lambda: "a number of seconds from 0 to 3600",
        lambda value: _is_number(value) and 0 <= value <= 3600,
    ),
    "keys": _Check(lambda: 'a table of actions with their keys, such as quit = "q,ctrl+q"', _is_keys),
}
