"""Compares what a screen shows, as plain text, with what it was agreed to show.

The texts lie in tests/tui/app/snapshots/. After a change that is meant, write them anew with
ATTNPROF_UPDATE_SNAPSHOTS=1 and read the difference before it is committed.

A screen shows the same each time only if nothing on it moves by itself. A test sees to that:
events come from tests.tui.app.fake with times of their own, the app is given a clock that stands
(`clock=lambda: 0.0`), paths are relative to a folder that the test has made its working directory
(`monkeypatch.chdir(tmp_path)`), and `still(app)` takes away animations and blinking cursors.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Any

from textual._context import visible_screen_stack
from textual.app import App
from textual.widgets import Input

_FOLDER = Path(__file__).with_suffix("")
_UPDATE = "ATTNPROF_UPDATE_SNAPSHOTS"


def still(app: App[Any]) -> None:
    """Let nothing on the app's screen move by itself; call it before anything is compared."""
    app.animation_level = "none"
    for field in app.screen.query(Input):
        field.cursor_blink = False


def text_of(app: App[Any]) -> str:
    """What stands on the screen, line by line, without the blanks at their ends."""
    visible_screen_stack.set(app._background_screens)  # what shines through a dialogue
    strips = app.screen._compositor.render_strips()
    lines = ["".join(segment.text for segment in strip).rstrip() for strip in strips]
    return "\n".join(lines) + "\n"


def assert_screen(app: App[Any], name: str) -> None:
    """Fail, with the difference, unless the screen shows what snapshots/<name>.txt holds.

    Wait with `await pilot.pause()` until all is painted.
    """
    path = _FOLDER / f"{name}.txt"
    shown = text_of(app)
    if os.environ.get(_UPDATE):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(shown, encoding="utf-8")
        return
    agreed = path.read_text(encoding="utf-8") if path.exists() else ""
    if shown != agreed:
        difference = difflib.unified_diff(
            agreed.splitlines(), shown.splitlines(), f"agreed on in {path.name}", "shown", lineterm=""
        )
        hint = f"{_UPDATE}=1 python -m pytest ... writes it anew"
        raise AssertionError("\n".join(["the screen differs:", *difference, hint]))
