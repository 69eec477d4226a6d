"""What a training run says of its events while they come, and when it has ended."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from rich.console import Console

from impls.contract import DeviceInfo
from profiler.events import BatchTried, Event, Finished, TrainingPlanned
from profiler.machine.environment import Device
from profiler.session.recording import Recording
from profiler.training.plan import TrainingPlan
from tests.examples import header
from tests.training_examples import (
    begun,
    steps,
    study_events,
    trained,
    training,
    training_cases,
    training_failed,
    training_plan,
)
from tui.headless.training_progress import LiveTraining, TrainingLines

DEVICE = Device("cuda:0", DeviceInfo("cuda", "NVIDIA H100", compute_capability=(9, 0)))
PLAN = training_plan([training(context=context) for context in (256, 512)], ("pytorch", "flash2"))
FIRST, SECOND = training_cases(PLAN)[:2]


@pytest.fixture(autouse=True)
def real_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    # The capture's own file has no descriptor of its own to write to in the background.
    monkeypatch.setattr("sys.stdout", open(1, "w", closefd=False, encoding="utf-8"))  # noqa: SIM115


def said_of(
    kind: type[LiveTraining | TrainingLines], events: Iterable[Event], capfd: pytest.CaptureFixture[str]
) -> list[str]:
    """The lines that it wrote by the end."""
    plan = Recording.of(events).training_plan
    assert plan is not None
    progress = kind(plan, DEVICE)
    progress.begin()
    for event in events:
        progress.hear(event)
    progress.end()
    progress.leave(patient=True)
    return capfd.readouterr().out.splitlines()


def seen(events: Iterable[Event], width: int = 80, plan: TrainingPlan = PLAN) -> list[str]:
    """What is on the screen after these events."""
    progress = LiveTraining(plan, DEVICE)
    for event in events:
        progress.hear(event)
    console = Console(width=width, height=24, no_color=True)
    progress._console = console
    with console.capture() as shown:
        console.print(progress.view())
    return [line.rstrip() for line in shown.get().splitlines()]


def before(end: str, events: Iterable[Event]) -> list[Event]:
    """The events up to the first of that type, and it."""
    found: list[Event] = []
    for event in events:
        found.append(event)
        if type(event).__name__ == end:
            break
    return found


BEGINNING: list[Event] = [header(), TrainingPlanned(plan=PLAN)]
CASE = list(trained(FIRST, batch=52, tokens_per_s=63_820))


def test_plain_lines_have_the_heading_each_result_and_the_tables(capfd: pytest.CaptureFixture[str]) -> None:
    said = said_of(TrainingLines, study_events(), capfd)
    assert said[0] == (
        "NVIDIA H100: pytorch, sdpa-flash, flash2; 3 rows (gpt2-small, vocab 16384, float16, "
        "adamw-foreach, compile), held to 12.0 GiB (--memory-limit)"
    )
    (line,) = [line for line in said if line.startswith("context 256  sdpa-flash  ")]
    assert line.startswith("context 256  sdpa-flash  batch 64  72,785 tokens/s  225.1 ms a step ±1.0%")
    assert any(line.startswith("3 of 9 cases, ") for line in said)
    assert "What a step is made of" in said
    assert any(line.startswith("ceilings: matmul float16 700 TFLOP/s") for line in said)


def test_the_time_that_is_left_is_told_with_the_first_steps(capfd: pytest.CaptureFixture[str]) -> None:
    said = said_of(TrainingLines, [*BEGINNING, begun(FIRST), steps(FIRST, [1000.0] * 5)], capfd)
    (line,) = [line for line in said if "left" in line]
    assert line.startswith("0 of 4 cases, 0:00, about ")
    assert "about " in seen([*BEGINNING, begun(FIRST), steps(FIRST, [1000.0] * 5)])[1]


def test_before_a_study_on_a_cpu_there_is_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    plan = training_plan(PLAN.trainings * 40, PLAN.implementations, device="cpu")
    said = said_of(TrainingLines, [header(), TrainingPlanned(plan=plan)], capfd)
    assert said[1].startswith("this is made for a GPU: on a CPU of 1 TFLOP/s it takes at least ")
    assert "this is made for a GPU" in " ".join(seen([], plan=plan))
    assert not any("made for a GPU" in line for line in seen([]))


def test_a_failure_that_a_second_worker_comes_upon_again_is_said_once(
    capfd: pytest.CaptureFixture[str],
) -> None:
    failed = training_failed(FIRST, "unsupported", "has no backward, which training needs")
    events = [*study_events()[:2], failed, failed, Finished(ending="completed")]
    said = said_of(TrainingLines, events, capfd)
    assert sum(line.startswith("context 256  pytorch  unsupported: has no backward") for line in said) == 1


def test_the_live_display_leaves_the_tables_and_the_remarks(capfd: pytest.CaptureFixture[str]) -> None:
    said = said_of(LiveTraining, study_events(), capfd)
    assert "gpt2-small, compile, float16, adamw-foreach, vocab 16384" in [line.rstrip() for line in said]
    assert any("not even a batch of 1 fits" in line for line in said)


@pytest.mark.parametrize(
    ("events", "doing"),
    [
        ([begun(FIRST)], "pytorch at context 256: finding the batch"),
        (before("BatchTried", CASE), "pytorch at context 256: finding the batch: 104 no"),
        (
            [begun(FIRST), *(BatchTried(case=0, batch=batch, fits=False) for batch in range(80, 8, -8))],
            "pytorch at context 256: finding the batch: ... 40 no, 32 no, 24 no, 16 no",
        ),
        (before("Steps", CASE), "pytorch at context 256: batch 52, step 4 of 125"),
        (CASE[:7], "pytorch at context 256: batch 52, step 10 of 125, 6 measured"),
        (CASE, "pytorch at context 256: done"),
        ([*CASE, begun(SECOND)], "flash2 at context 256: finding the batch"),
        ([training_failed(FIRST, "oom", "nothing fits")], "pytorch at context 256: failed"),
    ],
)
def test_a_line_says_who_is_at_work_on_what(events: list[Event], doing: str) -> None:
    assert seen([*BEGINNING, *events])[2] == doing


def test_a_given_batch_is_not_looked_for() -> None:
    plan = training_plan([training()], ("pytorch",), batch=4)
    events = [header(), TrainingPlanned(plan=plan), begun(training_cases(plan)[0])]
    assert seen(events, plan=plan)[2] == "pytorch: compiling, the first step"


def test_loss_and_throughput_are_curves() -> None:
    curves = seen([*BEGINNING, *CASE[:4], steps(FIRST, [100.0, 200.0, 150.0])])[3]
    assert curves.split() == ["loss", "9.6800", "█▅▁", "tokens/s", "88,747", "█▁▃"]


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_loss_stays_that_of_the_last_step_before_rounds(width: int) -> None:
    curves = seen([*BEGINNING, *CASE[:7]], width)[3]
    assert curves.startswith("loss before rounds   9.6700 ") and "tokens/s" in curves
    assert not curves.endswith("…")


@pytest.mark.parametrize("width", [80, 200])
def test_the_view_fits_the_screen(width: int) -> None:
    lines = seen([*BEGINNING, *CASE[:5]], width)
    assert max(map(len, lines)) <= width
    assert len(lines) <= 24


def test_before_the_first_case_it_says_what_the_worker_is_at() -> None:
    assert seen([])[1] == "loading torch, 0:00"
    assert seen(BEGINNING)[1] == "measuring what the device does at best, 0:00"
