"""The sessions in a folder: open one, go on with one, label it, note something, export it, compare some.

Nothing here deletes a session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from string import ascii_uppercase
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, Input, Static
from textual.worker import WorkType

from profiler.session.edit import add_note, label_problem, note_problem, relabel
from profiler.session.file import SessionError
from profiler.session.listing import SessionSummary, newest_first, session_files, summary
from profiler.session.reader import read_recording
from profiler.units import count, listed, plain_text
from tui.app.exporting import export_and_say
from tui.app.screens.prompt import PromptScreen
from tui.app.view import View
from tui.app.widgets.sessions import SessionTable

_REFRESH_S = 2.0
_AT_ONCE = 40  # files between two turns of the event loop: some ten milliseconds


class SessionsScreen(Screen[None]):
    """The session files in `folder`, the newest first; looked at again every other second."""

    class Open(Message):
        """A session is to be shown, as a recording, or followed where it is still being written."""

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    class Resume(Message):
        """What a session left unmeasured is to be measured."""

        def __init__(self, path: Path) -> None:
            super().__init__()
            self.path = path

    class Renamed(Message):
        """A session has another file name since its label was changed."""

        def __init__(self, before: Path, after: Path) -> None:
            super().__init__()
            self.before = before
            self.after = after

    AUTO_FOCUS = "SessionTable"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "c", "compare", "Compare", id="sessions.compare", tooltip="Compare the sessions marked with A"
        ),
        Binding("l", "label", "Label", id="sessions.label", tooltip="Give the session another label"),
        Binding("n", "note", "Note", id="sessions.note", tooltip="Add a note to the session"),
        Binding("e", "export", "Export", id="sessions.export", tooltip="Write the session as Markdown"),
        Binding("R", "resume", "Resume", id="sessions.resume", tooltip="Measure what the session left out"),
        Binding("slash", "filter", "Filter", id="sessions.filter", tooltip="Show only sessions with a text"),
        Binding(
            "escape",
            "leave",
            "Back",
            show=False,
            id="sessions.back",
            tooltip="End filter or marks, or go back",
        ),
    ]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._known: dict[Path, SessionSummary] = {}
        self._problem = ""
        self._filter = ""
        self._marked: list[Path] = []
        """Those to compare, in the order in which they were marked: the first is the base."""

    def compose(self) -> ComposeResult:
        """A line about the folder, the list, the filter while it is typed, and the keys."""
        yield Static(id="sessions-title")
        yield SessionTable(id="sessions-list")
        yield Input(
            placeholder="part of a label, GPU, parameter, ending or name", id="sessions-filter", compact=True
        )
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        self._look_again()
        self.set_interval(_REFRESH_S, self._look_again)

    def on_screen_resume(self) -> None:
        self._look_again()

    def show(self, view: View) -> None:
        """Nothing of a view is shown here; files are, and they are looked at in their own time."""

    def _look_again(self) -> None:
        if self.is_current:
            load: WorkType[None] = (
                self._load
            )  # not called yet: one that takes its place leaves nothing behind
            self.run_worker(load, exclusive=True, group="sessions")

    async def _load(self) -> None:
        """Read the ends of the files that are new or have changed, without holding up the screen."""
        try:
            paths = session_files(self._folder)
            self._problem = ""
        except SessionError as error:
            paths, self._problem = [], str(error)
        found: dict[Path, SessionSummary] = {}
        changed = [path for path in paths if not self._is_current(path)]
        for number, path in enumerate(changed, 1):
            found[path] = summary(path)
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
        self._known = {path: found.get(path) or self._known[path] for path in paths}
        self._marked = [path for path in self._marked if path in self._known]
        self._paint()

    def _is_current(self, path: Path) -> bool:
        """Whether what is known of a file is still so; of one that was being written it may not be."""
        known = self._known.get(path)
        if known is None or known.problem or known.ending == "running":
            return False
        try:
            status = path.stat()
        except OSError:
            return False
        return (known.size_bytes, known.changed_ns) == (status.st_size, status.st_mtime_ns)

    def _paint(self) -> None:
        sessions = [session for session in newest_first(self._known.values()) if _has(session, self._filter)]
        empty = self._problem or (
            f"No session has '{plain_text(self._filter)}' in its line."
            if self._known
            else "There are no sessions here yet: what is measured is saved here."
        )
        shown = f"{len(sessions)} of " if self._filter else ""
        place = f"in {plain_text(str(self._folder))}: {shown}{count(len(self._known), 'session')}"
        filtered = f"  filter: {plain_text(self._filter)}" if self._filter else ""
        hint = "; space marks some to compare" if len(self._known) > 1 and not self._marked else ""
        self.query_one("#sessions-title", Static).update(
            Text.assemble(
                ("Sessions ", "bold"), f"{self._marks}{place}{filtered}{hint}", overflow="crop", no_wrap=True
            )
        )
        self._table.update(sessions, empty, dict(zip(self._marked, ascii_uppercase, strict=False)))
        self.refresh_bindings()

    @property
    def _marks(self) -> str:
        """What is marked, and what to do with it; ahead of the folder, whose name may be long."""
        letters = ascii_uppercase[: len(self._marked)]
        if len(letters) > 1:
            return f"{listed(list(letters))} are marked: c compares with A; "
        return "A is the base: mark another to compare with it; " if letters else ""

    @property
    def _table(self) -> SessionTable:
        return self.query_one(SessionTable)

    def on_session_table_opened(self, event: SessionTable.Opened) -> None:
        """Only what can be read can be opened."""
        event.stop()
        if event.session.problem:
            self._refuse(f"'{plain_text(event.session.path.name)}' cannot be opened: {event.session.problem}")
        else:
            self.post_message(self.Open(event.session.path))

    def on_session_table_marked(self, event: SessionTable.Marked) -> None:
        """Mark it, or take its mark away; only what can be read can be compared."""
        event.stop()
        path = event.session.path
        if path in self._marked:
            self._marked.remove(path)
        elif event.session.problem:
            self._refuse(f"'{plain_text(path.name)}' cannot be compared: {event.session.problem}")
        elif len(self._marked) == len(ascii_uppercase):
            self._refuse(f"no more than {len(ascii_uppercase)} sessions can be compared")
        else:
            self._marked.append(path)
            if event.session.ending == "running":
                self.notify("it is still being measured: what it has by then is compared", timeout=5)
        self._paint()

    def on_session_table_moved(self, event: SessionTable.Moved) -> None:
        """Some keys are for some sessions only."""
        event.stop()
        self.refresh_bindings()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """No key for what the session under the cursor does not allow."""
        if not self.is_mounted:
            return True
        if action == "leave":
            return self._is_filtering or bool(self._marked) or self._lies_on_another
        if action == "compare":
            return len(self._marked) > 1
        if action not in ("label", "note", "export", "resume"):
            return True
        session = self._table.session
        if session is None or session.problem:
            return False
        allowed = {"resume": session.is_resumable, "export": True}
        return allowed.get(action, session.ending != "running")

    def action_resume(self) -> None:
        """Ask for the rest of the session to be measured."""
        if session := self._table.session:
            self.post_message(self.Resume(session.path))

    def action_compare(self) -> None:
        """Set the marked sessions beside each other."""
        from tui.app.screens.compare import CompareScreen

        self.app.push_screen(CompareScreen(self._marked))

    def action_label(self) -> None:
        """Ask for a label, and give it."""
        if session := self._table.session:
            hint = "becomes part of the file's name; empty takes the label away"
            prompt = PromptScreen("Label of the session", session.label, hint=hint, check=label_problem)
            self.app.push_screen(prompt, partial(self._edit, self._relabel, session.path))

    def action_note(self) -> None:
        """Ask for a note, and add it."""
        if session := self._table.session:
            hint = "is added to the session file, and stands in its reports"
            prompt = PromptScreen("Note on the session", hint=hint, check=note_problem)
            self.app.push_screen(prompt, partial(self._edit, add_note, session.path))

    def _edit(self, change: Callable[[Path, str], None], path: Path, text: str | None) -> None:
        if text is None:
            return
        try:
            change(path, text)
        except SessionError as error:
            self._refuse(str(error))
        self._look_again()

    def _relabel(self, path: Path, label: str) -> None:
        renamed = relabel(path, label)
        if renamed == path:
            return
        self._known[renamed] = summary(renamed)
        self._known.pop(path, None)
        self._marked = [renamed if marked == path else marked for marked in self._marked]
        self._paint()
        self._table.choose(renamed)
        self.post_message(self.Renamed(path, renamed))

    def action_export(self) -> None:
        """Write the session's report."""
        if session := self._table.session:
            try:
                recording = read_recording(session.path).recording
            except SessionError as error:
                self._refuse(str(error))
            else:
                export_and_say(self.app, recording, session.path)

    def _refuse(self, sentence: str) -> None:
        self.notify(sentence, severity="error", timeout=10, markup=False)

    def action_filter(self) -> None:
        """Type what sessions must have in their lines."""
        box = self.query_one("#sessions-filter", Input)
        box.add_class("open")
        box.focus()
        self.refresh_bindings()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter while it is typed."""
        self._filter = event.value.strip()
        self._paint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The filter stays, and the keys are the list's again."""
        event.input.remove_class("open")
        self._table.focus()

    def action_leave(self) -> None:
        """End the filter if there is one, else take the marks away, else go back."""
        if self._is_filtering:
            box = self.query_one("#sessions-filter", Input)
            box.value = ""
            box.remove_class("open")
            self._table.focus()
            self.refresh_bindings()
        elif self._marked:
            self._marked = []
            self._paint()
        elif self._lies_on_another:
            self.app.pop_screen()

    @property
    def _is_filtering(self) -> bool:
        return bool(self._filter) or self.query_one("#sessions-filter", Input).has_class("open")

    @property
    def _lies_on_another(self) -> bool:
        """Whether there is a screen to go back to; as one of the app's main screens it lies on none."""
        return len(self.app.screen_stack) > 1


def _has(session: SessionSummary, text: str) -> bool:
    """Whether every word of `text` stands somewhere in what is known of a session."""
    told = (session.path.name, session.label, session.device, session.shape, *session.varied, *session.notes)
    whole = " ".join((*told, session.ending, session.problem)).casefold()
    return all(word in whole for word in text.casefold().split())
