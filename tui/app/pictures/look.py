"""The styles that pictures are drawn with, by what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from rich.style import Style

from tui.tables.columns import BAD, FASTEST, MUTED, WARNING


@dataclass(frozen=True)
class Look:
    """What each kind of text looks like: a theme's own, or the terminal's colours."""

    fastest: Style
    bad: Style
    warning: Style
    muted: Style
    spark: Style
    value: Style
    header: Style
    chosen: Style
    cursor: Style
    cursor_away: Style

    def of_column(self, style: str) -> Style:
        """The look of a cell of the shared columns, whose styles are for the headless tables."""
        known = {FASTEST: self.fastest, BAD: self.bad, WARNING: self.warning, MUTED: self.muted}
        return known.get(style, Style.null())


PLAIN = Look(
    fastest=Style.parse(FASTEST),
    bad=Style.parse(BAD),
    warning=Style.parse(WARNING),
    muted=Style.parse(MUTED),
    spark=Style.parse("cyan"),
    value=Style.parse("bold"),
    header=Style.parse("bold"),
    chosen=Style.parse("bold underline"),
    cursor=Style.parse("reverse"),
    cursor_away=Style.parse("underline"),
)
"""For where there is no theme."""
