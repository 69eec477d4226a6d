"""The colour of an implementation: the same in every table, chart and report.

Okabe and Ito's palette, told apart by readers with any kind of colour vision
(jfly.uni-koeln.de/color), without its black, and each of its colours again half way to white.
Names beyond those begin anew.
"""

from __future__ import annotations

from collections.abc import Iterable

_OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")

# The first seven stand beside each other most often, so they have the colours that differ most.
_ORDER = (
    "pytorch",
    "sdpa",
    "sdpa-math",
    "sdpa-flash",
    "sdpa-efficient",
    "sdpa-cudnn",
    "flash2",
    "flex",
    "flash4",
    "flash1-triton",
    "xformers",
    "flash3",
    "chunked",
    "flash1",
)


def _half_way_to_white(colour: str) -> str:
    return "#" + "".join(f"{(int(colour[at : at + 2], 16) + 255) // 2:02X}" for at in (1, 3, 5))


_COLOURS = (*_OKABE_ITO, *map(_half_way_to_white, _OKABE_ITO))


def colour_of(implementation: str) -> str:
    """Its colour as "#RRGGBB"; by its name alone, so that it never depends on what is shown."""
    return _COLOURS[_place_of(implementation)]


def places_of(implementations: Iterable[str]) -> dict[str, int]:
    """The place of each among the colours, for what else tells it apart: its marker, its hatch.

    Of fourteen and fewer no two have the same: where two names have one colour, one of those that
    attnprof does not know takes the next place that is free.
    """
    names = dict.fromkeys(implementations)
    places: dict[str, int] = {}
    for name in sorted(names, key=lambda name: (name not in _ORDER, name)):
        place = _place_of(name)
        nearest = ((place + step) % len(_COLOURS) for step in range(len(_COLOURS)))
        places[name] = next((free for free in nearest if free not in places.values()), place)
    return {name: places[name] for name in names}


def _place_of(implementation: str) -> int:
    if implementation in _ORDER:
        return _ORDER.index(implementation)
    return sum(implementation.encode()) % len(_COLOURS)
