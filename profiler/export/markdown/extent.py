"""How much of a session a report holds, so that even a large one is short enough to be pasted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extent:
    """Tables `aligned` in the source; details of `every_pass`, or of the one that sums up; with `kernels`.

    Without `details` there are the results' tables alone, without `every_table` that of one pass.
    """

    aligned: bool
    every_pass: bool
    kernels: bool
    details: bool = True
    every_table: bool = True


EXTENTS = (
    Extent(aligned=True, every_pass=True, kernels=True),
    Extent(aligned=False, every_pass=True, kernels=True),
    Extent(aligned=False, every_pass=False, kernels=True),
    Extent(aligned=False, every_pass=False, kernels=False),
    Extent(aligned=False, every_pass=False, kernels=False, details=False),
    Extent(aligned=False, every_pass=False, kernels=False, details=False, every_table=False),
)
"""The first is what a report should hold; each further one is shorter."""
