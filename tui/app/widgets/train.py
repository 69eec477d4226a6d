"""What the Train screen is made of besides the grid: its form, and the cases of a row."""

from __future__ import annotations

from rich.text import Text
from textual.message import Message

from profiler.training.pace import takes_long
from profiler.training.plan import TrainingPlan
from tui.app.pictures.train_cases import Lines, draw
from tui.app.questions import Questions
from tui.app.reproduce_training import training_command
from tui.app.train_choice import EMPTY, FIELDS, HELP, TrainChoice, extent, label
from tui.app.widgets.form import Form
from tui.app.widgets.painted import Painted

_QUESTIONS = Questions(
    fields=FIELDS,
    label=label,
    help=HELP,
    empty=EMPTY,
    extent=extent,
    first="model",
    command=training_command,
    warning=takes_long,
)


class TrainForm(Form[TrainingPlan]):
    """What to train, and how."""

    class Started(Message):
        """The plan is to be trained."""

        def __init__(self, plan: TrainingPlan) -> None:
            super().__init__()
            self.plan = plan

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(_QUESTIONS, TrainChoice(), id=id)

    def started(self, plan: TrainingPlan) -> None:
        """Say so."""
        self.post_message(self.Started(plan))


class CasesPanel(Painted):
    """The cases of one row: what each is at, its loss and its tokens/s."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines = Lines()

    def update(self, lines: Lines) -> None:
        """Show another state."""
        if lines != self._lines:
            self._lines = lines
            self.paint()

    def picture(self, width: int, height: int) -> list[Text]:
        """Its lines."""
        return draw(self._lines, width, height, self.glyphs, self.look)

    def on_mount(self) -> None:
        """From here on there is room to paint."""
        self.paint()
