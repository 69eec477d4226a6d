"""`attnprof watch`: a session in the app while another process writes it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from profiler.session import SessionError, find_session
from tui.errors import Refusal


@click.command("watch")
@click.argument("session")
@click.option("--sessions", metavar="DIR", help="Where session files are. [default: ./sessions]")
def command(session: str, sessions: str | None) -> None:
    """Open a session in the app while another process writes it.

    SESSION is a path, a unique part of a name in the sessions folder, or "last".
    """
    from profiler.clients.following import Following
    from tui.launch import check_terminal, launch, settings_with

    check_terminal()
    settings = settings_with(sessions=sessions)
    try:
        client = Following(find_session(session, Path(settings.sessions)))
    except SessionError as error:
        raise Refusal(str(error)) from None
    sys.exit(launch(client, settings, "watch"))
