"""The results table, driven as a person would."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path, PurePath
from typing import ClassVar, Self

import pytest
from rich.style import Style
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.message import Message
from textual.pilot import Pilot

import tui.app
from profiler.events import Event, Planned
from profiler.results.rows import rows
from profiler.session.recording import Recording
from tests.examples import attention, cases, checked, failed, header, lab6, plan, samples
from tests.tui.app.pilot import drive as run_to_end
from tests.tui.app.pilot import press
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.metrics import BY_ID
from tui.app.widgets.bars import BarsPanel
from tui.app.widgets.results import ResultsTable
from tui.app.widgets.telemetry import TelemetryPanel
from tui.tables.columns import Line, lines_of

REASON = (
    "its kernels are built for compute capability 8.0 to 9.0 and take head dims of 32, 64, 96 and 128 only, "
    "in float16 or bfloat16"
)


class Watched(ResultsTable):
    """A table that remembers which of its lines it had painted again."""

    def __init__(self) -> None:
        super().__init__()
        self.repainted: list[int] = []

    def refresh(
        self, *regions: Region, repaint: bool = True, layout: bool = False, recompose: bool = False
    ) -> Self:
        self.repainted += [region.y for region in regions]
        return super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)


class Host(App[None]):
    """An app with nothing but the widgets."""

    CSS_PATH: ClassVar[list[str | PurePath]] = [Path(tui.app.__file__).parent / "styles" / "results.tcss"]
    AUTO_FOCUS = "ResultsTable"

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.heard: list[Message] = []

    def compose(self) -> ComposeResult:
        yield Watched()
        yield BarsPanel()
        yield TelemetryPanel()

    def on_mount(self) -> None:
        self.query_one(BarsPanel).display = False
        self.query_one(TelemetryPanel).display = False

    def on_results_table_row_chosen(self, message: ResultsTable.RowChosen) -> None:
        self.heard.append(message)

    def on_results_table_opened(self, message: ResultsTable.Opened) -> None:
        self.heard.append(message)

    @property
    def table(self) -> Watched:
        return self.query_one(Watched)

    def lines(self) -> list[str]:
        """What the table shows."""
        shown = [self.table.render_line(y).text.rstrip() for y in range(self.table.size.height)]
        return [line for line in shown if line]

    def names(self) -> list[str]:
        return [line.headline.implementation for line in self.table.lines]


Scenario = Callable[[Host, Pilot[None]], Awaitable[None]]


def drive(scenario: Scenario, size: tuple[int, int] = (52, 9), glyphs: Glyphs = UNICODE) -> None:
    """Run a scenario in an app of this size whose table shows the example's first shape."""

    async def run() -> None:
        app = Host(glyphs)
        async with app.run_test(size=size) as pilot:
            app.table.update(shape(0), baseline="pytorch")
            await pilot.pause()
            await scenario(app, pilot)

    run_to_end(run())


def shape(index: int) -> list[Line]:
    """The lines of a shape of lab6: pytorch, sdpa, flash2 and sdpa-cudnn."""
    return lines_of(rows(lab6()))[4 * index :][:4]


def lines_with(events: Sequence[Event]) -> list[Line]:
    return lines_of(rows(Recording.of(events)))


def unsupported() -> list[Line]:
    whole = plan([attention()], ("pytorch", "flash2"))
    first, second = cases(whole)
    return lines_with([header(), Planned(plan=whole), *checked(first), failed(second, "unsupported", REASON)])


def running() -> list[Line]:
    whole = plan([attention()], ("pytorch", "flash2"))
    first, second = cases(whole)
    taken = [samples(case, which, count=7) for case in (first, second) for which in whole.passes]
    return lines_with([header(), Planned(plan=whole), *checked(first), *checked(second), *taken])


def test_times_and_speedups_stand_in_52_columns() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        titles, first, second, *_ = app.lines()
        assert titles.split() == ["implementation", "fwd", "ms", "bwd", "ms", "fwd+bwd", "speedup"]
        assert first.split()[1:] == ["pytorch", "1.000", "2.500", "3.600", "baseline"]
        assert second.split()[1:] == ["sdpa", "(cudnn)", "*0.3333", "*0.8333", "*1.200", "3.00x", "±0.01"]
        assert all(len(line) <= 52 for line in app.lines())

    drive(scenario)


