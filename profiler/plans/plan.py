"""What is to be measured: the workloads, the implementations, and when to stop."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from profiler.workload import PASSES, Attention, Pass

MOST_CASES = 10_000


class PlanError(ValueError):
    """What was asked for cannot be planned; the message is one sentence for the user."""


class Stopping(msgspec.Struct, frozen=True, kw_only=True):
    """When a shape has been measured enough.

    Exactly `repeats` rounds if given; else until the 95 % interval of every median is within
    +-`precision` (a fraction), or `budget_s` seconds of rounds are spent. Before the rounds the
    cases run for `warm_up_s` at least, and before each round the device rests for `cooldown_s`.
    """

    repeats: int | None = None
    precision: float = 0.01
    budget_s: float = 10.0
    warm_up_s: float = 0.1
    cooldown_s: float = 0.0


class Takes(msgspec.Struct, frozen=True, kw_only=True):
    """What is taken beside times and memory: the first three unless a person is in a hurry."""

    accuracy: bool = True
    graphs: bool = True
    ceilings: bool = True
    energy: bool = False
    kernels: bool = False


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One workload on one implementation; `number` is its place in the plan."""

    number: int
    workload: Attention
    implementation: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole run. Cases are numbered workload by workload, implementations in the order given.

    Raises:
        PlanError: there are too many cases, or a workload has none of the passes.
    """

    workloads: tuple[Attention, ...]
    implementations: tuple[str, ...]
    passes: tuple[Pass, ...] = PASSES
    baseline: str | None = None
    stopping: Stopping = Stopping()
    takes: Takes = Takes()
    memory_limit_bytes: int | None = None
    """What the worker may hold on the device, as if it had no more; None for all there is."""
    seed: int = 0
    device: str = "cpu"
    timeout_s: float = 120.0
    label: str = ""
    first_case: int = 0
    """The number of its first case; over 0 where a session has several plans."""

    def __post_init__(self) -> None:
        if self.count > MOST_CASES:
            raise PlanError(
                f"that makes {self.count:,} cases (shapes x implementations); at most {MOST_CASES:,} "
                "are possible, so give shorter lists"
            )
        if not all(map(self.passes_of, self.workloads)):
            raise PlanError(f"decoding has a forward pass alone, and asked for is {', '.join(self.passes)}")

    @property
    def count(self) -> int:
        return len(self.workloads) * len(self.implementations)

    def passes_of(self, workload: Attention) -> tuple[Pass, ...]:
        """Those of its passes that a workload has: decoding has no backward."""
        return tuple(which for which in self.passes if which == "fwd" or workload.has_backward)

    @property
    def is_sweep(self) -> bool:
        """Whether it goes over several shapes."""
        return len(self.workloads) > 1

    def shapes(self) -> Iterator[tuple[Attention, tuple[Case, ...]]]:
        """Each workload with its cases, which are measured together in rounds."""
        for index, workload in enumerate(self.workloads):
            first = self.first_case + index * len(self.implementations)
            yield (
                workload,
                tuple(
                    Case(number=first + offset, workload=workload, implementation=name)
                    for offset, name in enumerate(self.implementations)
                ),
            )


class _Plans(Plan, frozen=True, kw_only=True):
    """Several plans as one, of which no run can be made: it may have more cases than a plan."""

    def __post_init__(self) -> None:
        pass


def together(plans: Sequence[Plan]) -> Plan | None:
    """A session's plans as one, to be measured as in the latest; None where there is none."""
    if len(plans) < 2:
        return plans[0] if plans else None
    own = {
        "workloads": tuple(dict.fromkeys(shape for plan in plans for shape in plan.workloads)),
        "implementations": tuple(dict.fromkeys(name for plan in plans for name in plan.implementations)),
        "passes": tuple(which for which in PASSES if any(which in plan.passes for plan in plans)),
        "first_case": 0,
    }
    return _Plans(**{**msgspec.structs.asdict(plans[-1]), **own})
