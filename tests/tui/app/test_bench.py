"""The Bench in the whole app: what each key does, what is measured for it, and what is seen meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from profiler.events import Catalog, CatalogEntry, PlanEnded, Planned
from profiler.plans.plan import Plan
from profiler.state import STATE_VARIABLE
from profiler.units import describe_shape
from profiler.workload import Attention
from tests.examples import attention, cases, checked, failed, measured, plan, samples, telemetry
from tests.tui.app.fake import FakeEngine, hello, opening
from tests.tui.app.pilot import drive, press
from tests.tui.app.whole import (
    QUICK_ONLY,
    ROOT,
    AppPilot,
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
from tui.app.app import AttnprofApp
from tui.app.choice import default_choice, full_plan, quick_plan
from tui.app.screens.details import DetailsScreen
from tui.app.widgets.picker import Picker
from tui.app.widgets.results import ResultsTable
from tui.config import Settings

FIRST = default_choice(hello())
WIDE = (160, 48)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path))


async def turned(app: AttnprofApp, pilot: AppPilot, client: FakeEngine, *keys: str) -> Plan:
    """Press keys that ask for something new; what the engine is told to measure for them in the end."""
    before = len(plans(client))
    await pilot.press(*keys)
    await until(pilot, lambda: len(plans(client)) > before and app.driver._due_s is None)
    await settle(app, pilot)
    return plans(client)[-1]


def to_row(name: str) -> Callable[[AttnprofApp, AppPilot], Any]:
    """Moves the picker's cursor to an implementation or a parameter, by arrows as a person would."""

    async def move(app: AttnprofApp, pilot: AppPilot) -> None:
        picker = app.screen.query_one(Picker)
        await pilot.press("home")
        for _ in range(30):
            if getattr(picker.row, "id", None) == name or getattr(picker.row, "name", None) == name:
                return
            await pilot.press("down")
        raise AssertionError(f"there is no row {name}")

    return move


def chosen(app: AttnprofApp) -> list[str]:
    """The implementations that are checked."""
    return list(app._bench.choice.implementations)


def at(seq: int) -> Plan:
    """The quick look at the first shape with another length."""
    return quick_plan(replace(FIRST, seq=seq), "cuda:0")


def test_the_first_shape_is_measured_quickly_without_a_key() -> None:
    async def scenario() -> None:
        client = measuring(flash2=4.0)
        async with running(client) as (app, _):
            assert plans(client) == [quick_plan(FIRST, "cuda:0")]
            assert "0.9000" in line_with(app, "flash2")
            assert "quick look" in line_with(app, "seq 2048")

    drive(scenario())


def test_what_one_rests_on_is_measured_in_full() -> None:
    async def scenario() -> None:
        client = measuring()
        settings = Settings(refine_after_s=0.0)
        async with running(client, settings) as (app, pilot):
            await until(pilot, lambda: len(plans(client)) == 2)
            await settle(app, pilot)
            assert plans(client) == [quick_plan(FIRST, "cuda:0"), full_plan(FIRST, "cuda:0")]
            assert "measured ±" in line_with(app, "seq 2048")

    drive(scenario())


def test_arrows_halve_double_and_step_the_row_they_move_to() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            assert await turned(app, pilot, client, "right") == at(4096)
            await press(pilot, "left")  # back at what is known
            assert await turned(app, pilot, client, "shift+right") == at(2304)
            await press(pilot, "<")
            assert app._bench.choice == FIRST
            assert len(plans(client)) == 3
            assert await turned(app, pilot, client, "left") == at(1024)
            plan = await turned(app, pilot, client, "down", "right")
            assert plan.workloads[0].heads == 32
            plan = await turned(app, pilot, client, "up", "up", "shift+left")
            assert plan.workloads[0].batch == 3
            plan = await turned(app, pilot, client, ">", ">")
            assert plan.workloads[0].batch == 5

    drive(scenario())


def test_keys_that_come_faster_than_they_can_be_followed_do_not_measure_every_shape() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            for _ in range(4):
                app.screen.query_one(Picker).action_step(1)
            await until(pilot, lambda: plans(client)[-1] == at(32768))
            assert len(plans(client)) < 1 + 4

    drive(scenario())


