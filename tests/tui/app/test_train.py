"""The Train screen: its form, its keys, what it shows of a run, and the details of a case."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from textual.app import App
from textual.message import Message
from textual.pilot import Pilot

from profiler.engine.control import Hello
from profiler.events import (
    BatchTried,
    CatalogEntry,
    Event,
    Finished,
    PlanEnded,
    TrainingChecked,
    TrainingPlanned,
)
from profiler.session.recording import Recording
from profiler.training.plan import TrainingPlan
from profiler.training.rows import training_rows
from tests.examples import header, telemetry
from tests.training_examples import (
    begun,
    steps,
    study,
    study_events,
    trained,
    training,
    training_cases,
    training_failed,
    training_plan,
)
from tests.tui.app.pilot import drive, press
from tui.app.choice import Choice
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.screens.train import TrainScreen
from tui.app.screens.training_details import TrainingDetailsScreen
from tui.app.view import View
from tui.app.widgets.grid import GridTable
from tui.app.widgets.pager import Pager
from tui.app.widgets.painted import Painted
from tui.app.widgets.sweep_head import SweepHead
from tui.app.widgets.telemetry import TelemetryPanel
from tui.app.widgets.train import CasesPanel, TrainForm

STYLES = Path(__file__).parents[3] / "tui/app/styles"
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
PLAN = training_plan([training(context=context) for context in (256, 1024, 4096)], NAMES)


class Host(App[None]):
    """Shows a Train screen, and keeps what it posts."""

    CSS_PATH = [STYLES / name for name in ("sweep.tcss", "train.tcss", "details.tcss", "results.tcss")]  # noqa: RUF012
    AUTO_FOCUS = None

    def __init__(self, glyphs: Glyphs = UNICODE) -> None:
        super().__init__()
        self.glyphs = glyphs
        self.posted: list[Message] = []

    def on_mount(self) -> None:
        self.push_screen(TrainScreen())

    @property
    def train(self) -> TrainScreen:
        assert isinstance(self.screen, TrainScreen)
        return self.screen

    def text(self, kind: type[Painted]) -> str:
        widget = self.screen.query_one(kind)
        return "\n".join(widget.render_line(y).text.rstrip() for y in range(widget.size.height))

    def on_train_screen_start(self, message: TrainScreen.Start) -> None:
        self.posted.append(message)

    on_plan_screen_paused = on_plan_screen_skipped = on_plan_screen_stopped = on_train_screen_start
    on_train_screen_resume_asked = on_train_screen_opened = on_train_screen_start


def under_way(*, finished: bool = False, of: TrainingPlan = PLAN) -> Recording:
    """The first row is trained; of the second the baseline makes steps and the other looks for its batch."""
    first, second, third, fourth, *_ = training_cases(of)
    events: list[Event] = [header(), TrainingPlanned(plan=of)]
    events += trained(first, batch=52, tokens_per_s=63_820.0)
    events += trained(second, batch=64, tokens_per_s=71_628.0)
    events += [begun(third, 9.0), BatchTried(case=third.number, batch=8, fits=True, at_s=9.5)]
    events += [steps(third, [140.0] * 37, at_s=10.0), begun(fourth, 11.0)]
    events += [BatchTried(case=fourth.number, batch=16, fits=True, at_s=12.0)]
    return Recording.of([*events, Finished(ending="interrupted")] if finished else events)


def running(recording: Recording, **changes: object) -> View:
    fields = {"hello": HELLO, "recording": recording, "training": PLAN, "now_s": 12.0} | changes
    return View(**fields)  # type: ignore[arg-type]


async def show(pilot: Pilot[None], host: Host, *views: View) -> None:
    await pilot.pause()
    for view in views:
        host.train.show(view)
    await pilot.pause()


def test_the_form_starts_what_it_says_and_says_the_command() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(100, 30)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.train.propose(CHOICE)
            await press(pilot, "right", "down", "enter", *"256..1k", "enter")
            text = host.text(TrainForm)
            assert "3 rows x 2 implementations = 6 cases over context" in text
            assert "attnprof train --model medium --context 256,512,1024 --dtype fp16" in text
            await press(pilot, "y", "g")
            assert host.clipboard.startswith("attnprof train --model medium")
            (start,) = host.posted
            assert isinstance(start, TrainScreen.Start)
            assert [row.context for row in start.plan.trainings] == [256, 512, 1024]
            assert start.plan.implementations == NAMES

    drive(scenario())


def test_what_cannot_be_trained_is_refused_in_place_and_not_started() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.train.propose(CHOICE)
            await press(pilot, "enter", *"tiny", "enter")
            assert "there is no model 'tiny'" in host.text(TrainForm)
            await press(pilot, *"gy")
            assert "there is no model 'gy'" in host.text(TrainForm)
            assert host.posted == [] and host.clipboard == ""
            await press(pilot, "enter", *"large", "enter", "g")
            (start,) = host.posted
            assert isinstance(start, TrainScreen.Start)
            assert [row.model.name for row in start.plan.trainings] == ["gpt2-large"]

    drive(scenario())


def test_every_wrong_value_marks_its_row_which_says_what_is_wrong_with_it() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 30)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.train.propose(CHOICE)
            await press(pilot, "down", "enter", *"1k..q", "down", "down", "enter", *"slow", "down")
            text = host.text(TrainForm)
            assert "!context" in text and "!mode" in text and text.count("!") == 2
            assert "context takes sizes" in text
            await press(pilot, "up")
            assert "there is no mode 'slow'" in host.text(TrainForm)
            await press(pilot, "right", "up", "up", "enter", *"1k", "enter")
            assert "!" not in host.text(TrainForm)

    drive(scenario())


def test_arrows_in_the_last_column_say_where_the_form_goes_on() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.train.propose(CHOICE)
            ends = [line[-1:] for line in host.text(TrainForm).splitlines()]
            assert "▼" in ends and "▲" not in ends
            await press(pilot, "end")
            ends = [line[-1:] for line in host.text(TrainForm).splitlines()]
            assert "▲" in ends and "▼" not in ends

    drive(scenario())


def test_a_study_on_a_cpu_is_started_after_a_word() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=replace(HELLO, kind="cpu", name="cpu", device_name="a CPU")))
            host.train.propose(CHOICE)
            assert "made for a GPU" not in host.text(TrainForm)
            await press(pilot, "home", "right")
            assert "this is made for a GPU: on a CPU of 1 TFLOP/s it takes at least" in host.text(TrainForm)

    drive(scenario())


def test_what_was_changed_in_the_form_stays_while_the_bench_turns_to_another_shape() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.train.propose(CHOICE)
            await press(pilot, "right")
            host.train.propose(CHOICE.with_seq(1024))
            assert "medium" in host.text(TrainForm)

    drive(scenario())


def test_two_fields_that_contradict_each_other_on_the_way_can_be_changed_one_after_the_other() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 30)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.train.propose(CHOICE)
            await press(pilot, *["down"] * 13, "enter", *"5", "up", *["up"] * 12)
            assert "heads must be a multiple of kv heads" in host.text(TrainForm)
            await press(pilot, "enter", *"2x5x320", "enter", "g")
            assert len(host.posted) == 1

    drive(scenario())


def test_what_was_typed_is_there_again_after_a_look_at_the_table_or_at_a_recording() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, running(under_way()))
            host.train.propose(CHOICE)
            await press(pilot, "n", "right", "down", "enter", *"2k", "escape", "enter", *"4k", "enter")
            await press(pilot, "escape")
            assert not host.train.query_one(TrainForm).display
            await show(pilot, host, View(mode="recording", recording=study()), running(under_way()))
            await press(pilot, "n")
            text = host.text(TrainForm)
            assert "medium" in text and "4k" in text

    drive(scenario())


def test_the_table_has_two_rows_on_a_low_screen() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(60, 15)) as pilot:
            await show(pilot, host, running(under_way()))
            assert "256" in host.text(GridTable) and "1024" in host.text(GridTable)
            assert "tokens/s" in host.text(CasesPanel)

    drive(scenario())


def test_a_preset_is_chosen_with_the_arrow_keys() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(hello=HELLO))
            host.train.propose(CHOICE)
            await press(pilot, "home", "right")
            text = host.text(TrainForm)
            assert "gpt2-compile" in text and "pytorch,sdpa-flash,flash2" in text
            assert "22 rows x 3 implementations = 66 cases" in text

    drive(scenario())


def test_while_it_runs_it_shows_how_far_each_case_is_and_its_keys_speak_to_the_engine() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, running(under_way()))
            assert "2 of 6 cases" in host.text(SweepHead)
            grid = host.text(GridTable)
            assert "▸    1024" in grid and "63,820" in grid and "1.12x" in grid
            panel = host.text(CasesPanel)
            assert "gpt2" not in panel and "context 1024" in panel
            assert "▸ flash2   finding the batch: 16 yes" in panel
            await press(pilot, "p", "x", "S")
            assert [type(message) for message in host.posted] == [
                TrainScreen.Paused,
                TrainScreen.Skipped,
                TrainScreen.Stopped,
            ]

    drive(scenario())


def test_the_panel_shows_the_row_under_the_cursor_once_it_is_moved() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, running(under_way()))
            await press(pilot, "up", "right")
            panel = host.text(CasesPanel)
            assert "context 256" in panel and "28 steps" in panel
            assert "flash2: 1.12x" in panel and "a step 228.7 ms" in panel
            await press(pilot, "f")
            assert "context 1024" in host.text(CasesPanel)

    drive(scenario())


def test_the_time_that_is_left_is_told_before_the_first_row_has_ended() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            first, *_ = training_cases(PLAN)
            events: list[Event] = [header(), TrainingPlanned(plan=PLAN), begun(first)]
            await show(pilot, host, running(Recording.of(events)))
            assert "left" not in host.text(SweepHead)
            events.append(steps(first, [100.0] * 25, at_s=12.0))
            await show(pilot, host, running(Recording.of(events)))
            assert "0 of 6 cases" in host.text(SweepHead) and "about 2:" in host.text(SweepHead)

    drive(scenario())


def test_the_last_row_is_not_skipped_but_stopped() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            recording = under_way()
            recording.add(begun(training_cases(PLAN)[4], 20.0))
            await show(pilot, host, running(recording, now_s=20.0))
            await press(pilot, "x", "S")
            assert [type(message) for message in host.posted] == [TrainScreen.Stopped]

    drive(scenario())


def test_a_row_that_is_skipped_in_its_rounds_keeps_what_was_measured() -> None:
    case, _, third, *_ = training_cases(PLAN)
    events = [header(), TrainingPlanned(plan=PLAN), *trained(case, batch=8, tokens_per_s=50_000.0)][:-1]
    shown = training_rows(Recording.of([*events, begun(third, 30.0), PlanEnded(ending="interrupted")]))[0]
    assert shown.status == "partial" and shown.tokens_per_s == pytest.approx(50_000, rel=0.01)


def test_enter_on_a_case_that_has_not_begun_says_so() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, running(under_way()))
            await press(pilot, "end", "enter")
            assert host.posted == []
            assert [note.message for note in host._notifications] == [
                "nothing of this cell has been measured: there is no more to show"
            ]

    drive(scenario())


def test_p_goes_on_where_it_is_paused() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(100, 24)) as pilot:
            await show(pilot, host, running(under_way(), paused=True))
            assert "paused after this row" in host.text(SweepHead)
            await press(pilot, "p")
            (message,) = host.posted
            assert isinstance(message, TrainScreen.Paused) and not message.paused

    drive(scenario())


def test_a_row_is_said_to_be_skipped_until_it_is_left_and_its_cases_say_where() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(100, 30)) as pilot:
            recording = under_way()
            await show(pilot, host, running(recording))
            await press(pilot, "x")
            assert "skipping this row" in host.text(SweepHead)
            fifth = training_cases(PLAN)[4]
            recording.add(begun(fifth, 20.0))
            await show(pilot, host, running(recording, now_s=20.0))
            assert "skipping" not in host.text(SweepHead)
            assert "context 4096" in host.text(CasesPanel)
            await press(pilot, "up")
            panel = host.text(CasesPanel)
            assert "context 1024" in panel and "pytorch  skipped at step 37" in panel
            assert "flash2   skipped" in panel

    drive(scenario())


def test_a_new_training_leaves_out_what_an_earlier_one_never_came_to() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(100, 30)) as pilot:
            recording = under_way(finished=True)
            plan = training_plan([training(context=2048)], ("pytorch", "sdpa"), first_case=PLAN.count)
            recording.add(TrainingPlanned(plan=plan))
            await show(pilot, host, running(recording, training=plan))
            grid = host.text(GridTable)
            assert [line.split()[0] for line in grid.splitlines()[2:] if line] == ["256", "1024", "2048"]
            assert "3 of 5 cases" in host.text(SweepHead)  # the row that was cut is not asked for any more
            for case in training_cases(plan):
                for event in trained(case, batch=8, tokens_per_s=9_000.0, at_s=30.0):
                    recording.add(event)
            recording.add(PlanEnded(at_s=60.0, ending="completed"))
            await show(pilot, host, running(recording, training=None))
            assert "5 of 5 cases" in host.text(SweepHead) and "press R" not in host.text(SweepHead)

    drive(scenario())


@pytest.mark.parametrize("mode", ["live", "recording"])
def test_an_interrupted_training_can_be_gone_on_with(mode: str) -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, running(under_way(finished=True), mode=mode, training=None))
            assert "4 cases not measured: press R" in host.text(SweepHead)
            await press(pilot, "p", "x", "S", "R")
            assert [type(message) for message in host.posted] == [TrainScreen.ResumeAsked]

    drive(scenario())


def test_what_this_machine_cannot_go_on_with_is_not_offered_and_says_why() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            why = "that takes H100 80GB HBM3, not a laptop"
            view = running(under_way(finished=True), mode="recording", training=None, cannot_go_on=why)
            await show(pilot, host, view)
            assert f"4 cases not measured: {why}" in host.text(SweepHead)
            await press(pilot, "R")
            assert host.posted == []

    drive(scenario())


def test_a_finished_recording_has_no_form_and_its_whole_table() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(120, 30)) as pilot:
            await show(pilot, host, View(mode="recording", recording=study()))
            await press(pilot, "n", "R", "p")
            assert host.posted == [] and not host.train.query_one(TrainForm).display
            assert "H100 80GB HBM3: gpt2-small, compile, float16" in host.text(SweepHead)
            assert "held to 12.0 GiB" in host.text(SweepHead)
            assert "9 of 9 cases" in host.text(SweepHead)
            assert "+16,094" in host.text(GridTable) and "OOM" in host.text(GridTable)
            await press(pilot, "y")
            assert "--memory-limit 12GiB" in host.clipboard

    drive(scenario())


def test_the_column_of_the_cursor_becomes_the_baseline() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(100, 30)) as pilot:
            await show(pilot, host, View(mode="recording", recording=study()))
            await press(pilot, "right", "b")
            assert "= sdpa-flash" in host.text(GridTable) and "0.88x" in host.text(GridTable)

    drive(scenario())


def test_a_session_without_training_says_so_and_a_live_one_offers_the_form() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(mode="recording", recording=Recording.of([header()])))
            assert "nothing was trained in this session" in host.text(SweepHead)
            await show(pilot, host, View(hello=HELLO))
            assert "g starts" in host.text(SweepHead) and host.train.query_one(TrainForm).display

    drive(scenario())


def test_readings_of_the_device_stand_beside_the_cases_where_there_is_room() -> None:
    async def scenario(width: int) -> bool:
        host = Host()
        async with host.run_test(size=(width, 40)) as pilot:
            recording = under_way()
            recording.add(telemetry(12.0, sm_mhz=1980, power_w=650.0))
            await show(pilot, host, running(recording))
            panel = host.train.query_one(TelemetryPanel)
            return panel.display and "1980" in host.text(TelemetryPanel)

    assert drive(scenario(200)) and not drive(scenario(120))


def test_it_draws_ascii_alone_where_it_is_told_to() -> None:
    async def scenario() -> None:
        host = Host(ASCII)
        async with host.run_test(size=(100, 30)) as pilot:
            await show(pilot, host, running(under_way()))
            for kind in (SweepHead, GridTable, CasesPanel):
                assert host.text(kind).isascii()

    drive(scenario())


# The details of a case.


def sheets(recording: Recording, case: int, *keys: str, size: tuple[int, int] = (100, 60)) -> str:
    """What the details of a case show after some keys."""

    async def scenario() -> str:
        host = Host()
        async with host.run_test(size=size) as pilot:
            screen = TrainingDetailsScreen(case)
            await host.push_screen(screen)
            screen.show(View(mode="recording", recording=recording))
            await press(pilot, *keys)
            return host.text(Pager)

    return drive(scenario())


def test_enter_on_a_cell_asks_for_its_details() -> None:
    async def scenario() -> None:
        host = Host()
        async with host.run_test(size=(80, 24)) as pilot:
            await show(pilot, host, View(mode="recording", recording=study()))
            await press(pilot, "down", "right", "right", "enter")
            (message,) = host.posted
            assert isinstance(message, TrainScreen.Opened) and message.case == 5

    drive(scenario())


def test_the_details_have_all_that_is_known_of_a_case() -> None:
    text = sheets(study(), 5)
    for said in (
        "flash2  gpt2-small, context 1024, compile",
        "65,523 tokens/s  1.53x ±0.01 the throughput of pytorch",
        "forward        75.0 ms   30 %",
        "31 % of the time of all kernels in a step",
        "TFLOP/s of the model's own work",
        "matmul rate",
        "6N + 12LWC",
        "tried: 32 no, 16 yes",
        "9.00 GiB of tensors at the peak",
        "9.7000 at first, 9.6700 in step 4",
        "it ends where rounds begin: in rounds all implementations",
        "of 28 steps the last 24 are measured",
        "of which compiling 20.0 s",
        "12 x: call to a C extension",
        "loss 9.7042 ok",
        "pytorch,flash2 --batch auto",
    ):
        assert said in text, said


def test_a_case_without_measured_steps_says_so_and_shares_on_a_cpu_are_of_operators() -> None:
    plan = training_plan([training()], ("pytorch", "sdpa"), batch=8, device="cpu")
    first, second = training_cases(plan)
    events = [header(), TrainingPlanned(plan=plan), *trained(first, batch=8, tokens_per_s=40_000.0)]
    checked = TrainingChecked(case=second.number, batch=8, parameters=1, first_step_ms=900.0)
    recording = Recording.of([*events, begun(second), checked, steps(second, [250.0] * 12)])
    assert "12 steps, none of them measured" in sheets(recording, 1)
    assert "31 % of the time of all operators in a step" in sheets(recording, 0)


def test_the_bar_of_a_step_has_its_parts_to_scale() -> None:
    line = next(line for line in sheets(study(), 5).splitlines() if "░" in line and "█" in line)
    assert (line.count("█"), line.count("▓"), line.count("░")) == (18, 36, 6)


def test_left_and_right_turn_to_the_row_s_other_implementations() -> None:
    assert "[pytorch]" in sheets(study(), 5, "right")
    assert "[sdpa-flash]" in sheets(study(), 5, "left")


def failures() -> Iterator[Event]:
    plan = training_plan([training()], ("pytorch", "sdpa", "flash2"))
    plain, wrong, oom = training_cases(plan)
    yield header()
    yield TrainingPlanned(plan=plan)
    yield from trained(plain, batch=8, tokens_per_s=40_000.0)
    yield from trained(wrong, batch=8, tokens_per_s=60_000.0, verdict="wrong")
    yield begun(oom)
    yield training_failed(oom, "oom", "not even a batch of 1 fits", 6 * 2**30)


def test_why_a_case_came_to_nothing_is_said_in_full() -> None:
    recording = Recording.of(failures())
    assert "OOM: not even a batch of 1 fits (6.00 GiB asked for)" in sheets(recording, 2)
    wrong = sheets(recording, 1)
    assert "wrong: loss 11.9000 is off by 2.2, limit 0.01" in wrong and "0.0 the throughput" not in wrong


def test_a_case_that_has_not_begun_says_so() -> None:
    assert "Case 77 has not begun: escape leads back." in sheets(Recording.of(study_events()[:3]), 77)
