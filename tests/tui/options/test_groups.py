"""Options in sections, and the help of `attnprof run` that they make."""

from __future__ import annotations

import re

import click
import pytest
from click.testing import CliRunner

from profiler.plans.presets import PRESETS
from tui.cli import main
from tui.options.groups import SectionedCommand, section

first, second = section("First things"), section("Second things")


@click.command(cls=SectionedCommand)
@first("--apple", help="A fruit.")
@second("--a-long-option", is_flag=True, help="A flag.")
@first("--pear", type=int, default=3, help="Another fruit.")
@first("--secret", hidden=True)
def example(apple: str | None, a_long_option: bool, pear: int, secret: str | None) -> None:
    """Print what it was given."""
    click.echo((apple, a_long_option, pear, secret))


def test_sections_come_in_order_share_a_column_and_leave_out_what_is_hidden() -> None:
    shown = CliRunner().invoke(example, ["--help"]).output
    assert shown.partition("\n\n")[2].partition("\n\n")[2] == (
        "First things:\n"
        "  --apple TEXT     A fruit.\n"
        "  --pear INTEGER   Another fruit.\n"
        "\n"
        "Second things:\n"
        "  --a-long-option  A flag.\n"
        "  --help           Show this message and exit.\n"
    )


def test_options_in_sections_are_options_like_any_other() -> None:
    assert CliRunner().invoke(example, ["--apple", "red", "--a-long-option"]).output == (
        "('red', True, 3, None)\n"
    )


def run_help(columns: int) -> list[str]:
    shown = CliRunner().invoke(main, ["run", "--help"], prog_name="attnprof", terminal_width=columns)
    assert shown.exit_code == 0
    return shown.output.splitlines()


@pytest.mark.parametrize("columns", [80, 120])
def test_the_help_of_run_fits_and_has_every_section(columns: int) -> None:
    lines = run_help(columns)
    assert max(map(len, lines)) <= columns
    headings = [line for line in lines if re.fullmatch(r"[A-Z].*:", line)]
    assert headings == ["What to measure:", "Shapes:", "How long:", "Device:", "Output:"]


def test_every_option_of_run_is_in_it_by_all_its_names_and_says_what_it_does() -> None:
    column = len("  --batch, --batch-size SIZES  ")
    entries = [line for line in run_help(80) if line.startswith("  -")]
    shown = {name for line in entries for name in re.split(r"[ ,/]+", line[:column])}
    run = main.get_command(click.Context(main), "run")
    assert run is not None
    assert {name for option in run.params for name in option.opts + option.secondary_opts} <= shown
    assert all(line[column - 2 : column] == "  " and line[column:] for line in entries)


def test_it_names_every_preset() -> None:
    shown = " ".join(" ".join(run_help(80)).split())
    assert f"A ready-made experiment: {', '.join(PRESETS)}." in shown
