"""The `attnprof` command. Subcommands are imported when they are called, so that help is instant."""

from __future__ import annotations

from importlib import import_module
from keyword import iskeyword
from typing import Any

import click

# Each command's module under tui.commands, and the line that help shows without importing it.
_COMMANDS = {
    "open": "Open a saved session in the app.",
    "watch": "Open a session in the app while another process writes it.",
    "run": "Measure implementations over one shape or a sweep, and save the session.",
    "train": "Train GPT-2 on each implementation of attention, and save the session.",
    "list": "Show the implementations, and why one cannot run here.",
    "doctor": "Check this machine: GPU, driver, torch, packages, with a remedy for each problem.",
    "show": "Show a saved session as a table.",
    "compare": "Compare sessions: what became faster, slower or wrong.",
    "best": "Say which implementation to take for a shape, from what was measured.",
    "engine": "Measure what is asked for on stdin: the app without its screen, for ssh.",
    "export": "Write a saved session as Markdown with charts, HTML, CSV or JSON.",
    "import": "Take a benchmark_result.json of the attention labs, or a JSON export, as a session.",
    "config": "Print the settings as TOML, and where they are read from.",
}


class _LazyGroup(click.Group):
    """A group that knows its commands' names and one-line helps before it imports any of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = import_module(f"tui.commands.{_module(cmd_name)}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _module(command: str) -> str:
    """The name of a command's module: one that is a Python keyword has an underscore behind it."""
    return f"{command}_" if iskeyword(command) else command


def _tell_version(ctx: click.Context, _: click.Parameter, asked: bool) -> None:
    """Looked up only when asked for: what is installed is read from disk, a third of the time to start."""
    if asked and not ctx.resilient_parsing:
        from profiler.version import VERSION

        click.echo(f"attnprof, version {VERSION}")
        ctx.exit()


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda name: name.replace("_", "-"),  # the labs write --batch_size
        "max_content_width": 100,
    },
)
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_tell_version,
    help="Show the version and exit.",
)
@click.option("--device", "device_name", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.")
@click.option(
    "--impl",
    multiple=True,
    metavar="NAMES",
    help="Look at these first: names, NAME+compile, FILE.py:FUNCTION of your own.",
)
@click.option("--sessions", metavar="DIR", help="Where to save sessions. Default: ./sessions.")
@click.option(
    "--engine",
    metavar="COMMAND",
    help='Another engine: "ssh HOST attnprof engine" measures there and paints here.',
)
@click.option("--demo", is_flag=True, help="Play a session recorded on an H100 as if it were live.")
@click.option("--theme", metavar="NAME", help="The app's colours.")
@click.option("--ascii", "ascii_only", is_flag=True, help="Draw with ASCII alone.")
@click.option("--no-mouse", is_flag=True, help="Leave the mouse to the terminal.")
@click.pass_context
def main(ctx: click.Context, /, **options: Any) -> None:
    """Profile attention on this GPU: times, memory and accuracy of one implementation beside another.

    Without a command it opens the app: pick, turn with the arrow keys, watch. `?` there tells the keys.

    \b
    attnprof                          the app
    attnprof --demo                   the app, playing a session recorded on an H100
    attnprof run --preset lab6        an experiment, ready made
    attnprof run --seq 1k..16k        a sweep over sequence lengths
    attnprof train                    what attention does to the training of GPT-2
    attnprof export last -o out.md    the last session as a report
    """
    if ctx.invoked_subcommand is None:
        from tui.commands.app import open_app

        ctx.exit(open_app(**options))
