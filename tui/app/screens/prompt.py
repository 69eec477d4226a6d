"""Asks for one line of text, and refuses in place what cannot be taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input, Static

Check = Callable[[str], str | None]
"""Why a text cannot be taken; None if it can."""


class PromptScreen(ModalScreen[str | None]):
    """Gives back the text, or None if the person thought better of it."""

    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "Leave", id="prompt.leave", tooltip="Change nothing"),
    ]

    def __init__(self, title: str, text: str = "", *, hint: str = "", check: Check | None = None) -> None:
        super().__init__()
        self._title = title
        self._text = text
        self._hint = hint
        self._check = check

    def compose(self) -> ComposeResult:
        """The question, the line, and below it a hint, or why the text is refused."""
        with Vertical(id="prompt"):
            yield Static(Text(self._title, no_wrap=True, overflow="crop"), id="prompt-title")
            yield Input(self._text, id="prompt-line", compact=True)
            yield Static(Text(self._hint), id="prompt-said")

    def on_input_changed(self, event: Input.Changed) -> None:
        """What was refused may be good now."""
        self._say(self._hint)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take the text, or say why not."""
        event.stop()
        if problem := self._check(event.value) if self._check else None:
            self._say(problem, refused=True)
        else:
            self.dismiss(event.value)

    def action_leave(self) -> None:
        """Leave without a text."""
        self.dismiss(None)

    def _say(self, text: str, *, refused: bool = False) -> None:
        said = self.query_one("#prompt-said", Static)
        said.update(Text(text))
        said.set_class(refused, "refused")
