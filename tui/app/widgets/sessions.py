"""The list of session files, with a cursor, and what is known of the one under it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.message import Message

from profiler.session.listing import SessionSummary
from profiler.units import plain_text
from tui.app.pictures.sessions import SessionRows, about
from tui.app.widgets.painted import PaintedRows

_MOST_ABOUT = 6
_SHARE_ABOUT = 3  # of so many lines, one may be about the session under the cursor


class SessionTable(PaintedRows, can_focus=True):
    """The sessions in the order given. The cursor stays on its file, or its place where that is gone."""

    class Opened(Message):
        """The session is to be opened."""

        def __init__(self, session: SessionSummary) -> None:
            super().__init__()
            self.session = session

    class Marked(Message):
        """The session is to be compared, or no longer."""

        def __init__(self, session: SessionSummary) -> None:
            super().__init__()
            self.session = session

    class Moved(Message):
        """The cursor came to another session, or the list was changed under it."""

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, SessionTable.Moved)

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Session above", show=False, id="sessions.up"),
        Binding("down", "move(1)", "Session below", show=False, id="sessions.down"),
        Binding("pageup", "page(-1)", "Page up", show=False, id="sessions.page_up"),
        Binding("pagedown", "page(1)", "Page down", show=False, id="sessions.page_down"),
        Binding("home", "move(-1000000)", "Newest", show=False, id="sessions.first"),
        Binding("end", "move(1000000)", "Oldest", show=False, id="sessions.last"),
        Binding("enter", "open", "Open", id="sessions.open", tooltip="Open the session as a recording"),
        Binding(
            "space,m",
            "mark",
            "Mark",
            show=False,
            id="sessions.mark",
            tooltip="Mark the session, to compare it",
        ),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._sessions: list[SessionSummary] = []
        self._letters: dict[Path, str] = {}
        self._cursor = 0
        self._first = 0
        self._room = 1
        self._empty = ""
        self._rows: tuple[int, SessionRows] | None = None
        """What fits into the width it was made for."""

    @property
    def session(self) -> SessionSummary | None:
        """The one under the cursor."""
        return self._sessions[self._cursor] if self._sessions else None

    @property
    def sessions(self) -> list[SessionSummary]:
        """Those that are shown."""
        return self._sessions

    def update(
        self, sessions: Sequence[SessionSummary], empty: str, letters: Mapping[Path, str] | None = None
    ) -> None:
        """Show these, the marked ones with their `letters`; `empty` is said where there are none."""
        marked = dict(letters or {})
        if (list(sessions), empty, marked) == (self._sessions, self._empty, self._letters):
            return
        chosen = self.session.path if self.session else None
        self._sessions, self._empty, self._letters, self._rows = list(sessions), empty, marked, None
        self._put(chosen)

    def choose(self, path: Path) -> None:
        """Put the cursor on a file, if it is shown."""
        self._put(path)

    def _put(self, path: Path | None) -> None:
        paths = [session.path for session in self._sessions]
        wanted = paths.index(path) if path in paths else self._cursor
        self._cursor = min(wanted, max(len(paths) - 1, 0))
        self.post_message(self.Moved())
        self.paint()

    def action_move(self, rows: int) -> None:
        """Move the cursor, as far as there are sessions."""
        cursor = min(max(self._cursor + rows, 0), max(len(self._sessions) - 1, 0))
        if cursor != self._cursor:
            self._cursor = cursor
            self.post_message(self.Moved())
            self.paint()

    def action_page(self, pages: int) -> None:
        """Move by what is in view."""
        self.action_move(pages * self._room)

    def action_open(self) -> None:
        """Ask for the session under the cursor."""
        if self.session:
            self.post_message(self.Opened(self.session))

    def action_mark(self) -> None:
        """Mark the session under the cursor, or take its mark away."""
        if self.session:
            self.post_message(self.Marked(self.session))

    def on_click(self, event: Click) -> None:
        """A click puts the cursor there, a double click opens."""
        where = event.get_content_offset(self)
        if where is None or not 1 <= where.y <= self._room:
            return
        if self._first + where.y - 1 < len(self._sessions):
            self.action_move(self._first + where.y - 1 - self._cursor)
            if event.chain == 2:
                self.action_open()

    def picture(self, width: int, height: int) -> list[Text]:
        """The titles, the sessions in view, and below them what is known of the one under the cursor."""
        if self.session is None:
            return [Text(plain_text(self._empty), self.look.muted)]
        if self._rows is None or self._rows[0] != width:
            letters = [self._letters.get(session.path, "") for session in self._sessions]
            self._rows = width, SessionRows.fitting(self._sessions, width, self.glyphs, letters)
        rows = self._rows[1]
        below = about(self.session, width, self.look)[: min(_MOST_ABOUT, height // _SHARE_ABOUT)]
        self._room = max(1, height - 2 - len(below))
        self._first = min(max(self._first, self._cursor - self._room + 1), self._cursor)
        self._first = min(self._first, max(len(self._sessions) - self._room, 0))
        shown = range(self._first, min(self._first + self._room, len(self._sessions)))
        lines = [rows.header(self.look), *(self._row(rows, index, width) for index in shown)]
        return [*lines, *[Text()] * (height - len(lines) - len(below)), *below]

    def _row(self, rows: SessionRows, index: int, width: int) -> Text:
        if index != self._cursor:
            return rows.row(index, " ", self.look)
        line = rows.row(index, self.glyphs.cursor, self.look)
        line.pad_right(max(0, width - line.cell_len))
        line.stylize_before(self.look.cursor if self.has_focus else self.look.cursor_away)
        return line
