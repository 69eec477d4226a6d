"""A sweep's state: whole sessions, broken ones, and large ones, of which the lines come bit by bit."""

from __future__ import annotations

import msgspec
import pytest

from profiler.events import Planned
from profiler.session.recording import Recording
from tests.examples import attention, cases, checked, header, measured, plan
from tui.app import sweep_state
from tui.app.sweep_state import SweepState
from tui.app.view import View

LENGTHS = plan([attention(seq=seq) for seq in (512, 1024, 2048, 4096)], ["pytorch", "flash2"])
MEASURED = [event for case in cases(LENGTHS) for event in (*checked(case), *measured(case))]
WHOLE = [header(), Planned(plan=LENGTHS), *MEASURED]


def state_of(recording: Recording) -> SweepState:
    state = SweepState()
    state.update(View(mode="recording", recording=recording))
    return state


def test_a_large_recordings_lines_come_bit_by_bit_until_all_are_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sweep_state, "_MOST_CASES_AT_ONCE", 2)
    recording = Recording.of(WHOLE)
    state = state_of(recording)
    assert {shape.seq_q for shape, _ in state.sweep.lines} == {512}
    updates = 1
    while state.is_behind:
        state.update(View(mode="recording", recording=recording))
        updates += 1
    assert updates == 4
    assert len(state.sweep.lines) == 8
    assert state.sweep.done == 8


def test_what_comes_for_a_case_is_seen_though_nothing_else_has_changed() -> None:
    recording = Recording.of(WHOLE[:-1])
    state = state_of(recording)
    before = state.sweep
    assert not state.update(View(mode="recording", recording=recording))
    recording.add(WHOLE[-1])
    assert state.update(View(mode="recording", recording=recording))
    assert state.sweep.lines != before.lines


def test_a_session_that_has_lost_its_plan_shows_what_was_measured() -> None:
    sweep = state_of(Recording.of([header(), *MEASURED])).sweep
    assert sweep.shapes == LENGTHS.workloads and sweep.implementations == LENGTHS.implementations
    assert sweep.done == 8


def test_cases_that_stand_in_no_plan_are_shown_beside_those_that_do() -> None:
    other = cases(plan([attention(seq=64)], ["sdpa"]))[0]
    other = msgspec.structs.replace(other, number=99)
    sweep = state_of(Recording.of([*WHOLE, *checked(other), *measured(other)])).sweep
    assert sweep.shapes == (*LENGTHS.workloads, other.workload)
    assert sweep.implementations == (*LENGTHS.implementations, "sdpa")
