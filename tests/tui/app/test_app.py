"""The whole app on a fake engine: its screens, keys, palette and endings, and what reaches the engine."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from textual.command import CommandInput, CommandPalette

from impls.contract import DeviceInfo
from profiler.clients.demo import DemoEngine
from profiler.clients.recorded import RecordedSession
from profiler.engine.control import Pause, Resume, Skip, Stop, Train
from profiler.events import CaseStarted, Finished, Kernel, Kernels, PlanEnded, Planned, TrainingPlanned
from profiler.export.markdown.charts import without_charts
from profiler.machine.environment import Device
from profiler.plans.plan import Plan
from profiler.state import STATE_VARIABLE
from tests.examples import attention, cases, checked, header, measured, plan, single_events, telemetry
from tests.training_examples import study_events, trained, training, training_cases, training_plan
from tests.tui.app.fake import FakeEngine, hello, opening
from tests.tui.app.pilot import drive, press
from tests.tui.app.whole import (
    QUICK_ONLY,
    ROOT,
    front,
    line_with,
    measuring,
    plans,
    running,
    said,
    settle,
    shown,
    tell,
    type_in,
    until,
)
from tui import remembered
from tui.app.app import AttnprofApp
from tui.app.choice import default_choice
from tui.app.screens.bench import BenchScreen
from tui.app.screens.details import DetailsScreen
from tui.app.screens.help import HelpScreen
from tui.app.screens.sessions import SessionsScreen
from tui.app.screens.sweep import SweepScreen
from tui.app.screens.train import TrainScreen
from tui.app.screens.training_details import TrainingDetailsScreen
from tui.app.widgets.axes import AxesForm

FIRST = default_choice(hello())
TRAINING = training_plan([training(context=256), training()], ("pytorch", "flash2"))
SWEEP = plan([attention(seq=seq) for seq in (512, 1024, 2048)], ("pytorch", "flash2"))
RECORDED = "20261122T102112Z-h100-80gb-hbm3-sweep.jsonl"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, where what is remembered and exported goes."""
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sessions(folder: Path) -> Path:
    """A folder with a finished session, and one of a shape that was left unmeasured."""
    (folder / "sessions").mkdir()
    shutil.copy(ROOT / "sessions" / RECORDED, folder / "sessions")
    events = [
        event
        for event in single_events()
        if not isinstance(event, Finished | CaseStarted) and getattr(event, "case", None) is None
    ]
    lines = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
    (folder / "sessions" / "20261121T000000Z-h100-80gb-hbm3-torn.jsonl").write_bytes(lines)
    return folder / "sessions"


def begin_sweep(client: FakeEngine, of: Plan = SWEEP) -> None:
    """The engine says that it measures a sweep in place of what ran, and is at its second shape."""
    tell(client, Planned(at_s=3.0, plan=of))
    first, second, third, *_ = cases(of)
    tell(client, *checked(first, at_s=3.1), *checked(second, at_s=3.2))
    tell(client, *measured(first, of.passes, at_s=4.0), *measured(second, of.passes, speed=4.0, at_s=4.0))
    tell(client, *checked(third, at_s=4.2))


# Screens.


def test_1_to_4_put_the_screens_in_front_and_0_is_for_coming_back_only(sessions: Path) -> None:
    screens = (("2", SweepScreen), ("3", SessionsScreen), ("4", TrainScreen), ("1", BenchScreen))

    async def scenario() -> None:
        async with running(measuring()) as (app, pilot):
            for key, kind in screens:
                await press(pilot, key)
                assert front(app) is kind
            assert "0" not in app.screen.active_bindings or not app.screen.active_bindings["0"].enabled
            await press(pilot, "2", "0")
            assert front(app) is SweepScreen

    drive(scenario())


def test_a_question_mark_tells_the_keys_and_leads_back() -> None:
    async def scenario() -> None:
        async with running(measuring()) as (app, pilot):
            await press(pilot, "question_mark")
            assert front(app) is HelpScreen
            assert "Measure this shape again" in line_with(app, "   r  ")
            await press(pilot, "question_mark")
            assert front(app) is BenchScreen

    drive(scenario())


