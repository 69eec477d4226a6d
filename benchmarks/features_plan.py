"""Which cells are tried with which implementation, in which order, and in which parts."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass

from benchmarks import features_grid as grid
from benchmarks.features_pool import Order
from benchmarks.features_protocol import Task
from benchmarks.features_results import kind_of_reason
from impls.contract import DeviceInfo, Implementation

# A process has seconds to go before its first cell, so it is given several; fewer of those that take seconds.
_CELLS_A_JOB = {True: 8, False: 96}
# How often something may take its process with it before the rest of the like is left alone.
_MOST_CRASHES_OF_CLAIMS, _MOST_CRASHES_OF_A_REFUSAL = 5, 2


@dataclass(frozen=True)
class Planned:
    """A cell of an implementation, and why its rules refuse it, if they do."""

    implementation: Implementation
    cell: grid.Cell
    refused: str | None


def plan(implementations: Sequence[Implementation], device: DeviceInfo, *, quick: bool) -> list[Planned]:
    """The cells of each implementation, those that it claims and then those that are refused.

    What is past the rules may write where it should not: nothing that is claimed comes after it. And
    what compiles comes first, for it takes longest.
    """
    planned = [
        Planned(implementation, cell, grid.refusal(implementation, cell, device))
        for implementation in sorted(implementations, key=grid.compiles, reverse=True)
        for cell in (grid.sparse_grid(("float32", "bfloat16")) if quick else grid.grid_of(implementation))
    ]
    return sorted(planned, key=lambda each: each.refused is not None)


def jobs(planned: Sequence[Planned], settled: Container[int] = ()) -> Iterator[list[Order]]:
    """Orders for the children: an implementation's cells, in parts, without those whose number is settled."""
    job: list[Order] = []
    for number, each in enumerate(planned):
        if number in settled:
            continue
        most = _CELLS_A_JOB[grid.compiles(each.implementation)]
        if job and (job[-1].task.name != each.implementation.name or len(job) == most):
            yield job
            job = []
        job.append(_order(number, each))
    if job:
        yield job


def _order(number: int, planned: Planned) -> Order:
    cell, refused = planned.cell, planned.refused
    task = Task(planned.implementation.name, cell.workload, insist=cell.about == grid.BACKWARD)
    if refused is None:
        return Order(number, task, "", _MOST_CRASHES_OF_CLAIMS)
    return Order(number, task, kind_of_reason(refused), _MOST_CRASHES_OF_A_REFUSAL)
