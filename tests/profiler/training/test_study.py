"""The study's table: what stands beside what, what is blank, and what is compared."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import pytest

from profiler.events import Event, Finished, TrainingPlanned
from profiler.session.recording import Recording
from profiler.training.model import Training
from profiler.training.rows import training_rows
from profiler.training.study import StudyTable, study_tables
from profiler.training.wording import difference_words, study_word
from tests.training_examples import (
    STUDY,
    begun,
    study,
    trained,
    training,
    training_cases,
    training_failed,
    training_plan,
    wavering,
)


def tables_of(recording: Recording) -> list[StudyTable]:
    return study_tables(training_rows(recording), recording.trainings)


def of_one(first: Iterable[Event], second: Iterable[Event], *more: Event) -> StudyTable:
    """The table of one row of two implementations with these events."""
    (table,) = tables_of(Recording.of([TrainingPlanned(plan=PLAN), *first, *second, *more]))
    return table


PLAN = training_plan([training()], ("pytorch", "flash2"))
FIRST, SECOND = training_cases(PLAN)


def test_without_rows_there_is_no_table() -> None:
    assert study_tables([]) == []


def test_the_studys_table_has_a_row_a_context_with_batch_and_throughput_of_each() -> None:
    (table,) = tables_of(study())
    assert (table.model.name, table.mode, table.optimizer, table.dtype) == (
        "gpt2-small",
        "compile",
        "adamw-foreach",
        "float16",
    )
    assert table.implementations == ("pytorch", "sdpa-flash", "flash2") and table.baseline == "pytorch"
    assert [row.context for row in table.rows] == list(STUDY)
    cell = table.rows[0].cells["flash2"]
    assert cell.batch == 64 and cell.tokens_per_s == pytest.approx(71_628, rel=0.001)
    assert cell.speedup is not None and cell.speedup.median == pytest.approx(71_628 / 63_820, rel=0.001)


def test_a_difference_that_the_rounds_do_not_show_is_marked() -> None:
    steady = trained(FIRST, batch=4, tokens_per_s=50_000)
    (row,) = of_one(steady, wavering(trained(SECOND, batch=4, tokens_per_s=40_000))).rows
    assert row.is_told_apart is False
    assert difference_words(row) == ("~-10,000", "~-25.0")
    steady = trained(FIRST, batch=4, tokens_per_s=50_000)
    (row,) = of_one(steady, trained(SECOND, batch=4, tokens_per_s=40_000)).rows
    assert (row.is_told_apart, difference_words(row)) == (True, ("-10,000", "-25.0"))


def test_a_difference_that_is_the_other_way_round_in_the_rounds_is_not_told_apart() -> None:
    late = [*trained(SECOND, batch=4, tokens_per_s=52_000)]
    late[-1] = msgspec.structs.replace(late[-1], tokens_per_s=49_000.0)
    table = of_one(trained(FIRST, batch=4, tokens_per_s=50_000), late)
    assert table.rows[0].is_told_apart is False
    assert table.is_ordered_twice
    (table,) = tables_of(study())
    assert not table.is_ordered_twice


def test_of_few_rounds_a_difference_is_neither_shown_nor_doubted() -> None:
    few = trained(FIRST, batch=4, tokens_per_s=50_000, rounds=3)
    (row,) = of_one(few, wavering(trained(SECOND, batch=4, tokens_per_s=40_000, rounds=3))).rows
    assert row.is_told_apart is None


def test_what_was_not_trained_to_the_end_has_its_batch_and_a_word() -> None:
    whole, interrupted = list(trained(SECOND, batch=4, tokens_per_s=50_000)), Finished(ending="interrupted")
    at_check, in_rounds = whole[:4], whole[:8]
    for events, cell in ((at_check, ("not measured", 4)), (in_rounds, ("partial", 4))):
        (row,) = of_one(trained(FIRST, batch=4, tokens_per_s=50_000), events, interrupted).rows
        assert (study_word(row.cells["flash2"]), row.cells["flash2"].batch) == cell
    (row,) = of_one([], [begun(SECOND)]).rows
    assert [study_word(cell) for cell in row.cells.values()] == ["", ""]


def test_of_what_ran_out_of_memory_no_batch_is_told() -> None:
    oom = msgspec.structs.replace(training_failed(SECOND, "oom", "not even a batch of one fits"), batch=1)
    recording = Recording.of([TrainingPlanned(plan=PLAN), begun(SECOND), oom])
    assert [row.batch for row in training_rows(recording)] == [None, None]


def test_what_did_not_fit_is_blank_and_nothing_is_compared_with_it() -> None:
    (table,) = tables_of(study())
    longest = table.rows[-1]
    blank = longest.cells["pytorch"]
    assert (blank.status, blank.batch, blank.tokens_per_s) == ("oom", None, None)
    assert longest.cells["flash2"].speedup is None
    assert longest.difference == pytest.approx(53_791 - 37_697, rel=0.001)


def test_the_difference_is_the_last_less_the_one_before_in_percent_of_the_last() -> None:
    (table,) = tables_of(study())
    assert table.compared == ("flash2", "sdpa-flash")
    first = table.rows[0]
    assert first.difference == pytest.approx(71_628 - 72_785, rel=0.001)
    assert first.difference_percent == pytest.approx(100 * (71_628 - 72_785) / 71_628, rel=0.001)


def test_models_and_ways_to_train_them_have_tables_of_their_own_with_contexts_in_order() -> None:
    rows: list[Training] = [training(context=512), training(context=256)]
    rows += [training(context=256, mode="eager"), training(model="large", optimizer="adamw-8bit")]
    plan = training_plan(rows, ["flash2"])
    tables = tables_of(Recording.of([TrainingPlanned(plan=plan), Finished(ending="interrupted")]))
    assert [(t.model.name, t.mode, t.optimizer, [row.context for row in t.rows]) for t in tables] == [
        ("gpt2-small", "compile", "adamw-foreach", [256, 512]),
        ("gpt2-small", "eager", "adamw-foreach", [256]),
        ("gpt2-large", "compile", "adamw-8bit", [1024]),
    ]
    assert all(table.compared is None for table in tables)


def test_models_that_differ_only_in_their_sizes_are_not_one_table() -> None:
    small = training(context=256)
    fewer = msgspec.structs.replace(small, model=msgspec.structs.replace(small.model, kv_heads=4))
    plan = training_plan([small, fewer], ["flash2"])
    assert len(tables_of(Recording.of([TrainingPlanned(plan=plan)]))) == 2
