"""Sessions compared with the first of them: every case that it shares with another, and what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from profiler.compare.matching import Case, Side, Unlike, Wanted, sides, told, unlike
from profiler.compare.ratio import independent_ratio
from profiler.compare.surroundings import NEAR, Surroundings, surroundings
from profiler.compare.verdict import (
    MARGIN,
    Verdict,
    has_grown,
    is_regression,
    is_ruled_out,
    may_be_regression,
    verdict,
)
from profiler.events import LEAST_SAMPLES, Estimate
from profiler.results.wording import ending
from profiler.session.recording import Recording
from profiler.training.model import Training

MOST_SESSIONS = len(ascii_uppercase)


class NothingShared(ValueError):
    """No case of the first session is in another; the message is one sentence for the user."""


@dataclass(frozen=True)
class Change:
    """From the base to another session.

    `speedup` is the base's time over the other's (of a training, its time a token): over 1 is faster.
    None where the times are `unlike`. `cycles` is the same of SM cycles, None unless the clocks differed; it
    has no interval, but as many samples as one takes. `memory_ratio` is the other's peak memory over the
    base's, None where one is not known or none was used.
    """

    verdict: Verdict
    speedup: Estimate | None = None
    cycles: float | None = None
    memory_ratio: float | None = None
    unlike: Unlike | None = None


@dataclass(frozen=True)
class Line:
    """A case with what each session has of it, and what changed from the first to each of the others.

    None where a session does not have it.
    """

    case: Case
    sides: tuple[Side | None, ...]
    changes: tuple[Change | None, ...]

    @property
    def base(self) -> Side:
        """What the first session has of it."""
        assert self.sides[0] is not None
        return self.sides[0]


@dataclass(frozen=True)
class Regression:
    """A case that is, or may be, worse in a session than in the base: slower, larger, or right no more."""

    line: Line
    session: int

    @property
    def both(self) -> tuple[Side, Side]:
        """What the base has, and what the session has."""
        other = self.line.sides[self.session]
        assert other is not None
        return self.line.base, other


@dataclass(frozen=True)
class Comparison:
    """Sessions by their names, the base first; `margin` is the fraction within which times are the same.

    `endings` are the sentences that say how each one ended, None for what was completed.
    `lines` are the cases that the base shares with another session, in its order. `unmatched` are all
    others, with the indices of the sessions that have them.
    """

    names: tuple[str, ...]
    endings: tuple[str | None, ...]
    margin: float
    lines: tuple[Line, ...]
    unmatched: Mapping[Case, tuple[int, ...]]
    surroundings: Surroundings

    @property
    def letters(self) -> str:
        """What the sessions are called in tables: "AB"."""
        return ascii_uppercase[: len(self.names)]

    @property
    def of_attention(self) -> tuple[Line, ...]:
        """The lines of single calls."""
        return tuple(line for line in self.lines if not isinstance(line.case.subject, Training))

    @property
    def of_training(self) -> tuple[Line, ...]:
        """The lines of models in training."""
        return tuple(line for line in self.lines if isinstance(line.case.subject, Training))

    def regressions(self, beyond: float) -> list[Regression]:
        """What is more than `beyond` (a fraction) slower, or right no more, session by session."""
        return self._found(lambda _, each: is_regression(each.verdict, each.speedup, beyond, self.margin))

    def doubtful(self, beyond: float) -> list[Regression]:
        """What may be one, and was measured too roughly to tell."""
        return self._found(lambda _, each: may_be_regression(each.verdict, each.speedup, beyond, self.margin))

    def not_ruled_out(self, beyond: float) -> list[Regression]:
        """What is none, and not shown to be none: the doubtful, and all whose interval reaches so far."""
        return self._found(
            lambda _, each: (
                each.unlike is None
                and not is_ruled_out(each.verdict, each.speedup, beyond)
                and not is_regression(each.verdict, each.speedup, beyond, self.margin)
            )
        )

    def grown(self, beyond: float) -> list[Regression]:
        """What takes more than `beyond` more memory."""
        return self._found(lambda regression, _: has_grown(*regression.both, beyond))

    def tells_nothing(self, session: int, beyond: float) -> bool:
        """Whether there are times of that session to compare, and none that tells anything of `beyond`."""
        changes = [change for line in self.lines if (change := line.changes[session - 1])]
        unmoved = ("gained", "neither")
        timed = [each for each in changes if each.unlike is None and each.verdict not in unmoved]
        return bool(timed) and all(
            each.verdict == "can't tell" and not is_ruled_out(each.verdict, each.speedup, beyond)
            for each in timed
        )

    def _found(self, holds: Callable[[Regression, Change], bool]) -> list[Regression]:
        return [
            regression
            for index in range(1, len(self.names))
            for line in self.lines
            if (change := line.changes[index - 1]) and holds(regression := Regression(line, index), change)
        ]

    def missing(self, session: int) -> list[Case]:
        """What the base has and that session has not."""
        shared = [line.case for line in self.lines if line.sides[session] is None]
        return shared + [case for case, having in self.unmatched.items() if 0 in having]

    def partial(self, session: int) -> list[Case]:
        """What the base has, and that session only in part: it ended before the result."""
        return [line.case for line in self.lines if (side := line.sides[session]) and side.is_partial]


def compare(
    sessions: Sequence[tuple[str, Recording]], *, margin: float = MARGIN, wanted: Wanted | None = None
) -> Comparison:
    """Two sessions or more, each with its name, against the first; `wanted` tells the rows to compare.

    Raises:
        NothingShared: the first has no case that is in another.
    """
    names, recordings = zip(*sessions, strict=True)
    found = [sides(recording, wanted) for recording in recordings]
    base, *others = found
    shared = [case for case in base if any(case in other for other in others)]
    if not shared:
        have = "; ".join(
            f"{letter} has {told(each)}" for letter, each in zip(ascii_uppercase, found, strict=False)
        )
        raise NothingShared(f"no case of A is in another session, by {_matched_by(base)}: {have}")
    matched = set(shared)
    unmatched = {
        case: tuple(index for index, each in enumerate(found) if case in each)
        for case in dict.fromkeys(case for each in found for case in each)
        if case not in matched
    }
    in_all = [case for case in shared if all(case in each for each in found)]
    return Comparison(
        names=tuple(names),
        endings=tuple(map(ending, recordings)),
        margin=margin,
        lines=tuple(_line(case, found, margin) for case in shared),
        unmatched=unmatched,
        surroundings=surroundings(recordings, [{case: each[case] for case in in_all} for each in found]),
    )


def _matched_by(cases: Iterable[Case]) -> str:
    """What a case of these must have in common with another session's, in words."""
    are_trainings = [isinstance(case.subject, Training) for case in cases]
    if are_trainings and all(are_trainings):
        return "row (model, context and how it is trained) and implementation"
    return "shape, implementation and pass" + (", or row and implementation" if any(are_trainings) else "")


