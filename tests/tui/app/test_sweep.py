"""The Sweep screen: its form, its keys, what it says of a sweep, and how it makes use of its room."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.message import Message
from textual.pilot import Pilot

from profiler.engine.control import Hello
from profiler.events import CatalogEntry, Event, Finished, Planned
from profiler.plans.plan import Plan
from profiler.plans.presets import PRESETS
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from tests.examples import attention, cases, checked, header, measured, plan, samples
from tests.tui.app.pilot import drive, press
from tui.app.choice import Choice
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.pictures import chart
from tui.app.screens.sweep import SweepScreen
from tui.app.view import View
from tui.app.widgets.axes import AxesForm
from tui.app.widgets.chart import Chart
from tui.app.widgets.grid import GridTable
from tui.app.widgets.painted import Painted
from tui.app.widgets.sweep_head import SweepHead

ROOT = Path(__file__).parents[3]
NAMES = ("pytorch", "flash2")
HELLO = Hello(
    kind="cuda",
    name="cuda:0",
    device_name="NVIDIA H100",
    catalog=tuple(CatalogEntry(name=name, label=name, summary="") for name in NAMES),
)
CHOICE = Choice(
    batch=4, seq=512, heads=16, head_dim=64, dtype="float16", implementations=NAMES, baseline="pytorch"
)
LENGTHS = plan([attention(seq=2**power) for power in range(9, 13)], NAMES)
TWO_AXES = plan([attention(seq=seq, heads=heads) for heads in (8, 16) for seq in (512, 1024, 2048)], NAMES)


class Host(App[None]):
    """Shows a Sweep screen, and keeps what it posts."""

    CSS_PATH = ROOT / "tui/app/styles/sweep.tcss"
    AUTO_FOCUS = None

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.posted: list[Message] = []

    def on_mount(self) -> None:
        self.push_screen(SweepScreen())

    @property
    def sweep(self) -> SweepScreen:
        assert isinstance(self.screen, SweepScreen)
        return self.screen

    def text(self, kind: type[Painted]) -> str:
        widget = self.screen.query_one(kind)
        return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))

    def on_sweep_screen_start(self, message: SweepScreen.Start) -> None:
        self.posted.append(message)

    on_plan_screen_paused = on_plan_screen_skipped = on_plan_screen_stopped = on_sweep_screen_start
    on_sweep_screen_resume_asked = on_sweep_screen_opened = on_sweep_screen_start


def begun(of: Plan, whole: int, *, finished: bool = False) -> Recording:
    """A sweep whose first `whole` shapes are measured, and the next one has begun."""
    recording = Recording.of([header(), Planned(plan=of), *measured_so_far(of, whole)])
    if finished:
        recording.add(Finished(ending="interrupted"))
    return recording


def measured_so_far(of: Plan, whole: int) -> Iterator[Event]:
    """What is told of its first `whole` shapes, and of the next one, which has begun."""
    for index, case in enumerate(cases(of)):
        shape = index // len(of.implementations)
        yield from [] if shape > whole else checked(case)
        yield from measured(case, speed=1 + index % 2) if shape < whole else []
        yield from [samples(case, "fwd_bwd", count=4)] if shape == whole else []


@cache
def h100(name: str) -> Recording:
    (path,) = (ROOT / "sessions").glob(f"*-h100-80gb-hbm3-{name}.jsonl")
    return Recording.of(read_session(path).events)


async def show(pilot: Pilot[None], host: Host, *views: View) -> None:
    await pilot.pause()
    for view in views:
        host.sweep.show(view)
    await pilot.pause()


def test_the_form_starts_what_it_says_it_would_measure() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.sweep.propose(CHOICE)
            await press(pilot, "enter", *"1k..4k", "down", "enter", *"8,16", "enter")
            assert "6 shapes x 2 implementations = 12 cases over seq, heads" in host.text(AxesForm)
            await press(pilot, "end", "enter")
            (start,) = host.posted
            assert isinstance(start, SweepScreen.Start)
            assert [shape.seq_q for shape in start.plan.workloads[:3]] == [1024, 2048, 4096]

    drive(scenario())


def test_the_form_is_filled_with_what_was_said_before_the_screen_stood() -> None:
    """The app makes the screen when it is first gone to, and paints before its widgets are there."""

    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            sweep = SweepScreen()
            sweep.propose(CHOICE)
            sweep.show(View(hello=HELLO))
            await host.push_screen(sweep)
            await pilot.pause()
            assert sweep.query_one(AxesForm).plan is not None
            assert "2 implementations" in host.text(AxesForm)

    drive(scenario())


def test_what_cannot_be_is_refused_in_place_while_it_is_typed() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.sweep.propose(CHOICE)
            await press(pilot, "enter", *"1k..q")
            assert "seq takes sizes such as" in host.text(AxesForm)
            await press(pilot, "enter", "g")
            assert host.posted == []
            await press(pilot, "backspace", *"2k", "enter", "g")
            assert len(host.posted) == 1

    drive(scenario())


def test_escape_gives_up_what_was_typed() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.sweep.propose(CHOICE)
            await press(pilot, "enter", *"7", "escape")
            assert "1k..16k" in host.text(AxesForm)

    drive(scenario())


def test_presets_are_stepped_through_and_show_their_shapes() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.sweep.propose(CHOICE)
            await press(pilot, "home", *["right"] * (1 + list(PRESETS).index("fa3-paper")))
            text = host.text(AxesForm)
            assert "fa3-paper" in text and "512,1024,2048" in text
            assert "24 shapes x 4 implementations = 96 cases" in text

    drive(scenario())


def test_while_it_runs_it_shows_how_far_it_is_and_its_keys_speak_to_the_engine() -> None:
    async def scenario() -> None:
        host = Host()
        recording = begun(LENGTHS, 0)
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=HELLO, recording=recording, running=LENGTHS, now_s=5.0))
            for event in measured_so_far(LENGTHS, 2):
                recording.add(event)
            running = View(hello=HELLO, recording=recording, running=LENGTHS, now_s=45.0)
            await show(pilot, host, running)
            head = host.text(SweepHead)
            assert "4 of 8 cases" in head and "0:40" in head and "about 0:40 left" in head
            assert "▸ 2048" in host.text(GridTable)
            await press(pilot, "p", "x", "S")
            assert [type(message) for message in host.posted] == [
                SweepScreen.Paused,
                SweepScreen.Skipped,
                SweepScreen.Stopped,
            ]

    drive(scenario())


def test_p_goes_on_where_it_is_paused() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(100, 24)) as pilot:
            view = View(hello=HELLO, recording=begun(LENGTHS, 1), running=LENGTHS, paused=True)
            await show(pilot, host, view)
            assert "paused" in host.text(SweepHead)
            await press(pilot, "p")
            (message,) = host.posted
            assert isinstance(message, SweepScreen.Paused) and not message.paused

    drive(scenario())


@pytest.mark.parametrize("mode", ["live", "recording"])
def test_an_interrupted_sweep_can_be_gone_on_with(mode: str) -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            recording = begun(LENGTHS, 1, finished=True)
            await show(pilot, host, View(mode=mode, hello=HELLO, recording=recording))  # type: ignore[arg-type]
            assert "6 cases not measured: press R" in host.text(SweepHead)
            await press(pilot, "p", "x", "S", "R")
            assert [type(message) for message in host.posted] == [SweepScreen.ResumeAsked]

    drive(scenario())


def test_a_finished_recording_has_no_form_and_nothing_to_resume() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(mode="recording", recording=h100("sweep")))
            await press(pilot, "n", "R", "p")
            assert host.posted == []
            assert not host.sweep.query_one(AxesForm).display
            text = host.text(GridTable)
            assert "16384" in text and "efficient" in text and "*6.718" in text
            assert "35 of 35 cases" in host.text(SweepHead)

    drive(scenario())


def test_enter_on_a_cell_asks_for_its_details() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(mode="recording", recording=h100("sweep")))
            await press(pilot, "down", "right", "enter")
            (message,) = host.posted
            assert isinstance(message, SweepScreen.Opened) and message.case == 8

    drive(scenario())


def test_metric_pass_and_baseline_change_the_figures() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(mode="recording", recording=begun(LENGTHS, 4)))
            await press(pilot, "m")
            assert "fwd+bwd speedup" in host.text(SweepHead) and "2.00x" in host.text(GridTable)
            await press(pilot, "right", "b")
            assert "0.50x" in host.text(GridTable) and "flash2 is the baseline" in host.text(SweepHead)
            await press(pilot, "w")
            assert "forward speedup" in host.text(SweepHead)
            await press(pilot, "m")
            assert "TFLOP/s" in host.text(SweepHead)

    drive(scenario())


def test_where_room_is_short_c_changes_between_the_grid_and_the_chart() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(mode="recording", recording=h100("sweep")))
            assert host.sweep.query_one(GridTable).size.width
            assert not host.sweep.query_one(Chart).size.width
            await press(pilot, "c")
            assert "● pytorch" in host.text(Chart) and "16k" in host.text(Chart)
            assert not host.sweep.query_one(GridTable).size.width
            await press(pilot, "c", "down")
            assert host.sweep.query_one(GridTable).has_focus

    drive(scenario())


def test_where_there_is_room_both_are_shown() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(200, 60)) as pilot:
            await show(pilot, host, View(mode="recording", recording=h100("fa3-paper")))
            assert "*0.6079" in host.text(GridTable)
            assert "over seq (batch with it)" in host.text(Chart)
            await press(pilot, "c")
            assert host.sweep.query_one(Chart).has_focus

    drive(scenario())


def test_two_axes_make_a_heat_map_and_a_map_of_the_best() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(100, 30)) as pilot:
            await show(pilot, host, View(mode="recording", recording=begun(TWO_AXES, 6)))
            await press(pilot, "v")
            text = host.text(Chart)
            assert host.sweep.query_one(Chart).has_focus
            assert "heat map" in text and "of flash2" in text and text.count("1.800") == 6
            await press(pilot, "v")
            assert host.text(Chart).count("flash2") == 6
            await press(pilot, "v")
            assert "heads 16" in host.text(Chart)

    drive(scenario())


def test_selectors_choose_the_axis_and_what_is_fixed() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(100, 30)) as pilot:
            await show(pilot, host, View(mode="recording", recording=begun(TWO_AXES, 6)))
            await press(pilot, "c", "right", "right", "down")
            shown = host.sweep.query_one(Chart)
            assert shown.selection.fixed["heads"] == "8"
            await press(pilot, "left", "down")
            assert shown.selection.over == "heads"
            assert "over heads" in host.text(Chart)

    drive(scenario())


def test_a_chart_is_drawn_anew_only_when_a_result_lands(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        drawn: list[object] = []
        draw = chart.draw

        def counted(data: chart.ChartData, *args: Any, **more: Any) -> object:
            drawn.append(data)
            return draw(data, *args, **more)

        monkeypatch.setattr(chart, "draw", counted)
        host = Host()
        recording = begun(LENGTHS, 2)
        async with host.run_test(size=(200, 60)) as pilot:
            await show(pilot, host, View(hello=HELLO, recording=recording, running=LENGTHS))
            before = len(drawn)
            case = cases(LENGTHS)[4]
            for round_ in range(3):
                recording.add(samples(case, "fwd_bwd", count=4))
                await show(pilot, host, View(hello=HELLO, recording=recording, running=LENGTHS, now_s=round_))
            assert len(drawn) == before
            for event in measured(case):
                recording.add(event)
            await show(pilot, host, View(hello=HELLO, recording=recording, running=LENGTHS))
            assert len(drawn) == before + 1

    drive(scenario())


def test_ascii_only_is_ascii() -> None:
    async def scenario() -> None:
        host = Host(ASCII)
        async with host.run_test(size=(200, 60)) as pilot:
            await show(pilot, host, View(hello=HELLO, recording=begun(TWO_AXES, 2), running=TWO_AXES))
            for _ in range(3):
                assert all(host.text(kind).isascii() for kind in (GridTable, Chart, SweepHead))
                await press(pilot, "v")

    drive(scenario())


def test_a_sweep_s_form_can_be_opened_and_left_while_it_runs() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=HELLO, recording=begun(LENGTHS, 2), running=LENGTHS))
            host.sweep.propose(CHOICE)
            await press(pilot, "n")
            assert "takes the place of what is being measured" in host.text(SweepHead)
            assert "2 implementations" in host.text(AxesForm)
            await press(pilot, "escape")
            assert "2048" in host.text(GridTable)

    drive(scenario())


def test_a_session_without_a_sweep_says_so() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(mode="recording", recording=Recording()))
            assert "nothing was swept" in host.text(SweepHead)
            await press(pilot, "m", "w", "c", "v", "b", "enter", "R", "p")
            assert host.posted == []

    drive(scenario())
