"""`attnprof best`: which implementation to take for a shape, from all that was ever measured."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tui.errors import Refusal
from tui.options.groups import SectionedCommand, section
from tui.options.run import SIZES, SIZES_ARE

if TYPE_CHECKING:
    from rich.console import RenderableType

    from profiler.advice.library import Source, Trait
    from profiler.session.recording import Recording
    from profiler.training.model import Training
    from profiler.workload import Attention
    from tui.options.best_asked import Wanted

EXIT_NOTHING = 1

Subject = TypeVar("Subject", "Attention", "Training")

_shape = section("Shapes, as in attnprof run; what is not given may be any")
_training = section("Trainings, as in attnprof train")
_where = section("Where")


@click.command("best", cls=SectionedCommand, epilog=SIZES_ARE)
@click.argument("session", nargs=-1)
@_shape("--seq", "--seq-len", "seq", metavar=SIZES, help="Sequence length.")
@_shape("--batch", "--batch-size", "batch", metavar=SIZES, help="Batch size.")
@_shape("--seq-q", metavar=SIZES, help="Queries, where they are not as many as the keys of --seq.")
@_shape("--decode", is_flag=True, help="Of decoding alone.")
@_shape("--heads", "--num-heads", "heads", metavar=SIZES, help="Query heads.")
@_shape("--kv-heads", metavar=SIZES, help="Key/value heads.")
@_shape("--head-dim", metavar=SIZES, help="Size of one head.")
@_shape("--emb-dim", metavar=SIZES, help="Heads x head dim.")
@_shape("--dtype", metavar="TYPES", help="fp16, bf16, fp32; a list too.")
@_shape("--causal/--no-causal", "causal", multiple=True, help="Of one of these alone.")
@_shape("--window", metavar=SIZES, help="Of such windows alone, or none.")
@_shape("--dropout", metavar="P", help="Of that dropout alone.")
@_shape("--softcap", metavar="C", help="Of that softcap alone, or none.")
@_shape("--pass", "passes", metavar="PASSES", help="Of fwd, bwd, fwd_bwd.")
@_training("--model", metavar="NAMES", help="small, medium, large, xl, or LAYERSxHEADSxWIDTH.")
@_training("--context", metavar=SIZES, help="Tokens of a sequence.")
@_training("--mode", metavar="MODES", help="eager, compile, fullgraph, reduce-overhead.")
@_training("--optimizer", metavar="NAMES", help="adamw-foreach, adamw-fused, adamw-8bit.")
@_where("--all", "show_all", is_flag=True, help="Every session and line, however many; a pipe has all.")
@_where("--sessions", metavar="DIR", help="Where session files are. Default: ./sessions.")
def command(session: tuple[str, ...], sessions: str | None, show_all: bool, **typed: Any) -> None:
    """Say which implementation is the fastest for a shape, from what was measured.

    SESSION is a path, a unique part of a name in the sessions folder, or "last"; by default all in the
    folder. The newest session of each GPU answers for a shape, or one that compares more implementations.

    \b
    attnprof best --seq 8k --heads 32 --head-dim 128 --causal
    attnprof best last
    attnprof best --context 1k --model medium
    """
    from profiler.plans.plan import PlanError
    from tui.options.best_asked import wanted

    try:
        asked = wanted(typed)
    except PlanError as error:
        raise Refusal(str(error)) from None
    sources = _sources(session, sessions)
    if not _answer(sources, asked, whole=show_all):
        _say_nearest(sources, asked, typed, sessions)
        raise SystemExit(EXIT_NOTHING)


def _sources(names: Sequence[str], sessions: str | None) -> list[Source]:
    """The sessions named, else all there are; what cannot be read is said, and does not end it.

    Raises:
        Refusal: a name is no session's, or the folder cannot be read.
    """
    from profiler.advice.library import read_sources
    from profiler.session.file import SessionError, find_session, sessions_folder
    from profiler.session.listing import session_files

    folder = sessions_folder(sessions)
    try:
        paths = [find_session(name, folder) for name in names] or [
            path for path in session_files(folder) if _has_something(path)
        ]
    except SessionError as error:
        raise Refusal(str(error)) from None
    sources, problems = read_sources(dict.fromkeys(paths))
    for problem in problems:
        click.echo(f"left out: {problem}", err=True)
    return sources


def _has_something(path: Path) -> bool:
    """Whether it is no run that is still loading torch; a link to nothing is worth a word."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return True