def _line(case: Case, found: Sequence[Mapping[Case, Side]], margin: float) -> Line:
    of_all = tuple(each.get(case) for each in found)
    base = found[0][case]
    return Line(case, of_all, tuple(_change(base, other, margin) if other else None for other in of_all[1:]))


def _change(base: Side, other: Side, margin: float) -> Change:
    both_right = base.standing == other.standing == "right"
    why_not = unlike(base, other) if both_right else None
    is_comparable = both_right and why_not is None
    speedup = None
    if is_comparable and base.time_ms and other.time_ms:
        speedup = independent_ratio(base.time_ms, other.time_ms, other.work / base.work)
    memory_ratio = None
    if base.memory_bytes and other.memory_bytes is not None:
        memory_ratio = other.memory_bytes / base.memory_bytes
    return Change(
        verdict=verdict(base, other, speedup, margin),
        speedup=speedup,
        cycles=_in_cycles(base, other) if is_comparable else None,
        memory_ratio=memory_ratio,
        unlike=why_not,
    )


def _in_cycles(base: Side, other: Side) -> float | None:
    """The base's cycles over the other's, where the clocks were not the same."""
    if not (base.sm_mhz and other.sm_mhz and base.mega_cycles and other.mega_cycles):
        return None
    clocks = base.sm_mhz.median, other.sm_mhz.median
    if min(base.sm_mhz.count, other.sm_mhz.count) < LEAST_SAMPLES or max(clocks) / min(clocks) - 1 <= NEAR:
        return None
    return base.mega_cycles / other.mega_cycles
