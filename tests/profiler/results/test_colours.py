"""Colours of implementations."""

from __future__ import annotations

import impls
from profiler.results.colours import colour_of, places_of


def test_what_attnprof_brings_has_fourteen_colours_and_no_two_the_same() -> None:
    names = [item.name for item in impls.catalog()]
    assert len({colour_of(name) for name in names}) == len(names)


def test_any_name_has_a_colour_and_keeps_it() -> None:
    assert colour_of("kernel.py:attention") == colour_of("kernel.py:attention")
    assert colour_of("pytorch") == "#E69F00"
    assert colour_of("flex") == "#F2CF7F"  # half way from the first colour to white


def test_a_place_goes_by_the_name_and_no_two_of_one_chart_have_the_same() -> None:
    alone = places_of(["flash2"])["flash2"]
    crowd = places_of(["my.py:a", *(f"kernel.py:{letter}" for letter in "abcdefgh"), "flash2", "pytorch"])
    assert crowd["flash2"] == alone
    assert len(set(crowd.values())) == len(crowd)
    names = ["kernel.py:ab", "kernel.py:ba"]  # one colour
    assert colour_of(names[0]) == colour_of(names[1])
    assert places_of(names) == places_of(names[::-1])
    assert places_of(names)[names[0]] != places_of(names)[names[1]]
    assert len(places_of(map(str, range(40)))) == 40
