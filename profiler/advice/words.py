"""Advice in words: short, with numbers and units, nothing that was not measured.

A line is to be read at a glance: of its grounds it has the most telling ones. All of them stand in tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from profiler.advice.courses import Course, Stretch
from profiler.advice.picks import NEAR, Pick
from profiler.events import LEAST_SAMPLES, Estimate
from profiler.results.wording import LAUNCH_BOUND, NOT_CONVERGED
from profiler.training.wording import TRAINING_STATUS_WORDS
from profiler.units import count, listed, plain_text, ratio, ratio_within
from profiler.workload import PASS_LABELS

Name = Callable[[str], str]
"""How the name of an implementation, which is foreign text, is written."""

_NOT_CHECKED = "not checked"

_LEAST_MEMORY_RATIO = 1.5  # below it, memory is seldom what decides
_MOST_SUBJECTS = 2
_MOST_CHARACTERS = 156  # of a line with its grounds: two lines of a terminal, the second one indented


def course_line(course: Course, name: Name = plain_text, text: Name = plain_text) -> str:
    """A course as a line: "forward: flash2 for seq 512 to 1k (1.20x to 1.61x over sdpa); sdpa at 2k (...)".

    `name` is how those are written that are chosen, `text` all other foreign text.
    """
    said, grounds = [], []
    for index, stretch in enumerate(course.stretches):
        names = _named(stretch, name)
        said.append(" ".join(filter(None, (names, _where(stretch, course, index)))))
        grounds.append(_grounds(stretch, course, text))
    about = text(subject(course))
    room = _MOST_CHARACTERS - len(about) - sum(len(each) + len(" (); ") for each in said)
    told = [", ".join(why) for why in _most_telling(grounds, room)]
    parts = [f"{each} ({why})" if why else each for each, why in zip(said, told, strict=True)]
    return f"{about}: {'; '.join(parts)}"


def _named(stretch: Stretch, name: Name) -> str:
    """What to take, by name: of a tie all, and none as the fastest."""
    if stretch.is_tie:
        return f"{listed(list(map(name, stretch.names)), None)} not told apart"
    return " or ".join(map(name, _equals(stretch))) if stretch.names else "nothing finished"


@dataclass(frozen=True)
class _Ground:
    """A reason, in words; of several those of the lowest rank are told first, and rank 0 always."""

    rank: int
    words: str


def _most_telling(grounds: Sequence[Sequence[_Ground]], room: int) -> list[list[str]]:
    """Of each stretch the reasons that there is room for; what is left out leaves none for lesser ones."""
    kept = [[each for each in some if each.words] for some in grounds]
    for rank in sorted({each.rank for some in kept for each in some}, reverse=True):
        if not rank or sum(len(each.words) + len(", ") for some in kept for each in some) <= room:
            break
        kept = [[each for each in some if each.rank < rank] for some in kept]
    return [[each.words for each in some] for some in kept]


def subject(course: Course) -> str:
    """What a course is about: "forward and backward, causal"."""
    labels = [PASS_LABELS[which] for which in course.passes]
    passes = listed(labels) if labels else "training" if course.is_training else "every pass"
    shapes = list(course.subjects)
    if len(shapes) > _MOST_SUBJECTS:
        shapes = [f"{shapes[0]} and {len(shapes) - 1} more such"]
    return ", ".join(filter(None, (passes, " and ".join(shapes))))


def _where(stretch: Stretch, course: Course, index: int) -> str:
    """Where along the axis: "for seq 512 to 2k", then "at 4k"."""
    axis = course.axis
    if axis is None:
        return ""
    first, last = axis.label(stretch.first), axis.label(stretch.last)
    named = f"{axis.name} " if index == 0 else ""
    return f"at {named}{first}" if first == last else f"for {named}{first} to {last}"


def _equals(stretch: Stretch) -> list[str]:
    """The first of its names, and those that equal it all along; of a tie all of them."""
    if stretch.is_tie:
        return list(stretch.names)
    everywhere = [{choice.implementation for choice in pick.fastest} for pick in stretch.picks]
    equal = set.intersection(*everywhere)
    first, *others = stretch.names
    return [first, *(name for name in others if {first, name} <= equal)]


def _grounds(stretch: Stretch, course: Course, name: Name) -> list[_Ground]:
    """Why: by how much, what it costs, and how far to trust it; "" is nothing to say."""
    if not stretch.names:
        return [_Ground(0, _failures(stretch.picks, name))]
    first, equal, picks = stretch.names[0], _equals(stretch), stretch.picks
    as_good = _as_good(picks, equal)
    slower = [pick.next_of([*equal, *as_good]) for pick in picks]
    next_ = {choice.implementation for choice in slower if choice is not None}
    ahead = equal if stretch.is_tie else [first]
    baseline = next((pick.baseline for pick in picks if pick.baseline), "")
    if len(next_) == 1:
        over_next = _over(picks, min(next_), ahead, name)
    else:
        over = [
            pick.over_named(each.implementation, who)
            for pick, each in zip(picks, slower, strict=True)
            for who in ahead
            if each
        ]
        over_next = _span_over(over, "the next")
    return [
        *(_Ground(2, words) for words in _as_good_words(as_good, len(picks), name)),
        _Ground(0 if stretch.is_tie else 1, over_next),
        _Ground(
            5, _over(picks, baseline, ahead, name) if next_ != {baseline} and baseline not in ahead else ""
        ),
        _Ground(7, _memory(picks, first, name)),
        *_doubts(picks, first, name),
        _Ground(0, _alone(stretch, course, name)),
    ]


def _as_good(picks: Sequence[Pick], equal: Sequence[str]) -> dict[str, tuple[int, str]]:
    """Who else is no slower at most of the picks, as far as the rounds tell: at how many, and how."""
    found: dict[str, tuple[int, str]] = {}
    for other in dict.fromkeys(name for pick in picks for name in pick.names if name not in equal):
        near = [pick for pick in picks if other in pick.names]
        if 2 * len(near) > len(picks):
            is_equal = all(other in [choice.implementation for choice in pick.fastest] for pick in near)
            found[other] = len(near), "as good" if is_equal else "not told apart"
    return found


def _as_good_words(as_good: Mapping[str, tuple[int, str]], there: int, name: Name) -> list[str]:
    """The same in words: "sdpa-cudnn as good at 17 of 18", of several "at 9 to 11 of 12"."""
    alike: dict[str, dict[str, int]] = {}
    for other, (number, how) in as_good.items():
        alike.setdefault(how, {})[name(other)] = number
    return [f"{listed(list(found))} {how}{_at_some(found.values(), there)}" for how, found in alike.items()]


def _at_some(numbers: Iterable[int], there: int) -> str:
    least, *_, most = sorted([*numbers] * 2)
    return f" at {least} to {most} of {there}" if least < most else _at(most, there)


def _at(number: int, there: int) -> str:
    return f" at {number} of {there}" if number < there else ""


def _over(picks: Sequence[Pick], slower: str, ahead: Sequence[str], name: Name) -> str:
    """How much faster those `ahead` are than one other, and that this is not of all that had company."""
    said = _span_over([pick.over_named(slower, who) for pick in picks for who in ahead], name(slower))
    company = [{choice.implementation for choice in pick.right} for pick in picks if len(pick.right) > 1]
    return f"{said} where it finished" if said and not all(slower in right for right in company) else said


def _span_over(ratios: Iterable[Estimate | None], whom: str) -> str:
    """ "1.38x to 1.91x over flash2"; nothing where that is nowhere a difference."""
    found = [each for each in ratios if each is not None]
    return f"{span(found)} over {whom}" if found and max(each.median for each in found) > NEAR else ""


def span(ratios: Sequence[Estimate]) -> str:
    """A ratio with its interval, or the least and the most of several: "1.63x ±0.01", "1.6x to 1.9x".

    "up to 1.9x" where the least is no difference.
    """
    if len(ratios) == 1:
        return with_interval(ratios[0])
    least, most = min(each.median for each in ratios), max(each.median for each in ratios)
    if 1 / NEAR <= least <= NEAR:
        return f"up to {ratio(most)}"
    low, high = ratio(least), ratio(most)
    return low if low == high else f"{low} to {high}"


def with_interval(value: Estimate) -> str:
    """A ratio with the wider side of its interval, where there are rounds enough for one."""
    if value.count < LEAST_SAMPLES:
        return ratio(value.median)
    return " ".join(ratio_within(value.median, value.low, value.high))


def _memory(picks: Iterable[Pick], who: str, name: Name) -> str:
    """What it needs more than the leanest, at the most; nothing where that is no argument."""
    found = [(each, pick.leanest) for pick in picks if (each := pick.memory_ratio(who)) is not None]
    most, leanest = max(found, key=lambda each: each[0], default=(0.0, None))
    if most < _LEAST_MEMORY_RATIO or leanest is None:
        return ""
    up_to = "up to " if len(found) > 1 else ""
    return f"{up_to}{ratio(most)} the memory of {name(leanest.implementation)}"


def _alone(stretch: Stretch, course: Course, name: Name) -> str:
    """That nothing else came to a right result, where, and why."""
    if not stretch.alone:
        return ""
    alone = [pick for pick in stretch.picks if len(pick.right) == 1]
    is_all = len(alone) == len(stretch.picks) or course.axis is None
    where = "" if is_all or course.axis is None else f" at {listed([*map(course.axis.label, stretch.alone)])}"
    if all(pick.compared == 1 for pick in alone):
        return f"nothing else was measured{where}"
    why = _failures(alone, name)
    return f"nothing else finished right{where}{f': {why}' if why else ''}"


def _failures(picks: Iterable[Pick], name: Name) -> str:
    """Who failed, by why: "pytorch and sdpa-math OOM"."""
    by_why: dict[str, dict[str, None]] = {}
    for pick in picks:
        for who, status in pick.failed:
            by_why.setdefault(TRAINING_STATUS_WORDS[status], {})[name(who)] = None
    return "; ".join(f"{listed(list(whom))} {why}" for why, whom in by_why.items())


def doubts(pick: Pick, who: str, name: Name = plain_text) -> list[str]:
    """How far to trust a pick."""
    return [doubt.words for doubt in _doubts([pick], who, name)]


def _doubts(picks: Sequence[Pick], who: str, name: Name) -> Iterator[_Ground]:
    """How far to trust it, each with at how many of the picks.

    Of several picks only what may turn the choice: each one's own remarks stand in the tables.
    """
    own, there = [pick.choice(who) for pick in picks], len(picks)
    few = [pick.rounds for pick in picks if pick.rounds is not None and pick.rounds < LEAST_SAMPLES]
    unmeasured = dict.fromkeys(name(other) for pick in picks for other in pick.unmeasured)
    if unmeasured:
        yield _Ground(6, f"{listed(list(unmeasured))} not measured with it")
    if few:
        yield _Ground(3, _few_rounds(few, there))
    elif there == 1 and not own[0].converged:
        yield _Ground(3, NOT_CONVERGED)
    if unchecked := [each for each in own if not each.is_checked]:
        yield _Ground(3, f"{_NOT_CHECKED}{_at(len(unchecked), there)}")
    if faster := [each.implementation for pick in picks if (each := pick.faster_called(who))]:
        yield _Ground(4, f"{LAUNCH_BOUND}: {_called(faster, name)}{_at(len(faster), there)}")
    elif there == 1 and own[0].is_launch_bound:
        yield _Ground(4, LAUNCH_BOUND)


def _few_rounds(rounds: Sequence[int], there: int) -> str:
    """That there is no interval, of how few rounds: "1 to 3 rounds at 4 of 12: no interval"."""
    if not max(rounds):
        return f"no interval{_at(len(rounds), there)}: not of the same rounds"
    least, most = max(min(rounds), 1), max(rounds)
    many = f"{f'{least} to ' if least < most else ''}{count(most, 'round')}"
    return f"{many}{_at(len(rounds), there)}: no interval"


def _called(faster: Sequence[str], name: Name) -> str:
    """Who is faster by wall time: "flash3 is faster called from Python"."""
    names = list(dict.fromkeys(faster))
    who = f"{' or '.join(map(name, names))} is" if len(names) <= _MOST_SUBJECTS else "others are"
    return f"{who} faster called from Python"
