"""What the Sweep and the Train screen have in common: a form that starts a plan, the table that it fills."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from textual.message import Message
from textual.screen import Screen

from tui.app.choice import Choice
from tui.app.view import View
from tui.app.widgets.grid import GridTable

_BREATH_S = 0.01  # keys have their turn between two parts of a long fold


class Followed(Protocol):
    """What there is to paint, kept up to date from the app's views."""

    is_running: bool

    @property
    def is_behind(self) -> bool: ...

    def set_baseline(self, implementation: str) -> None: ...
    def update(self, view: View) -> bool: ...


_State = TypeVar("_State", bound=Followed)


class PlanScreen(Screen[None], Generic[_State]):
    """`show` paints a view; `propose` fills the form from what is chosen on the Bench."""

    class Paused(Message):
        """Begin no further shape, or row, or go on."""

        def __init__(self, paused: bool) -> None:
            super().__init__()
            self.paused = paused

    class Skipped(Message):
        """Leave the shape, or row, that runs, and go on with the next."""

    class Stopped(Message):
        """Measure nothing more; what was measured stays."""

    AUTO_FOCUS = None

    def __init__(self, state: _State, *, id: str | None) -> None:
        super().__init__(id=id)
        self._state = state
        self._view = View()
        self._in_form = False
        self._proposed: Choice | None = None

    def on_mount(self) -> None:
        """Textual calls this after a screen's own."""
        self._fill()
        self._paint(anew=True)

    def propose(self, choice: Choice) -> None:
        """Fill the form from the Bench's choice; what a person changed in the form since stays."""
        if choice != self._proposed:
            self._proposed = choice
            self._fill()

    def show(self, view: View) -> None:
        """Paint a moment of the app."""
        had_hello = self._view.hello is not None
        self._view = view
        changed = self._state.update(view)
        if view.hello is not None and not had_hello:
            self._fill()
        if self.is_mounted:
            self._paint(anew=changed)
        if self._state.is_behind:
            self.set_timer(_BREATH_S, self._catch_up)

    def _catch_up(self) -> None:
        if self._state.is_behind and self.is_current:
            self.show(self._view)

    def action_pause(self) -> None:
        self.post_message(self.Paused(not self._view.paused))

    def action_skip(self) -> None:
        self.post_message(self.Skipped())

    def action_stop(self) -> None:
        self.post_message(self.Stopped())

    def action_new(self) -> None:
        """The form."""
        self._in_form = True
        self._paint(anew=True)

    def action_leave_form(self) -> None:
        """The table there is."""
        self._in_form = False
        self._paint(anew=True)

    def action_baseline(self) -> None:
        """Speedups over the implementation under the cursor."""
        if name := self.query_one(GridTable).implementation:
            self._state.set_baseline(name)
            self._state.update(self._view)
            self._paint(anew=True)

    @property
    def _can_measure(self) -> bool:
        return self._view.can_measure and self._view.hello is not None

    @property
    def _why_left(self) -> str:
        """Why a recording is not, or was not, gone on with here; "" where nothing speaks against it."""
        return self._view.cannot_go_on or self._view.refused

    def _fill(self) -> None:
        """Hand the form what was proposed; before there is a form, on_mount will."""
        raise NotImplementedError

    def _paint(self, *, anew: bool) -> None:
        """Hand every part what it shows; the table only where it is another."""
        raise NotImplementedError
