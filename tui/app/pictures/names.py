"""Names where there is less room than they take: how a variant differs stands at the end, and stays."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size

from tui.app.glyphs import Glyphs

_LEAST_HEAD = 3  # characters of what a variant is of, or its end says little


def cut(text: str, width: int, glyphs: Glyphs, *, end: str = "") -> str:
    """`text` in at most `width` columns, an ellipsis where something is left out: before `end` if it can."""
    if cell_len(text) <= width:
        return text
    if width < 1:
        return ""
    head = width - cell_len(end) - 1
    if not end or head < _LEAST_HEAD:
        return set_cell_size(text, width - 1) + glyphs.ellipsis
    return set_cell_size(text, head).rstrip() + glyphs.ellipsis + end


def variant_of(name: str) -> str:
    """The end of an implementation's name that its variants differ in: "+compile"; "" for none."""
    _, plus, variant = name.partition("+")
    return plus + variant