def test_what_was_typed_on_the_bench_is_proposed_as_a_sweep_and_started_as_it_says() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            await press(pilot, "down", "right")  # heads
            await until(pilot, lambda: len(plans(client)) == 2)
            await press(pilot, "2")
            await settle(app, pilot)
            assert app.screen.query_one(AxesForm).has_focus
            assert "32" in line_with(app, "heads")
            await press(pilot, "g")
            await until(pilot, lambda: len(plans(client)) == 3)
            sweep = plans(client)[-1]
            assert len(sweep.workloads) > 1
            assert {shape.heads for shape in sweep.workloads} == {32}
            await settle(app, pilot)
            assert "measured" in shown(app) or f"{sweep.count} of {sweep.count}" in shown(app)

    drive(scenario())


def test_a_sweep_is_paused_goes_on_is_skipped_and_stopped_by_its_keys() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            client.commands.clear()
            begin_sweep(client)
            await press(pilot, "2")
            await settle(app, pilot)
            await press(pilot, "p")
            await settle(app, pilot)
            assert "paused" in shown(app)
            await press(pilot, "p", "x", "S")
            assert client.commands == [Pause(), Resume(), Skip(), Stop()]

    drive(scenario())


def test_what_a_stopped_sweep_lacks_is_measured_on_request() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            begin_sweep(client)
            tell(client, PlanEnded(at_s=5.0, ending="interrupted"))
            await press(pilot, "2")
            await settle(app, pilot)
            await press(pilot, "R")
            await until(pilot, lambda: len(plans(client)) == 2)
            assert plans(client)[-1].workloads == SWEEP.workloads[1:]

    drive(scenario())


def test_a_sweep_is_not_given_up_for_a_turned_parameter() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            begin_sweep(client)
            client.commands.clear()
            await press(pilot, "right")
            await settle(app, pilot)
            assert "seq 4096" in shown(app)
            assert "a sweep is running" in shown(app).splitlines()[0]
            assert "measuring" not in shown(app).splitlines()[0]
            await press(pilot, "r")
            assert said(app) == "a sweep is running: stop it first (2, then S)"
            assert client.commands == []

    drive(scenario())


def test_what_was_turned_to_during_a_sweep_is_measured_after_it() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            begin_sweep(client)
            client.commands.clear()
            await press(pilot, "right")
            await settle(app, pilot)
            assert "not measured: a sweep is running" in shown(app)
            tell(client, PlanEnded(at_s=5.0, ending="completed"))
            await until(pilot, lambda: bool(plans(client)))
            assert plans(client)[0].workloads == (replace(FIRST, seq=4096).workload(),)

    drive(scenario())


def test_a_shape_that_was_skipped_in_a_sweep_is_not_taken_for_measured() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            shapes = tuple(replace(FIRST, seq=seq).workload() for seq in (2048, 4096))
            whole = plan(shapes, FIRST.implementations)
            tell(client, Planned(plan=whole))
            for case in cases(whole)[: len(FIRST.implementations)]:
                tell(client, *checked(case), *measured(case, whole.passes))
            tell(client, PlanEnded(ending="completed"))
            client.commands.clear()
            assert app.driver.seen(FIRST) == "full"
            await press(pilot, "right")
            await until(pilot, lambda: bool(plans(client)))
            assert plans(client)[0].workloads == shapes[1:]

    drive(scenario())


def test_the_kernels_of_a_case_are_asked_for_from_its_details_and_shown_there() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            await press(pilot, "tab", "end", "enter")
            await settle(app, pilot)
            assert "not taken" in line_with(app, "kernels")
            await press(pilot, "k")
            await until(pilot, lambda: len(plans(client)) == 2)
            asked = plans(client)[-1]
            assert asked.takes.kernels
            assert asked.workloads == (FIRST.workload(),)
            kernel = Kernel(name="flash_fwd_kernel", count=1, time_us=240.0)
            assert isinstance(app.screen, DetailsScreen)
            case = app.screen.case
            tell(client, Kernels(at_s=9.0, case=case, which="fwd", kernels=(kernel,), span_us=250.0))
            await settle(app, pilot)
            await press(pilot, "left", "left")
            await press(pilot, "pagedown")
            assert "flash_fwd_kernel" in shown(app)

    drive(scenario())


def test_kernels_are_not_taken_while_a_sweep_runs() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            begin_sweep(client)
            await press(pilot, "2")
            await settle(app, pilot)
            client.commands.clear()
            await press(pilot, "up", "up", "enter")
            await settle(app, pilot)
            await press(pilot, "k")
            assert said(app) == "kernels can be taken when nothing else is measured"
            assert client.commands == []

    drive(scenario())


