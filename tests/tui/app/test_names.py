"""Names where there is less room than they take."""

from __future__ import annotations

import pytest

from tui.app.glyphs import ASCII, UNICODE
from tui.app.pictures.names import cut, variant_of


@pytest.mark.parametrize(
    ("name", "width", "shown"),
    [
        ("flash2+compile", 14, "flash2+compile"),
        ("triton_kernel.py:attention+compile", 20, "triton_kern…+compile"),
        ("triton_kernel.py:attention+fullgraph", 20, "triton_ke…+fullgraph"),
        ("triton_kernel.py:attention", 20, "triton_kernel.py:at…"),
        ("flash2+deterministic", 16, "flash2+determin…"),
        ("flash2+compile", 0, ""),
    ],
)
def test_a_name_is_cut_before_what_its_variants_differ_in(name: str, width: int, shown: str) -> None:
    assert cut(name, width, UNICODE, end=variant_of(name)) == shown


def test_a_cut_is_marked_in_ascii_too() -> None:
    assert cut("kernel.py:attention+compile", 16, ASCII, end="+compile") == "kernel.~+compile"
