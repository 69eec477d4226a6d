"""Where a session goes whose own folder does not take it: asked by the app, done by the engine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiler.engine.control import SaveIn
from profiler.session.file import SessionError, check_writable
from profiler.state import state_folder
from profiler.units import plain_text

if TYPE_CHECKING:
    from textual.app import App

    from tui.app.desk import Desk


def ask_where_to_save(app: App[Any], desk: Desk) -> None:
    """Ask for a folder, and have the engine save all of the session there, and what comes."""
    from tui.app.screens.prompt import PromptScreen

    def why_not(text: str) -> str | None:
        try:
            check_writable(Path(text).expanduser())
        except (SessionError, ValueError) as error:
            return str(error)
        return None

    def save(text: str | None) -> None:
        if text is not None:
            desk.send(SaveIn(folder=str(Path(text).expanduser().absolute())))

    prompt = PromptScreen(
        "The session is not being saved. Save all of it in the folder",
        str(state_folder() / "sessions"),
        hint=plain_text(desk.unsaved),
        check=why_not,
    )
    app.push_screen(prompt, save)


def said_at_the_end(desk: Desk) -> str | None:
    """What to tell a person who leaves while the session is not being saved."""
    if not desk.unsaved:
        return None
    return (
        f"{plain_text(desk.unsaved)}. It is tried once more: if it is not there, look in "
        f"{plain_text(str(state_folder() / 'sessions'))}"
    )
