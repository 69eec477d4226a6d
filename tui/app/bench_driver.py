"""When the Bench measures what: at once and quickly where a person turns, in full where one rests.

No Textual and no clock of its own: `tick` is called often, and tests drive it with made-up times.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from profiler.events import Ending
from profiler.plans.plan import Plan
from profiler.workload import Attention, Pass
from tui.app.choice import Choice

Stage = Literal["quick", "full"]

# The first change is answered at once; of those that follow within this time, as keys repeat, the last.
_COALESCE_S = 0.12


@dataclass(frozen=True)
class _Seen:
    """What a measurement of a shape covered."""

    passes: frozenset[Pass]
    implementations: frozenset[str]
    stage: Stage

    def covers(self, choice: Choice) -> bool:
        return self.passes >= set(choice.measured_passes) and self.implementations >= set(
            choice.implementations
        )


@dataclass
class BenchDriver:
    """Asks for measurements of the choice that stands, by `measure`, and knows what has been seen."""

    measure: Callable[[Choice, Stage], None]
    refine_after_s: float | None = 1.0
    """How long one rests on a shape before it is measured in full; None for never."""
    choice: Choice | None = None
    stage: Stage | None = None
    """What of the choice is being measured."""
    _due_s: float | None = None
    _next: Stage = "quick"
    _sent_s: float = float("-inf")
    _seen: dict[Attention, _Seen] = field(default_factory=dict)

    def want(self, choice: Choice, now_s: float, *, anew: bool = False) -> None:
        """This is what a person looks at now; `anew` measures it again whatever was seen of it."""
        before, self.choice = self.choice, choice
        if not anew and before is not None and _same_work(before, choice) and self._is_under_way:
            return
        seen = None if anew else self.seen(choice)
        self.stage = None
        if seen == "full":
            self._due_s = None
        elif seen == "quick":
            self._rest(now_s)
        else:
            self._next = "quick"
            self._due_s = max(now_s, self._sent_s + _COALESCE_S)

    def seen(self, choice: Choice) -> Stage | None:
        """How well the choice is known already: nothing has to be measured for it to be shown."""
        known = self._seen.get(choice.workload())
        return known.stage if known is not None and known.covers(choice) else None

    def tick(self, now_s: float) -> None:
        """Do what is due."""
        if self._due_s is None or now_s < self._due_s or self.choice is None:
            return
        self._due_s, self._sent_s, self.stage = None, now_s, self._next
        if self.choice.implementations:
            self.measure(self.choice, self.stage)

    def ended(self, plan: Plan, ending: Ending, now_s: float) -> None:
        """A plan has ended: what it measured has been seen, and the choice that stands may be due in full."""
        if ending != "completed":
            return
        stage: Stage = "full" if plan.takes.accuracy else "quick"
        for workload in plan.workloads:
            self._seen[workload] = _Seen(frozenset(plan.passes), frozenset(plan.implementations), stage)
        if self.choice is None or self.choice.workload() not in plan.workloads or self._due_s is not None:
            return
        self.stage = None
        if stage == "quick":
            self._rest(now_s)

    def leave(self) -> None:
        """Nothing of the choice is wanted any more, until want() is called again."""
        self._due_s, self.stage = None, None

    @property
    def _is_under_way(self) -> bool:
        return self.stage is not None or self._due_s is not None

    def _rest(self, now_s: float) -> None:
        self._next = "full"
        self._due_s = None if self.refine_after_s is None else now_s + self.refine_after_s


def _same_work(one: Choice, other: Choice) -> bool:
    """Whether both are measured by the same calls: another baseline is only another division."""
    return (one.workload(), one.measured_passes, one.implementations) == (
        other.workload(),
        other.measured_passes,
        other.implementations,
    )
