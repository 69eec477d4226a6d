"""Options that the commands that measure have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from tui.options.groups import section

_F = TypeVar("_F", bound=Callable[..., Any])

_machine = section("Device")
_output = section("Output")

SIZES = "SIZES"
"""What stands in the help for a size, a list of them, or a range."""

SIZES_ARE = (
    "SIZES is one size, a list or a doubling range: 512, 256,512,1k, 1k..16k (k is 1024). "
    "Lists multiply into a sweep."
)

_MACHINE: tuple[Callable[[Any], Any], ...] = (
    _machine("--device", "device_name", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N."),
    _machine(
        "--memory-limit",
        metavar="SIZE",
        help="Run out of memory where a device of SIZE would: 12GiB, 512MiB, ...",
    ),
)
_OUTPUT: tuple[Callable[[Any], Any], ...] = (
    _output(
        "--resume",
        metavar="SESSION",
        help="Go on with an interrupted session: what it lacks, as it was asked for then.",
    ),
    _output("--label", metavar="TEXT", help="Becomes part of the session's name."),
    _output("--sessions", metavar="DIR", help="Where to save sessions. Default: ./sessions."),
    _output("--output", "-o", metavar="FILE", help="Also export there when done; - is stdout."),
    _output("--format", "format_name", metavar="FORMAT", help="md, html, csv or json. Default: by suffix."),
    _output("--quiet", "-q", is_flag=True, help="Print nothing but the session's path."),
)


def machine_options(command: _F) -> _F:
    """The device, and how much of its memory may be used."""
    return _with(_MACHINE, command)


def output_options(command: _F) -> _F:
    """Where the session and the export go: the fields of tui.headless.measuring.Saving, and the label."""
    return _with(_OUTPUT, command)


def _with(options: tuple[Callable[[Any], Any], ...], command: _F) -> _F:
    for option in reversed(options):
        command = option(command)
    return command
