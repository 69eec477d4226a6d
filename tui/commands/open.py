"""`attnprof open`: a saved session in the app's screens."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click

from profiler.session import SessionError, find_session
from tui.errors import Refusal


@click.command("open")
@click.argument("session")
@click.option("--sessions", metavar="DIR", help="Where session files are. [default: ./sessions]")
def command(session: str, sessions: str | None) -> None:
    """Open a saved session in the app.

    SESSION is a path, a unique part of a name in the sessions folder, or "last".
    """
    from profiler.clients.recorded import RecordedSession
    from tui.launch import ENGINE, check_terminal, child_engine, launch, settings_with

    check_terminal()
    settings = settings_with(sessions=sessions)
    try:
        client = RecordedSession(find_session(session, Path(settings.sessions)))
    except SessionError as error:
        raise Refusal(str(error)) from None
    engine_for = partial(child_engine, ENGINE, "auto", settings.sessions)
    sys.exit(launch(client, settings, "recording", engine_for))
