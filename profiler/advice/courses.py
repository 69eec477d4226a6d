"""Picks along a swept axis: over which stretch the same choice stays the best, and where it changes.

A change lies between two values that were measured; where exactly is not known, and not guessed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

from profiler.advice.picks import PassPick, Pick
from profiler.results.axes import Axis, axes_of
from profiler.units import TEXT_PARAMETERS, ShapeColumns, shape_columns
from profiler.workload import PASSES, Attention, Pass


@dataclass(frozen=True)
class Stretch:
    """Neighbours along an axis where the rounds show none faster than `names`; none where nothing ran.

    The first of them is the fastest most often; those of a tie are as they were asked for. `places` are the
    picks' values on the axis, as text, "" where there is no axis.
    """

    names: tuple[str, ...]
    picks: tuple[Pick, ...]
    places: tuple[str, ...]

    @property
    def is_tie(self) -> bool:
        """Whether none of the names is to be told as the fastest."""
        return self.picks[0].is_tie

    @property
    def first(self) -> str:
        return self.places[0]

    @property
    def last(self) -> str:
        return self.places[-1]

    @property
    def alone(self) -> tuple[str, ...]:
        """Where only one finished right, so that there is no ratio."""
        pairs = zip(self.picks, self.places, strict=True)
        return tuple(dict.fromkeys(place for pick, place in pairs if len(pick.right) == 1))


@dataclass(frozen=True)
class Course:
    """How the choice goes along one axis, the rest of the shape being the same.

    `passes` and `subjects` are those for which it goes so; a subject is what sets shapes apart beside the
    axis, in words. Neither is there where it goes so for all.
    """

    passes: tuple[Pass, ...]
    subjects: tuple[str, ...]
    axis: Axis | None
    stretches: tuple[Stretch, ...]
    is_training: bool = False

    @property
    def is_choice(self) -> bool:
        """Whether anywhere on it there was more than one to choose from."""
        return any(pick.compared > 1 for stretch in self.stretches for pick in stretch.picks)


def courses(picks: Sequence[PassPick]) -> list[Course]:
    """The picks along the first axis that they vary in, passes and shapes with the same answer together."""
    shapes = list(dict.fromkeys(pick.workload for pick in picks))
    axes = axes_of(shapes)
    numeric = [axis for axis in axes.axes if axis.is_numeric and axis.name != "seq q"]
    along = next(
        iter(sorted(numeric, key=lambda axis: (axis.name not in ("seq", "seq k"), -len(axis.values)))), None
    )
    by_pick = {(pick.workload, pick.which): pick for pick in picks}
    found: list[Course] = []
    for group in _apart(shapes, along):
        subject = _subject(group, shapes, along)
        for which in PASSES:
            of_pass = [by_pick[shape, which] for shape in group if (shape, which) in by_pick]
            if of_pass:
                places = [axes.at(pick.workload)[along.name] if along else "" for pick in of_pass]
                found.append(Course((which,), (subject,), along, stretches(of_pass, places, along)))
    passes = tuple(which for which in PASSES if any(pick.which == which for pick in picks))
    subjects = {subject for course in found for subject in course.subjects}
    return [
        replace(
            course,
            passes=() if course.passes == passes and len(passes) > 1 else course.passes,
            subjects=() if set(course.subjects) == subjects else course.subjects,
        )
        for course in _together(_together(found, "passes"), "subjects")
    ]


def _apart(shapes: Sequence[Attention], along: Axis | None) -> list[list[Attention]]:
    """The shapes in groups that differ along the axis alone, and in what goes with it."""
    columns = shape_columns(shapes)
    moving = _moving(along)
    groups: dict[tuple[str, ...], list[Attention]] = {}
    for shape in shapes:
        cells = zip(columns.varying, columns.cells(shape), strict=True)
        groups.setdefault(tuple(value for name, value in cells if name not in moving), []).append(shape)
    return list(groups.values())


def _moving(along: Axis | None) -> set[str]:
    """The axis, and the sizes that go with it; what is no size sets shapes apart all the same."""
    return {along.name, *along.together} - TEXT_PARAMETERS if along else set()


def _subject(group: Sequence[Attention], shapes: Sequence[Attention], along: Axis | None) -> str:
    """What the group has in common that not all shapes have: "causal, head dim 64"."""
    told = set(shape_columns(shapes).varying) - _moving(along)
    constant = shape_columns(group).constant
    return ShapeColumns((), {name: value for name, value in constant.items() if name in told}).caption()


def stretches(picks: Sequence[Pick], places: Sequence[str], along: Axis | None) -> tuple[Stretch, ...]:
    """Neighbours put together as long as the rounds show none faster than one implementation.

    What is as good on both sides of a change goes to the side whose choice is the fastest there.
    """
    order = sorted(range(len(picks)), key=lambda index: along.place(places[index]) if along else 0)
    runs: list[list[Stretch]] = []
    for index in order:
        of_one = Stretch(picks[index].names, (picks[index],), (places[index],))
        if runs and _joined(*runs[-1], of_one) is not None:
            runs[-1].append(of_one)
        else:
            runs.append([of_one])
    for run, following in pairwise(runs):
        while len(run) > 1 and _is_better_in(following, run):
            following.insert(0, run.pop())
    return tuple(_ordered(stretch) for run in runs if (stretch := _joined(*run)) is not None)


def _joined(*some: Stretch) -> Stretch | None:
    """Several as one, where a choice is good for all, or there is none for any; else None.

    A tie is good only for another one, of two implementations at the least.
    """
    names = tuple(name for name in some[0].names if all(name in other.names for other in some))
    if len({stretch.is_tie for stretch in some}) > 1 or (some[0].is_tie and len(names) < 2):
        return None
    if not names and any(stretch.names for stretch in some):
        return None
    picks = tuple(pick for stretch in some for pick in stretch.picks)
    return Stretch(names, picks, tuple(place for stretch in some for place in stretch.places))


def _is_better_in(following: Sequence[Stretch], run: Sequence[Stretch]) -> bool:
    """Whether the last of a run has its fastest chosen in the following one alone."""
    here, there = _joined(*run), _joined(run[-1], *following)
    if here is None or there is None or not run[-1].names:
        return False
    fastest = run[-1].names[0]
    return fastest not in here.names and fastest in there.names


def _ordered(stretch: Stretch) -> Stretch:
    """The same with the implementation first that most often has the lowest median; of a tie as asked for."""
    if stretch.is_tie:
        asked = dict.fromkeys(name for pick in stretch.picks for name in pick.measured)
        return replace(stretch, names=tuple(name for name in asked if name in stretch.names))
    leads = Counter(pick.names[0] for pick in stretch.picks if pick.names)
    names = sorted(stretch.names, key=lambda name: -leads[name])
    return replace(stretch, names=tuple(names))


def _together(found: Sequence[Course], what: Literal["passes", "subjects"]) -> list[Course]:
    """Courses that one answer does for as one: of several passes of a shape, or of several shapes."""
    joined: list[Course] = []
    for course in found:
        for index, other in enumerate(joined):
            same = other.subjects == course.subjects if what == "passes" else other.passes == course.passes
            both = _both(other.stretches, course.stretches) if same else None
            if both is not None:
                joined[index] = Course(
                    tuple(dict.fromkeys((*other.passes, *course.passes))),
                    tuple(dict.fromkeys((*other.subjects, *course.subjects))),
                    other.axis,
                    both,
                )
                break
        else:
            joined.append(course)
    return joined


def _both(one: Sequence[Stretch], other: Sequence[Stretch]) -> tuple[Stretch, ...] | None:
    """The stretches of both, where the same choice is good for both all along; None where it is not.

    Nor where one had nothing to be compared with and the other had: no ratio is told for both.
    """
    if [(each.first, each.last, each.alone) for each in one] != [
        (each.first, each.last, each.alone) for each in other
    ]:
        return None
    joined = [_joined(mine, others) for mine, others in zip(one, other, strict=True)]
    both = tuple(_ordered(stretch) for stretch in joined if stretch is not None)
    return both if len(both) == len(joined) else None
