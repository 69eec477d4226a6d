"""What a person last chose, kept between runs in the system's folder for state, by kind of device.

It is a convenience: what cannot be read or written is passed over in silence.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

import msgspec
import platformdirs

from tui.app.choice import Choice

STATE_VARIABLE = "ATTNPROF_STATE"


class _Bench(msgspec.Struct, kw_only=True):
    """The Bench screen's file: the choice last made on each kind of device ("cuda", "cpu")."""

    choices: dict[str, Choice]


def state_folder() -> Path:
    """The folder of what is remembered: ATTNPROF_STATE if set."""
    named = os.environ.get(STATE_VARIABLE)
    return Path(named) if named else platformdirs.user_state_path("attnprof")


def recall(kind: str) -> Choice | None:
    """The last choice on that kind of device; None if there is none that can be read."""
    return _load().get(kind)


def remember(kind: str, choice: Choice) -> None:
    """Keep a choice for the next run, in place of the last one on that kind of device."""
    data = msgspec.json.encode(_Bench(choices={**_load(), kind: choice}))
    with suppress(OSError):
        _replace(_path(), data)


def _path() -> Path:
    return state_folder() / "bench.json"


def _load() -> dict[str, Choice]:
    try:
        return msgspec.json.decode(_path().read_bytes(), type=_Bench).choices
    except (OSError, ValueError):  # msgspec's errors and a choice's own are ValueErrors
        return {}


def _replace(path: Path, data: bytes) -> None:
    """Write `path` whole or not at all: another attnprof may read it at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".bench-", delete=False) as file:
        trial = Path(file.name)
        try:
            file.write(data)
            file.flush()
            trial.replace(path)
        except OSError:
            trial.unlink(missing_ok=True)
            raise
