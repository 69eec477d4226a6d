"""The colour of an implementation: the same in every table, chart and report.

Okabe and Ito's palette, told apart by readers with any kind of colour vision
(jfly.uni-koeln.de/color), without its black; names beyond it begin anew.
"""

from __future__ import annotations

import impls

_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")


def colour_of(implementation: str) -> str:
    """Its colour as "#RRGGBB"; by its place in the catalog, so that it never depends on what is shown."""
    names = [item.name for item in impls.catalog()]
    if implementation in names:
        return _COLOURS[names.index(implementation) % len(_COLOURS)]
    return _COLOURS[sum(implementation.encode()) % len(_COLOURS)]
