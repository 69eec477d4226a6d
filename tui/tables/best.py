"""What `attnprof best` prints: the advice in sentences, below it a line for each shape and pass.

On a screen many sessions are told by the newest, and a table that would run off it is left out.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from profiler.advice import Course, course_line, courses, training_courses
from profiler.advice.library import Answer
from profiler.advice.picks import PassPick, Pick
from profiler.advice.training_picks import TrainingPick
from profiler.advice.words import doubts, with_interval
from profiler.events import Estimate
from profiler.training.columns import TEXT_PARAMETERS as TRAINING_TEXT
from profiler.training.columns import training_columns
from profiler.training.wording import tokens_per_s
from profiler.units import TEXT_PARAMETERS, count, mib, ms, plain_text, shape_columns
from profiler.workload import PASS_LABELS
from tui.tables.columns import MUTED, Column, fit, parameter_columns
from tui.tables.results import filled

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

AnyPick = TypeVar("AnyPick", PassPick, TrainingPick)

_MOST_SESSIONS = 5  # on a screen, of one machine
_MOST_LINES = 24  # of a table there
_MOST_DISAGREEMENTS = 2  # of one session, before it only says how many more there are


def of_passes(
    answers: Sequence[Answer[PassPick]], *, width: int | None, whole: bool
) -> Iterator[RenderableType]:
    """What to say of one machine's shapes; `whole` is all there is, however long."""
    from rich.text import Text

    found = [answer.pick for answer in answers]
    shapes = shape_columns(pick.workload for pick in found)
    columns = [
        *parameter_columns(
            shapes.varying, [pick.workload for pick in found], shapes.cells, words=TEXT_PARAMETERS
        ),
        Column("pass", "\npass", [Text(PASS_LABELS[pick.which]) for pick in found], 0, "words"),
        *_names(found),
        Column("ms", "time\nms", [_number(pick.time_ms, ms) for pick in found], 1),
        *_ratios(found),
        Column("memory", "memory\nMiB", [_number(_bytes(pick), mib) for pick in found], 4),
        _remarks(found),
    ]
    yield from _sentences(answers, courses, _shapes_caption, width, whole=whole)
    yield from _table(columns, shapes.caption(), width, "--seq 4k or --pass bwd", whole=whole)
    yield from _sources(answers, lambda pick: _where(shapes.describe(pick.workload), PASS_LABELS[pick.which]))


def of_trainings(
    answers: Sequence[Answer[TrainingPick]], *, width: int | None, whole: bool
) -> Iterator[RenderableType]:
    """The same of trainings."""
    found = [answer.pick for answer in answers]
    trainings = training_columns(pick.training for pick in found)
    columns = [
        *parameter_columns(
            trainings.varying, [pick.training for pick in found], trainings.cells, words=TRAINING_TEXT
        ),
        *_names(found),
        Column("batch", "\nbatch", [_number(pick.batch, str) for pick in found], 2),
        Column("tokens/s", "\ntokens/s", [_number(pick.tokens_per_s, tokens_per_s) for pick in found], 1),
        *_ratios(found),
        _remarks(found),
    ]
    yield from _sentences(answers, training_courses, _trainings_caption, width, whole=whole)
    yield from _table(columns, trainings.caption(), width, "--context 4k", whole=whole)
    yield from _sources(answers, lambda pick: trainings.describe(pick.training))


def _sentences(
    answers: Sequence[Answer[AnyPick]],
    advice: Callable[[Sequence[AnyPick]], Sequence[Course]],
    caption: Callable[[Sequence[AnyPick]], str],
    width: int | None,
    *,
    whole: bool,
) -> Iterator[RenderableType]:
    """The advice of each session by itself: what changes between two of them is no crossover."""
    from rich.text import Text

    by_source: dict[str, list[AnyPick]] = {}
    for answer in answers:
        by_source.setdefault(answer.source.name, []).append(answer.pick)
    lines: list[str] = []
    shown = list(by_source.items())[: None if whole else _MOST_SESSIONS]
    for name, found in shown:
        said: list[str] = list(map(course_line, advice(found)))
        if len(by_source) > 1:
            lines += [f"{name} ({caption(found)})", *(f"  {line}" for line in said)]
        else:
            lines += said
    if rest := len(by_source) - len(shown):
        lines.append(f"and {count(rest, 'older session')}: --all has them")
    yield Text("\n".join(line for each in lines for line in _wrapped(each, width)))


def _wrapped(line: str, width: int | None) -> list[str]:
    """A line on a screen, what is too long of it indented below."""
    if width is None:
        return [line]
    below = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width, subsequent_indent=below, break_on_hyphens=False)


def _shapes_caption(picks: Sequence[PassPick]) -> str:
    return shape_columns(pick.workload for pick in picks).caption()


def _trainings_caption(picks: Sequence[TrainingPick]) -> str:
    return training_columns(pick.training for pick in picks).caption()