# Training.


def begin_training(client: FakeEngine) -> None:
    """The engine says that it trains in place of what ran, and that half of it is done."""
    tell(client, TrainingPlanned(at_s=3.0, plan=TRAINING))
    for case in training_cases(TRAINING)[:2]:
        tell(client, *trained(case, batch=16, tokens_per_s=60_000.0, at_s=4.0))


def test_a_training_is_started_as_the_form_says_in_place_of_what_is_measured() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            await press(pilot, "4")
            await settle(app, pilot)
            await press(pilot, "right", "g")
            (asked,) = client.all_of(Train)
            assert isinstance(asked, Train)
            (row,) = asked.plan.trainings
            assert row.model.name == "gpt2-medium"
            assert asked.plan.implementations == ("pytorch", "flash2")
            assert asked.plan.device == "cuda:0"

    drive(scenario())


def test_a_training_is_paused_skipped_and_stopped_and_what_it_lacks_is_trained_on_request() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            client.commands.clear()
            begin_training(client)
            await press(pilot, "4")
            await settle(app, pilot)
            assert "2 of 4 cases" in shown(app)
            await press(pilot, "p")
            await settle(app, pilot)
            await press(pilot, "p", "x", "S")
            assert client.commands == [Pause(), Resume(), Skip(), Stop()]
            tell(client, PlanEnded(at_s=9.0, ending="interrupted"))
            await settle(app, pilot)
            await press(pilot, "R")
            (asked,) = client.all_of(Train)
            assert isinstance(asked, Train) and asked.plan.trainings == TRAINING.trainings[1:]

    drive(scenario())


def test_a_training_is_not_given_up_for_a_turned_parameter_which_is_measured_after_it() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            begin_training(client)
            client.commands.clear()
            await press(pilot, "right")
            await settle(app, pilot)
            assert "a training is running" in shown(app).splitlines()[0]
            assert "not measured: a training is running" in shown(app)
            await press(pilot, "r")
            assert said(app) == "a training is running: stop it first (4, then S)"
            assert client.commands == []
            tell(client, PlanEnded(at_s=9.0, ending="completed"))
            await until(pilot, lambda: bool(plans(client)))
            assert plans(client)[0].workloads == (replace(FIRST, seq=4096).workload(),)

    drive(scenario())


def test_the_end_of_a_training_leaves_what_the_bench_knows_as_it_was() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            (asked,) = plans(client)
            first, *_ = cases(asked)
            tell(client, Planned(plan=asked), *checked(first), *measured(first, asked.passes))
            begin_training(client)
            tell(client, PlanEnded(at_s=9.0, ending="completed"))
            await settle(app, pilot)
            assert app.driver.seen(FIRST) is None

    drive(scenario())


def test_a_recorded_training_opens_on_its_screen_and_its_report_is_written(sessions: Path) -> None:
    lines = b"".join(msgspec.json.encode(event) + b"\n" for event in study_events())
    path = sessions / "20261123T000000Z-h100-80gb-hbm3-gpt2-compile.jsonl"
    path.write_bytes(lines)

    async def scenario() -> None:
        async with running(measuring(), size=(120, 30)) as (app, pilot):
            await press(pilot, "3")
            await until(pilot, lambda: bool(line_with(app, "gpt2-compile")))
            await press(pilot, "home", "down", "enter")
            await until(pilot, lambda: front(app) is TrainScreen and app.desk.recording.finished is not None)
            await settle(app, pilot)
            assert "9 of 9 cases" in shown(app) and "+16,094" in shown(app)
            await press(pilot, "d")
            await settle(app, pilot)
            assert front(app) is TrainingDetailsScreen
            assert "63,820 tokens/s" in shown(app)
            await press(pilot, "escape", "e")
            (report,) = sessions.parent.glob("*.md")
            assert report.stem == path.stem and "63,820" in report.read_text()
            await press(pilot, "0")
            await settle(app, pilot)
            assert front(app) is BenchScreen

    drive(scenario())


# Other keys.


def test_e_writes_the_report_and_says_where(folder: Path) -> None:
    async def scenario() -> None:
        async with running(measuring()) as (app, pilot):
            await press(pilot, "e")
            (report,) = folder.glob("*.md")
            assert report.name == "20261122T043206Z-h100-80gb-hbm3.md"
            assert said(app).startswith(f"wrote {report.name} (")
            text = report.read_text()
            assert "](20261122T043206Z-h100-80gb-hbm3-charts/" in text
            assert app.clipboard == without_charts(text)
            assert "flash2" in app.clipboard
            await press(pilot, "e")
            assert len(list(folder.glob("*.md"))) == 2

    drive(scenario())


