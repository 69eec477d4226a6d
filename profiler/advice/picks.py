"""The fastest implementation of each shape and pass, from the rounds in which all were measured together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import comb
from typing import Literal, Protocol

from profiler.events import LEAST_SAMPLES, Estimate
from profiler.results.rows import Row, Status, is_imported, rows
from profiler.results.wording import name_with_backend
from profiler.session.recording import Recording
from profiler.stats import CONFIDENCE, paired_ratio
from profiler.training.rows import TrainingStatus
from profiler.workload import Attention, Pass

NEAR = 1.01
"""A choice should not turn on less: times are measured to 1 % unless asked for otherwise."""

NEAR_OF_FEW = 1.10
"""The same of rounds too few for an interval, and of one kernel by two names."""


@dataclass(frozen=True)
class Choice:
    """An implementation that finished, and not wrong, as it did there.

    `memory_bytes` is the peak above the inputs. `kernel` is what ran, the same for two names of one kernel.
    """

    implementation: str
    label: str
    memory_bytes: int | None
    converged: bool
    is_checked: bool = True
    is_launch_bound: bool = False
    kernel: frozenset[str] = frozenset()


class Over(Protocol):
    """How much more time the one takes than the other, in rounds of both; None where that is not known."""

    def __call__(self, slower: str, faster: str, confidence: float = CONFIDENCE) -> Estimate | None: ...


@dataclass(frozen=True, kw_only=True)
class Pick:
    """What to take where several were measured together; nothing where nothing ran that is right.

    `right` are all that finished and are not wrong, the fastest first. Of these `equal` are within 1 % of
    it, or its own kernel by another name; `undecided` are those that the rounds do not tell from it.
    `over` is by device time (tokens/s of trainings), `over_called` by wall time where that is another
    matter. `failed` are those without a right result, and why; `measured` are all that were tried, and
    `unmeasured` others that another session of the same machine has.
    """

    right: tuple[Choice, ...]
    equal: tuple[Choice, ...]
    undecided: tuple[Choice, ...]
    over: Over = field(repr=False, compare=False)
    over_called: Over | None = field(default=None, repr=False, compare=False)
    baseline: str | None = None
    failed: tuple[tuple[str, Status | TrainingStatus], ...] = ()
    measured: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()

    @property
    def compared(self) -> int:
        """How many there were to choose from, those that failed among them."""
        return len(self.measured)

    @property
    def fastest(self) -> tuple[Choice, ...]:
        """The fastest and its equals."""
        return (*self.right[:1], *self.equal)

    @property
    def names(self) -> tuple[str, ...]:
        """The implementations that are as good as the fastest, as far as the rounds tell."""
        return tuple(choice.implementation for choice in (*self.fastest, *self.undecided))

    @property
    def is_tie(self) -> bool:
        """Whether several are so, and no one of them is to be named as the fastest."""
        return False

    @property
    def next(self) -> Choice | None:
        """The fastest that is slower."""
        return self.next_of(self.names)

    def next_of(self, names: Sequence[str]) -> Choice | None:
        """The fastest besides these."""
        return next((choice for choice in self.right if choice.implementation not in names), None)

    @property
    def over_next(self) -> Estimate | None:
        return self.over(self.next.implementation, self.right[0].implementation) if self.next else None

    @property
    def over_baseline(self) -> Estimate | None:
        """How much faster the fastest is than the baseline; None where it is the baseline itself."""
        return self.over_named(self.baseline, self.right[0].implementation) if self.right else None

    def over_named(self, slower: str | None, faster: str) -> Estimate | None:
        """`over`, where both are right and not the same."""
        both = {choice.implementation for choice in self.right} & {slower, faster}
        return self.over(slower, faster) if slower and len(both) == 2 else None

    @property
    def rounds(self) -> int | None:
        """How many rounds the comparison is of, at the least; 0 is no round of both. None without one."""
        ratios = [self.over_named(choice.implementation, self.names[0]) for choice in self.right[1:]]
        return min((ratio.count for ratio in ratios if ratio), default=None)

    def choice(self, name: str) -> Choice:
        """How one that is right did."""
        return next(choice for choice in self.right if choice.implementation == name)

    @property
    def leanest(self) -> Choice | None:
        """The one that needs the least memory of all that are right."""
        sized = [choice for choice in self.right if choice.memory_bytes is not None]
        return min(sized, key=lambda choice: choice.memory_bytes or 0, default=None)

    def memory_ratio(self, name: str) -> float | None:
        """The memory of one that is right over that of the leanest; None where it is not known."""
        own, leanest = self.choice(name).memory_bytes, self.leanest
        return own / leanest.memory_bytes if own and leanest and leanest.memory_bytes else None

    def faster_called(self, name: str) -> Choice | None:
        """What is faster by wall time than this launch-bound one: the fastest such by device time."""
        if self.over_called is None or not self.choice(name).is_launch_bound:
            return None
        return next(
            (each for each in self.right if is_slower(self.over_called(name, each.implementation))), None
        )


@dataclass(frozen=True, kw_only=True)
class PassPick(Pick):
    """The same of one shape and pass; `time_ms` is the lowest median."""

    workload: Attention
    which: Pass
    time_ms: float | None = None


def picks(recording: Recording) -> list[PassPick]:
    """A pick for every shape and pass that something was measured of, in the rows' order.

    None of what was imported: it has no rounds, and nobody here knows whether it was checked.
    """
    if is_imported(recording):
        return []
    recording = recording.latest()
    groups: dict[tuple[Attention, Pass], list[Row]] = {}
    for row in rows(recording):
        groups.setdefault((row.workload, row.which), []).append(row)
    return [
        _pick(recording, shape, which, group)
        for (shape, which), group in groups.items()
        if any(row.device_ms or row.failure for row in group)
    ]


def _pick(recording: Recording, shape: Attention, which: Pass, group: list[Row]) -> PassPick:
    ordered = sorted((row for row in group if row.status == "ok" and row.device_ms), key=_median)
    right = tuple(map(_choice, ordered))
    over, over_called = _Over(recording, ordered, "device_ms"), _Over(recording, ordered, "wall_ms")
    equal, undecided = not_slower(right, over)
    base = next((row for row in group if row.is_baseline), None)
    wrong = [row for row in group if row not in ordered and _is_over(row)]
    return PassPick(
        workload=shape,
        which=which,
        right=right,
        equal=equal,
        undecided=undecided,
        time_ms=_median(ordered[0]) if ordered else None,
        over=over,
        over_called=over_called,
        baseline=base.implementation if base else None,
        failed=tuple((row.implementation, row.status) for row in wrong),
        measured=tuple(row.implementation for row in group if row.device_ms or row.failure),
    )


def not_slower(right: Sequence[Choice], over: Over) -> tuple[tuple[Choice, ...], tuple[Choice, ...]]:
    """Of some, the fastest first, those that equal it, and those that the rounds do not tell from it.

    The fastest was picked out of all, so the level allows for every pair of them (Bonferroni).
    """
    confidence = 1 - (1 - CONFIDENCE) / max(comb(len(right), 2), 1)
    equal, undecided = [], []
    for choice in right[1:]:
        ratio = over(choice.implementation, right[0].implementation, confidence)
        if _is_equal(ratio) or (choice.kernel == right[0].kernel and _is_within(ratio, NEAR_OF_FEW)):
            equal.append(choice)
        elif not is_slower(ratio):
            undecided.append(choice)
    return tuple(equal), tuple(undecided)


def is_slower(ratio: Estimate | None) -> bool:
    """Whether the rounds show a difference that a choice should turn on."""
    return ratio is not None and not _is_within(ratio, NEAR if ratio.count >= LEAST_SAMPLES else NEAR_OF_FEW)


def _is_within(ratio: Estimate | None, bound: float) -> bool:
    return ratio is not None and ratio.low <= bound


def _is_equal(ratio: Estimate | None) -> bool:
    return ratio is not None and ratio.count >= LEAST_SAMPLES and ratio.high <= NEAR


def _is_over(row: Row) -> bool:
    return row.status not in ("running", "partial", "unsupported")


def _median(row: Row) -> float:
    return row.device_ms.median if row.device_ms else float("inf")


def _choice(row: Row) -> Choice:
    return Choice(
        row.implementation,
        name_with_backend(row),
        row.memory.working_bytes if row.memory else None,
        row.converged,
        is_checked=row.accuracy is not None,
        is_launch_bound=row.launch_bound,
        kernel=kernel(row.implementation, row.backend),
    )


def kernel(implementation: str, backend: str | None) -> frozenset[str]:
    """What ran: "sdpa" on cudnn is "sdpa-cudnn", "xformers" on flash3 is "flash3" by xformers."""
    return frozenset(filter(None, (*re.split(r"[-+]", implementation), backend)))


@dataclass(frozen=True)
class _Over:
    """Ratios of the same rounds' samples; of no common rounds those of the medians (`count` 0)."""

    recording: Recording
    rows: Sequence[Row]
    what: Literal["device_ms", "wall_ms"]

    def __call__(self, slower: str, faster: str, confidence: float = CONFIDENCE) -> Estimate | None:
        by_name = {row.implementation: row for row in self.rows}
        one, other = by_name[slower], by_name[faster]
        with suppress(ValueError):  # no round has a sample of both
            return paired_ratio(self._samples(one), self._samples(other), confidence)
        mine, others = getattr(one, self.what), getattr(other, self.what)
        return of_no_rounds(mine.median, others.median) if mine and others else None

    def _samples(self, row: Row) -> list[float]:
        record = self.recording.cases[row.case].passes.get(row.which)
        return getattr(record, self.what) if record else []


def of_no_rounds(slower: float, faster: float) -> Estimate | None:
    """A ratio of two figures that no round has both of; None where one is too short for the clock."""
    if slower <= 0 or faster <= 0:
        return None
    ratio = slower / faster
    return Estimate(median=ratio, low=ratio, high=ratio, count=0)
