"""The grid of a sweep: what its cells say, what is in view, and that it follows what is measured."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from textual.app import App, ComposeResult
from textual.events import MouseScrollDown

from profiler.events import PlanEnded, Planned
from profiler.plans.plan import Plan
from profiler.session.recording import Recording
from profiler.workload import Pass
from tests.examples import attention, cases, checked, header, lab6_events, measured, plan, samples
from tests.tui.app.pilot import drive, press
from tui.app.glyphs import ASCII, UNICODE
from tui.app.metrics import BY_ID
from tui.app.pictures.cells import Cell, Grid, Window, columns_in_view, draw, grid_of
from tui.app.pictures.look import PLAIN
from tui.app.sweep_state import Pace, Sweep, SweepState
from tui.app.view import View
from tui.app.widgets.grid import GridTable

LENGTHS = plan([attention(seq=2**power) for power in range(8, 13)], ("pytorch", "flash2"))


def state_of(recording: Recording, running: Plan | None = None, now_s: float = 0.0) -> SweepState:
    state = SweepState()
    state.update(View(recording=recording, running=running, now_s=now_s))
    return state


def begun(of: Plan, whole_shapes: int, *, then_running: bool = True) -> Recording:
    """The first shapes measured; of the next, a few samples of each case."""
    events = [header(), Planned(plan=of)]
    for index, case in enumerate(cases(of)):
        shape = index // len(of.implementations)
        if shape < whole_shapes:
            events += [*checked(case), *measured(case, speed=1 + case.number % 2)]
        elif shape == whole_shapes and then_running:
            events += [*checked(case), samples(case, "fwd", count=3)]
    return Recording.of(events)


def cell_texts(sweep: Sweep, metric: str = "fwd", which: Pass = "fwd") -> list[list[str]]:
    return [[cell.text for cell in row] for row in grid_of(sweep, BY_ID[metric], which, UNICODE).cells]


def test_a_cell_has_the_figure_and_the_fastest_of_a_shape_a_star() -> None:
    sweep = state_of(begun(LENGTHS, 1, then_running=False)).sweep
    assert cell_texts(sweep)[0] == ["1.000", "*0.5000"]
    assert cell_texts(sweep, "speedup")[0] == ["1.00x", "*2.00x"]
    assert cell_texts(sweep, "energy")[0] == ["-", "-"]


def test_what_is_not_measured_yet_and_what_is_being_measured_are_told_apart() -> None:
    sweep = state_of(begun(LENGTHS, 1), LENGTHS).sweep
    assert cell_texts(sweep)[1] == ["1.000…", "1.000…"]
    assert cell_texts(sweep, "fwd_bwd", "fwd_bwd")[1] == ["…", "…"]
    assert cell_texts(sweep)[2] == ["·", "·"]


def test_failures_and_wrong_results_are_words() -> None:
    sweep = state_of(Recording.of(lab6_events())).sweep
    assert cell_texts(sweep)[0] == ["1.000", "*0.3333", "0.5000", "wrong"]
    assert cell_texts(sweep, "bwd", "bwd")[1] == ["OOM", "-", "crashed", "n/a"]


def test_a_recording_is_shown_whole_and_a_live_session_without_the_bench_s_shapes() -> None:
    bench = plan([attention(seq=64)], ("pytorch",))
    sweep = msgspec.structs.replace(LENGTHS, first_case=1)
    events = [header(), Planned(plan=bench), *checked(cases(bench)[0]), *measured(cases(bench)[0])]
    for case in cases(sweep)[:2]:
        events += [Planned(plan=sweep)] if case.number == 1 else []
        events += [*checked(case), *measured(case)]
    recording = Recording.of(events)
    live, replayed = SweepState(), SweepState()
    live.update(View(mode="live", recording=recording))
    replayed.update(View(mode="recording", recording=recording))
    assert live.sweep.shapes == LENGTHS.workloads
    assert (live.sweep.done, live.sweep.missing) == (2, 8)
    assert replayed.sweep.shapes == (bench.workloads[0], *LENGTHS.workloads)


def test_a_single_shape_is_a_sweep_where_it_was_asked_for_here() -> None:
    single = plan([attention()])
    state = SweepState()
    state.update(View(recording=Recording.of([header(), Planned(plan=single)])))
    assert not state.sweep.shapes
    state.expect()
    state.update(View(recording=Recording.of([header(), Planned(plan=single)])))
    assert state.sweep.shapes == single.workloads


def test_measuring_what_was_missing_fills_the_same_grid() -> None:
    recording = begun(LENGTHS, 2, then_running=False)
    state = state_of(recording)
    assert state.sweep.missing == 6
    rest = msgspec.structs.replace(plan(LENGTHS.workloads[2:]), first_case=LENGTHS.count)
    state.expect()
    recording.add(PlanEnded(ending="interrupted"))
    recording.add(Planned(plan=rest))
    for case in cases(rest):
        for event in (*checked(case), *measured(case)):
            recording.add(event)
    state.update(View(recording=recording))
    assert state.sweep.shapes == LENGTHS.workloads
    assert state.sweep.missing == 0


def test_nothing_new_is_the_same_sweep() -> None:
    recording = begun(LENGTHS, 2)
    state = state_of(recording, LENGTHS)
    before = state.sweep
    assert not state.update(View(recording=recording, running=LENGTHS))
    assert state.sweep is before
    recording.add(samples(cases(LENGTHS)[4], "fwd"))
    assert state.update(View(recording=recording, running=LENGTHS))


def test_another_baseline_changes_the_speedups() -> None:
    recording = begun(LENGTHS, 1, then_running=False)
    state = state_of(recording)
    state.set_baseline("flash2")
    state.update(View(recording=recording))
    assert cell_texts(state.sweep, "speedup")[0] == ["0.50x", "*1.00x"]


def test_what_is_left_is_judged_by_the_shapes_behind() -> None:
    pace = Pace()
    pace.begin(100.0, done=2)
    assert pace.left_s(2, 8) is None
    pace.tick(130.0, resting=False)
    pace.tick(150.0, resting=True)
    assert pace.left_s(5, 4) == 40.0
    assert pace.elapsed_s == 50.0
    assert pace.left_s(5, 0) is None


WIDE = Grid(
    parameters=("seq",),
    shapes=tuple((str(2**power),) for power in range(40)),
    implementations=tuple(f"sdpa-kind{index}" for index in range(12)),
    cells=tuple(
        tuple(Cell(f"{row}.{column}", case=100 * row + column) for column in range(12)) for row in range(40)
    ),
    baseline="sdpa-kind1",
)


def test_columns_that_do_not_fit_are_pointed_at() -> None:
    lines = [line.plain for line in draw(WIDE, Window(first_column=3), 80, 10, look=PLAIN, glyphs=UNICODE)]
    fit = columns_in_view(WIDE, 3, 80)
    assert 0 < fit < 9
    assert lines[0].startswith("◂") and lines[0].endswith("▸")
    assert f"{0}.{2 + fit}" in lines[2] and f"0.{3 + fit}" not in lines[2]
    assert all(len(line) <= 80 for line in lines)


def test_the_baseline_and_the_running_row_are_marked_without_colour() -> None:
    lines = draw(replace(WIDE, running=1), Window(), 80, 10, look=PLAIN, glyphs=ASCII)
    assert "= kind1" in lines[1].plain
    assert lines[3].plain.startswith(">")
    assert all(line.plain.isascii() for line in lines)


class Host(App[None]):
    """Shows one grid."""

    AUTO_FOCUS = None

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[int] = []

    def compose(self) -> ComposeResult:
        yield GridTable()

    def on_grid_table_opened(self, message: GridTable.Opened) -> None:
        self.opened.append(message.case)


def shown_of(table: GridTable) -> list[str]:
    return [table.render_line(y).text.rstrip() for y in range(table.size.height)]


def test_enter_opens_the_cell_under_the_cursor() -> None:
    async def scenario() -> None:
        app = Host()
        async with app.run_test(size=(80, 12)) as pilot:
            table = app.query_one(GridTable)
            table.update(WIDE)
            table.focus()
            await press(pilot, "down", "down", "right", "enter")
            assert app.opened == [201]
            assert table.implementation == "sdpa-kind1"

    drive(scenario())


def test_it_follows_the_row_that_runs_until_the_person_moves() -> None:
    async def scenario() -> None:
        app = Host()
        async with app.run_test(size=(80, 12)) as pilot:
            table = app.query_one(GridTable)
            table.focus()
            table.update(replace(WIDE, running=25))
            await pilot.pause()
            assert any(line.startswith("▸") and "25.0" in line for line in shown_of(table))
            await press(pilot, "home")
            table.update(replace(WIDE, running=30))
            await pilot.pause()
            assert not table.follows
            assert "0.0" in shown_of(table)[2]
            await press(pilot, "f")
            assert any(line.startswith("▸") and "30.0" in line for line in shown_of(table))

    drive(scenario())


def test_the_wheel_scrolls_and_a_click_opens() -> None:
    async def scenario() -> None:
        app = Host()
        async with app.run_test(size=(80, 12)) as pilot:
            table = app.query_one(GridTable)
            table.update(replace(WIDE, running=0))
            await pilot._post_mouse_events([MouseScrollDown], table)
            await pilot.pause()
            assert "3.0" in shown_of(table)[2]
            assert not table.follows
            await pilot.click(table, offset=(50, 4))
            await pilot.click(table, offset=(50, 4))
            assert [case // 100 for case in app.opened] == [5]

    drive(scenario())


def test_the_cursor_s_column_comes_into_view() -> None:
    async def scenario() -> None:
        app = Host()
        async with app.run_test(size=(80, 12)) as pilot:
            table = app.query_one(GridTable)
            table.update(WIDE)
            table.focus()
            await press(pilot, *["right"] * 11, "end", "pagedown")
            assert shown_of(table)[-1].endswith("39.11")
            await press(pilot, *["left"] * 11, "home")
            assert "0.0" in shown_of(table)[2]

    drive(scenario())


def test_an_empty_grid_takes_every_key() -> None:
    async def scenario() -> None:
        app = Host()
        async with app.run_test(size=(20, 4)) as pilot:
            app.query_one(GridTable).focus()
            await press(pilot, "down", "right", "pagedown", "end", "home", "enter", "f")
            assert app.opened == []

    drive(scenario())
