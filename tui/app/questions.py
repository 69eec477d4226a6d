"""What a form asks, what its texts answer, and which of them are at fault where these make no plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

from profiler.machine.environment import Device

PlanT = TypeVar("PlanT")
PlanT_co = TypeVar("PlanT_co", covariant=True)


class Answers(Protocol[PlanT_co]):
    """The texts of a form, and the plan that they make."""

    def shown(self, field: str) -> str:
        """What is to be read in a field."""
        ...

    def belongs_to_preset(self, field: str) -> bool:
        """Whether a field's value is a preset's, so that changing it leaves the preset."""
        ...

    def typed(self, field: str, text: str) -> Self:
        """With another text in a field."""
        ...

    def stepped(self, field: str, direction: int) -> Self:
        """With the next of a field's usual values; itself where the field has none."""
        ...

    def plan(self, device: Device) -> PlanT_co:
        """What the texts describe; raises PlanError where that is nothing."""
        ...


@dataclass(frozen=True)
class Questions(Generic[PlanT]):
    """What a form asks: its fields in order, and what is said of them.

    `empty` is what an empty field stands for. `extent` is how much a plan measures, `command` what measures
    it without the app, where that is said, and `warning` a word before it is started, where there is one.
    """

    fields: tuple[str, ...]
    label: Callable[[str], str]
    help: Mapping[str, str]
    empty: Mapping[str, str]
    extent: Callable[[PlanT], str]
    first: str
    """Where the cursor is at the start."""
    command: Callable[[PlanT], str] | None = None
    warning: Callable[[PlanT], str] | None = None


def at_fault(
    choice: Answers[PlanT],
    right: Answers[PlanT],
    fields: tuple[str, ...],
    refusal_of: Callable[[Answers[PlanT]], str],
) -> dict[str, str]:
    """The fields without whose texts a choice would not be refused for what it is, each with that refusal.

    Of several faults only the first is told: a field at a time is put back to what it was in `right`, which
    made a plan, until all are found.
    """
    found: dict[str, str] = {}
    while refusal := refusal_of(choice):
        changed = [field for field in fields if choice.shown(field) != right.shown(field)]
        back = {field: choice.typed(field, right.shown(field)) for field in changed if field not in found}
        freed = {field: without for field, without in back.items() if refusal_of(without) != refusal}
        if not freed:
            break
        found |= dict.fromkeys(freed, refusal)
        choice = next(iter(freed.values()))
    return found
