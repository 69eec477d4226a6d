"""A form: one row a field, typed as on the command line, and what its texts amount to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Generic

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.events import Blur, Click, Focus, Key, Paste

from profiler.machine.environment import Device
from profiler.plans.plan import PlanError
from profiler.units import plain_text
from tui.app.line_edit import LineEdit
from tui.app.pictures.case_facts import wrapped
from tui.app.questions import Answers, PlanT, Questions, at_fault
from tui.app.widgets.painted import Painted

_LABEL_WIDTH = 17
_FOOT_LINES = 4
_COMMAND_LINES = 3


class Form(Painted, Generic[PlanT], can_focus=True):
    """The fields, with what they amount to below; enter types a value, or starts on the last row.

    What cannot be measured is said in place, at every change, and is not started; enter does not take it.
    The rows that are at fault are marked, and each says what is wrong with it.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False, id="form.up"),
        Binding("down", "move(1)", "Down", show=False, id="form.down"),
        Binding("home", "move(-1000)", "First", show=False, id="form.first"),
        Binding("end", "move(1000)", "Last", show=False, id="form.last"),
        Binding("left", "step(-1)", "Before", show=False, id="form.before", tooltip="The value before"),
        Binding("right", "step(1)", "Next", show=False, id="form.next", tooltip="The next usual value"),
        Binding("enter", "pick", "Type/start", id="form.pick", tooltip="Type the value, or start"),
        Binding("g", "start", "Start", id="form.start", tooltip="Measure what the form says"),
    ]

    def __init__(self, questions: Questions[PlanT], choice: Answers[PlanT], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._questions = questions
        self._choice = choice
        self._device: Device | None = None
        self._plan: PlanT | None = None
        self._refusal = ""
        self._right = choice
        """What the form began with."""
        self._wrong: dict[str, str] = {}
        """The fields at fault, and what is wrong with them."""
        self._row = questions.fields.index(questions.first)
        self._editor: LineEdit | None = None

    def started(self, plan: PlanT) -> None:
        """What there is to do with a plan that is to be measured."""
        raise NotImplementedError

    @property
    def plan(self) -> PlanT | None:
        """What it would measure; None where the texts describe no plan."""
        return self._plan

    @property
    def refusal(self) -> str:
        """Why there is no plan, in one sentence; "" if there is one."""
        return self._refusal

    def update(self, choice: Answers[PlanT], device: Device | None) -> None:
        """Show other texts, for a device."""
        if (choice, device) != (self._choice, self._device):
            self._choice, self._right, self._device = choice, choice, device
            self._check(choice)

    def picture(self, width: int, height: int) -> Sequence[Text]:
        """The rows, scrolled so that the cursor's is in view; what they amount to stays below them."""
        lines = [self._field(index, width - 2) for index in range(self._start)]
        top, room = self._in_view(height)
        visible = lines[top : top + room]
        if top:
            self._mark(visible[0], self.glyphs.up, width)
        if top + room < self._start:
            self._mark(visible[-1], self.glyphs.down, width)
        return [*visible, Text(), *self._foot(width)]

    def _mark(self, line: Text, arrow: str, width: int) -> None:
        """That there are more rows above or below, where the details have it too: in the last column."""
        line.truncate(width - 2, pad=True)
        line.append(f" {arrow}", self.look.value)

    def action_move(self, rows: int) -> None:
        """Move the cursor, as far as there are rows."""
        self._editor = None
        self._row = min(max(self._row + rows, 0), self._start)
        self.paint()

    def action_step(self, direction: int) -> None:
        """The next of the field's usual values, if it has such."""
        if self._row < self._start:
            self._check(self._choice.stepped(self._questions.fields[self._row], direction))

    def action_pick(self) -> None:
        """Begin to type, or start."""
        if self._row == self._start:
            self.action_start()
        else:
            self._editor = LineEdit.of(self._choice.shown(self._questions.fields[self._row]))
            self.paint()

    def action_start(self) -> None:
        """Have it measured, if it can be."""
        if self._plan is not None:
            self.started(self._plan)

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """While a value is typed, printable keys are no commands."""
        return self._editor is not None and character is not None and character.isprintable()

    def on_key(self, event: Key) -> None:
        """While a value is typed, the keys that edit it; up and down enter it and go on."""
        if (editor := self._editor) is None:
            return
        if event.key == "enter" and self._is_wrong(editor.text):
            self._edit(LineEdit.of(editor.text))  # to be typed anew, or mended
        elif event.key in ("enter", "up", "down", "tab"):
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
        row = self._start if event.y == min(room, self._start) + 1 else top + event.y
        if row in (self._row, self._start):
            self._row = row
            self.action_pick()
        elif row < self._start:
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

    @property
    def _start(self) -> int:
        """The row below the fields."""
        return len(self._questions.fields)

    def _in_view(self, height: int) -> tuple[int, int]:
        """The first row shown, and how many there is room for."""
        room = max(1, height - _FOOT_LINES - (_COMMAND_LINES if self._questions.command else 0))
        return min(max(0, self._row - room + 1), max(0, self._start - room)), room

    def _is_wrong(self, text: str) -> bool:
        """Whether a text makes a form that is refused, for another reason than it was before."""
        field = self._questions.fields[self._row]
        if text.strip() == self._choice.shown(field):
            return False
        self._judge(self._choice)
        before = self._refusal
        self._judge(self._choice.typed(field, text))
        return bool(self._refusal) and self._refusal != before

    def _enter(self, text: str) -> None:
        field = self._questions.fields[self._row]
        self._editor = None
        unchanged = text.strip() == self._choice.shown(field)
        self._check(self._choice if unchanged else self._choice.typed(field, text))

    def _edit(self, editor: LineEdit) -> None:
        """Show what is typed, and at once what it would measure."""
        self._editor = editor
        self._judge(self._choice.typed(self._questions.fields[self._row], editor.text))
        self.paint()

    def _check(self, choice: Answers[PlanT]) -> None:
        self._choice = choice
        self._judge(choice)
        self.paint()

    def _judge(self, choice: Answers[PlanT]) -> None:
        """Make the plan, or find out why there is none, and which fields are at fault."""
        self._plan, self._refusal = self._plan_of(choice)
        self._wrong = at_fault(
            choice, self._right, self._questions.fields, lambda other: self._plan_of(other)[1]
        )

    def _plan_of(self, choice: Answers[PlanT]) -> tuple[PlanT | None, str]:
        """The plan, or None and why there is none."""
        if self._device is None:
            return None, "the engine has not said yet what it measures on"
        try:
            return choice.plan(self._device), ""
        except PlanError as error:
            return None, plain_text(str(error))

    def _field(self, index: int, width: int) -> Text:
        field, is_here = self._questions.fields[index], index == self._row
        is_wrong = field in self._wrong
        line = Text(self.glyphs.cursor if is_here else " ")
        line.append("!" if is_wrong else " ", self.look.bad)
        label = self._questions.label(field)
        line.append(f"{label:<{_LABEL_WIDTH}}", self.look.header if is_here else self.look.muted)
        room = max(8, width - line.cell_len)
        if is_here and self._editor is not None:
            line.append_text(self._typed(self._editor, room))
            return line
        shown = self._choice.shown(field)
        value = plain_text(shown) or self._questions.empty.get(field, "as usual")
        value = value if len(value) <= room else value[: room - 1] + self.glyphs.ellipsis
        style = self.look.muted if not shown or self._choice.belongs_to_preset(field) else self.look.value
        style = self.look.bad if is_wrong else style
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
        is_here = self._row == self._start
        field = self._questions.fields[self._row] if not is_here else ""
        said = f"  {self._questions.label(field)}: {self._questions.help[field]}" if field else ""
        help_line = Text(said, self.look.muted)
        line = Text(f"{self.glyphs.cursor if is_here else ' '} ")
        style = self.look.muted if self._plan is None else self.look.fastest
        if is_here:
            style += self.look.cursor if self.has_focus else self.look.cursor_away
        line.append(f"{'start':<{_LABEL_WIDTH}}" if not is_here else "start", style)
        if is_here:
            line.append(" " * (_LABEL_WIDTH - 5))
        if self._plan is not None:
            extent = self._questions.extent(self._plan)
            if line.cell_len + len(extent) > width:  # over what is seen above
                extent = extent.partition(" over ")[0]
            line.append(extent, self.look.header)
            return [line, *self._command(self._plan, width), self._warning(self._plan), help_line]
        indent = " " * (_LABEL_WIDTH + 2)
        refusal = self._wrong.get(field, self._refusal)
        words = Text(refusal, self.look.bad).wrap(self.app.console, max(20, width - len(indent)))
        first, *rest = words or [Text()]
        return [line + first, Text(indent) + rest[0] if rest else Text(), help_line]

    def _warning(self, plan: PlanT) -> Text:
        """What is to be said before it is started; an empty line where there is nothing."""
        said = self._questions.warning(plan) if self._questions.warning else ""
        return Text(f"  {said}" if said else "", self.look.warning)

    def _command(self, plan: PlanT, width: int) -> list[Text]:
        """What measures it without the app, in as many lines as there are for it."""
        if self._questions.command is None:
            return []
        lines = wrapped(Text(self._questions.command(plan), self.look.muted), width - 4)
        if len(lines) > _COMMAND_LINES:
            lines = lines[:_COMMAND_LINES]
            lines[-1].truncate(width - 6)
            lines[-1].append(f" {self.glyphs.ellipsis}")
        return [Text("  ") + line for line in lines]