def test_there_is_no_report_of_nothing(folder: Path) -> None:
    async def scenario() -> None:
        async with running(FakeEngine(opening())) as (app, pilot):
            await press(pilot, "e")
            assert said(app) == "nothing has been measured yet"
            assert not list(folder.glob("*.md"))

    drive(scenario())


def test_a_report_that_cannot_be_written_is_told(folder: Path) -> None:
    async def scenario() -> None:
        async with running(measuring()) as (app, pilot):
            gone = folder / "gone"
            gone.mkdir()
            os.chdir(gone)
            gone.rmdir()
            await press(pilot, "e")
            assert said(app).startswith("the report cannot be written in the working directory")

    drive(scenario())


def test_space_holds_the_picture_while_events_are_taken_in() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            tell(client, telemetry(5.0, sm_mhz=1410))
            await settle(app, pilot)
            await press(pilot, "space")
            assert said(app) == "the view is held; space lets it go on"
            tell(client, telemetry(6.0, sm_mhz=1980), Planned(plan=SWEEP))
            await pilot.pause(0.1)  # several repaints would have been due
            assert "1410 of 1980 MHz" in line_with(app, "SM clock")
            assert len(app.desk.recording.telemetry) == 2
            await press(pilot, "space")
            await until(pilot, lambda: "1980 of 1980 MHz" in line_with(app, "SM clock"))

    drive(scenario())


def test_what_an_engine_says_is_painted_without_a_key() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            (asked,) = plans(client)
            first, *_ = cases(asked)
            tell(client, Planned(plan=asked), *checked(first), *measured(first, asked.passes))
            await until(pilot, lambda: "3.600" in line_with(app, "▸ pytorch"))

    drive(scenario())


def test_t_goes_through_the_themes_and_comes_round() -> None:
    async def scenario() -> None:
        async with running(measuring(), replace(QUICK_ONLY, theme="nord")) as (app, pilot):
            seen = [app.theme]
            while len(seen) == 1 or seen[-1] != seen[0]:
                await press(pilot, "t")
                seen.append(app.theme)
            assert {"textual-dark", "textual-light", "ansi-dark"} <= set(seen)
            assert "0.9000" in shown(app)

    drive(scenario())


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
def test_q_ends_the_app_and_then_the_engine_is_closed(key: str) -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            await press(pilot, key)
            assert app.return_value == 0
        assert client.closed

    drive(scenario())


# The palette, and other keys for actions.


def test_the_palette_has_every_action_that_a_key_has_here() -> None:
    async def scenario() -> None:
        async with running(measuring()) as (app, pilot):
            for key in ("1", "2", "3", "4"):
                await press(pilot, key)
                offered = {command.title for command in app.get_system_commands(app.screen)}
                for active in app.screen.active_bindings.values():
                    if active.enabled and active.binding.id is not None:
                        assert active.binding.description in offered, active.binding.id
            await press(pilot, "1")
            commands = [command.title for command in app.get_system_commands(app.screen)]
            expected = {"Sweep", "Sessions", "Export", "Pause view", "Theme", "Help", "Quit"}
            expected |= {"Baseline", "Again", "Bars", "Sort", "Details", "Filter"}
            assert expected <= set(commands)
            assert not {"Live", "Bench"} & set(commands)  # there one is

    drive(scenario())


def test_an_action_is_run_from_the_palette() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            await press(pilot, "ctrl+p")
            assert isinstance(app.screen, CommandPalette)
            assert app.screen.query_one(CommandInput).has_focus
            await type_in(pilot, "again")
            palette = app.screen
            await until(pilot, lambda: not palette._show_busy and palette._list_visible)
            await pilot.press("enter")
            await until(pilot, lambda: front(app) is BenchScreen)
            await until(pilot, lambda: len(plans(client)) == 2)

    drive(scenario())


