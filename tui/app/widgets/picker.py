"""The left side of the Bench screen: what is measured, and the shape it is measured on, in one list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Blur, Click, Focus, Key, Paste
from textual.message import Message

from impls.contract import DeviceInfo
from profiler.events import CatalogEntry
from profiler.plans.plan import PlanError
from profiler.units import plain_text
from tui.app.choice import Choice
from tui.app.line_edit import LineEdit
from tui.app.parameter import Parameter
from tui.app.parameters import PARAMETERS, side_effect
from tui.app.pictures.picker import Layout, Row, Shown, lay_out, picture
from tui.app.widgets.painted import PaintedRows

_PAGE = 8


class Picker(PaintedRows, can_focus=True):
    """Implementations to check, then the parameters of the shape.

    It changes its own choice at once and says so; `update` is for changes from elsewhere only
    (an echo of `Changed` could undo a step made since). While a value is typed in, every
    key that types is its own.
    """

    class Changed(Message):
        """Another choice has been made. Of several in a row only the last matters."""

        def __init__(self, choice: Choice) -> None:
            super().__init__()
            self.choice = choice

        def can_replace(self, message: Message) -> bool:
            return isinstance(message, Picker.Changed)

    class Refused(Message):
        """What was asked for cannot be; the picker shows `reason` in place itself."""

        def __init__(self, reason: str) -> None:
            super().__init__()
            self.reason = reason

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, id="picker.up"),
        Binding("down", "move(1)", "Down", show=False, id="picker.down"),
        Binding("pageup", f"move(-{_PAGE})", "Up", show=False, id="picker.page_up"),
        Binding("pagedown", f"move({_PAGE})", "Down", show=False, id="picker.page_down"),
        Binding("home", "move(-1000)", "First", show=False, id="picker.first"),
        Binding("end", "move(1000)", "Last", show=False, id="picker.last"),
        Binding("left", "step(-1)", "Halve", show=False, id="picker.less", tooltip="Halve it, or step back"),
        Binding("right", "step(1)", "Double", show=False, id="picker.more", tooltip="Double it, or step on"),
        # Terminals that keep shift+arrow for themselves pass the signs on.
        Binding(
            "shift+left,less_than_sign",
            "step(-1, True)",
            "A little less",
            show=False,
            id="picker.little_less",
        ),
        Binding(
            "shift+right,greater_than_sign",
            "step(1, True)",
            "A little more",
            show=False,
            id="picker.little_more",
        ),
        Binding(
            "enter", "pick", "Check/type", show=False, id="picker.pick", tooltip="Check it, or type its value"
        ),
    ]

    def __init__(
        self, choice: Choice, catalog: Sequence[CatalogEntry] = (), *, id: str | None = None
    ) -> None:
        super().__init__(id=id)
        # What most people turn first: one key away.
        start = next(place for place, parameter in enumerate(PARAMETERS) if parameter.id == "seq")
        self._shown = Shown(choice, tuple(catalog), cursor=len(catalog) + start)
        self._layout = Layout((), 0)
        self._top = 0

    @property
    def choice(self) -> Choice:
        """As it stands."""
        return self._shown.choice

    @property
    def row(self) -> Row:
        """What is under the cursor: an implementation's entry or a parameter."""
        return self._shown.row

    @property
    def editing(self) -> bool:
        """Whether a value is being typed."""
        return self._shown.editor is not None

    def update(
        self, choice: Choice, catalog: Sequence[CatalogEntry], device: DeviceInfo | None = None
    ) -> None:
        """Show another choice, from a catalog of implementations; with a device, what it cannot do too.

        The cursor stays on its row if that is still there.
        """
        row = self._shown.row
        shown = replace(self._shown, choice=choice, catalog=tuple(catalog), device=device, cursor=0)
        kept = (place for place, other in enumerate(shown.rows) if _key(other) == _key(row))
        shown = replace(shown, cursor=next(kept, 0))
        self._show(shown if shown == self._shown else replace(shown, refusal="", note=""))

    def picture(self, width: int, height: int) -> Sequence[Text]:
        """The list, scrolled so that the cursor is in view."""
        self._layout, self._top = lay_out(self._shown, height, self._top)
        return picture(self._shown, self._layout, width, self.glyphs, self.look)

    def action_move(self, rows: int) -> None:
        """Move the cursor, as far as there are rows."""
        self._go_to(min(max(self._shown.cursor + rows, 0), len(self._shown.rows) - 1))

    def action_step(self, direction: int, fine: bool = False) -> None:
        """Step the parameter under the cursor; an implementation has no steps."""
        row, shown = self._shown.row, self._shown
        if isinstance(row, Parameter):
            self._try(lambda: row.step(shown.choice, direction, fine, shown.device))

    def action_pick(self) -> None:
        """Check or uncheck the implementation under the cursor, flip a switch, or begin to type a value."""
        row, shown = self._shown.row, self._shown
        if isinstance(row, Parameter) and row.switch:
            self.action_step(1)
        elif isinstance(row, Parameter):
            editor = LineEdit.of(row.show(shown.choice))
            self._show(replace(shown, editor=editor, refusal="", note=""))
        elif row.unavailable is not None and row.name not in shown.choice.implementations:
            how = f": {row.install}" if row.install else ""
            self._refuse(f"{plain_text(row.label)} cannot run here: {row.unavailable}{how}")
        else:
            order = [entry.name for entry in shown.catalog]
            self._try(lambda: shown.choice.toggled(row.name, order))

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """While a value is typed, printable keys are no commands."""
        return self.editing and character is not None and character.isprintable()

    def on_key(self, event: Key) -> None:
        """While a value is typed, the keys that edit it; what else is pressed keeps its meaning."""
        if (editor := self._shown.editor) is None:
            return
        if event.key == "enter":
            self._enter(editor.text)
        elif event.key == "escape":
            self._cancel()
        elif event.is_printable and event.character:
            self._edit(editor.typed(event.character))
        elif (edited := editor.pressed(event.key)) is not None:
            self._edit(edited)
        elif event.key in ("up", "down", "pageup", "pagedown"):
            self._cancel()
            return
        elif event.key not in ("shift+left", "shift+right"):
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: Paste) -> None:
        """What is pasted is typed, its first line."""
        if self._shown.editor is not None and event.text.strip():
            self._edit(self._shown.editor.typed(event.text.strip().splitlines()[0]))
            event.stop()

    def on_click(self, event: Click) -> None:
        """A click checks an implementation; on a parameter it brings the cursor, then steps or types."""
        if (row := self._row_at(event.y)) is None:
            return
        was_there = row == self._shown.cursor
        if not (was_there and self.editing):
            self._go_to(row)
        if not isinstance(self._shown.row, Parameter):
            self.action_pick()
        elif was_there and not self.editing:
            self._click_value(event.x, event.y)

    def on_focus(self, event: Focus) -> None:
        """The cursor looks stronger with the focus."""
        self._show(replace(self._shown, focused=True))

    def on_blur(self, event: Blur) -> None:
        """What was being typed is given up with the focus."""
        self._show(replace(self._shown, focused=False, editor=None, refusal="", note=""))

    def _go_to(self, row: int) -> None:
        self._show(replace(self._shown, cursor=row, editor=None, refusal="", note=""))

    def _show(self, shown: Shown) -> None:
        if shown != self._shown:
            self._shown = shown
            self.paint()

    def _try(self, change: Callable[[], Choice]) -> bool:
        """Make a change and say so, or show why it cannot be made."""
        before = self._shown.choice
        try:
            after = change()
        except PlanError as error:
            self._refuse(str(error))
            return False
        self._show(
            replace(self._shown, choice=after, editor=None, refusal="", note=side_effect(before, after))
        )
        if after != before:
            self.post_message(self.Changed(after))
        return True

    def _refuse(self, reason: str) -> None:
        reason = plain_text(reason)
        self._show(replace(self._shown, refusal=reason, note=""))
        self.post_message(self.Refused(reason))

    def _edit(self, editor: LineEdit) -> None:
        self._show(replace(self._shown, editor=editor, refusal=""))

    def _enter(self, text: str) -> None:
        row, shown = self._shown.row, self._shown
        if isinstance(row, Parameter):
            self._try(lambda: row.parse(shown.choice, text, shown.device))

    def _cancel(self) -> None:
        self._show(replace(self._shown, editor=None, refusal=""))

    def _row_at(self, y: int) -> int | None:
        """The row on a line; None on a heading or below the list."""
        item = self._layout.items[y] if 0 <= y < len(self._layout.items) else ""
        return None if isinstance(item, str) else self._shown.rows.index(item)

    def _click_value(self, x: int, y: int) -> None:
        """On an arrow the parameter is stepped, on its value it is typed."""
        plain = self.picture(*self.size)[y].plain
        left = plain.find(self.glyphs.left, 1)
        right = plain.rfind(self.glyphs.right, 1)
        if right > 0 and abs(x - right) <= 1:
            self.action_step(1)
        elif left > 0 and abs(x - left) <= 1:
            self.action_step(-1)
        elif x > len(self._shown.row.label):
            self.action_pick()


def _key(row: Row) -> tuple[type, str]:
    return type(row), row.id if isinstance(row, Parameter) else row.name
