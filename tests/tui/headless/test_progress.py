"""What a run says of its events while they come, and when it has ended."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from rich.console import Console

from impls.contract import DeviceInfo
from profiler.events import Event, Failure, Result
from profiler.machine.environment import Device
from profiler.session.recording import Recording
from tests.examples import CEILINGS, GIB, header, held_events, hopper, hopper_events
from tui.headless.progress import LiveProgress, PlainProgress

DEVICE = Device("cuda:0", DeviceInfo("cuda", "NVIDIA H100", compute_capability=(9, 0)))


def said_of(
    kind: type[LiveProgress | PlainProgress],
    events: Iterable[Event],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> list[str]:
    """The lines that it wrote by the end."""
    # The capture's own file has no descriptor of its own to write to in the background.
    monkeypatch.setattr("sys.stdout", open(1, "w", closefd=False, encoding="utf-8"))  # noqa: SIM115
    plan = Recording.of(events).plan
    assert plan is not None
    progress = kind(plan, DEVICE)
    progress.begin()
    for event in events:
        progress.hear(event)
    progress.end()
    progress.leave(patient=True)
    return capfd.readouterr().out.splitlines()


def test_plain_lines_have_margins_ties_and_marks(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_of(PlainProgress, hopper_events(), capfd, monkeypatch)
    assert (
        "seq 256  sdpa-flash  forward  0.2500 ms ±0.1%  4.31 TFLOP/s  64.0 MiB  4.00x ±0.01  launch-bound"
        in said
    )
    (tie,) = [line for line in said if line.startswith("seq 256  compiled  forward  ")]
    assert tie.endswith("1.00x tie  writes its inputs: q; 2 graph breaks; first calls 9.00 s")


def test_plain_lines_end_with_what_is_behind_them(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_of(PlainProgress, hopper_events(), capfd, monkeypatch)
    at = said.index("seq 4096, flash2, forward: 1 kernel in 500 us")
    assert "flash_fwd_kernel" in said[at + 1]
    assert "seq 4096, flash2, forward+backward: 1.25 J a call, 0.0381 mJ a token, 690 W at 1405 MHz" in said
    assert said[-1].startswith("ceilings: matmul bfloat16 750 TFLOP/s")


def test_what_a_second_worker_comes_upon_again_is_said_once(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = hopper_events()
    case = next(event for event in events if isinstance(event, Result))
    again = Failure(
        case=case.case,
        workload=case.workload,
        implementation=case.implementation,
        kind="unsupported",
        message="its output carries no gradient",
        which="bwd",
    )
    said = said_of(PlainProgress, [*events, again, again], capfd, monkeypatch)
    assert sum("its output carries no gradient" in line for line in said) == 1


def test_a_memory_limit_is_in_the_heading_of_plain_lines(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    events = held_events(hopper_events(), 12 * GIB)
    assert said_of(PlainProgress, events, capfd, monkeypatch)[0].endswith("held to 12.0 GiB (--memory-limit)")


@pytest.mark.parametrize(
    ("heard", "doing"),
    [
        ([], "loading torch, 0:00"),
        ([header()], "measuring what the device does at best, 0:00"),
        ([header(), CEILINGS], "0 of 8 cases, 0:00"),
    ],
)
def test_the_headline_tells_what_the_worker_is_at_before_the_first_case(
    heard: list[Event], doing: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout", open(1, "w", closefd=False, encoding="utf-8"))  # noqa: SIM115
    plan = hopper().plan
    assert plan is not None
    progress = LiveProgress(plan, DEVICE)
    for event in heard:
        progress.hear(event)
    console = Console(width=80)
    with console.capture() as shown:
        console.print(progress.view())
    assert shown.get().splitlines()[1].rstrip() == doing


def test_the_live_display_leaves_the_table_last_and_what_is_behind_it_above(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_of(LiveProgress, hopper_events(), capfd, monkeypatch)
    table = next(index for index, line in enumerate(said) if line.startswith("batch 8, heads 16"))
    assert any(line.startswith("seq 256, compiled: 2 graph breaks") for line in said[:table])
    assert said[table - 2].startswith("ceilings: matmul bfloat16 750 TFLOP/s")
    assert any("4.00x ±0.01" in line for line in said[table:])