def _answer(sources: Sequence[Source], asked: Wanted, *, whole: bool) -> bool:
    """Print what the sessions say, machine by machine; whether they say anything."""
    from profiler.advice.library import pass_answers, training_answers
    from tui.tables import best as best_view
    from tui.tables.showing import console_and_width, print_tables

    console, width = console_and_width()
    whole = whole or width is None
    told = False

    def tell(machine: str, parts: Iterator[RenderableType]) -> None:
        nonlocal told
        click.echo(f"\n{machine}" if told else machine)
        print_tables(console, parts, width, apart=False)
        told = True

    if asked.shapes is not None:
        for machine, of_passes in pass_answers(sources, asked.shapes, asked.passes).items():
            tell(machine, best_view.of_passes(of_passes, width=width, whole=whole))
    if asked.trainings is not None:
        for machine, of_trainings in training_answers(sources, asked.trainings).items():
            tell(machine, best_view.of_trainings(of_trainings, width=width, whole=whole))
    return told


def _say_nearest(
    sources: Sequence[Source], asked: Wanted, typed: dict[str, Any], sessions: str | None
) -> None:
    """What was measured that is nearest, and the command that measures what was asked for.

    Where a session was ended before it came to that, it is to be gone on with: it has the settings.
    """
    from profiler.advice.library import imported, nearest
    from profiler.training.columns import training_columns
    from profiler.units import describe_shape, listed
    from tui.options.best_asked import command_for_shape, command_for_training

    lines = ["nothing that was measured matches"]
    # Where no option decides which kind is meant, the sessions do.
    is_training = asked.shapes is None or (
        asked.trainings is not None
        and any(source.recording.trainings for source in sources)
        and not any(source.recording.cases for source in sources)
    )
    if is_training:
        of_training = asked.trainings or []
        left_out = imported(sources, of_training, _trainings)
        training = nearest(sources, of_training, _trainings)
        cut = _cut_before(training, of_training)
        near = f"{training_columns([training[1]]).caption()} ({training[0].name})" if training else ""
        command = command_for_training(typed, training[1] if training else None)
    else:
        of_shape = asked.shapes or []
        left_out = imported(sources, of_shape, _shapes)
        shape = nearest(sources, of_shape, _shapes)
        cut = _cut_before(shape, of_shape)
        near = f"{describe_shape(shape[1])} ({shape[0].name})" if shape else ""
        command = command_for_shape(typed, shape[1] if shape else None)
    if cut is not None:
        _say_how_to_go_on(cut, "train" if is_training else "run", sessions)
        return
    if left_out:
        lines.append(f"imported, so without rounds to compare by: {listed(left_out)}")
    if near:
        lines.append(f"nearest: {near}")
    click.echo("\n".join([*lines, f"measure it: {command}"]), err=True)


def _cut_before(nearest: tuple[Source, Subject] | None, traits: Iterable[Trait[Subject]]) -> Source | None:
    """The session of what is nearest, where that is what was asked for and it ended before that."""
    if nearest is None or not all(trait.holds(nearest[1]) for trait in traits):
        return None
    source, _ = nearest
    finished = source.recording.finished
    return source if finished is None or finished.ending != "completed" else None


def _say_how_to_go_on(source: Source, subcommand: str, sessions: str | None) -> None:
    in_folder = ["--sessions", sessions] if sessions is not None else []
    command = shlex.join(["attnprof", subcommand, "--resume", source.name, *in_folder])
    said = f"{source.name} ended before anything of this was measured to its end"
    click.echo(f"{said}\ngo on with it, as it was asked for: {command}", err=True)


def _shapes(recording: Recording) -> Iterable[Attention]:
    return recording.by_shape


def _trainings(recording: Recording) -> Iterable[Training]:
    return (record.training for record in recording.trainings.values())
