"""Batches of sequences of unlike lengths, as they are typed and drawn."""

from __future__ import annotations

import random
from dataclasses import dataclass

from profiler.plans.grid import parse_size
from profiler.plans.plan import PlanError

_TAKES = "uniform:128..4096 (lengths drawn from there) or list:512,1024,77 (one each sequence)"


@dataclass(frozen=True)
class Uniform:
    """Every sequence has a length from `shortest` to `longest`, both included, each as likely."""

    shortest: int
    longest: int

    def lengths(self, batch: int, seed: int) -> tuple[int, ...]:
        """The same for the same seed; a larger batch goes on where a smaller one ends."""
        draw = random.Random(seed)
        return tuple(draw.randint(self.shortest, self.longest) for _ in range(batch))


@dataclass(frozen=True)
class Listed:
    """The length of each sequence of the one batch there is."""

    each: tuple[int, ...]


def parse_distribution(text: str, name: str) -> Uniform | Listed:
    """How long the sequences of a batch are: "uniform:128..4096" or "list:512,1024,77".

    Raises:
        PlanError: it is neither, or a range runs backwards.
    """
    kind, colon, rest = text.partition(":")
    first, dots, last = rest.partition("..")
    match kind.strip().lower(), bool(colon), bool(dots):
        case "uniform", True, True:
            shortest, longest = parse_size(first, name, takes=_TAKES), parse_size(last, name, takes=_TAKES)
            if shortest > longest:
                raise PlanError(
                    f"{name} range {rest.strip()} runs backwards; write {last.strip()}..{first.strip()}"
                )
            return Uniform(shortest, longest)
        case "list", True, False:
            if not rest.strip():
                raise PlanError(f"{name} takes {_TAKES}, not '{text}'")
            return Listed(tuple(parse_size(part, name, takes=_TAKES) for part in rest.split(",")))
        case _:
            raise PlanError(f"{name} takes {_TAKES}, not '{text}'")
