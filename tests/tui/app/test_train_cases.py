"""The cases of a row: what each is said to be at, its curves, and how they make use of room."""

from __future__ import annotations

import pytest

from profiler.events import BatchTried, Event, TrainingChecked, TrainingPlanned
from profiler.session.recording import Recording
from profiler.training.plan import TrainingPlan
from profiler.training.rows import TrainingRow, training_rows
from tests.examples import header
from tests.training_examples import (
    begun,
    steps,
    trained,
    training,
    training_cases,
    training_failed,
    training_plan,
)
from tui.app.glyphs import ASCII, UNICODE, Glyphs
from tui.app.pictures.train_cases import CaseLine, Lines, case_line, draw, squeezed, state, summary

PLAN = training_plan([training(mode="compile")], ("pytorch", "flash2"))
FIRST, SECOND = training_cases(PLAN)
TRIED = [
    BatchTried(case=FIRST.number, batch=batch, fits=batch < 24, at_s=1.0 + batch) for batch in (8, 16, 32, 24)
]
CHECKED = TrainingChecked(case=FIRST.number, batch=16, parameters=1, first_step_ms=9000.0)


def recording(*events: Event, plan: TrainingPlan = PLAN) -> Recording:
    return Recording.of([header(), TrainingPlanned(plan=plan), *events])


def row_of(of: Recording) -> TrainingRow:
    return training_rows(of)[0]


def said(*events: Event, plan: TrainingPlan = PLAN) -> str:
    of = recording(*events, plan=plan)
    return state(row_of(of), of.trainings.get(FIRST.number), plan)


def test_it_is_said_what_is_done_at_the_moment() -> None:
    fixed = training_plan(PLAN.trainings, PLAN.implementations, batch=16)
    assert said() == "waits"
    assert said(begun(FIRST)) == "finding the batch"
    assert said(begun(FIRST), *TRIED) == "finding the batch: 8 yes, 16 yes, 32 no, 24 no"
    assert said(begun(FIRST), plan=fixed) == "first step: compiling"
    assert said(begun(FIRST), *TRIED, CHECKED) == "batch 16 is checked; its steps come next"
    assert said(begun(FIRST), CHECKED, steps(FIRST, [250.0] * 37)) == "step 37 of 125"
    assert said(*trained(FIRST, batch=16, tokens_per_s=65_000.0)) == "28 steps"


def test_what_became_of_it_is_said_with_the_reason() -> None:
    oom = training_failed(FIRST, "oom", "not even a batch of 1 fits", 6 * 2**30)
    assert said(begun(FIRST), oom) == "OOM: not even a batch of 1 fits (6.00 GiB asked for)"
    diverged = training_failed(FIRST, "diverged", "the loss is NaN from step 40 on")
    assert said(begun(FIRST), CHECKED, steps(FIRST, [250.0] * 40), diverged) == "diverged"


def picture(*events: Event, width: int, height: int, glyphs: Glyphs = UNICODE) -> list[str]:
    of = recording(*events)
    rows = training_rows(of)
    lines = tuple(
        case_line(row, of.trainings.get(row.case), PLAN, under_way=row.case == SECOND.number) for row in rows
    )
    drawn = draw(Lines("context 1024", lines, summary(rows[1], "pytorch")), width, height, glyphs)
    return [line.plain.rstrip() for line in drawn]


BOTH = (
    *trained(FIRST, batch=8, tokens_per_s=43_000.0),
    *trained(SECOND, batch=16, tokens_per_s=65_000.0, breaks={"call to a C extension": 12}),
)


def test_a_line_a_case_has_its_loss_and_tokens_per_s_with_their_courses() -> None:
    header_line, first, second, *below = picture(*BOTH, width=78, height=6)
    assert header_line.split() == ["context", "1024", "loss", "before", "rounds", "tokens/s"]
    assert first.split()[:3] == ["pytorch", "28", "steps"] and first.split()[-1] == "43,000"
    assert "█" in first and "9.670" in first
    assert second.startswith("▸ flash2")
    assert header_line.index("tokens/s") + 8 == len(second)
    assert below[0].startswith("flash2: 1.51x ±0.01 over pytorch, a step 252.1 ms")


@pytest.mark.parametrize("width", [30, 60, 78, 198])
@pytest.mark.parametrize("height", [2, 4, 8, 14])
def test_it_stays_within_its_room(width: int, height: int) -> None:
    lines = picture(*BOTH, width=width, height=height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_where_there_is_room_curves_are_higher_and_in_ascii_they_are_ascii() -> None:
    assert len(picture(*BOTH, width=120, height=12)) > len(picture(*BOTH, width=120, height=6))
    assert all(line.isascii() for line in picture(*BOTH, width=120, height=12, glyphs=ASCII))


def test_the_remarks_on_a_case_name_what_it_was_measured_under() -> None:
    of = recording(*BOTH)
    told = summary(training_rows(of)[1], "pytorch")
    assert "attention 31 %" in told and "9.00 GiB" in told
    assert "12 graph breaks: call to a C extension (12 x)" in told


def test_all_steps_are_squeezed_into_the_room_there_is() -> None:
    assert squeezed([1.0, 3.0, 5.0, None], 2) == [2.0, 5.0]
    assert squeezed([None, None, 1.0], 3) == [None, None, 1.0]
    assert squeezed([None, None, 1.0, 1.0], 2) == [None, 1.0]


def test_speeds_that_vary_fivefold_with_one_fast_step_among_them_are_no_flat_line() -> None:
    speeds = tuple(1000.0 * (1 + index % 5) for index in range(100))
    case = CaseLine("sdpa", "step 100 of 125", losses=(9.0,), tokens_per_s=(40_000.0, *speeds), shown=1.0)
    line = draw(Lines("context 1024", (case,)), 78, 2, UNICODE)[1].plain
    assert len(set(line.split()[-2])) > 1


def test_all_steps_measured_leaves_no_loss_of_ones_own() -> None:
    only_rounds = [begun(FIRST), CHECKED, steps(FIRST, [250.0] * 6, round=0)]
    line = picture(*only_rounds, width=78, height=3)[1]
    assert line.split()[-1] == "65,536" and " - " in line


def test_a_speedup_that_these_rounds_do_not_show_is_told_as_a_tie() -> None:
    alike = (
        *trained(FIRST, batch=8, tokens_per_s=43_000.0),
        *trained(SECOND, batch=8, tokens_per_s=43_000.0),
    )
    assert "flash2: 1.00x, a tie with pytorch" in summary(training_rows(recording(*alike))[1], "pytorch")


def test_a_title_that_is_too_long_loses_whole_clauses_and_keeps_the_context() -> None:
    case = CaseLine("pytorch", "step 4 of 125", losses=(9.0,), tokens_per_s=(1.0,), shown=1.0)
    title = "gpt2-medium, reduce-overhead, adamw-8bit, context 1024"
    heads = {
        width: draw(Lines(title, (case,)), width, 8, UNICODE)[0].plain.partition(" loss")[0].rstrip()
        for width in (140, 80, 50)
    }
    assert heads[140] == title
    assert heads[80] == "gpt2-medium, reduce-overhead, context 1024"
    assert heads[50] == "gpt2-medium, context 1024"