def test_keys_are_those_of_the_settings() -> None:
    async def scenario() -> None:
        client = measuring()
        keys = {"app.sweep": "f2", "bench.again": "a,f5", "picker.more": "plus"}
        async with running(client, replace(QUICK_ONLY, keys=keys)) as (app, pilot):
            await press(pilot, "2", "r")
            assert front(app) is BenchScreen
            assert len(plans(client)) == 1
            await press(pilot, "a", "f5")
            await until(pilot, lambda: len(plans(client)) == 3)
            await press(pilot, "plus")
            await until(pilot, lambda: plans(client)[-1].workloads[0].seq_q == 4096)
            assert "a Again" in shown(app).splitlines()[-1]
            await press(pilot, "f2")
            assert front(app) is SweepScreen

    drive(scenario())


# Engines.


def test_an_engine_that_cannot_be_started_is_told() -> None:
    async def scenario() -> None:
        client = FakeEngine()
        client.die("the engine 'attnprof' cannot be started")
        app = AttnprofApp(client, QUICK_ONLY)
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await until(pilot, lambda: bool(said(app)))
            assert said(app) == "the engine 'attnprof' cannot be started"
            await settle(app, pilot)
            assert "the engine has died" in shown(app)
            assert "loading torch" not in shown(app)
            await press(pilot, "right", "2", "1")
            assert client.commands == []

    drive(scenario())


def test_an_engine_that_dies_is_told_and_what_was_measured_stays(folder: Path) -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            client.die("the engine was killed by signal 9: [b]see[/b] engine.log")
            await until(pilot, lambda: bool(said(app)))
            assert said(app) == "the engine was killed by signal 9: [b]see[/b] engine.log"
            await settle(app, pilot)
            assert "[b]see[/b]" in shown(app)
            assert "0.9000" in line_with(app, "█ flash2")
            await press(pilot, "e")
            assert len(list(folder.glob("*.md"))) == 1

    drive(scenario())


def test_a_plan_that_its_engine_took_with_it_does_not_run_any_more() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            tell(client, Planned(plan=plans(client)[0]))
            client.die("the engine was killed by signal 9")
            await until(pilot, lambda: bool(said(app)))
            await settle(app, pilot)
            assert "the engine has died" in shown(app).splitlines()[0]
            assert app.desk.view().running is None
            client.commands.clear()
            await press(pilot, "right", "r")
            await settle(app, pilot)
            assert "measuring" not in shown(app)
            assert client.commands == []

    drive(scenario())


def test_a_recorded_session_is_opened_and_0_comes_back_to_the_live_one(sessions: Path) -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client, size=(100, 30)) as (app, pilot):
            await press(pilot, "3")
            await until(pilot, lambda: "completed" in shown(app))
            await press(pilot, "enter")
            await until(pilot, lambda: front(app) is SweepScreen and "35 of 35" in shown(app))
            await settle(app, pilot)
            assert "1.906" in shown(app)
            assert "0 Live" in shown(app).splitlines()[-1]
            await press(pilot, "1")
            await settle(app, pilot)
            assert "recording" in shown(app).splitlines()[0]
            assert "seq 1024" in shown(app).splitlines()[0]
            await press(pilot, "right", "r")
            assert len(plans(client)) == 1  # nothing is measured for a recording
            await press(pilot, "0")
            await settle(app, pilot)
            assert front(app) is BenchScreen
            assert "seq 2048" in shown(app).splitlines()[0]
            assert "0.9000" in line_with(app, "█ flash2")
            await press(pilot, "right")
            await until(pilot, lambda: len(plans(client)) == 2)

    drive(scenario())


def test_the_way_back_from_a_recording_is_to_the_training_under_way(sessions: Path) -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client, size=(100, 30)) as (app, pilot):
            begin_training(client)
            await press(pilot, "3")
            await until(pilot, lambda: "completed" in shown(app))
            await press(pilot, "enter")
            await until(pilot, lambda: app.desk is not app.live and app.desk.hello is not None)
            await press(pilot, "0")
            await settle(app, pilot)
            assert front(app) is TrainScreen and "2 of 4 cases" in shown(app)

    drive(scenario())


def test_what_is_live_goes_on_behind_a_recording(sessions: Path) -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client, size=(100, 30)) as (app, pilot):
            await press(pilot, "3")
            await until(pilot, lambda: "completed" in shown(app))
            await press(pilot, "enter")
            await until(pilot, lambda: app.desk is not app.live and app.desk.hello is not None)
            (asked,) = plans(client)
            case, *_ = cases(asked)
            tell(client, Planned(plan=asked), *checked(case), *measured(case, asked.passes))
            tell(client, PlanEnded(ending="completed"))
            assert remembered.recall("cuda") == FIRST  # not what is looked at in the recording
            await press(pilot, "0")
            await settle(app, pilot)
            assert "3.600" in line_with(app, "▸ pytorch")

    drive(scenario())


