"""`attnprof import`: results that others hold, as a session."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from profiler.units import plain_text
from tui.errors import Refusal
from tui.options.completion import complete_implementations
from tui.options.groups import SectionedCommand, section

if TYPE_CHECKING:
    from profiler.events import Event
    from profiler.importing import AskedShapes

_T = TypeVar("_T")

_what = section("What was measured, where the files do not say")
_output = section("Output")


@click.command("import", cls=SectionedCommand)
@click.argument("files", nargs=-1, required=True, metavar="FILE...", type=click.Path(path_type=Path))
@_what(
    "--impl", metavar="NAMES", shell_complete=complete_implementations, help="Implementation, or an alias."
)
@_what("--batch", "--batch-size", "batch_size", metavar="SIZES", help="Batch size.")
@_what("--seq", "--seq-len", "seq_len", metavar="SIZES", help="Sequence length.")
@_what("--heads", "--num-heads", "num_heads", metavar="SIZES", help="Heads.")
@_what("--head-dim", metavar="SIZES", help="Size of one head.")
@_what("--emb-dim", metavar="SIZES", help="Instead of --head-dim: heads x head dim.")
@_what("--dtype", metavar="TYPES", help="fp16 (the labs' own), bf16, fp32.")
@_what("--causal/--no-causal", "causal", multiple=True, help="Whether a causal mask was used.")
@_output(
    "--label", metavar="TEXT", help="Becomes part of the session's name. Default: the first file's name."
)
@_output("--sessions", metavar="DIR", help="Where to save sessions. Default: ./sessions.")
def command(
    files: tuple[Path, ...],
    label: str | None,
    sessions: str | None,
    causal: tuple[bool, ...],
    **typed: str | None,
) -> None:
    """Take a benchmark_result.json of the attention labs, or a JSON export of attnprof, as a session.

    The labs' own files say neither what was measured nor on what: the shape and the implementation must be
    given then, as they were for the measurement. One value is for all results, or a list has one for each, in
    the order of the files. Several files make one session, to be shown, compared and exported as any other.

    \b
    attnprof import pytorch.json flash2.json --impl Pytorch,Flash2 --batch_size 32 \\
      --seq_len 1024 --num_heads 32 --emb_dim 2048 --dtype fp16 --causal
    """
    import impls
    from profiler.importing import ImportRefused, imported_events
    from profiler.plans.plan import PlanError

    try:
        events = imported_events(
            files,
            _asked(typed, causal),
            command=shlex.join(["attnprof", *sys.argv[1:]]),
            label=label,
        )
    except (ImportRefused, PlanError, impls.UnknownImplementation) as error:
        raise Refusal(str(error)) from None
    _say(events)
    path = _save(events, sessions)
    click.echo(f"saved {plain_text(str(path))}")


def _asked(typed: dict[str, str | None], causal: tuple[bool, ...]) -> AskedShapes:
    """The options as values, one or several each.

    Raises:
        PlanError: one is no size, no dtype, or empty.
        UnknownImplementation: there is none of that name.
    """
    import impls
    from profiler.importing import AskedShapes
    from profiler.plans import grid

    def values(name: str, parse: Callable[[str], _T]) -> tuple[_T, ...]:
        text = typed[name]
        return () if text is None else tuple(parse(part) for part in text.split(","))

    def sizes(name: str) -> tuple[int, ...]:
        return values(name, lambda part: grid.parse_size(part, f"--{name.replace('_', '-')}"))

    return AskedShapes(
        impl=values("impl", lambda part: impls.find(part.strip()).name),
        batch_size=sizes("batch_size"),
        seq_len=sizes("seq_len"),
        num_heads=sizes("num_heads"),
        head_dim=sizes("head_dim"),
        emb_dim=sizes("emb_dim"),
        dtype=values("dtype", lambda part: grid.parse_dtypes(part)[0]),
        causal=causal,
    )


def _say(events: list[Event]) -> None:
    """What was imported, and what is to be said of it."""
    from profiler.session.imported import imported_words
    from profiler.session.recording import Recording

    recording = Recording.of(events)
    for sentence in imported_words(recording):
        click.echo(sentence, err=True)
    for log in recording.logs:
        click.echo(f"{log.level}: {plain_text(log.message)}", err=True)


def _save(events: list[Event], sessions: str | None) -> Path:
    """Write the session; its path.

    Raises:
        Refusal: it cannot be written.
    """
    from datetime import UTC, datetime

    from profiler.events import Planned, SessionStarted, TrainingPlanned
    from profiler.results.wording import device_name
    from profiler.session.file import SessionError, SessionWriter, sessions_folder

    header = next(event for event in events if isinstance(event, SessionStarted))
    label = next(event.plan.label for event in events if isinstance(event, Planned | TrainingPlanned))
    try:
        with SessionWriter.create(
            sessions_folder(sessions), datetime.now(UTC), device_name(header.environment), label
        ) as writer:
            for event in events:
                writer.append(event)
    except SessionError as error:
        raise Refusal(str(error)) from None
    return writer.path
