"""When an eager caller waits for launches and not for the GPU."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

LAUNCH_BOUND_RATIO = 1.2
"""Wall time over this many times device time is launch-bound."""


def is_launch_bound(device_ms: Sequence[float], wall_ms: Sequence[float]) -> bool:
    """By the rounds that have both times (the first): later ones may run at another clock."""
    if not (device_ms and wall_ms):
        return False
    both_ms = device_ms[: len(wall_ms)]
    return statistics.median(wall_ms) > LAUNCH_BOUND_RATIO * statistics.median(both_ms)
