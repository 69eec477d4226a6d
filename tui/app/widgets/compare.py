"""A comparison to move through, the titles of the table in view always above its lines."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from profiler.compare import Comparison
from tui.app.pictures.case_facts import wrapped
from tui.app.pictures.compare import Page, Titles, head, page
from tui.app.widgets.pager import Pager


class ComparisonPager(Pager):
    """Shows a comparison, or `said` while there is none."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(self._body, head=self._head, id=id)
        self._comparison: Comparison | None = None
        self._said = ""
        self._page = Page()

    def update(self, comparison: Comparison | None, said: str = "") -> None:
        """Show that from its top."""
        self._comparison, self._said = comparison, said
        self._page = Page()
        self._first = 0
        self.show()

    def _head(self, width: int) -> list[Text]:
        return head(self._comparison, width, self.look) if self._comparison else []

    def _body(self, width: int) -> Sequence[Text]:
        if self._comparison is None:
            return wrapped(Text(self._said, self.look.muted), width)
        self._page = page(self._comparison, width, self.look, self.glyphs)
        return self._page.lines

    def picture(self, width: int, height: int) -> list[Text]:
        """The lines in view; the titles of the table that they are from take the place of the first.

        The line below them says whole what it has in common with those that are out of view.
        """
        shown = super().picture(width, height)
        if titles := self._titles:
            above = len(self._head(width - 2))
            lines = [line.copy() for line in titles.lines]
            lines[0] = self._marked(lines[0], self.glyphs.up, width)
            if whole := self._page.whole.get(self._first + len(lines)):
                lines.append(whole)
            shown[above : above + len(lines)] = lines
        return shown

    @property
    def _titles(self) -> Titles | None:
        """Those of the table at the top, once its own have been left behind."""
        for titles in self._page.titles:
            if titles.first < self._first < titles.end - len(titles.lines):
                return titles
        return None

    def action_page(self, pages: int) -> None:
        """Move by the lines in view that no titles cover."""
        covered = max((len(titles.lines) for titles in self._page.titles), default=0)
        above = len(self._head(max(self.size.width - 2, 1)))
        self.action_move(pages * max(1, self.size.height - above - covered - 1))
