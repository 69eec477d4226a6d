"""The sessions screen lists whatever is in the folder, and edits without losing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Input, Static

from profiler.events import Event, SessionStarted, TrainingPlanned
from profiler.session.file import SessionWriter
from profiler.session.listing import summary
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from tests.examples import lab6_events, single_events
from tests.training_examples import study_events, trained, training, training_cases, training_plan
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.screens.prompt import PromptScreen
from tui.app.screens.sessions import SessionsScreen
from tui.app.widgets.sessions import SessionTable

STYLES = Path(__file__).parents[3] / "tui" / "app" / "styles" / "sessions.tcss"


class Host(App[None]):
    CSS_PATH = STYLES
    AUTO_FOCUS = None

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.told: list[tuple[str, ...]] = []

    def on_sessions_screen_open(self, message: SessionsScreen.Open) -> None:
        self.told.append(("open", message.path.name))

    def on_sessions_screen_resume(self, message: SessionsScreen.Resume) -> None:
        self.told.append(("resume", message.path.name))

    def on_sessions_screen_renamed(self, message: SessionsScreen.Renamed) -> None:
        self.told.append(("renamed", message.before.name, message.after.name))


def save(folder: Path, started: datetime, label: str, events: Sequence[Event]) -> SessionWriter:
    with SessionWriter.create(folder, started, "NVIDIA H100 80GB HBM3", label) as writer:
        for event in begun(events, started):
            writer.append(event)
    return writer


def begun(events: Sequence[Event], started: datetime) -> list[Event]:
    """The same session, begun at another time."""
    header, *others = events
    assert isinstance(header, SessionStarted)
    return [msgspec.structs.replace(header, started=started.isoformat()), *others]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "sessions"
    for day, label, events in ((20, "one", single_events()), (21, "lab6", lab6_events())):
        save(folder, datetime(2026, 11, day, tzinfo=UTC), label, events)
    (folder / "odd.jsonl").write_text("hello\n")
    return folder


Scenario = Callable[[Pilot[None], SessionsScreen, SessionTable], Awaitable[None]]


def listed(
    folder: Path, scenario: Scenario, size: tuple[int, int] = (80, 24), glyphs: Glyphs = UNICODE
) -> Host:
    app = Host(glyphs)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            screen = SessionsScreen(folder)
            await app.push_screen(screen)
            await settled(pilot)
            await scenario(pilot, screen, screen.query_one(SessionTable))

    asyncio.run(run())
    return app


async def settled(pilot: Pilot[None]) -> None:
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


def painted(table: SessionTable) -> list[str]:
    return [line.plain.rstrip() for line in table.picture(*table.size)]


def labels(table: SessionTable) -> list[str]:
    return [session.label for session in table.sessions]


def test_sessions_are_listed_the_newest_first_and_odd_files_last(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        header, first, second, third, *_ = painted(table)
        assert header.split() == ["started", "label", "shapes", "impl", "varied", "GPU", "ending"]
        assert first.startswith("▸ 2026-11-21 00:00  lab6 ")
        assert first.endswith("2     4  seq     H100 80GB HBM3  interrupted")
        assert second.endswith("1     1          H100 80GB HBM3  completed")
        assert third.split() == ["?", "not", "a", "session"]
        said = str(screen.query_one("#sessions-title", Static).render())
        assert said.startswith("Sessions in ") and said.endswith(": 3 sessions; space marks some to compare")

    listed(folder, scenario)


def test_more_columns_where_there_is_room(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        assert painted(table)[0].split()[-1] == "size"

    listed(folder, scenario, size=(160, 40))


def test_below_the_list_stands_what_is_known_of_the_one_under_the_cursor(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        text = "\n".join(painted(table))
        assert "20261121T000000Z-h100-80gb-hbm3-lab6.jsonl" in text
        assert "2 shapes x 4 implementations; batch 32, heads 16, head dim 64" in text
        assert "interrupted: Ctrl+C" in text

    listed(folder, scenario)


def test_a_training_stands_in_the_list_with_its_rows_and_what_they_have_in_common(tmp_path: Path) -> None:
    save(tmp_path, datetime(2026, 11, 22, tzinfo=UTC), "gpt2-compile", study_events())

    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        _, first, *_ = painted(table)
        assert "3 rows     3  context  H100 80GB HBM3  completed" in first
        text = "\n".join(painted(table))
        assert "training, 3 rows x 3 implementations; gpt2-small" in text

    listed(tmp_path, scenario, size=(100, 24))


def test_a_session_of_both_kinds_names_both(tmp_path: Path) -> None:
    plan = training_plan([training()], ("pytorch",), first_case=100)
    (case,) = training_cases(plan)
    events = [*single_events()[:-1], TrainingPlanned(plan=plan)]
    events += trained(case, batch=8, tokens_per_s=50_000.0)
    save(tmp_path, datetime(2026, 11, 22, tzinfo=UTC), "", events)

    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        assert "1 shape x 1 implementation, then training" in "\n".join(painted(table))

    listed(tmp_path, scenario, size=(100, 24))


def test_enter_opens_what_can_be_read(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        await pilot.press("down", "enter", "end", "enter")
        await pilot.pause()
        (said,) = pilot.app._notifications
        assert said.message == "'odd.jsonl' cannot be opened: not a session"

    assert listed(folder, scenario).told == [("open", "20261120T000000Z-h100-80gb-hbm3-one.jsonl")]


def test_only_what_was_left_unmeasured_can_be_resumed(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        assert "R" in screen.active_bindings
        await pilot.press("R", "down", "R")
        assert "R" not in screen.active_bindings

    assert listed(folder, scenario).told == [("resume", "20261121T000000Z-h100-80gb-hbm3-lab6.jsonl")]


def test_a_label_is_asked_for_given_and_renames_the_file(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        await pilot.press("down", "l")
        assert pilot.app.screen.query_one(Input).value == ""  # that session's plan has no label
        await pilot.press(*"my fan", "enter")
        await settled(pilot)
        assert labels(table) == ["lab6", "my fan", ""]
        assert table.session and table.session.path.name == "20261120T000000Z-h100-80gb-hbm3-my-fan.jsonl"
        assert Recording.of(read_session(table.session.path).events).label == "my fan"

    stem = "20261120T000000Z-h100-80gb-hbm3"
    assert listed(folder, scenario).told == [("renamed", f"{stem}-one.jsonl", f"{stem}-my-fan.jsonl")]


def test_the_label_that_there_is_can_be_edited(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        await pilot.press("l", "end", *"-b", "enter")
        await settled(pilot)
        assert labels(table)[0] == "lab6-b"

    listed(folder, scenario)


def test_a_note_is_added_and_an_empty_one_is_refused_in_place(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        await pilot.press("n", "enter")
        prompt = pilot.app.screen
        assert isinstance(prompt, PromptScreen)
        said = prompt.query_one("#prompt-said", Static)
        assert str(said.render()) == "write a note, or leave with escape" and said.has_class("refused")
        await pilot.press(*"[b]loud")
        assert not said.has_class("refused")
        await pilot.press("enter")
        await settled(pilot)
        assert "note: [b]loud" in painted(table)
        assert table.session and summary(table.session.path).notes == ("[b]loud",)

    listed(folder, scenario)


def test_escape_leaves_the_prompt_and_changes_nothing(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        await pilot.press("l", *"other", "escape", "n", *"other", "escape")
        assert pilot.app.screen is screen

    listed(folder, scenario)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_session_that_is_being_written_is_marked_and_not_edited(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        assert table.session and table.session.ending == "running"
        keys = screen.active_bindings
        assert "e" in keys and "enter" in keys and not {"l", "n", "R"} & set(keys)
        screen._edit(lambda path, text: SessionWriter.reopen(path).close(), table.session.path, "text")
        await pilot.pause()
        (said,) = pilot.app._notifications
        assert "still being written" in said.message

    started = datetime(2026, 11, 23, tzinfo=UTC)
    with SessionWriter.create(folder, started, "NVIDIA H100 80GB HBM3") as writer:
        for event in begun(lab6_events()[:-1], started):
            writer.append(event)
        listed(folder, scenario)


def test_export_writes_the_session_under_the_cursor(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        await pilot.press("e")

    monkeypatch.chdir(folder.parent)
    listed(folder, scenario)
    (report,) = folder.parent.glob("*.md")
    assert report.name == "20261121T000000Z-h100-80gb-hbm3-lab6.md"
    assert report.read_text().startswith("# lab6: attention")


def test_the_filter_narrows_as_it_is_typed_and_escape_ends_it(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        await pilot.press("slash", *"inter h100")
        assert labels(table) == ["lab6"]
        await pilot.press("enter", "down")
        assert table.has_focus and labels(table) == ["lab6"]
        await pilot.press("slash", *"zz")
        assert painted(table) == ["No session has 'zz' in its line."]
        await pilot.press("escape")
        assert len(table.sessions) == 3 and table.has_focus
        await pilot.press("escape")
        assert pilot.app.screen is not screen

    listed(folder, scenario)


def test_as_a_main_screen_there_is_nowhere_to_go_back_to(folder: Path) -> None:
    class Main(Host):
        def get_default_screen(self) -> SessionsScreen:
            return SessionsScreen(folder)

    async def run() -> None:
        app = Main(UNICODE)
        async with app.run_test() as pilot:
            await settled(pilot)
            assert "escape" not in app.screen.active_bindings
            await pilot.press("escape", "slash", "a")
            assert "escape" in app.screen.active_bindings
            await pilot.press("escape", "escape")
            assert isinstance(app.screen, SessionsScreen) and app.is_running

    asyncio.run(run())


def test_what_changes_in_the_folder_is_seen_and_the_cursor_stays(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        await pilot.press("down")
        chosen = table.session
        (folder / "odd.jsonl").unlink()
        save(folder, datetime(2026, 11, 29, tzinfo=UTC), "lab6", lab6_events())
        screen._look_again()
        await settled(pilot)
        assert labels(table) == ["lab6", "lab6", ""] and table.session == chosen

    listed(folder, scenario)


def test_a_folder_without_sessions_and_one_that_cannot_be_read_say_so(tmp_path: Path) -> None:
    async def empty(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        assert painted(table) == ["There are no sessions here yet: what is measured is saved here."]
        await pilot.press("enter", "l", "n", "e", "R", "down", "end")
        assert pilot.app.screen is screen

    async def broken(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        assert "cannot be read (Not a directory)" in painted(table)[0]

    listed(tmp_path / "none", empty)
    (tmp_path / "file").write_text("")
    listed(tmp_path / "file", broken)


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (100, 30), (200, 60)])
def test_no_line_is_wider_than_the_screen(folder: Path, size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        lines = painted(table)
        assert max(map(len, lines)) <= size[0] - 2 and len(lines) <= size[1]
        assert all(line.isascii() for line in lines)

    listed(folder, scenario, size, ASCII)


def test_many_sessions_are_moved_through_with_the_cursor_in_view(tmp_path: Path) -> None:
    for minute in range(50):
        started = datetime(2026, 11, 22, 1, minute, tzinfo=UTC)
        save(tmp_path, started, f"run {minute:02}", single_events())

    async def scenario(pilot: Pilot[None], screen: SessionsScreen, table: SessionTable) -> None:
        for key, wanted in (("end", 49), ("up", 48), ("pageup", 48 - 16), ("home", 0), ("pagedown", 16)):
            await pilot.press(key)
            assert table.session is table.sessions[wanted]
            (shown,) = [line for line in painted(table) if line.startswith("▸")]
            assert f"01:{49 - wanted:02}" in shown
        await pilot.click(SessionTable, offset=(5, 3))
        assert table.session is table.sessions[3]

    listed(tmp_path, scenario)