def test_enter_checks_and_unchecks_an_implementation() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            await to_row("sdpa")(app, pilot)
            await press(pilot, "enter")
            await settle(app, pilot)
            assert chosen(app) == ["pytorch", "flash2"]
            assert app.screen.query_one(ResultsTable).lines[-1].headline.implementation == "flash2"
            assert len(app.screen.query_one(ResultsTable).lines) == 2
            assert len(plans(client)) == 1  # what remains was measured
            await press(pilot, "enter", "right")
            assert chosen(app) == ["pytorch", "sdpa", "flash2"]
            plan = await turned(app, pilot, client, "enter", "down", "down", "down", "right")
            assert plan.implementations == ("pytorch", "flash2")

    drive(scenario())


def test_what_cannot_run_is_not_checked_and_the_last_one_stays() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client, size=WIDE) as (app, pilot):
            await to_row("sdpa-cudnn")(app, pilot)
            await press(pilot, "enter")
            assert "cannot run here: needs cuDNN 9" in " ".join(shown(app).split())
            for name in ("sdpa", "flash2", "pytorch"):
                await to_row(name)(app, pilot)
                await press(pilot, "enter")
            assert app._bench.choice.implementations == ("pytorch",)
            assert "something has to be" in shown(app)
            assert len(plans(client)) == 1

    drive(scenario())


def test_enter_types_a_value_and_a_bad_one_is_refused_in_place() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            await press(pilot, "enter", *["backspace"] * 5)
            await type_in(pilot, "e2q0")  # keys of the app, were nothing being typed
            await press(pilot, "enter")
            assert app.screen is app._bench
            assert "takes a size such as 512 or 4k" in " ".join(shown(app).split())
            assert app._bench.choice.seq == FIRST.seq
            await press(pilot, *["backspace"] * 4)
            await type_in(pilot, "8k")
            plan = await turned(app, pilot, client, "enter")
            assert plan.workloads[0].seq_q == 8192
            await press(pilot, "enter", "9", "escape")
            assert app._bench.choice.seq == 8192

    drive(scenario())


def test_enter_flips_a_switch() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            await to_row("causal")(app, pilot)
            plan = await turned(app, pilot, client, "enter")
            assert plan.workloads[0].causal

    drive(scenario())


def test_tab_leads_to_the_table_whose_arrows_choose_row_and_order() -> None:
    async def scenario() -> None:
        client = measuring(flash2=4.0, sdpa=2.0)
        async with running(client) as (app, pilot):
            table = app.screen.query_one(ResultsTable)
            await press(pilot, "tab")
            assert app.focused is table
            assert [line.headline.implementation for line in table.lines] == ["pytorch", "sdpa", "flash2"]
            await press(pilot, "down", "down")
            assert table.line is not None
            assert table.line.headline.implementation == "flash2"
            await press(pilot, "right", "right")
            assert table.sort_key == "fwd"
            assert [line.headline.implementation for line in table.lines] == ["flash2", "sdpa", "pytorch"]
            assert table.line.headline.implementation == "flash2"
            await press(pilot, "S")
            assert [line.headline.implementation for line in table.lines] == ["pytorch", "sdpa", "flash2"]
            await press(pilot, "left")
            assert table.sort_key == "implementation"
            await press(pilot, "s")
            assert table.sort_key == "fwd"
            await press(pilot, "tab")
            assert app.screen.query_one(Picker).has_focus
            assert len(plans(client)) == 1

    drive(scenario())


def test_enter_in_the_table_and_d_anywhere_open_the_details_of_the_row() -> None:
    async def scenario() -> None:
        client = measuring(flash2=4.0)
        async with running(client) as (app, pilot):
            await press(pilot, "tab", "down", "enter")
            await settle(app, pilot)
            assert front(app) is DetailsScreen
            assert shown(app).startswith(" sdpa  batch 4, seq 2048")
            await press(pilot, "escape", "tab")
            await to_row("flash2")(app, pilot)
            await press(pilot, "d")
            await settle(app, pilot)
            assert shown(app).startswith(" flash2  batch 4, seq 2048")
            assert "4.00x" in shown(app)
            await press(pilot, "d")
            assert app.screen is app._bench

    drive(scenario())


