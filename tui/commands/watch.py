"""`attnprof watch`: a session in the app while another process writes it."""

from __future__ import annotations

import sys

import click

from tui.commands.open import show_in_app


@click.command("watch")
@click.argument("session")
@click.option("--sessions", metavar="DIR", help="Where session files are. [default: ./sessions]")
def command(session: str, sessions: str | None) -> None:
    """Open a session in the app while another process writes it.

    SESSION is a path, a unique part of a name in the sessions folder, or "last".
    """
    from profiler.clients.following import Following

    sys.exit(show_in_app(session, sessions, Following, "watch"))
