"""The form of a sweep: one row a field, typed as on the command line, and what it would measure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Blur, Click, Focus, Key, Paste
from textual.message import Message

from profiler.environment import Device
from profiler.plan import Plan, PlanError
from profiler.units import plain_text
from tui.app.line_edit import LineEdit
from tui.app.sweep_choice import EMPTY, FIELDS, HELP, SweepChoice, extent, label
from tui.app.widgets.painted import Painted

START = len(FIELDS)
"""The row below the fields."""

_LABEL_WIDTH = 17
_VALUE_WIDTH = 26
_FOOT_LINES = 4


class AxesForm(Painted, can_focus=True):
    """The fields, with what they multiply into below; enter types a value, or starts on the last row.

    What cannot be measured is said in place, at every change, and is not started.
    """

    class Started(Message):
        """The sweep is to be measured."""

        def __init__(self, plan: Plan) -> None:
            super().__init__()
            self.plan = plan

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, id="axes.up"),
        Binding("down", "move(1)", "Down", show=False, id="axes.down"),
        Binding("home", "move(-1000)", "First", show=False, id="axes.first"),
        Binding("end", "move(1000)", "Last", show=False, id="axes.last"),
        Binding("left", "step(-1)", "Before", show=False, id="axes.before", tooltip="The value before"),
        Binding("right", "step(1)", "Next", show=False, id="axes.next", tooltip="The next usual value"),
        Binding("enter", "pick", "Type/start", id="axes.pick", tooltip="Type the value, or start"),
        Binding("g", "start", "Start", id="axes.start", tooltip="Measure the sweep"),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._choice = SweepChoice()
        self._device: Device | None = None
        self._plan: Plan | None = None
        self._refusal = ""
        self._row = FIELDS.index("seq")
        self._editor: LineEdit | None = None

    @property
    def choice(self) -> SweepChoice:
        """As it stands."""
        return self._choice

    @property
    def plan(self) -> Plan | None:
        """What it would measure; None where the texts describe no plan."""
        return self._plan

    @property
    def refusal(self) -> str:
        """Why there is no plan, in one sentence; "" if there is one."""
        return self._refusal

    def update(self, choice: SweepChoice, device: Device | None) -> None:
        """Show other texts, for a device."""
        if (choice, device) != (self._choice, self._device):
            self._choice, self._device = choice, device
            self._check(choice)

    def picture(self, width: int, height: int) -> Sequence[Text]:
        """The rows, scrolled so that the cursor's is in view; what they amount to stays below them."""
        lines = [self._field(index, width) for index in range(START)]
        top, room = self._in_view(height)
        visible = lines[top : top + room]
        if top + room < START:
            visible[-1].append(f" {self.glyphs.down}", self.look.muted)
        return [*visible, Text(), *self._foot(width)]

    def action_move(self, rows: int) -> None:
        """Move the cursor, as far as there are rows."""
        self._editor = None
        self._row = min(max(self._row + rows, 0), START)
        self.paint()

    def action_step(self, direction: int) -> None:
        """The next of the field's usual values, if it has such."""
        if self._row < START:
            self._check(self._choice.stepped(FIELDS[self._row], direction))

    def action_pick(self) -> None:
        """Begin to type, or start."""
        if self._row == START:
            self.action_start()
        else:
            self._editor = LineEdit.of(self._choice.shown(FIELDS[self._row]))
            self.paint()

    def action_start(self) -> None:
        """Have it measured, if it can be."""
        if self._plan is not None:
            self.post_message(self.Started(self._plan))

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """While a value is typed, printable keys are no commands."""
        return self._editor is not None and character is not None and character.isprintable()

    def on_key(self, event: Key) -> None:
        """While a value is typed, the keys that edit it; up and down enter it and go on."""
        if (editor := self._editor) is None:
            return
        if event.key in ("enter", "up", "down", "tab"):
            self._enter(editor.text)
            if event.key != "enter":
                return
        elif event.key == "escape":
            self._editor = None
            self._check(self._choice)
        elif event.is_printable and event.character:
            self._edit(editor.typed(event.character))
        elif (edited := editor.pressed(event.key)) is not None:
            self._edit(edited)
        else:
            return
        event.stop()
        event.prevent_default()

    def on_paste(self, event: Paste) -> None:
        """What is pasted is typed, its first line."""
        if self._editor is not None and event.text.strip():
            self._edit(self._editor.typed(event.text.strip().splitlines()[0]))
            event.stop()

    def on_click(self, event: Click) -> None:
        """A click brings the cursor; a second one types, or starts."""
        top, room = self._in_view(self.size.height)
        row = START if event.y == min(room, START) + 1 else top + event.y
        if row in (self._row, START):
            self._row = row
            self.action_pick()
        elif row < START:
            self.action_move(row - self._row)

    def on_focus(self, event: Focus) -> None:
        """The cursor looks stronger with the focus."""
        self.paint()

    def on_blur(self, event: Blur) -> None:
        """What was being typed is entered with the loss of focus."""
        if self._editor is not None:
            self._enter(self._editor.text)
        self.call_later(self.paint)

    def on_mount(self) -> None:
        """From here on there is room to paint."""
        self.paint()

    def _in_view(self, height: int) -> tuple[int, int]:
        """The first row shown, and how many there is room for."""
        room = max(1, height - _FOOT_LINES)
        return min(max(0, self._row - room + 1), max(0, START - room)), room

    def _enter(self, text: str) -> None:
        field = FIELDS[self._row]
        self._editor = None
        unchanged = text.strip() == self._choice.shown(field)
        self._check(self._choice if unchanged else self._choice.typed(field, text))

    def _edit(self, editor: LineEdit) -> None:
        """Show what is typed, and at once what it would measure."""
        self._editor = editor
        self._judge(self._choice.typed(FIELDS[self._row], editor.text))
        self.paint()

    def _check(self, choice: SweepChoice) -> None:
        self._choice = choice
        self._judge(choice)
        self.paint()

    def _judge(self, choice: SweepChoice) -> None:
        """Make the plan, or find out why there is none."""
        self._plan, self._refusal = None, ""
        if self._device is None:
            self._refusal = "the engine has not said yet what it measures on"
            return
        try:
            self._plan = choice.plan(self._device)
        except PlanError as error:
            self._refusal = plain_text(str(error))

    def _field(self, index: int, width: int) -> Text:
        field, is_here = FIELDS[index], index == self._row
        line = Text(f"{self.glyphs.cursor if is_here else ' '} ")
        line.append(f"{label(field):<{_LABEL_WIDTH}}", self.look.header if is_here else self.look.muted)
        room = max(8, min(_VALUE_WIDTH, width - line.cell_len))
        is_wide = field == "impl" or (is_here and self._editor is not None)
        room = max(room, width - line.cell_len) if is_wide else room
        if is_here and self._editor is not None:
            line.append_text(self._typed(self._editor, room))
            return line
        shown = self._choice.shown(field)
        value = plain_text(shown) or EMPTY.get(field, "as usual")
        value = value if len(value) <= room else value[: room - 1] + self.glyphs.ellipsis
        style = self.look.muted if not shown or self._choice.belongs_to_preset(field) else self.look.value
        if is_here:
            style += self.look.cursor if self.has_focus else self.look.cursor_away
        line.append(value, style)
        return line

    def _typed(self, editor: LineEdit, room: int) -> Text:
        """What is typed, its end in view, with the cursor on it."""
        text = Text(f"{editor.text} ", self.look.value)
        text.stylize(self.look.cursor if editor.fresh else "")
        text.stylize("reverse", editor.cursor, editor.cursor + 1)
        start = max(0, editor.cursor + 1 - room)
        return text[start : start + room]

    def _foot(self, width: int) -> list[Text]:
        """Where to start, and what that would measure; or why it cannot be."""
        is_here = self._row == START
        field = FIELDS[self._row] if not is_here else ""
        help_line = Text(f"  {label(field)}: {HELP[field]}" if field else "", self.look.muted)
        line = Text(f"{self.glyphs.cursor if is_here else ' '} ")
        style = self.look.muted if self._plan is None else self.look.fastest
        if is_here:
            style += self.look.cursor if self.has_focus else self.look.cursor_away
        line.append(f"{'start':<{_LABEL_WIDTH}}" if not is_here else "start", style)
        if is_here:
            line.append(" " * (_LABEL_WIDTH - 5))
        if self._plan is not None:
            line.append(extent(self._plan), self.look.header)
            return [line, Text(), help_line]
        indent = " " * (_LABEL_WIDTH + 2)
        words = Text(self._refusal, self.look.bad).wrap(self.app.console, max(20, width - len(indent)))
        first, *rest = words or [Text()]
        return [line + first, Text(indent) + rest[0] if rest else Text(), help_line]
