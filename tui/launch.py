"""Starting the app on one of its engines, and seeing that the engine ends with it, however that comes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from profiler.clients.client import EngineClient
from tui import config
from tui.errors import Refusal
from tui.output import complain, put

if TYPE_CHECKING:
    from tui.app.app import EngineFor
    from tui.app.going_on import DeviceHere
    from tui.app.view import Mode

# -P keeps the user's folder off the path: a random.py there is not Python's.
ENGINE = (sys.executable, "-P", "-m", "tui", "engine")
"""What starts an engine here; its options are added."""


def check_terminal() -> None:
    """Refuse where there is no terminal to paint on.

    Raises:
        Refusal: stdin, stdout or stderr is none.
    """
    # Textual paints on stderr; a screen is not for a pipe, wherever that is.
    if not all(stream and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise Refusal(
            "the app needs a terminal on stdin, stdout and stderr: without one, `attnprof run` measures and "
            "`attnprof show` shows (`ssh -t` gives a remote command a terminal)"
        )


def settings_with(
    *, ascii_only: bool = False, mouse: bool = True, theme: str | None = None, sessions: str | None = None
) -> config.Settings:
    """The settings of the file, with what was typed in the place of its own.

    Raises:
        Refusal: the file cannot be used, or there is no such theme.
    """
    from textual.theme import BUILTIN_THEMES

    from profiler.session.file import FOLDER_VARIABLE

    try:
        settings = config.load()
        if settings.keys:  # what they may be about is known only once every screen is loaded
            from tui.app.actions import actions

            settings = config.load(actions=actions())
    except config.ConfigError as error:
        raise Refusal(str(error)) from None
    if theme is not None and theme not in BUILTIN_THEMES:
        raise Refusal(f"there is no theme '{theme}'; there are {', '.join(sorted(BUILTIN_THEMES))}")
    return replace(
        settings,
        ascii=settings.ascii or ascii_only,
        mouse=settings.mouse and mouse,
        theme=theme or settings.theme,
        sessions=sessions or os.environ.get(FOLDER_VARIABLE) or settings.sessions,
    )


def child_engine(
    engine: Sequence[str], device: str, sessions: str, resume: Path | None = None
) -> EngineClient:
    """An engine of its own process, here by ENGINE or wherever the words of `engine` start one."""
    from profiler.clients.child import ChildEngine
    from profiler.state import state_folder

    options = ["--device", device, "--sessions", sessions]
    options += ["--resume", str(resume)] if resume else []
    log = state_folder() / "engine.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    return ChildEngine([*engine, *options], log)


def launch(
    client: EngineClient,
    settings: config.Settings,
    mode: Mode,
    resume: EngineFor | None = None,
    implementations: Sequence[str] = (),
    device_here: DeviceHere | None = None,
) -> int:
    """Run the app until it is quit; its exit status."""
    return asyncio.run(_run(client, settings, mode, resume, implementations, device_here))


async def _run(
    client: EngineClient,
    settings: config.Settings,
    mode: Mode,
    resume: EngineFor | None,
    implementations: Sequence[str],
    device_here: DeviceHere | None,
) -> int:
    from tui.app.app import AttnprofApp
    from tui.app.saving import said_at_the_end
    from tui.leaving import leaving_on_signals

    app = AttnprofApp(
        client,
        settings,
        mode=mode,
        resume=resume,
        device_here=device_here,
        implementations=implementations,
    )
    try:
        with leaving_on_signals(lambda status: app.exit(status, return_code=status)):
            status = await app.run_async(mouse=settings.mouse)
    finally:
        await app.close_engines()
    status = app.return_code or status or 0
    if status:  # by a signal or a fault: the terminal may be gone, or nobody reads it
        return status
    if app.engine_error:  # it was said on a screen that has gone
        complain(f"Error: {app.engine_error}")
        return 1
    if unsaved := said_at_the_end(app.live):
        complain(unsaved)
    elif mode == "live" and (path := app.live.view().path) and path.exists():
        put(f"saved {path}\n")
    return 0
