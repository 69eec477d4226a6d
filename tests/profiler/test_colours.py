"""Colours of implementations."""

from __future__ import annotations

import impls
from profiler.colours import colour_of


def test_what_attnprof_brings_has_fourteen_colours_and_no_two_the_same() -> None:
    names = [item.name for item in impls.catalog()]
    assert len({colour_of(name) for name in names}) == len(names)


def test_any_name_has_a_colour_and_keeps_it() -> None:
    assert colour_of("kernel.py:attention") == colour_of("kernel.py:attention")
    assert colour_of("pytorch") == "#E69F00"
    assert colour_of("flex") == "#F2CF7F"  # half way from the first colour to white