def test_an_interrupted_session_is_gone_on_with_by_an_engine_of_its_own(sessions: Path) -> None:
    resumed: list[Path] = []
    second = FakeEngine(opening())

    def resume(path: Path) -> FakeEngine:
        resumed.append(path)
        return second

    async def scenario() -> None:
        client = measuring()
        async with running(client, size=(100, 30), resume=resume) as (app, pilot):
            await press(pilot, "3")
            await until(pilot, lambda: "not closed" in shown(app))
            await press(pilot, "down", "R")
            await until(pilot, lambda: app.desk.client is second)
            await until(pilot, lambda: client.closed)
            assert [path.name for path in resumed] == ["20261121T000000Z-h100-80gb-hbm3-torn.jsonl"]
            await until(pilot, lambda: front(app) is SweepScreen)
            await until(pilot, lambda: app.desk.hello is not None)
            await pilot.pause(0.1)  # as long as a measurement of its own would be due after
            assert second.commands == []  # it measures what is missing; an order would end that
            await press(pilot, "1", "right")
            await until(pilot, lambda: bool(plans(second)))
            await press(pilot, "left")  # the session of before had this one
            await until(pilot, lambda: plans(second)[-1].workloads == (FIRST.workload(),))
        assert second.closed

    drive(scenario())


@pytest.mark.parametrize("screen", ["2", "4"])
def test_where_the_engine_cannot_go_on_with_a_recording_it_stays_as_it_was_and_says_why(screen: str) -> None:
    shapes = plan([attention(seq=512), attention(seq=1024)])
    case, *_ = cases(shapes)
    refusing = FakeEngine()

    async def scenario() -> None:
        client = FakeEngine([hello(), header("attnprof")], takes_commands=False)
        async with running(client, mode="recording", size=(100, 30), resume=lambda _: refusing) as (
            app,
            pilot,
        ):
            tell(client, Planned(plan=shapes), *checked(case), *measured(case, shapes.passes))
            tell(client, PlanEnded(ending="interrupted"), TrainingPlanned(plan=TRAINING))
            tell(client, *trained(training_cases(TRAINING)[0], batch=16, tokens_per_s=60_000.0))
            tell(client, Finished(ending="interrupted"))
            await press(pilot, screen)
            await settle(app, pilot)
            assert "press R" in shown(app)
            before = app.desk
            await press(pilot, "R")
            refusing.die("the engine ended: it was recorded on cuda:0")
            await until(pilot, lambda: said(app).startswith("the engine ended"))
            await settle(app, pilot)
            assert app.desk is app.live is before and not client.closed
            assert "not measured: the engine ended: it was recorded on cuda:0" in shown(app)
            assert "60,000" in shown(app) or "pytorch" in shown(app)
            assert "R Resume" in shown(app) and app.engine_error == ""

    drive(scenario())


def test_on_another_device_going_on_with_a_recording_is_not_offered() -> None:
    laptop = Device("cpu", DeviceInfo("cpu", "a laptop"))

    async def scenario() -> None:
        client = FakeEngine([hello(), header("attnprof")], takes_commands=False)
        async with running(client, mode="recording", size=(100, 30), here=lambda: laptop) as (app, pilot):
            tell(client, TrainingPlanned(plan=TRAINING))
            tell(client, *trained(training_cases(TRAINING)[0], batch=16, tokens_per_s=60_000.0))
            tell(client, Finished(ending="interrupted"))
            await press(pilot, "4")
            await until(pilot, lambda: bool(app.desk.cannot_go_on))
            await settle(app, pilot)
            assert "not measured: that takes H100 80GB HBM3, not a laptop" in shown(app)
            assert "R Resume" not in shown(app)

    drive(scenario())


def test_the_bench_over_a_session_of_training_alone_invents_no_shape() -> None:
    async def scenario() -> None:
        client = FakeEngine([hello(), header("attnprof")], takes_commands=False)
        async with running(client, mode="recording") as (app, pilot):
            tell(client, TrainingPlanned(plan=TRAINING))
            tell(client, *trained(training_cases(TRAINING)[0], batch=16, tokens_per_s=60_000.0))
            tell(client, Finished(ending="completed"))
            await press(pilot, "1")
            await settle(app, pilot)
            assert "no shape was measured in this session; 4 shows what was trained" in shown(app)
            assert "seq" not in shown(app) and "heads" not in shown(app)

    drive(scenario())