def test_b_compares_with_the_row_under_the_cursor_and_measures_nothing_for_it() -> None:
    async def scenario() -> None:
        client = measuring(flash2=4.0, sdpa=2.0)
        async with running(client) as (app, pilot):
            await to_row("flash2")(app, pilot)
            await press(pilot, "b")
            await settle(app, pilot)
            rows = {line.headline.implementation: line for line in app._bench._lines()}
            assert rows["sdpa"].headline.speedup is not None
            assert rows["sdpa"].headline.speedup.median == pytest.approx(0.5)
            assert "baseline" in line_with(app, "█ flash2")
            assert len(plans(client)) == 1
            await to_row("seq")(app, pilot)
            await press(pilot, "b")
            assert said(app) == "put the cursor on an implementation first"
            await press(pilot, "tab", "home", "b")
            assert app._bench.choice.baseline == "pytorch"

    drive(scenario())


def test_r_measures_the_shape_again() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            plan = await turned(app, pilot, client, "r")
            assert plans(client) == [plan, plan]

    drive(scenario())


def test_m_goes_through_the_metrics_that_there_are_and_M_back() -> None:  # noqa: N802 - it is that key
    async def scenario() -> None:
        async with running(measuring()) as (app, pilot):

            def title() -> str:
                return shown(app).splitlines()[-9].split("  ")[0]

            first = title()
            seen: list[str] = []
            while not seen or (seen[-1] != first and len(seen) < 20):
                await press(pilot, "m")
                seen.append(title())
            assert seen[-1] == first
            assert len(set(seen)) == len(seen)
            assert any("TFLOP/s" in each for each in seen)
            await press(pilot, "M")
            assert title() == seen[-2]

    drive(scenario())


def test_a_adds_an_implementation_by_its_name_and_measures_it() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client, size=WIDE) as (app, pilot):
            await press(pilot, "a")
            assert "Add an implementation" in shown(app)
            await type_in(pilot, "Sdpa+compile")
            plan = await turned(app, pilot, client, "enter")
            assert plan.implementations == ("pytorch", "sdpa", "flash2", "sdpa+compile")
            assert "SDPA compile" in shown(app)
            await to_row("sdpa+compile")(app, pilot)
            await press(pilot, "enter")
            assert "sdpa+compile" not in chosen(app)
            assert "SDPA compile" in shown(app)  # to be checked again

    drive(scenario())


def test_what_is_added_again_is_not_measured_twice() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            await press(pilot, "plus")
            await type_in(pilot, "flash2")
            await press(pilot, "enter")
            await settle(app, pilot)
            assert chosen(app) == ["pytorch", "sdpa", "flash2"]
            assert len(plans(client)) == 1

    drive(scenario())


@pytest.mark.parametrize(
    ("typed", "refusal"),
    [
        ("", "type a name; escape leaves"),
        ("flash22", "there is no implementation 'flash22'; did you mean flash2"),
        ("sdpa+faster", "there is no sdpa+faster; there are sdpa+compile"),
        ("no_such_file.py:f", "no_such_file.py"),
        ("sdpa-cudnn+compile", "it cannot run here: needs cuDNN 9"),
    ],
)
def test_a_name_that_cannot_be_added_is_refused_where_it_is_typed(typed: str, refusal: str) -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client, size=(160, 30)) as (app, pilot):
            await press(pilot, "a")
            await type_in(pilot, typed)
            await press(pilot, "enter")
            assert refusal in shown(app)
            await press(pilot, "escape")
            assert chosen(app) == ["pytorch", "sdpa", "flash2"]
            assert len(plans(client)) == 1

    drive(scenario())


def test_nothing_is_added_to_a_recording() -> None:
    async def scenario() -> None:
        async with running(FakeEngine(opening(), takes_commands=False), mode="recording") as (app, pilot):
            await press(pilot, "a")
            assert said(app) == "nothing is measured here that could be added to"

    drive(scenario())


def test_a_function_of_ones_own_is_listed_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kernel.py").write_text("def attention(q, k, v, *, causal, scale):\n    return q\n")
    monkeypatch.chdir(tmp_path)

    async def scenario() -> None:
        client = measuring()
        async with running(client, size=WIDE, implementations=("kernel.py:attention", "Sdpa")) as (app, _):
            assert plans(client)[0].implementations == ("kernel.py:attention", "sdpa")
            assert "kernel.py" in line_with(app, "attention (")
            app._remember()
        async with running(measuring(), size=WIDE) as (app, _):
            assert chosen(app) == ["kernel.py:attention", "sdpa"]
        (tmp_path / "kernel.py").unlink()
        async with running(measuring(), size=WIDE) as (app, _):
            assert chosen(app) == ["sdpa"]

    drive(scenario())


