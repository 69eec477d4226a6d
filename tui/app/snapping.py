"""Turning a parameter where only recorded shapes can be shown: on to the next that there is."""

from __future__ import annotations

from collections.abc import Iterable

from profiler.clients.repertoire import nearest_shape, step_between
from profiler.workload import Attention
from tui.app.choice import Choice


def snapped(before: Choice, after: Choice, shapes: Iterable[Attention]) -> Choice | None:
    """The choice as close to what was turned to as `shapes` allow; None where there is none that way."""
    known = tuple(shapes)
    wanted = after.workload()
    turned = step_between(before.workload(), wanted)
    if wanted in known or turned is None:
        return after
    parameter, direction = turned
    shape = nearest_shape(known, before.workload(), parameter, direction)
    return None if shape is None else after.at(shape)
