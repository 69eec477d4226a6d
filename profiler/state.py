"""The folder of what attnprof keeps of its own between runs."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

STATE_VARIABLE = "ATTNPROF_STATE"


def state_folder() -> Path:
    """The system's folder for that: ATTNPROF_STATE if set."""
    named = os.environ.get(STATE_VARIABLE)
    return Path(named) if named else platformdirs.user_state_path("attnprof")
