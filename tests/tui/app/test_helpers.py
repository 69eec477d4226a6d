"""What the tests of the app stand on: the snapshots, and the engine that says what it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.text import Text
from textual.app import App, ComposeResult
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from profiler.clients.client import EngineClient, EngineError, Heard
from profiler.engine.control import Measure, Stop
from profiler.events import Event
from profiler.plans.plan import Plan
from profiler.results.rows import rows
from profiler.session.recording import Recording
from tests.shapes import attention
from tests.tui.app import snapshots
from tests.tui.app.fake import FakeEngine, Measuring, opening
from tests.tui.app.pilot import drive


class Greeting(App[None]):
    def __init__(self, *lines: str) -> None:
        super().__init__()
        self._lines = lines

    def compose(self) -> ComposeResult:
        yield Static(Text("\n".join(self._lines)))


class Question(ModalScreen[None]):
    def compose(self) -> ComposeResult:
        yield Static("really?")


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(snapshots, "_FOLDER", tmp_path)
    return tmp_path


def shown(name: str, *lines: str) -> None:
    async def scenario() -> None:
        app = Greeting(*lines)
        async with app.run_test(size=(20, 4)) as pilot:
            snapshots.still(app)
            await pilot.pause()
            snapshots.assert_screen(app, name)

    drive(scenario())


def test_a_snapshot_is_the_screens_text_and_is_written_when_asked(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AssertionError, match="the screen differs"):
        shown("hall", "sdpa[flash]", "  ▁▂ 80 %")
    monkeypatch.setenv("ATTNPROF_UPDATE_SNAPSHOTS", "1")
    shown("hall", "sdpa[flash]", "  ▁▂ 80 %")
    assert (own_folder / "hall.txt").read_text(encoding="utf-8") == "sdpa[flash]\n  ▁▂ 80 %\n\n\n"
    monkeypatch.delenv("ATTNPROF_UPDATE_SNAPSHOTS")
    shown("hall", "sdpa[flash]", "  ▁▂ 80 %")


def test_a_screen_that_shows_something_else_fails_with_the_difference(own_folder: Path) -> None:
    (own_folder / "hall.txt").write_text("forward\nbackward\n\n\n")
    with pytest.raises(AssertionError) as caught:
        shown("hall", "forward", "sideways")
    assert "-backward\n+sideways" in str(caught.value)
    assert "ATTNPROF_UPDATE_SNAPSHOTS=1" in str(caught.value)


def test_what_a_dialogue_lies_over_is_in_the_text() -> None:
    async def scenario() -> str:
        app = Greeting("one", "two")
        async with app.run_test(size=(20, 4)) as pilot:
            await app.push_screen(Question())
            await pilot.pause()
            return snapshots.text_of(app)

    assert drive(scenario()) == "really?\ntwo\n\n\n"


def test_cursors_stand_still() -> None:
    class Form(App[None]):
        def compose(self) -> ComposeResult:
            yield Input()

    async def scenario() -> bool:
        app = Form()
        async with app.run_test():
            snapshots.still(app)
            return app.query_one(Input).cursor_blink

    assert drive(scenario()) is False


def test_the_fake_engine_says_its_opening_and_what_is_pushed_and_keeps_commands() -> None:
    async def scenario() -> list[Heard]:
        heard: list[Heard] = []
        fake = FakeEngine(opening())
        client: EngineClient = fake
        fake.die("it was killed")
        with pytest.raises(EngineError, match="it was killed"):
            await client.run(heard.append)
        client.send(Stop())
        assert fake.commands == fake.all_of(Stop) == [Stop()]
        await client.close()
        assert fake.closed
        return heard

    assert drive(scenario()) == opening()


def test_the_fake_engine_can_measure() -> None:
    plan = Plan(workloads=(attention(seq=64),), implementations=("pytorch", "sdpa-flash"))

    async def scenario() -> list[Heard]:
        heard: list[Heard] = []
        fake = FakeEngine(opening(), answer=Measuring(sdpa_flash=4.0))
        await fake.close()
        await fake.run(heard.append)
        fake.send(Measure(plan=plan))
        fake.send(Measure(plan=plan))
        return heard

    recording = Recording.of(event for event in drive(scenario()) if isinstance(event, Event))
    assert list(recording.cases) == [0, 1, 2, 3]
    speedups = [row.speedup for row in rows(recording.latest(), "pytorch") if row.which == "fwd"]
    assert [round(speedup.median) for speedup in speedups if speedup] == [4]