def _table(
    columns: Sequence[Column], caption: str, width: int | None, asked: str, *, whole: bool
) -> Iterator[RenderableType]:
    """A line for each pick; of too many for a screen how to ask for some."""
    from rich.text import Text

    lines = len(columns[0].cells)
    if not whole and lines > _MOST_LINES:
        yield Text(f"\na table of {lines} lines: --all has it; {asked} asks for some")
        return
    kept = [column for column in columns if any(cell.plain.strip("-") for cell in column.cells)]
    shown, gap = fit(kept, width)
    yield Text()
    yield filled(shown, caption, _left_out(kept, shown), gap, width)


def _left_out(possible: Sequence[Column], shown: Sequence[Column]) -> list[str]:
    """The columns that there was no room for, the most important first."""
    keys = {column.key for column in shown}
    names = [column.brief for column in sorted(possible, key=_rank) if column.key not in keys]
    return [f"not shown for want of width: {', '.join(names)}"] if names else []


def _rank(column: Column) -> int:
    return column.rank


def _names(picks: Sequence[Pick]) -> list[Column]:
    from rich.text import Text

    fastest = [_named(pick) for pick in picks]
    undecided = [", ".join(choice.label for choice in pick.undecided) for pick in picks]
    return [
        Column("fastest", "\nfastest", [Text(name, style="bold") for name in fastest], 0, "words"),
        Column("not told apart", "\nnot told apart", [Text(name) for name in undecided], 0, "words"),
    ]


def _remarks(picks: Sequence[Pick]) -> Column:
    """How far to trust the figures of the fastest."""
    from rich.text import Text

    said = [", ".join(doubts(pick, pick.names[0])) if pick.names else "" for pick in picks]
    return Column("remarks", "\nremarks", [Text(each) for each in said], 6, "words")


def _ratios(picks: Sequence[Pick]) -> list[Column]:
    from rich.text import Text

    baseline = next((pick.baseline for pick in picks if pick.baseline), "")
    next_ = {pick.next.implementation for pick in picks if pick.next}
    over_next = [_ratio(pick.over_next) for pick in picks]
    if len(next_) == 1:  # its name says all that a column of names would
        columns = [_over(next_.pop(), over_next, 2)]
    else:
        whose = [Text(pick.next.label if pick.next else "") for pick in picks]
        columns = [
            Column("over next", "over\nnext", over_next, 2, short_title="over next"),
            Column("next", "\nnext", whose, 2, "words"),
        ]
    says_more = any(pick.next and pick.next.implementation != baseline for pick in picks)
    over_baseline = [_ratio(pick.over_baseline) for pick in picks]
    return [*columns, _over(baseline, over_baseline, 3)] if says_more else columns


def _over(name: str, ratios: Sequence[Text], rank: int) -> Column:
    shown = plain_text(name)
    return Column(f"over {shown}", f"over\n{shown}", list(ratios), rank, short_title=f"over {shown}")


def _ratio(value: Estimate | None) -> Text:
    return _number(value, with_interval)


def _number(value: Any, text: Callable[[Any], str]) -> Text:
    from rich.text import Text

    return Text("-", style=MUTED) if value is None else Text(text(value))


def _bytes(pick: Pick) -> int | None:
    return pick.fastest[0].memory_bytes if pick.fastest else None


def _sources(answers: Sequence[Answer[AnyPick]], where: Callable[[AnyPick], str]) -> Iterator[RenderableType]:
    """Which sessions say so, and which other ones say otherwise."""
    from rich.text import Text

    sources = dict.fromkeys(answer.source.name for answer in answers)
    otherwise: dict[str, list[str]] = {}
    for answer in answers:
        for other, pick in answer.others:
            otherwise.setdefault(other.name, []).append(_instead(where(answer.pick), pick, answer.pick))
    told: list[str] = [f"measured in {name}" for name in sources] if len(sources) == 1 else []
    told += [f"{name} says otherwise, {_some(said)}" for name, said in otherwise.items()]
    if told:
        yield Text("\n".join(["", *told]), style=MUTED)


def _instead(where: str, other: Pick, pick: Pick) -> str:
    names, chosen = map(_named, (other, pick))
    return f"{f'{where}: ' if where else ''}{names} (not {chosen})"


def _named(pick: Pick) -> str:
    """The fastest and its equals; which backend ran is told of one alone."""
    if len(pick.fastest) == 1:
        return pick.fastest[0].label
    return " = ".join(plain_text(choice.implementation) for choice in pick.fastest) or "nothing"


def _some(said: Sequence[str]) -> str:
    more = len(said) - _MOST_DISAGREEMENTS
    return "; ".join([*said[:_MOST_DISAGREEMENTS], *([f"and {more} more"] if more > 0 else [])])


def _where(*parts: str) -> str:
    return ", ".join(filter(None, parts))


def closing_line(found: Iterable[Course]) -> str:
    """What a run ends with: its advice in a line, or where to read more; "" where there was no choice."""
    lines = [course_line(course) for course in found if course.is_choice]
    if not lines:
        return ""
    if len(lines) == 1:
        return f"fastest for {lines[0]}"
    return f"fastest for {lines[0]}; {count(len(lines) - 1, 'more such line')}: attnprof best last"
