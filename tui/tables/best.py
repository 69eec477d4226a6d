"""What `attnprof best` prints: the advice in sentences, below it a line for each shape and pass."""

from __future__ import annotations

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
from tui.tables.results import filled, not_shown

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

AnyPick = TypeVar("AnyPick", PassPick, TrainingPick)

_MOST_DISAGREEMENTS = 2  # of one session, before it only says how many more there are


def of_passes(
    answers: Sequence[Answer[PassPick]], *, width: int | None, most: int | None
) -> Iterator[RenderableType]:
    """What to say of one machine's shapes; the table has `most` lines at the most."""
    from rich.text import Text

    found = [answer.pick for answer in answers]
    shapes = shape_columns(pick.workload for pick in found)
    shown = found[:most]
    columns = [
        *parameter_columns(
            shapes.varying, [pick.workload for pick in shown], shapes.cells, words=TEXT_PARAMETERS
        ),
        Column("pass", "\npass", [Text(PASS_LABELS[pick.which]) for pick in shown], 0, "words"),
        *_names(shown),
        Column("ms", "time\nms", [_number(pick.time_ms, ms) for pick in shown], 1),
        *_ratios(shown),
        Column("memory", "memory\nMiB", [_number(_bytes(pick), mib) for pick in shown], 4),
        _remarks(shown),
    ]
    yield from _sentences(answers, courses, _shapes_caption)
    yield _table(columns, shapes.caption(), width)
    yield from _rest(len(shown), len(found))
    yield from _sources(answers, lambda pick: _where(shapes.describe(pick.workload), PASS_LABELS[pick.which]))


def of_trainings(
    answers: Sequence[Answer[TrainingPick]], *, width: int | None, most: int | None
) -> Iterator[RenderableType]:
    """The same of trainings."""
    found = [answer.pick for answer in answers]
    trainings = training_columns(pick.training for pick in found)
    shown = found[:most]
    columns = [
        *parameter_columns(
            trainings.varying, [pick.training for pick in shown], trainings.cells, words=TRAINING_TEXT
        ),
        *_names(shown),
        Column("batch", "\nbatch", [_number(pick.batch, str) for pick in shown], 2),
        Column("tokens/s", "\ntokens/s", [_number(pick.tokens_per_s, tokens_per_s) for pick in shown], 1),
        *_ratios(shown),
        _remarks(shown),
    ]
    yield from _sentences(answers, training_courses, _trainings_caption)
    yield _table(columns, trainings.caption(), width)
    yield from _rest(len(shown), len(found))
    yield from _sources(answers, lambda pick: trainings.describe(pick.training))


def _sentences(
    answers: Sequence[Answer[AnyPick]],
    advice: Callable[[Sequence[AnyPick]], Sequence[Course]],
    caption: Callable[[Sequence[AnyPick]], str],
) -> Iterator[RenderableType]:
    """The advice of each session by itself: what changes between two of them is no crossover."""
    from rich.text import Text

    by_source: dict[str, list[AnyPick]] = {}
    for answer in answers:
        by_source.setdefault(answer.source.name, []).append(answer.pick)
    lines: list[str] = []
    for name, found in by_source.items():
        said: list[str] = list(map(course_line, advice(found)))
        if len(by_source) > 1:
            lines += [f"{name} ({caption(found)})", *(f"  {line}" for line in said)]
        else:
            lines += said
    yield Text("\n".join([*lines, ""]))


def _shapes_caption(picks: Sequence[PassPick]) -> str:
    return shape_columns(pick.workload for pick in picks).caption()


def _trainings_caption(picks: Sequence[TrainingPick]) -> str:
    return training_columns(pick.training for pick in picks).caption()


def _table(columns: Sequence[Column], caption: str, width: int | None) -> RenderableType:
    kept = [column for column in columns if any(cell.plain.strip("-") for cell in column.cells)]
    shown, gap = fit(kept, width)
    return filled(shown, caption, not_shown(kept, shown), gap, width)


def _names(picks: Sequence[Pick]) -> list[Column]:
    from rich.text import Text

    fastest = [" = ".join(choice.label for choice in pick.fastest) or "nothing" for pick in picks]
    undecided = [", ".join(choice.label for choice in pick.undecided) for pick in picks]
    return [
        Column("fastest", "\nfastest", [Text(name, style="bold") for name in fastest], 0, "words"),
        Column("not told apart", "\nnot told apart", [Text(name) for name in undecided], 5, "words"),
    ]


def _remarks(picks: Sequence[Pick]) -> Column:
    """How far to trust the figures of the fastest."""
    from rich.text import Text

    said = [", ".join(doubts([pick], pick.names[0])) if pick.names else "" for pick in picks]
    return Column("remarks", "\nremarks", [Text(each) for each in said], 6, "words")


def _ratios(picks: Sequence[Pick]) -> list[Column]:
    from rich.text import Text

    baseline = plain_text(next((pick.baseline for pick in picks if pick.baseline), ""))
    whose = [pick.next.label if pick.next else "" for pick in picks]
    return [
        Column("over next", "over\nnext", [_ratio(pick.over_next) for pick in picks], 2),
        Column("next", "\nnext", [Text(name) for name in whose], 3, "words"),
        Column(f"over {baseline}", f"over\n{baseline}", [_ratio(pick.over_baseline) for pick in picks], 3),
    ]


def _ratio(value: Estimate | None) -> Text:
    return _number(value, with_interval)


def _number(value: Any, text: Callable[[Any], str]) -> Text:
    from rich.text import Text

    return Text("-", style=MUTED) if value is None else Text(text(value))


def _bytes(pick: Pick) -> int | None:
    return pick.fastest[0].memory_bytes if pick.fastest else None


def _rest(shown: int, there: int) -> Iterator[RenderableType]:
    from rich.text import Text

    if shown < there:
        yield Text(f"\nthese are the first {shown} of {count(there, 'line')}: --all or a pipe shows all")


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
    names, chosen = (
        " = ".join(choice.label for choice in each.fastest) or "nothing" for each in (other, pick)
    )
    return f"{f'{where}: ' if where else ''}{names} (not {chosen})"


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
