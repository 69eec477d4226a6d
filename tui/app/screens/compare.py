"""Sessions beside each other: what became faster, slower or wrong, and what differed around them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from profiler.compare import Comparison, NothingShared, compare
from profiler.compare.formats import render
from profiler.session.file import SessionError
from profiler.session.reader import read_recording
from profiler.session.recording import Recording
from profiler.units import plain_text
from tui.app.exporting import write_and_say, write_report
from tui.app.widgets.compare import ComparisonPager

_REPORT = "attnprof-comparison"


class CompareScreen(Screen[None]):
    """The sessions in those files, the first of them as the base."""

    AUTO_FOCUS = "ComparisonPager"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "app.pop_screen", "Back", id="compare.back", tooltip="To the sessions"),
        Binding("b", "turn", "Next base", id="compare.base", tooltip="Compare with the next session instead"),
        Binding("r", "again", "Read again", id="compare.again", tooltip="Compare what is measured by now"),
        Binding("e", "export", "Export", id="compare.export", tooltip="Write the comparison as Markdown"),
    ]

    def __init__(self, paths: Sequence[Path]) -> None:
        super().__init__()
        self._paths = list(paths)
        self._recordings: dict[Path, Recording] = {}
        self._comparison: Comparison | None = None

    def compose(self) -> ComposeResult:
        """The comparison, and the keys."""
        yield ComparisonPager(id="comparison")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._show(None, "reading the sessions ...")
        self._begin()

    def _begin(self) -> None:
        self.run_worker(self._compare(), exclusive=True, group="compare")

    async def _compare(self) -> None:
        """Read what is not known yet, and compare, without holding up the screen."""
        try:
            self._show(await asyncio.to_thread(self._compared))
        except (SessionError, NothingShared) as error:
            self._show(None, str(error))

    def _compared(self) -> Comparison:
        for path in self._paths:
            if path not in self._recordings:
                self._recordings[path] = read_recording(path).recording
        return compare([(plain_text(path.stem), self._recordings[path]) for path in self._paths])

    def _show(self, comparison: Comparison | None, said: str = "") -> None:
        self._comparison = comparison
        self.query_one(ComparisonPager).update(comparison, said)
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Nothing to write before there is something, nothing to read again of what is closed."""
        if action == "again":
            return any(recording.finished is None for recording in self._recordings.values())
        return action != "export" or self._comparison is not None

    def action_turn(self) -> None:
        """Let the second session be the base, and the base the last."""
        self._paths = [*self._paths[1:], self._paths[0]]
        self._begin()

    def action_again(self) -> None:
        """Read the sessions again that were not closed: one that is being measured has more by now."""
        self._recordings = {
            path: recording for path, recording in self._recordings.items() if recording.finished
        }
        self._begin()

    def action_export(self) -> None:
        """Write the comparison, and send it to the clipboard."""
        if comparison := self._comparison:
            write_and_say(self.app, lambda: write_report(render(comparison, "md"), _REPORT))
