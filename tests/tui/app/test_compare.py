"""Sessions are marked on their screen, and compared on another."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.text import Text
from textual.app import App
from textual.pilot import Pilot
from textual.widgets import Static

from profiler.compare import Comparison, compare
from profiler.events import Event
from profiler.session.file import SessionWriter
from profiler.session.recording import Recording
from profiler.workload import PASSES
from tests.compare_examples import session, study
from tests.examples import attention
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.pictures.compare import head, page
from tui.app.pictures.look import PLAIN
from tui.app.screens.compare import CompareScreen
from tui.app.screens.sessions import SessionsScreen
from tui.app.widgets.compare import ComparisonPager
from tui.app.widgets.sessions import SessionTable

STYLES = Path(__file__).parents[3] / "tui" / "app" / "styles"
SHAPES = [attention(seq=2**power, causal=True) for power in range(8, 14)]
BEFORE, AFTER, TRAINED = "20261120T000000Z-h100-before", "20261121T000000Z-h100-after", "trained"


class Host(App[None]):
    CSS_PATH = [STYLES / "sessions.tcss", STYLES / "details.tcss"]  # noqa: RUF012
    AUTO_FOCUS = None

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs


def before() -> list[Event]:
    return session({"pytorch": 1.0, "flash2": 2.0}, shapes=SHAPES, passes=PASSES)


def after() -> list[Event]:
    return session({"pytorch": 1.0, "flash2": 1.8}, shapes=SHAPES, passes=PASSES, cuda="13.1")


Scenario = Callable[[Pilot[None], SessionsScreen], Awaitable[None]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sessions"
    made = {"before": before(), "after": after(), "trained": study({"pytorch": 40_000.0})}
    for day, (label, events) in enumerate(made.items(), 20):
        with SessionWriter.create(folder, datetime(2026, 11, day, tzinfo=UTC), "h100", label) as writer:
            for event in events:
                writer.append(event)
    (folder / "odd.jsonl").write_text("hello\n")
    return folder


def on_the_sessions(
    folder: Path, scenario: Scenario, size: tuple[int, int] = (80, 24), glyphs: Glyphs = UNICODE
) -> None:
    app = Host(glyphs)

    async def run() -> None:
        async with app.run_test(size=size) as pilot:
            screen = SessionsScreen(folder)
            await app.push_screen(screen)
            await settled(pilot)
            await scenario(pilot, screen)

    asyncio.run(run())


async def settled(pilot: Pilot[None]) -> None:
    await pilot.pause()
    await pilot.app.workers.wait_for_complete()
    await pilot.pause()


async def press(pilot: Pilot[None], *keys: str) -> None:
    await pilot.press(*keys)
    await settled(pilot)


async def compare_both(pilot: Pilot[None]) -> ComparisonPager:
    """Mark the one before, which is the third in the list, and the one after; compare them."""
    await press(pilot, "down", "down", "space", "up", "m", "c")
    assert isinstance(pilot.app.screen, CompareScreen)
    return pilot.app.screen.query_one(ComparisonPager)


def painted(widget: SessionTable | ComparisonPager) -> list[str]:
    return [line.plain.rstrip() for line in widget.picture(*widget.size)]


def title(screen: SessionsScreen) -> str:
    return str(screen.query_one("#sessions-title", Static).render())


def test_marks_are_set_and_taken_away_and_the_first_is_the_base(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen) -> None:
        assert title(screen).endswith("space marks some to compare")
        await press(pilot, "down", "down", "space")
        assert title(screen).startswith("Sessions A is the base: mark another to compare with it; in ")
        assert "c" not in screen.active_bindings
        await press(pilot, "up", "m")
        assert title(screen).startswith("Sessions A and B are marked: c compares with A; in ")
        table = painted(screen.query_one(SessionTable))
        assert [line[:4] for line in table[:4]] == ["    ", "    ", "▸ B ", "  A "]
        assert "c" in screen.active_bindings
        next(folder.glob("*before*")).unlink()  # the other is the base then
        screen._look_again()
        await settled(pilot)
        assert title(screen).startswith("Sessions A is the base: mark another to compare with it; in ")
        await press(pilot, "end", "space")
        (said,) = pilot.app._notifications
        assert said.message == "'odd.jsonl' cannot be compared: not a session"
        await press(pilot, "escape")
        assert pilot.app.screen is screen
        assert title(screen).endswith("space marks some to compare")
        await press(pilot, "escape")
        assert pilot.app.screen is not screen

    on_the_sessions(folder, scenario)


def test_titles_stay_in_view_and_no_line_is_skipped_from_page_to_page(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen) -> None:
        pager = await compare_both(pilot)
        unseen, above, titles = 0, 5, 2
        for _ in range(3):
            hidden = titles if pager.first else 0  # those of the table lie over its lines
            assert pager.first + hidden <= unseen
            unseen = pager.first + pager.size.height - above
            shown = [Text("".join(segment.text for segment in pager.render_line(y))) for y in range(20)]
            assert all(line.plain.isascii() for line in shown)
            await press(pilot, "pagedown")
        assert pager.first > 2 * titles
        await press(pilot, "home", "pagedown")
        lines = painted(pager)
        assert lines[6].split()[:3] == ["seq", "implementation", "pass"]
        assert lines[7].split()[:2] == ["1024", "pytorch"]

    on_the_sessions(folder, scenario, glyphs=ASCII)


def test_another_session_can_be_the_base_and_markdown_is_never_written_over_another(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen) -> None:
        pager = await compare_both(pilot)
        assert painted(pager)[0] == f"A  {BEFORE} (the base)"
        await press(pilot, "b", "e", "e")
        lines = painted(pager)
        assert lines[0] == f"A  {AFTER} (the base)"
        assert lines[2] == "B against A: 36 cases: 18 faster, 18 the same"
        written = sorted(path.name for path in Path().glob("*.md"))
        assert written == ["attnprof-comparison-2.md", "attnprof-comparison.md"]
        assert Path(written[1]).read_text().startswith("# Sessions compared\n")

    on_the_sessions(folder, scenario)


def test_sessions_that_share_nothing_are_told_so_and_escape_leads_back(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen) -> None:
        await press(pilot, "space", "down", "space", "c")
        shown = pilot.app.screen.query_one(ComparisonPager)
        assert " ".join(painted(shown)).startswith("no case of A is in another session, by row")
        assert "e" not in pilot.app.screen.active_bindings
        await press(pilot, "escape")
        assert pilot.app.screen is screen
        assert title(screen).startswith("Sessions A and B are marked: c compares with A; in ")

    on_the_sessions(folder, scenario)


def test_a_session_that_is_being_measured_is_compared_as_of_now_and_read_again(folder: Path) -> None:
    events = session({"pytorch": 1.0, "flash2": 1.8}, shapes=SHAPES, passes=PASSES)[:-1]
    half = len(events) // 2

    async def scenario(pilot: Pilot[None], screen: SessionsScreen) -> None:
        await press(pilot, "home", "space")
        (said,) = pilot.app._notifications
        assert said.message == "it is still being measured: what it has by then is compared"
        await press(pilot, *["down"] * 3, "space", "c")
        pager = pilot.app.screen.query_one(ComparisonPager)
        first = painted(pager)
        assert any("still running" in line for line in first)
        assert not any("A: 36 cases" in line for line in first)
        for event in events[half:]:
            writer.append(event)
        await press(pilot, "r")
        assert any("A: 36 cases" in line for line in painted(pager))

    with SessionWriter.create(folder, datetime(2026, 11, 23, tzinfo=UTC), "h100", "running") as writer:
        for event in events[:half]:
            writer.append(event)
        on_the_sessions(folder, scenario)


def test_what_is_closed_is_not_read_again(folder: Path) -> None:
    async def scenario(pilot: Pilot[None], screen: SessionsScreen) -> None:
        await compare_both(pilot)
        assert "r" not in pilot.app.screen.active_bindings

    on_the_sessions(folder, scenario)


def compared(base: list[Event], other: list[Event]) -> Comparison:
    return compare([(BEFORE, Recording.of(base)), (AFTER, Recording.of(other))])


@pytest.mark.parametrize("width", [78, 158])
def test_what_came_of_it_stands_above_the_table_and_what_differs_below(width: int) -> None:
    found = compared(before(), after())
    above = [line.plain for line in head(found, width, PLAIN)]
    assert above == [
        f"A  {BEFORE} (the base)",
        f"B  {AFTER}",
        "B against A: 36 cases: 18 slower, 18 the same",
        "what differs, at the end: CUDA",
        "",
    ]
    lines = [line.plain.rstrip() for line in page(found, width, PLAIN, UNICODE).lines]
    assert lines[0] == "batch 32, heads 16, head dim 64, float16, causal"
    assert lines[2].split() == ["seq", "implementation", "pass", "ms", "ms", "speedup", "interval", "verdict"]
    assert lines[6].split() == ["flash2", "forward", "0.5000", "0.5556", "0.900x", "0.899-0.901", "slower"]
    assert ["CUDA", "13.0", "13.1"] in [line.split() for line in lines[-4:]]
    assert max(map(len, lines)) <= width


def test_a_session_that_was_cut_short_says_so_in_the_head() -> None:
    above = [line.plain for line in head(compared(before(), after()[:-1]), 78, PLAIN)]
    assert above[1:3] == [
        f"B  {AFTER}",
        "   This session was not closed: it is still running, or it was killed.",
    ]
