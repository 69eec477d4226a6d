"""What a person last chose, kept between runs in the system's folder for state, by kind of device.

It is a convenience: what cannot be read or written is passed over in silence.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import msgspec

from profiler.files import replace_file
from profiler.state import state_folder
from tui.app.choice import Choice


class _Bench(msgspec.Struct, kw_only=True):
    """The Bench screen's file: the choice last made on each kind of device ("cuda", "cpu")."""

    choices: dict[str, Choice]


def recall(kind: str) -> Choice | None:
    """The last choice on that kind of device; None if there is none that can be read."""
    return _load().get(kind)


def remember(kind: str, choice: Choice) -> None:
    """Keep a choice for the next run, in place of the last one on that kind of device."""
    data = msgspec.json.encode(_Bench(choices={**_load(), kind: choice}))
    path = _path()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, data)


def _path() -> Path:
    return state_folder() / "bench.json"


def _load() -> dict[str, Choice]:
    try:
        return msgspec.json.decode(_path().read_bytes(), type=_Bench).choices
    except (OSError, ValueError):  # msgspec's errors and a choice's own are ValueErrors
        return {}
