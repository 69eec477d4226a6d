"""The details of one case: what is behind its numbers, and the command that measures it again."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer

from profiler.plans.plan import Plan
from profiler.results import wording
from profiler.results.rows import Row, rows
from profiler.session.case_record import CaseRecord
from profiler.session.recording import Recording
from profiler.units import describe_shape
from profiler.workload import Pass
from tui.app.pictures.case import passes_side_by_side, sheet
from tui.app.pictures.case_facts import CaseFacts, wrapped
from tui.app.pictures.look import Look
from tui.app.reproduce import command_for
from tui.app.view import View
from tui.app.widgets.pager import Pager
from tui.tables.columns import SHORT_PASS

_PAGER = "details"


class DetailsScreen(Screen[None]):
    """Follows a case: when its shape is measured anew, it shows the new measurement.

    `baseline` is what speedups refer to, by default the plan's.
    """

    class KernelsAsked(Message):
        """The kernels of a case's calls are to be taken too, by measuring it again."""

        def __init__(self, case: int) -> None:
            super().__init__()
            self.case = case

    AUTO_FOCUS = f"#{_PAGER}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,d", "app.pop_screen", "Back", id="details.back", tooltip="To where you were"),
        Binding("left", "turn(-1)", "Pass", id="details.pass_before", tooltip="The pass before"),
        Binding("right", "turn(1)", "Pass", show=False, id="details.pass_after", tooltip="The next pass"),
        Binding(
            "y",
            "copy",
            "Copy command",
            id="details.copy",
            tooltip="Copy the command that measures this again",
        ),
        Binding(
            "k",
            "take_kernels",
            "Take kernels",
            id="details.kernels",
            tooltip="Measure this again with the GPU kernels of a call",
        ),
    ]

    def __init__(self, case: int, *, baseline: str | None = None) -> None:
        super().__init__()
        self._case = case
        self._baseline = baseline
        self._view = View()
        self._facts: CaseFacts | None = None
        self._pass: Pass | None = None

    def compose(self) -> ComposeResult:
        """The sheet, and the keys."""
        yield Pager(self._sheet, head=self._head, id=_PAGER)
        yield Footer(show_command_palette=False, compact=True)

    @property
    def case(self) -> int:
        """The case that is shown."""
        return self._case

    def show(self, view: View) -> None:
        """Paint the case as it is in `view`."""
        facts = self._facts_in(view)
        if (facts, view.mode) == (self._facts, self._view.mode):
            return
        keys = self._keys
        self._view, self._facts = view, facts
        if facts and self._pass is None:
            passes = [row.which for row in facts.rows]
            measured = [row.which for row in facts.rows if row.device_ms is not None]
            self._pass = next(reversed(measured or passes), None)
        if self.is_mounted:
            self.query_one(Pager).show()
            if keys != self._keys:
                self.refresh_bindings()

    def on_resize(self) -> None:
        """With the room for passes side by side, the keys that turn them come and go."""
        self.refresh_bindings()

    def action_turn(self, step: int) -> None:
        """The next pass, or the one before; after the last comes the first."""
        passes = [row.which for row in self._facts.rows] if self._facts else []
        if self._pass in passes:
            self._pass = passes[(passes.index(self._pass) + step) % len(passes)]
            self.query_one(Pager).show()

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

    def action_take_kernels(self) -> None:
        """Ask for them."""
        self.post_message(self.KernelsAsked(self._case))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key for what would do nothing."""
        return {"take_kernels": self._lacks_kernels, "turn": self._can_turn}.get(action, True)

    @property
    def _keys(self) -> tuple[bool, bool]:
        """Which of the keys that come and go there are."""
        return self._lacks_kernels, self._can_turn

    @property
    def _can_turn(self) -> bool:
        return self._facts is not None and len(self._facts.rows) > 1 and not self._is_wide

    @property
    def _lacks_kernels(self) -> bool:
        measured = [row for row in self._facts.rows if row.device_ms is not None] if self._facts else []
        return self._view.can_measure and bool(measured) and not any(row.kernels for row in measured)

    @property
    def _is_wide(self) -> bool:
        return self._facts is not None and passes_side_by_side(len(self._facts.rows), self.size.width - 2)

    def _facts_in(self, view: View) -> CaseFacts | None:
        recording = view.recording
        if (asked := recording.cases.get(self._case)) is None:
            return None
        found = _rows_of(recording, asked, self._baseline)
        if found:
            self._case = found[0].case
        record = recording.cases[self._case]
        plan = _plan_of(recording, record)
        return CaseFacts(
            rows=tuple(found),
            record=record,
            baseline=self._baseline or (plan.baseline if plan else None),
            command=_command(record, plan),
            without_kernels="not taken: press k to measure it again with them"
            if view.can_measure
            else "not taken in this session: `attnprof run --kernels` takes them",
        )

    def _head(self, width: int) -> list[Text]:
        """Who and where, and the passes to choose from."""
        if self._facts is None or not self._facts.rows:
            return []
        row, look = self._facts.rows[0], self.query_one(Pager).look
        name, shape = wording.name_with_backend(row), describe_shape(row.workload)
        return [*wrapped(Text.assemble((name, look.value), f"  {shape}"), width), self._tabs(look), Text()]

    def _tabs(self, look: Look) -> Text:
        """The passes there are; brackets around those that are shown, for where there is no colour."""
        line = Text()
        for row in self._facts.rows if self._facts else ():
            name = SHORT_PASS[row.which]
            shown = row.which in self._shown
            line.append(f"[{name}]" if shown else f" {name} ", look.chosen if shown else look.muted)
            line.append(" ")
        return line

    @property
    def _shown(self) -> list[Pass]:
        """The passes that are shown."""
        if self._is_wide and self._facts:
            return [row.which for row in self._facts.rows]
        return [self._pass] if self._pass else []

    def _sheet(self, width: int) -> list[Text]:
        pager = self.query_one(Pager)
        if self._facts is None or not self._facts.rows:
            return [Text(f"Case {self._case} has not begun.", pager.look.muted)]
        return sheet(self._facts, self._shown, width, look=pager.look, glyphs=pager.glyphs)


def _rows_of(recording: Recording, asked: CaseRecord, baseline: str | None) -> list[Row]:
    """The rows of the implementation at that shape as measured last; else those of its own plan."""
    latest = rows(recording.only(asked.workload), baseline)
    if found := [row for row in latest if row.implementation == asked.implementation]:
        return found
    own = {
        number: case
        for number, case in recording.cases.items()
        if (case.workload, case.plan_number) == (asked.workload, asked.plan_number)
    }
    return [row for row in rows(replace(recording, cases=own), baseline) if row.case == asked.number]


def _plan_of(recording: Recording, record: CaseRecord) -> Plan | None:
    plans = recording.plans
    return plans[record.plan_number] if record.plan_number < len(plans) else recording.plan


def _command(record: CaseRecord, plan: Plan | None) -> str:
    """With the baseline, so that the speedup is measured again too."""
    if plan is None:
        return "This session does not say how it was measured."
    baseline = plan.baseline or next(iter(plan.implementations), None)
    names = list(dict.fromkeys(name for name in (baseline, record.implementation) if name))
    return command_for(record.workload, names, plan)
