"""A session that its folder does not take: the app says so, and asks where it is to go."""

from __future__ import annotations

from pathlib import Path

import pytest

from profiler.engine.control import SaveIn, Saving
from profiler.state import STATE_VARIABLE
from tests.tui.app.fake import FakeEngine, opening
from tests.tui.app.pilot import drive
from tests.tui.app.whole import front, running, settle, shown, tell
from tui.app.saving import said_at_the_end
from tui.app.screens.prompt import PromptScreen

FULL = Saving(path="/full/x.jsonl", problem="the session cannot be saved to '/full/x.jsonl' (No space left)")


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    return tmp_path / "state"


def test_the_export_key_asks_where_an_unsaved_session_is_to_go(state: Path) -> None:
    async def scenario() -> None:
        engine = FakeEngine(opening())
        async with running(engine) as (app, pilot):
            tell(engine, FULL)
            await settle(app, pilot)
            await pilot.press("e")
            await settle(app, pilot)
            assert front(app) is PromptScreen
            assert "No space left" in shown(app)
            await pilot.press("enter")
            await settle(app, pilot)
            assert engine.commands[-1] == SaveIn(folder=str(state / "sessions"))

    drive(scenario())


def test_a_folder_that_cannot_be_written_is_refused_where_it_is_typed(tmp_path: Path) -> None:
    async def scenario() -> None:
        (tmp_path / "state").write_text("")
        engine = FakeEngine(opening())
        async with running(engine) as (app, pilot):
            tell(engine, FULL)
            await settle(app, pilot)
            await pilot.press("e")
            await settle(app, pilot)
            await pilot.press("enter")
            await settle(app, pilot)
            assert front(app) is PromptScreen and "cannot be saved in" in shown(app)
            assert not any(isinstance(command, SaveIn) for command in engine.commands)

    drive(scenario())


def test_where_it_is_saved_now_is_the_sessions_file_from_then_on(state: Path) -> None:
    async def scenario() -> None:
        engine = FakeEngine(opening())
        async with running(engine) as (app, pilot):
            tell(engine, FULL)
            await settle(app, pilot)
            leaving = said_at_the_end(app.live)
            assert leaving is not None and str(state) in leaving
            tell(engine, Saving(path="/elsewhere/x.jsonl"))
            await settle(app, pilot)
            assert app.live.view().path == Path("/elsewhere/x.jsonl")
            assert said_at_the_end(app.live) is None

    drive(scenario())
