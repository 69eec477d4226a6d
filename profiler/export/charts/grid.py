"""How panels lie: where two parameters vary, one of them goes across and the other down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_MOST_ACROSS = 3


def in_grid(places: Sequence[Mapping[str, str]]) -> tuple[list[int], int]:
    """In which order panels at these places stand, row by row, and in how many columns.

    The parameter that goes across is that with the most values of which every row has each.
    """
    for name in _from_widest(places):
        across = list(dict.fromkeys(place[name] for place in places))
        down = list(dict.fromkeys(_others(place, name) for place in places))
        if 1 < len(across) <= _MOST_ACROSS and len(places) == len(across) * len(down):
            order = sorted(
                range(len(places)),
                key=lambda at: (down.index(_others(places[at], name)), across.index(places[at][name])),
            )
            return order, len(across)
    return list(range(len(places))), _even(len(places))


def _from_widest(places: Sequence[Mapping[str, str]]) -> list[str]:
    """The parameters by how many values they have; of two with as many the one that changes sooner."""
    names = list(places[0])[::-1] if places else []
    return sorted(names, key=lambda name: len({place[name] for place in places}), reverse=True)


def _others(place: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(value for other, value in place.items() if other != name)


def _even(panels: int) -> int:
    """Columns that leave the last row no emptier than it has to be: four panels are two and two."""
    rows = -(-panels // _MOST_ACROSS)
    return -(-panels // rows) if rows else 1
