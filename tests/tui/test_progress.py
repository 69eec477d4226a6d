"""What a run says of its events while they come, and when it has ended."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from impls.contract import DeviceInfo
from profiler.environment import Device
from profiler.events import Event
from profiler.recording import Recording
from tests.examples import hopper_events
from tui.progress import LiveProgress, PlainProgress

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
    assert tie.endswith("1.00x tie  writes its inputs: q; 2 graph breaks")


def test_plain_lines_end_with_the_kernels_that_were_taken(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_of(PlainProgress, hopper_events(), capfd, monkeypatch)
    assert said[-2] == "seq 4096, flash2, forward: 1 kernel in 500 us"
    assert "flash_fwd_kernel" in said[-1]


def test_the_live_display_leaves_the_table_and_what_is_behind_it(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = said_of(LiveProgress, hopper_events(), capfd, monkeypatch)
    assert any("4.00x ±0.01" in line for line in said)
    assert any(line.startswith("seq 256, compiled: 2 graph breaks") for line in said)
    assert said[-1].startswith("measured here: matmul bfloat16 750 TFLOP/s")
