"""The keys that work on a screen, read off its bindings, and what the words and signs mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from profiler.compare.meanings import MEANINGS as COMPARED
from profiler.results import wording
from profiler.results.column_meanings import COLUMN_MEANINGS
from profiler.training.wording import TRAINING_COLUMN_MEANINGS, TRAINING_MEANINGS
from tui.app.pictures.case_facts import wrapped
from tui.app.pictures.look import Look
from tui.app.widgets.pager import Pager

_TERM_WIDTH = 16
_WIDEST = 110  # the eye loses the line in wider ones

_READING: dict[str, str] = {
    "±": (
        "how far the wider side of the median's 95 % interval is from it: of twenty such intervals nineteen "
        "hold the true median; the smaller, the surer"
    ),
    wording.TIE: ("the speedup's interval holds 1: these rounds show no difference, so do not choose by it"),
    "*": "the fastest of its shape and pass, and all that tie with it",
    wording.LAUNCH_BOUND: (
        "the GPU waits for the host: a caller pays the wall time, not the device time; a CUDA graph (its "
        "time is shown), torch.compile or a larger batch help, a faster kernel does not"
    ),
    wording.NVML_CLOCK: "before a clock: NVML's, which lags and averages; others are the GPU's own counters'",
}
"""How to read what looks simple."""


@dataclass(frozen=True)
class _Key:
    """What one action's keys are, and what it does."""

    keys: tuple[str, ...]
    does: str


class HelpScreen(Screen[None]):
    """Help for the screen that it is opened from."""

    AUTO_FOCUS = "Pager"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "escape,question_mark", "app.pop_screen", "Back", id="help.back", tooltip="To where you were"
        ),
    ]

    _keys: Mapping[str, list[_Key]] = MappingProxyType({})

    def compose(self) -> ComposeResult:
        """The text, and the keys."""
        yield Pager(self._lines)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """The keys are those of the screen beneath."""
        here, everywhere = keys_of(self.app.screen_stack[-2])
        self._keys = {"Keys on this screen": here, "Keys everywhere": everywhere}
        self.query_one(Pager).show()

    def _lines(self, width: int) -> list[Text]:
        look = self.query_one(Pager).look
        lines: list[Text] = []
        for title, keys in self._keys.items():
            if keys:
                terms = ((", ".join(key.keys), key.does) for key in keys)
                lines += _section(title, terms, width, look)
        signs = (
            (self.query_one(Pager).glyphs.interval if word == "±" else word, _READING[word])
            for word in _READING
        )
        lines += _section("How to read it", signs, width, look)
        columns = {word: meaning for word, meaning in COLUMN_MEANINGS.items() if word not in _READING}
        lines += _section("Columns and figures", columns.items(), width, look)
        marks = {word: meaning for word, meaning in wording.MEANINGS.items() if word not in _READING}
        lines += _section("Marks and remarks", marks.items(), width, look)
        trained = TRAINING_COLUMN_MEANINGS | TRAINING_MEANINGS
        lines += _section("Of training", trained.items(), width, look)
        return [*lines, *_section("Of a comparison", COMPARED.items(), width, look)][:-1]


def keys_of(screen: Screen[Any]) -> tuple[list[_Key], list[_Key]]:
    """The keys of a screen and of its widget with the focus, and those that work everywhere.

    Textual's own bindings, which have no ids, work everywhere too.
    """
    here: list[ActiveBinding] = []
    everywhere: list[ActiveBinding] = []
    for active in screen.active_bindings.values():
        own = active.binding.id is not None and not isinstance(active.node, App)
        (here if own else everywhere).append(active)
    here.sort(key=lambda active: not isinstance(active.node, Screen))
    everywhere.sort(key=lambda active: active.binding.id is None)
    return _by_action(screen.app, here), _by_action(screen.app, everywhere)


def _by_action(app: App[Any], bindings: Iterable[ActiveBinding]) -> list[_Key]:
    """One entry an action that says what it does; several keys may do the same."""
    found: dict[str, list[str]] = {}
    for active in bindings:
        binding = active.binding
        if does := active.tooltip or binding.description:
            keys = found.setdefault(does, [])
            key = app.get_key_display(binding)
            if key not in keys:
                keys.append(key)
    return [_Key(tuple(keys), does) for does, keys in found.items()]


def _section(title: str, terms: Iterable[tuple[str, str]], width: int, look: Look) -> list[Text]:
    """A title, a term a line with its meaning beside it, and an empty line below."""
    lines = [Text(title, look.chosen)]
    for term, meaning in terms:
        parts = wrapped(Text(meaning), min(width, _WIDEST) - _TERM_WIDTH - 3)
        beside = len(term) <= _TERM_WIDTH
        if not beside:
            lines.append(Text(f"  {term}", look.value))
        for index, part in enumerate(parts):
            shown = term if beside and index == 0 else ""
            lines.append(Text.assemble((f"  {shown:<{_TERM_WIDTH}} ", look.value), part))
    return [*lines, Text()]