def test_a_wide_and_high_table_has_every_column_and_explains_them() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        text = "\n".join(app.lines())
        for title in ("forward", "±", "wall", "TFLOP/s", "memory", "saved", "error", "remarks"):
            assert title in text
        assert "fastest of its shape and pass" in text
        assert "head dim 64 padded to 96" in text

    drive(scenario, size=(200, 30))


@pytest.mark.parametrize("width", [20, 30, 40, 52, 72, 100, 160])
def test_no_line_is_longer_than_the_table(width: int) -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        for index in (0, 1):
            app.table.update(shape(index), baseline="pytorch", note="seen 12:03, measuring again")
            await pilot.pause()
            assert all(app.table.render_line(y).cell_length == width for y in range(9))

    drive(scenario, size=(width, 9))


def test_failures_are_words_in_the_row_and_reasons_below() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        app.table.update(shape(1), baseline="pytorch")
        await pilot.pause()
        assert app.lines()[1].split()[-3:] == ["OOM", "OOM", "baseline"]
        assert "OOM: 64.0 GiB asked for, batch 8 expected to fit (backward," in " ".join(app.lines())
        await press(pilot, "end")
        assert "sdpa-cudnn: unsupported: takes head dims up to 32, not 64" in " ".join(app.lines())

    drive(scenario)


def test_a_long_reason_can_be_read_in_the_room_there_is_at_80_columns() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        app.table.update(unsupported(), baseline="pytorch")
        await press(pilot, "down")
        assert REASON in " ".join(line.strip() for line in app.lines()[3:])

    drive(scenario, size=(80, 9))


def test_running_rows_are_dim_and_count_their_rounds() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        bright = look_of(app, "flash2")
        app.table.update(running(), baseline="pytorch")
        await pilot.pause()
        assert "pytorch: running, 7 rounds so far" in app.lines()
        assert look_of(app, "flash2") != bright

    drive(scenario)


def look_of(app: Host, words: str) -> Style:
    """The style of the first of the table's segments that holds the words."""
    segments = (segment for y in range(app.table.size.height) for segment in app.table.render_line(y))
    return next(segment.style for segment in segments if words in segment.text and segment.style)


def test_lines_seen_before_are_dim_with_a_note_saying_so() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        bright = look_of(app, "flash2")
        app.table.update(shape(0), baseline="pytorch", note="seen 12:03, measuring again", seen=True)
        await pilot.pause()
        assert "seen 12:03, measuring again" in app.lines()
        assert look_of(app, "flash2") != bright

    drive(scenario)


def test_right_sorts_by_the_next_column_and_an_arrow_shows_which() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        assert app.names() == ["pytorch", "sdpa", "flash2", "sdpa-cudnn"]
        await press(pilot, "right")
        assert app.table.sort_key == "implementation"
        assert app.names() == ["flash2", "pytorch", "sdpa", "sdpa-cudnn"]
        await press(pilot, "right")
        assert app.names() == ["sdpa", "flash2", "pytorch", "sdpa-cudnn"]
        assert "▲fwd ms" in app.lines()[0]
        await press(pilot, "left", "left", "left")
        assert app.table.sort_key == "speedup"
        assert "▼speedup" in app.lines()[0]

    drive(scenario)


def test_the_order_can_be_reversed_and_what_is_missing_stays_last() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        app.table.update(shape(1), baseline="pytorch")
        app.table.sort_by("fwd")
        assert app.names() == ["sdpa", "pytorch", "flash2", "sdpa-cudnn"]
        await press(pilot, "S")
        assert app.names() == ["pytorch", "sdpa", "flash2", "sdpa-cudnn"]

    drive(scenario)


def test_the_cursor_stays_on_its_implementation_whatever_the_order() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        await press(pilot, "down", "down")
        app.table.sort_by("fwd_bwd")
        await pilot.pause()
        assert app.table.line is not None
        assert app.table.line.headline.implementation == "flash2"
        assert app.lines()[2].startswith("▸ flash2")
        app.table.update(shape(1), baseline="pytorch")
        await pilot.pause()
        assert app.table.line.headline.implementation == "flash2"

    drive(scenario)