def test_a_file_on_the_engines_machine_is_left_to_the_engine() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client, size=WIDE, implementations=("there/kernel.py:f", "sdpa")) as (app, _):
            assert plans(client)[0].implementations == ("there/kernel.py:f", "sdpa")
            assert line_with(app, "■ there/kernel.py:f")

    drive(scenario())


def test_what_the_engine_tells_of_a_named_implementation_holds() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client, size=WIDE, implementations=("sdpa+compile",)) as (app, pilot):
            told = CatalogEntry(name="sdpa+compile", label="Told", summary="", unavailable="broken there")
            tell(client, Catalog(implementations=(told,)))
            await settle(app, pilot)
            assert line_with(app, "Told").rstrip()
            assert "SDPA compile" not in shown(app)

    drive(scenario())


def test_bars_are_of_a_pass_that_is_measured() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            assert "fwd+bwd, ms" in shown(app)
            await to_row("decode")(app, pilot)
            plan = await turned(app, pilot, client, "enter")
            assert plan.passes == ("fwd",)
            assert plan.workloads[0].seq_q == 1
            assert "forward, ms" in shown(app)

    drive(scenario())


def test_slash_narrows_the_table_and_escape_leaves_it_as_it_was() -> None:
    async def scenario() -> None:
        async with running(measuring()) as (app, pilot):
            table = app.screen.query_one(ResultsTable)
            await press(pilot, "slash")
            await type_in(pilot, "FLA")
            await press(pilot, "enter")
            assert [line.headline.implementation for line in table.lines] == ["flash2"]
            await press(pilot, "slash", "x", "escape")
            assert [line.headline.implementation for line in table.lines] == ["flash2"]
            await press(pilot, "slash", *["backspace"] * 3, "enter")
            assert len(table.lines) == 3

    drive(scenario())


def test_shapes_seen_before_show_their_numbers_at_once_and_are_marked() -> None:
    async def scenario() -> None:
        client = measuring(flash2=4.0)
        async with running(client) as (app, pilot):
            await turned(app, pilot, client, "right")
            client._answer = None  # from here on the engine takes its time
            await press(pilot, "left")
            await settle(app, pilot)
            assert "0.9000" in line_with(app, "█ flash2")
            assert "quick look" in line_with(app, "seq 2048")
            assert len(plans(client)) == 2
            table = app.screen.query_one(ResultsTable)
            assert not table._content.seen
            await press(pilot, "r")
            await settle(app, pilot)
            assert "measuring" in line_with(app, "seq 2048")
            assert "0.9000" in line_with(app, "█ flash2")
            assert table._content.seen

    drive(scenario())


def test_a_change_shows_the_new_shape_at_once_also_before_it_has_numbers() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            assert "measuring" in line_with(app, "seq 2048")
            (plan,) = plans(client)
            case, *_ = cases(plan)
            tell(client, Planned(plan=plan), *checked(case), samples(case, "fwd"))
            await until(pilot, lambda: "1.000" in line_with(app, "█ pytorch") or "▸ pytorch" in shown(app))
            await press(pilot, "right")
            assert "seq 4096" in shown(app)
            assert "▸ pytorch" not in shown(app)

    drive(scenario())


def test_a_change_cancels_what_runs_and_its_late_events_do_not_appear() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            (first,) = plans(client)
            tell(client, Planned(plan=first), *checked(cases(first)[0]))
            second = await turned(app, pilot, client, "right")
            case, *_ = cases(first)
            tell(client, samples(case, "fwd"), PlanEnded(ending="interrupted"), Planned(plan=second))
            await settle(app, pilot)
            assert "measuring" in line_with(app, "seq 4096")
            assert not app._bench._lines()
            assert app.driver.seen(FIRST) is None

    drive(scenario())


def test_failures_are_said_in_words_in_their_rows() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client, size=WIDE) as (app, pilot):
            (plan,) = plans(client)
            plain, sdpa, flash2 = cases(plan)
            tell(
                client,
                Planned(plan=plan),
                *(event for case in (plain, sdpa) for event in checked(case, wrong=case is sdpa)),
                failed(plain, "oom", "CUDA out of memory", requested_bytes=64 * 2**30),
                *measured(sdpa, plan.passes),
                failed(flash2, "unsupported", "takes head dims up to 32, not 64"),
                PlanEnded(ending="completed"),
            )
            await settle(app, pilot)
            assert "OOM: 64.0 GiB asked for" in line_with(app, "▸ pytorch")
            assert "wrong" in line_with(app, "█ sdpa")
            assert "unsupported" in line_with(app, "█ flash2")

    drive(scenario())


