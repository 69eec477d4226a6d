"""`attnprof compare`: sessions beside each other, the first of them as the base."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from profiler.plans.plan import PlanError
from profiler.session.recording import Recording
from profiler.units import plain_text
from tui.commands.export import save
from tui.errors import Refusal
from tui.tables.showing import console_and_width, open_recorded, print_tables

if TYPE_CHECKING:
    from profiler.compare import Comparison
    from profiler.compare.formats import Format
    from profiler.compare.matching import Wanted

Opened = list[tuple[str, Recording]]
"""Sessions, each with its name."""

_REGRESSED = 3


@click.command("compare")
@click.argument("sessions", nargs=-1, required=True, metavar="A B [C]...")
@click.option("--margin", metavar="SHARE", help="Within it times are the same. [default: 2%]")
@click.option(
    "--fail-over",
    metavar="SHARE",
    help="Exit with 3 if something takes so much longer or more memory than in A, such as 5%, is right no "
    "more, or missing.",
)
@click.option("--strict", is_flag=True, help="With --fail-over: also where so much longer is not ruled out.")
@click.option("--allow-memory", is_flag=True, help="With --fail-over: memory may grow.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="With --fail-over: what is missing, there in part, or tells nothing, may pass.",
)
@click.option("--where", metavar="EXPR", help="Only what this holds for in A: 'seq >= 4k and causal'.")
@click.option("--pass", "passes", metavar="PASSES", help="Only these: of fwd, bwd, fwd_bwd.")
@click.option("--impl", multiple=True, metavar="NAMES", help="Only these implementations.")
@click.option(
    "--format",
    "format_name",
    metavar="md|json",
    help="What to write in place of the tables. [default: by the file's suffix]",
)
@click.option("-o", "--output", metavar="FILE", help="Write it there; - is standard output.")
@click.option("--sessions", "folder", metavar="DIR", help="Where session files are. [default: ./sessions]")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    sessions: tuple[str, ...],
    margin: str | None,
    fail_over: str | None,
    strict: bool,
    allow_memory: bool,
    allow_missing: bool,
    where: str | None,
    passes: str | None,
    impl: tuple[str, ...],
    format_name: str | None,
    output: str | None,
    folder: str | None,
) -> None:
    """Compare sessions with the first of them: what became faster, slower, wrong, or takes more memory.

    A, B and further ones are paths, unique parts of names in the sessions folder, or "last". Cases are
    matched by shape, implementation and pass, trainings by their row and implementation. A speedup is A's
    time over the other's, of a training its time of a token: over 1 is faster.

    \b
    attnprof compare before after
    attnprof compare before after --fail-over 5%        for CI: exit code 3 on a regression
    attnprof compare h100 h200 b200 --pass bwd -o gpus.md
    """
    written = _format(format_name, output)
    allowed, beyond = _shares(margin, fail_over)
    _check_goes_with_fail_over(beyond, strict, allow_memory, allow_missing)
    opened = _open(sessions, folder)
    comparison = _compare(opened, allowed, _wanted(opened, where, passes, impl))
    if written is None:
        _print(comparison)
    else:
        _write(comparison, written, output)
    if beyond is None:
        return
    failed = [
        _has_regressed(comparison, beyond, strict=strict),
        _has_grown(comparison, beyond, allowed=allow_memory),
        _lacks(comparison, beyond, allowed=allow_missing),
    ]
    if any(failed):
        ctx.exit(_REGRESSED)


def _format(named: str | None, output: str | None) -> Format | None:
    """The format asked for; None for the tables.

    Raises:
        Refusal: there is none such.
    """
    from profiler.compare.formats import UnknownFormat, format_of

    try:
        return format_of(output, named)
    except UnknownFormat as error:
        raise Refusal(str(error)) from error


def _shares(margin: str | None, fail_over: str | None) -> tuple[float, float | None]:
    """The margin, and from what on a run fails."""
    from profiler.compare import MARGIN
    from tui.options.values import fraction

    try:
        allowed = MARGIN if margin is None else fraction(margin, "--margin")
        beyond = None if fail_over is None else fraction(fail_over, "--fail-over")
    except PlanError as error:
        raise Refusal(str(error)) from error
    if beyond is not None and beyond < allowed:
        raise Refusal(
            f"--fail-over {100 * beyond:g}% lies within the margin of {100 * allowed:g}%, where times are "
            f"the same: add --margin {100 * beyond:g}%, and measure as precisely"
        )
    return allowed, beyond


def _check_goes_with_fail_over(
    beyond: float | None, strict: bool, allow_memory: bool, allow_missing: bool
) -> None:
    """Refuse what says something of a check that is not made.

    Raises:
        Refusal: one is given without --fail-over.
    """
    given = {"--strict": strict, "--allow-memory": allow_memory, "--allow-missing": allow_missing}
    for name, is_given in given.items():
        if is_given and beyond is None:
            raise Refusal(f"{name} goes with --fail-over: add --fail-over 5%")


def _open(sessions: tuple[str, ...], folder: str | None) -> Opened:
    """Each session with its name.

    Raises:
        Refusal: there are less than two or too many, one cannot be read, or is there twice.
    """
    from profiler.compare.comparison import MOST_SESSIONS

    if not 2 <= len(sessions) <= MOST_SESSIONS:
        raise Refusal(
            f"compare takes from 2 to {MOST_SESSIONS} sessions, the base first, not {len(sessions)}: "
            "attnprof compare BEFORE AFTER"
        )
    opened: dict[Path, tuple[str, Recording]] = {}
    for text in sessions:
        file = open_recorded(text, folder)
        path = file.path.resolve()
        if path in opened:
            raise Refusal(f"'{plain_text(file.path.name)}' is there twice: name another to compare it with")
        opened[path] = plain_text(file.path.stem), file.recording
    return list(opened.values())


def _wanted(opened: Opened, where: str | None, passes: str | None, impl: tuple[str, ...]) -> Wanted | None:
    """Which rows are asked for; None for all.

    Raises:
        Refusal: there is no such pass, no session has an implementation, or A has no such rows.
    """
    from profiler.compare.asked import NotThere, wanted
    from profiler.query import QueryError
    from tui.options.planning import parse_passes
    from tui.options.values import split_names

    try:
        of_passes = None if passes is None else parse_passes(passes)
        return wanted([recording for _, recording in opened], of_passes, split_names(impl), where)
    except (PlanError, NotThere, QueryError) as error:
        raise Refusal(str(error)) from error


def _compare(opened: Opened, margin: float, wanted: Wanted | None) -> Comparison:
    from profiler.compare import NothingShared, compare

    try:
        return compare(opened, margin=margin, wanted=wanted)
    except NothingShared as error:
        raise Refusal(str(error)) from error


def _print(comparison: Comparison) -> None:
    from tui.tables.compare import comparison_view

    console, width = console_and_width()
    print_tables(console, comparison_view(comparison, width=width), width)


def _write(comparison: Comparison, format: Format, output: str | None) -> None:
    from profiler.compare.formats import render

    text = render(comparison, format)
    if output in (None, "-"):
        click.echo(text, nl=False)
    else:
        save(text, Path(output))


def _has_regressed(comparison: Comparison, beyond: float, *, strict: bool) -> bool:
    """Say on stderr what has, and what may have; whether that fails the check."""
    from profiler.compare import wording as words

    found, limit = comparison.regressions(beyond), words.margin_words(beyond)
    for line in words.regressions(comparison, found):
        click.echo(f"regression: {line}", err=True)
    doubtful = comparison.not_ruled_out(beyond) if strict else comparison.doubtful(beyond)
    doubt = f"{limit} longer is not ruled out" if strict else "perhaps a regression"
    for line in words.regressions(comparison, doubtful):
        click.echo(f"{doubt}, measure longer: {line}", err=True)
    if not found and not comparison.grown(beyond):
        click.echo(f"no regression beyond {limit} was found", err=True)
    return bool(found) or (strict and bool(doubtful))


def _has_grown(comparison: Comparison, beyond: float, *, allowed: bool) -> bool:
    """Say on stderr what takes more memory; whether that fails the check."""
    from profiler.compare import wording as words

    grown = comparison.grown(beyond)
    for line in words.growths(comparison, grown):
        click.echo(f"{'more memory' if allowed else 'regression of memory'}: {line}", err=True)
    if grown and not allowed:
        click.echo("--allow-memory lets memory grow", err=True)
    return bool(grown) and not allowed


def _lacks(comparison: Comparison, beyond: float, *, allowed: bool) -> bool:
    """Say on stderr what of A another session has not, or only in part; whether that fails the check."""
    from profiler.compare import wording as words

    lacking = list(words.lacking(comparison, beyond))
    for line in lacking:
        click.echo(line, err=True)
    if lacking and not allowed:
        click.echo("what could not be looked at may have regressed: --allow-missing lets it pass", err=True)
    return bool(lacking) and not allowed