def test_where_nothing_can_be_measured_resuming_is_refused_in_words(sessions: Path) -> None:
    async def scenario() -> None:
        async with running(measuring(), size=(100, 30)) as (app, pilot):
            await press(pilot, "3")
            await until(pilot, lambda: "not closed" in shown(app))
            await press(pilot, "down", "R")
            await until(pilot, lambda: bool(said(app)))
            assert said(app) == "nothing can be measured here: start attnprof on a GPU machine"

    drive(scenario())


def test_a_session_alone_is_shown_and_no_order_is_given() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening(), takes_commands=False)
        async with running(client, mode="recording") as (app, pilot):
            tell(client, *single_events()[1:])
            await settle(app, pilot)
            await press(pilot, "right", "r", "2", "n", "g", "p", "R", "1", "d")
            assert client.commands == []

    drive(scenario())


def test_a_demonstration_plays_the_recorded_shape_first_and_steps_to_others() -> None:
    engine = DemoEngine(ROOT / "sessions" / RECORDED, beat_s=0.0)

    async def scenario() -> None:
        async with running(engine, mode="demo") as (app, pilot):
            assert app._bench.choice.workload() == engine.recorded_workloads[0]
            await until(pilot, lambda: app.driver.seen(app._bench.choice) is not None)
            await settle(app, pilot)
            assert "0.2802" in line_with(app, "▸ pytorch")
            await press(pilot, "right")
            await until(pilot, lambda: app.driver.seen(app._bench.choice) is not None)
            await settle(app, pilot)
            assert app._bench.choice.seq == 2048
            assert "1.026" in line_with(app, "▸ pytorch")

    drive(scenario())


def test_nothing_is_remembered_of_a_demonstration(folder: Path) -> None:
    engine = DemoEngine(ROOT / "sessions" / RECORDED, beat_s=0.0)

    async def scenario() -> None:
        async with running(engine, mode="demo") as (app, pilot):
            await until(pilot, lambda: app.driver.seen(app._bench.choice) is not None)
        assert remembered.recall("cuda") is None

    drive(scenario())


# Terminals.


def test_ascii_alone_is_drawn_where_it_is_asked_for(sessions: Path) -> None:
    settings = replace(QUICK_ONLY, ascii=True)

    async def scenario() -> None:
        session = RecordedSession(sessions / RECORDED)
        async with running(session, settings, mode="recording", size=(160, 48)) as (app, pilot):
            await until(pilot, lambda: len(app.desk.recording.cases) == 35)
            for keys in (["1"], ["2"], ["c"], ["v"], ["3"], ["1", "d"], ["escape", "question_mark"]):
                await press(pilot, *keys)
                await settle(app, pilot)
                body = shown(app).splitlines()[:-1]
                assert not [line for line in body if not line.isascii()], keys
                assert any(line.strip() for line in body)

    drive(scenario())


def test_no_color_leaves_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")

    async def scenario() -> None:
        async with running(measuring()) as (app, _):
            colours = {
                colour.triplet
                for strip in app.screen._compositor.render_strips()
                for segment in strip
                if segment.style is not None
                for colour in (segment.style.color, segment.style.bgcolor)
                if colour is not None and colour.triplet is not None
            }
            assert colours
            assert {triplet for triplet in colours if len(set(triplet)) > 1} == set()
            assert "* 0.9000" in shown(app)  # the fastest is clear without it

    drive(scenario())


@pytest.mark.parametrize("size", [(40, 10), (80, 24), (100, 30), (200, 60)])
def test_every_screen_can_be_shown_at_any_size(sessions: Path, size: tuple[int, int]) -> None:
    async def scenario() -> None:
        async with running(measuring(), size=size) as (app, pilot):
            for key in ("2", "3", "1", "d", "escape", "question_mark"):
                await press(pilot, key)
                await settle(app, pilot)
                assert max(map(len, shown(app).splitlines())) <= size[0]

    drive(scenario())


def test_a_resize_is_followed() -> None:
    async def scenario() -> None:
        async with running(measuring()) as (app, pilot):
            await pilot.resize_terminal(160, 48)
            await settle(app, pilot)
            assert "implementation" in shown(app)
            assert "passes" in shown(app)

    drive(scenario())
