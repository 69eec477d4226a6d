"""`attnprof open`: a saved session in the app's screens."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from profiler.session.file import SessionError, find_session
from tui.errors import Refusal

if TYPE_CHECKING:
    from profiler.clients.client import EngineClient
    from tui.app.view import Mode


@click.command("open")
@click.argument("session")
@click.option("--sessions", metavar="DIR", help="Where session files are. [default: ./sessions]")
def command(session: str, sessions: str | None) -> None:
    """Open a saved session in the app.

    SESSION is a path, a unique part of a name in the sessions folder, or "last".
    """
    from profiler.clients.recorded import RecordedSession

    sys.exit(show_in_app(session, sessions, RecordedSession, "recording"))


def show_in_app(
    session: str, sessions: str | None, client: Callable[[Path], EngineClient], mode: Mode
) -> int:
    """Run the app on a session file, read by `client`; its exit status.

    Raises:
        Refusal: there is no terminal, or no such session.
    """
    from profiler.machine.environment import resolve_device
    from tui.launch import ENGINE, check_terminal, child_engine, launch, settings_with

    check_terminal()
    settings = settings_with(sessions=sessions)
    try:
        path = find_session(session, Path(settings.sessions))
    except SessionError as error:
        raise Refusal(str(error)) from None
    device = "auto"
    engine_for = partial(child_engine, ENGINE, device, settings.sessions)
    return launch(client(path), settings, mode, engine_for, device_here=partial(resolve_device, device))