def test_readings_of_the_device_are_told_in_figures_and_words() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening())
        async with running(client) as (app, pilot):
            tell(client, telemetry(1.0, sm_mhz=1410, power_w=699.0, throttle=("power cap",)))
            await settle(app, pilot)
            assert "1410 of 1980 MHz" in line_with(app, "SM clock")
            assert "699 of 700 W" in line_with(app, "power")
            assert "61 C" in line_with(app, "temperature")
            assert "power cap" in shown(app)

    drive(scenario())


def test_a_machine_without_a_gpu_measures_on_its_cpu_and_says_so() -> None:
    async def scenario() -> None:
        client = FakeEngine([hello(on_cpu=True), *opening()[1:]])
        async with running(client) as (app, _):
            assert plans(client)[0].device == "cpu"
            assert plans(client)[0].workloads[0].dtype == "float32"
            assert "CPU: " in shown(app).splitlines()[0]

    drive(scenario())


def test_a_recording_steps_only_to_shapes_that_it_has() -> None:
    from profiler.clients.recorded import RecordedSession

    async def scenario() -> None:
        session = RecordedSession(ROOT / "sessions/20261122T102112Z-h100-80gb-hbm3-sweep.jsonl")
        async with running(session, mode="recording") as (app, pilot):
            await until(pilot, lambda: len(app.desk.recording.cases) == 35)
            await settle(app, pilot)

            def seq() -> int:
                return app._bench.choice.seq

            assert seq() == 1024
            await press(pilot, "right")
            assert seq() == 2048
            await press(pilot, *["right"] * 3)
            assert seq() == 16384
            assert said(app) == ""
            await press(pilot, "right")
            assert seq() == 16384
            assert said(app) == "the recording has nothing further that way"
            await press(pilot, "down", "left")
            assert app._bench.choice.heads == 16
            assert "61.7" in line_with(app, "▸ pytorch")

    drive(scenario())


def test_an_interrupted_session_shows_the_shape_without_its_missing_numbers() -> None:
    async def scenario() -> None:
        client = FakeEngine(opening(), takes_commands=False)
        async with running(client, mode="recording") as (app, pilot):
            assert client.commands == []
            whole = quick_plan(replace(FIRST, seq=512), "cuda:0")
            case, *_ = cases(whole)
            tell(client, Planned(plan=whole), *checked(case), *measured(case, ["fwd"]))
            await settle(app, pilot)
            shape: Attention = app._bench.choice.workload()
            assert shape.seq_q == 512
            assert "1.000" in line_with(app, "▸ pytorch")
            await press(pilot, "r")
            assert client.commands == []

    drive(scenario())


def test_recordings_of_shapes_with_more_to_them_are_shown_as_they_are() -> None:
    shapes = [
        attention(seq_q=1, seq_k=4096, decode=True),
        attention(seq_q=16, seq_k=4096, causal=True, softcap=50.0),
        attention(batch=2, seq=512, lengths=(512, 77), dropout=0.1),
    ]

    async def scenario(shape: Attention) -> None:
        client = FakeEngine(opening(), takes_commands=False)
        async with running(client, mode="recording", size=WIDE) as (app, pilot):
            whole = plan([shape], ["pytorch", "flash2"], ["fwd"])
            tell(client, Planned(plan=whole))
            for case in cases(whole):
                tell(client, *checked(case), *measured(case, ["fwd"]))
            await settle(app, pilot)
            assert app._bench.choice.workload() == shape
            assert describe_shape(shape)[:60] in shown(app).splitlines()[0]
            assert "1.000" in line_with(app, "▸ pytorch")

    for shape in shapes:
        drive(scenario(shape))


def test_the_shape_last_looked_at_on_such_a_device_comes_first_next_time() -> None:
    async def scenario() -> None:
        client = measuring()
        async with running(client) as (app, pilot):
            await turned(app, pilot, client, "right")
        again = measuring()
        async with running(again):
            assert plans(again) == [at(4096)]
        on_cpu = FakeEngine([hello(on_cpu=True), *opening()[1:]])
        async with running(on_cpu, QUICK_ONLY):
            assert plans(on_cpu)[0].workloads[0].seq_q == 256

    drive(scenario())
