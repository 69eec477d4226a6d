"""The details of one case of training: what is behind its figures, and the command that trains it again."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from profiler.results import wording
from profiler.session.recording import Recording
from profiler.training.rows import TrainingRow, training_rows
from tui.app.pictures.case_facts import wrapped
from tui.app.pictures.study import describe
from tui.app.pictures.training_case import TrainingFacts, sheet
from tui.app.reproduce_training import training_command
from tui.app.train_state import progress_of
from tui.app.view import View
from tui.app.widgets.pager import Pager

_PAGER = "details"


class TrainingDetailsScreen(Screen[None]):
    """Follows a case; left and right turn to the other implementations of its row."""

    AUTO_FOCUS = f"#{_PAGER}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,d", "app.pop_screen", "Back", id="training.back", tooltip="To where you were"),
        Binding(
            "left",
            "turn(-1)",
            "Before",
            show=False,
            id="training.before",
            tooltip="The implementation before",
        ),
        Binding("right", "turn(1)", "Next", id="training.next", tooltip="The next implementation"),
        Binding(
            "y",
            "copy",
            "Copy command",
            id="training.copy",
            tooltip="Copy the command that trains this again",
        ),
    ]

    def __init__(self, case: int) -> None:
        super().__init__()
        self._case = case
        self._facts: TrainingFacts | None = None
        self._beside: tuple[TrainingRow, ...] = ()
        """The cases of the same row, itself among them."""
        self._view = View()
        self._seen: object = None

    def compose(self) -> ComposeResult:
        """The sheet, and the keys."""
        yield Pager(self._sheet, head=self._head, id=_PAGER)
        yield Footer(show_command_palette=False, compact=True)

    def show(self, view: View) -> None:
        """Paint the case as it is in `view`."""
        seen = self._case, progress_of(view.recording)
        if seen == self._seen:
            return
        self._view, self._seen = view, seen
        self._look_up(view.recording)
        if self.is_mounted:
            self.query_one(Pager).show()

    def action_turn(self, step: int) -> None:
        """The next implementation of the row that was begun, or the one before."""
        numbers = [row.case for row in self._beside if row.status != "pending"]
        if self._case in numbers:
            self._case = numbers[(numbers.index(self._case) + step) % len(numbers)]
            self.show(self._view)

    def action_copy(self) -> None:
        """Send the command to the clipboard; it stays on the screen, for that may not work."""
        if self._facts:
            self.app.copy_to_clipboard(self._facts.command)
            self.notify(
                "the command was sent to the clipboard; tmux and some terminals cut or drop that, and then "
                "it can be taken from the end of this page",
                markup=False,
            )
            self.query_one(Pager).action_move(1_000_000)

    def _look_up(self, recording: Recording) -> None:
        rows = training_rows(recording)
        row = next((row for row in rows if row.case == self._case), None)
        if row is None:
            return
        record = recording.trainings.get(row.case)
        plans = recording.training_plans
        plan = plans[record.plan_number] if record and record.plan_number < len(plans) else plans[-1]
        baseline = recording.training_baseline
        names = list(dict.fromkeys(name for name in (baseline, row.implementation) if name))
        self._beside = tuple(other for other in rows if other.training == row.training)
        self._facts = TrainingFacts(
            row=row,
            record=record,
            baseline=baseline,
            command=training_command(plan, [row.training], names),
            kernels="operators" if plan.device == "cpu" else "kernels",
        )

    def _head(self, width: int) -> list[Text]:
        """Who and where, and the other implementations of the row."""
        if self._facts is None:
            return []
        look, row = self.query_one(Pager).look, self._facts.row
        name = wording.with_backend(row.implementation, row.backend)
        tabs = Text()
        for other in self._beside:
            shown = other.case == row.case
            style = look.chosen if shown else look.muted
            tabs.append(f"[{other.implementation}]" if shown else f" {other.implementation} ", style)
            tabs.append(" ")
        title = Text.assemble((name, look.value), f"  {describe(row.training)}")
        return [*wrapped(title, width), *wrapped(tabs, width), Text()]

    def _sheet(self, width: int) -> list[Text]:
        pager = self.query_one(Pager)
        if self._facts is None:
            return [Text(f"Case {self._case} has not begun: escape leads back.", pager.look.muted)]
        return sheet(self._facts, width, look=pager.look, glyphs=pager.glyphs)
