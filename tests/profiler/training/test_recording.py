"""Events of training folded into records, and which of several measurements of a row is shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
import pytest

from profiler.events import (
    Event,
    Finished,
    Labelled,
    PlanEnded,
    Planned,
    Steps,
    TrainingPlanned,
    TrainingResult,
)
from profiler.session.recording import Recording
from profiler.training.model import Training
from profiler.training.plan import TrainingPlan
from profiler.training.recording import TrainingRecord
from tests.examples import attention, plan
from tests.training_examples import (
    begun,
    steps,
    trained,
    training,
    training_cases,
    training_failed,
    training_plan,
)

SHORT, LONG = training(context=256), training(context=512)
NAMES = ("pytorch", "flash2")


def planned(
    *names: str, trainings: Sequence[Training] = (SHORT,), first_case: int = 0, label: str = ""
) -> TrainingPlan:
    return training_plan(trainings, names or NAMES, first_case=first_case, label=label)


def measured(plan: TrainingPlan, batch: int = 8) -> list[Event]:
    """The plan, and all its cases at their results."""
    events: list[Event] = [TrainingPlanned(plan=plan)]
    for case in training_cases(plan):
        events += trained(case, batch=batch, tokens_per_s=50_000.0)
    return events


def only_record(events: Iterable[Event]) -> TrainingRecord:
    (record,) = Recording.of(events).trainings.values()
    return record


def test_a_training_is_folded_as_it_goes() -> None:
    record = only_record(measured(planned("flash2")))
    assert (record.number, record.training, record.implementation) == (0, SHORT, "flash2")
    assert {tried.batch: tried.fits for tried in record.batches} == {16: False, 8: True}
    assert record.batch == 8 and record.tokens_per_step == 8 * 256
    assert record.check is not None and record.result is not None and record.done
    assert len(record.measured_steps_ms) == 24 and len(record.steps_tokens_per_s) == 28
    assert set(record.rounds) == set(range(8)) and all(len(times) == 3 for times in record.rounds.values())


def test_losses_end_where_rounds_begin_for_the_parameters_are_all_implementations_from_there() -> None:
    record = only_record(measured(planned("flash2")))
    assert record.losses == pytest.approx([9.7, 9.69, 9.68, 9.67])


def test_figures_so_far_are_those_of_the_measured_steps_alone() -> None:
    asked = planned("flash2")
    (case,) = training_cases(asked)
    opening = [event for event in trained(case, batch=2, tokens_per_s=1.0) if not isinstance(event, Steps)]
    opening = [event for event in opening if not isinstance(event, TrainingResult)]
    before = steps(case, [1000.0, 500.0])
    first = steps(case, [10.0, 30.0], first=2, round=0)
    record = only_record([TrainingPlanned(plan=asked), *opening, before])
    assert record.tokens_per_s is None and not record.has_something
    assert record.steps_tokens_per_s == [2 * 256 / 1.0, 2 * 256 / 0.5]
    record = only_record([TrainingPlanned(plan=asked), *opening, before, first])
    assert record.tokens_per_s == pytest.approx(2 * 2 * 256 / 0.040)
    assert record.has_something and not record.done


def test_measured_steps_last_from_the_first_ones_beginning_to_the_latest_ones_end() -> None:
    asked = planned("flash2")
    (case,) = training_cases(asked)
    events: list[Event] = [TrainingPlanned(plan=asked), begun(case), steps(case, [4000.0], at_s=9.0)]
    record = only_record(events)
    assert (record.first_s, record.last_s) == (None, None)
    events += [steps(case, [500.0, 500.0], first=1, round=0, at_s=10.0)]
    events += [steps(case, [500.0], first=3, round=1, at_s=12.0)]
    record = only_record(events)
    assert (record.first_s, record.last_s) == (9.0, 12.0)


def test_a_second_beginning_begins_a_case_anew() -> None:
    asked = planned("flash2")
    (case,) = training_cases(asked)
    record = only_record([*measured(asked), begun(case)])
    assert not record.done and not record.steps and record.check is None


def test_of_what_never_began_a_failure_alone_makes_a_record() -> None:
    asked = planned("flash2")
    (case,) = training_cases(asked)
    assert not Recording.of([TrainingPlanned(plan=asked), steps(case, [1.0], round=0)]).trainings
    record = only_record(
        [TrainingPlanned(plan=asked), training_failed(case, "unsupported", "has no backward")]
    )
    assert record.done and record.failure is not None and record.batch is None


def test_the_end_of_a_plan_ends_its_trainings() -> None:
    asked = planned()
    first = next(iter(training_cases(asked)))
    recording = Recording.of([TrainingPlanned(plan=asked), begun(first)])
    assert recording.at_plan and not recording.trainings[0].ended
    for end in (PlanEnded(ending="interrupted"), Finished(ending="interrupted")):
        recording = Recording.of([TrainingPlanned(plan=asked), begun(first), end])
        assert not recording.at_plan and recording.trainings[0].was_cut


def test_a_session_of_training_alone_has_no_plan_of_shapes_and_a_label_all_the_same() -> None:
    recording = Recording.of([TrainingPlanned(plan=planned(label="gpt2-compile"))])
    assert recording.plan is None and recording.baseline is None
    assert (recording.label, recording.training_baseline) == ("gpt2-compile", "pytorch")
    recording.add(Labelled(label="mine"))
    assert recording.label == "mine"


def test_shapes_and_training_of_one_session_stay_apart() -> None:
    shapes = plan([attention()], ["sdpa"])
    recording = Recording.of([Planned(plan=shapes), *measured(planned(first_case=1))])
    assert recording.plan == shapes and recording.baseline == "sdpa"
    assert recording.training_baseline == "pytorch"
    assert sorted(recording.trainings) == [1, 2] and not recording.cases
    assert not recording.only(attention()).trainings


def test_several_training_plans_are_one_measured_as_in_the_latest() -> None:
    later = planned("flash2", "sdpa", trainings=(LONG,), first_case=2)
    later = msgspec.structs.replace(later, batch=4)
    together = Recording.of([*measured(planned()), *measured(later)]).training_plan
    assert together is not None
    assert together.trainings == (SHORT, LONG)
    assert together.implementations == ("pytorch", "flash2", "sdpa")
    assert together.batch == 4


def test_a_row_is_shown_as_it_was_trained_last() -> None:
    events = [*measured(planned()), *measured(planned(first_case=2), batch=4)]
    shown = Recording.of(events).latest().trainings
    assert sorted(shown) == [2, 3] and {record.batch for record in shown.values()} == {4}


def test_a_row_that_is_trained_anew_stands_as_it_was_until_all_its_cases_have_enough() -> None:
    again = planned(first_case=2)
    first, second = training_cases(again)
    begun_anew = [*measured(planned()), TrainingPlanned(plan=again)]
    begun_anew += trained(first, batch=4, tokens_per_s=50_000.0)
    assert sorted(Recording.of(begun_anew).latest().trainings) == [0, 1]
    cut = [*begun_anew, begun(second), PlanEnded(ending="interrupted")]
    assert sorted(Recording.of(cut).latest().trainings) == [0, 1]
    whole = [*begun_anew, training_failed(second, "oom", "does not fit")]
    assert sorted(Recording.of(whole).latest().trainings) == [2, 3]


def test_an_implementation_that_the_later_plan_left_out_stands_beside_the_latest() -> None:
    events = [*measured(planned()), *measured(planned("flash2", "sdpa", first_case=2))]
    shown = Recording.of(events).latest().trainings
    assert {number: record.implementation for number, record in shown.items()} == {
        0: "pytorch",
        2: "flash2",
        3: "sdpa",
    }
