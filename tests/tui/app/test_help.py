"""Help is read off the bindings that work on the screen it is opened from."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import ClassVar

import pytest
from textual.app import App
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.screen import Screen

from profiler.results.wording import MEANINGS
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.screens.help import HelpScreen
from tui.app.widgets.pager import Pager

STYLES = Path(__file__).parents[3] / "tui" / "app" / "styles" / "details.tcss"


class Beneath(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "x", "Short", id="beneath.x", tooltip="What x does in full"),
        Binding("h", "hidden", "Hidden", show=False, id="beneath.h"),
        Binding("n,N", "next", "Next", id="beneath.next"),
        Binding("z", "never", "Never", id="beneath.z"),
    ]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "never"


class Host(App[None]):
    CSS_PATH = STYLES
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("t", "theme", "Theme", id="app.theme", tooltip="The next theme")
    ]

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self.glyphs = glyphs


Scenario = Callable[[Pilot[None], HelpScreen], Awaitable[None]]


def helped(
    scenario: Scenario,
    keymap: dict[str, str] | None = None,
    size: tuple[int, int] = (80, 24),
    glyphs: Glyphs = UNICODE,
) -> None:
    async def run() -> None:
        app = Host(glyphs)
        async with app.run_test(size=size) as pilot:
            app.set_keymap(keymap or {})
            await app.push_screen(Beneath())
            screen = HelpScreen()
            await app.push_screen(screen)
            await pilot.pause()
            await scenario(pilot, screen)

    asyncio.run(run())


def lines(screen: HelpScreen) -> list[str]:
    pager = screen.query_one(Pager)
    return [line.plain.rstrip() for line in pager._lines(pager.size.width - 2)[1]]


def test_keys_of_the_screen_come_first_and_those_of_the_app_after() -> None:
    async def scenario(pilot: Pilot[None], screen: HelpScreen) -> None:
        text = lines(screen)
        here, everywhere = text.index("Keys on this screen"), text.index("Keys everywhere")
        assert text[here + 1 : everywhere - 1] == [
            f"  {'x':<16} What x does in full",
            f"  {'h':<16} Hidden",
            f"  {'n, N':<16} Next",
        ]
        assert text[everywhere + 1] == f"  {'t':<16} The next theme"

    helped(scenario)


def test_a_key_that_was_remapped_is_shown_as_it_is() -> None:
    async def scenario(pilot: Pilot[None], screen: HelpScreen) -> None:
        assert f"  {'^x':<16} What x does in full" in lines(screen)
        assert not any(line.startswith("  x ") for line in lines(screen))

    helped(scenario, keymap={"beneath.x": "ctrl+x"})


def test_every_word_that_a_row_can_be_marked_with_is_explained() -> None:
    async def scenario(pilot: Pilot[None], screen: HelpScreen) -> None:
        text = lines(screen)
        for word in (*MEANINGS, "±", "tie", "launch-bound", "speedup", "FLOP/byte"):
            assert any(line.startswith(f"  {word}") for line in text), word

    helped(scenario)


@pytest.mark.parametrize("size", [(60, 16), (80, 24), (200, 60)])
def test_no_line_is_wider_than_the_screen(size: tuple[int, int]) -> None:
    async def scenario(pilot: Pilot[None], screen: HelpScreen) -> None:
        assert max(map(len, lines(screen))) <= size[0] - 4

    helped(scenario, size=size)


def test_the_interval_sign_is_the_one_that_the_tables_have() -> None:
    async def scenario(pilot: Pilot[None], screen: HelpScreen) -> None:
        assert any(line.startswith("  +- ") for line in lines(screen))

    helped(scenario, glyphs=ASCII)


def test_it_is_moved_through_and_left_with_the_key_that_opened_it() -> None:
    async def scenario(pilot: Pilot[None], screen: HelpScreen) -> None:
        pager = screen.query_one(Pager)
        await pilot.press("pagedown")
        assert pager.first == pager.size.height - 1
        await pilot.press("end", "down")
        end = pager.first
        await pilot.press("up")
        assert pager.first == end - 1
        await pilot.press("question_mark")
        assert isinstance(pilot.app.screen, Beneath)

    helped(scenario)