def test_moving_tells_the_row_and_enter_opens_its_case() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        await press(pilot, "down", "enter")
        await pilot.pause()
        chosen, opened = app.heard
        assert isinstance(chosen, ResultsTable.RowChosen)
        assert chosen.implementation == "sdpa"
        assert isinstance(opened, ResultsTable.Opened)
        assert opened.case == 1

    drive(scenario)


def test_a_click_on_a_title_sorts_and_on_a_row_chooses_it() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        column = app.lines()[0].index("fwd+bwd")
        for expected in (
            ["sdpa", "flash2", "pytorch"],
            ["pytorch", "flash2", "sdpa"],
            ["pytorch", "sdpa", "flash2"],
        ):
            await pilot.click(ResultsTable, offset=(column + 2, 0))
            assert app.names()[:3] == expected
        await pilot.click(ResultsTable, offset=(5, 4))
        assert app.table.line is not None
        assert app.table.line.headline.implementation == "sdpa-cudnn"

    drive(scenario)


def test_the_filter_narrows_the_rows_and_keeps_the_columns() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        titles = app.lines()[0]
        app.table.update(shape(0), baseline="pytorch", filter="CUDNN")
        await pilot.pause()
        assert app.names() == ["sdpa", "sdpa-cudnn"]
        assert app.lines()[0] == titles
        app.table.update(shape(0), baseline="pytorch", filter="triton")
        await pilot.pause()
        assert "No implementation here has 'triton' in its name." in " ".join(app.lines())

    drive(scenario)


def test_where_rows_are_more_than_lines_the_cursor_stays_in_view() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        assert any("more row" in line for line in app.lines())
        await press(pilot, "end")
        assert any(line.startswith("▸ sdpa-cudnn") for line in app.lines())
        await press(pilot, "home")
        assert any(line.startswith("▸ pytorch") for line in app.lines())

    drive(scenario, size=(72, 5))


def test_ascii_terminals_get_no_other_characters() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        await press(pilot, "right", "right")
        assert "\n".join(app.lines()).isascii()
        assert "+-0.01" in "\n".join(app.lines())

    drive(scenario, size=(140, 20), glyphs=ASCII)


def test_text_from_a_session_is_never_markup_nor_escapes() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        whole = plan([attention()], ("sdpa[flash]\x1b[31m",))
        (case,) = cases(whole)
        app.table.update(
            lines_with([header(), Planned(plan=whole), failed(case, "error", "[bold]no\x1b]0;x\x07[/]")]),
            baseline=None,
        )
        await pilot.pause()
        text = "\n".join(app.lines())
        assert "sdpa[flash]" in text
        assert "error: [bold]no[/]" in text
        assert "\x1b" not in text

    drive(scenario)


def test_what_did_not_change_is_not_painted_again() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        app.table.repainted.clear()
        app.table.update(shape(0), baseline="pytorch")
        assert app.table.repainted == []
        await press(pilot, "down")
        titles, third_row = 0, 3
        assert app.table.repainted
        assert not {titles, third_row} & set(app.table.repainted)

    drive(scenario)


def test_a_change_of_theme_repaints_everything() -> None:
    async def scenario(app: Host, pilot: Pilot[None]) -> None:
        bars, telemetry = app.query_one(BarsPanel), app.query_one(TelemetryPanel)
        bars.display = telemetry.display = True
        await pilot.pause()
        bars.update(shape(0), BY_ID["fwd_bwd"])
        telemetry.update(lab6().telemetry, None, "cuda")
        before = [widget.render_line(0) for widget in (app.table, bars, telemetry)]
        app.theme = "textual-light"
        await pilot.pause()
        after = [widget.render_line(0) for widget in (app.table, bars, telemetry)]
        assert [strip.text for strip in before] == [strip.text for strip in after]
        assert all(old != new for old, new in zip(before, after, strict=True))
        assert bars.look == app.table.look

    drive(scenario, size=(80, 24))
