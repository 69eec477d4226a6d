"""`attnprof engine`: the measuring half of the app alone, spoken to in JSON lines, here or over ssh."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING

import click

from tui.errors import Refusal

if TYPE_CHECKING:
    from profiler.engine.server import EngineServer


@click.command("engine")
@click.option("--device", "device_name", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.")
@click.option("--sessions", metavar="DIR", help="Where to save. [default: ./sessions]")
@click.option("--resume", metavar="SESSION", help="Go on with this session.")
def command(device_name: str, sessions: str | None, resume: str | None) -> None:
    """Measure what is asked for on stdin, and tell on stdout what happens.

    Both are JSON lines (profiler/engine/control.py). It ends when stdin closes.
    """
    from profiler.engine.server import EngineServer
    from profiler.machine.environment import DeviceError, resolve_device
    from profiler.session.file import SessionError, find_session, sessions_folder
    from tui.output import BackgroundOutput

    folder = sessions_folder(sessions)
    output = BackgroundOutput()
    try:
        server = EngineServer(
            resolve_device(device_name),
            folder=folder,
            command="attnprof",
            say=lambda line: output.write_bytes(line + b"\n"),
            resume=find_session(resume, folder) if resume else None,
        )
        status = asyncio.run(_serve(server))
    except (DeviceError, SessionError) as error:
        raise Refusal(str(error)) from error
    finally:
        output.drain(patient=False)
    sys.exit(status)


async def _serve(server: EngineServer) -> int:
    from profiler.engine.server import commands_from_stdin

    status = 0

    def end(number: signal.Signals) -> None:
        nonlocal status
        status = 128 + number
        server.engine.stop(number.name)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    finished = await server.serve(commands_from_stdin())
    return status or (1 if finished.ending == "failed" else 0)
