"""The form of a sweep: its axes and their values, and how many cases they multiply into."""

from __future__ import annotations

from textual.message import Message

from profiler.plans.plan import Plan
from tui.app.questions import Questions
from tui.app.sweep_choice import EMPTY, FIELDS, HELP, SweepChoice, extent, label
from tui.app.widgets.form import Form

_QUESTIONS = Questions(fields=FIELDS, label=label, help=HELP, empty=EMPTY, extent=extent, first="seq")


class AxesForm(Form[Plan]):
    """What to sweep."""

    class Started(Message):
        """The sweep is to be measured."""

        def __init__(self, plan: Plan) -> None:
            super().__init__()
            self.plan = plan

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(_QUESTIONS, SweepChoice(), id=id)

    def started(self, plan: Plan) -> None:
        """Say so."""
        self.post_message(self.Started(plan))
