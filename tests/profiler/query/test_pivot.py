"""Rows folded into tables: what goes down, across, and apart."""

from __future__ import annotations

import pytest

from profiler.events import Planned
from profiler.query import PASS_FIELDS, PassEntry, QueryError, pass_entries
from profiler.query.cells import figure_of
from profiler.query.formats import pivot_records
from profiler.query.pass_fields import PASS_AXES
from profiler.query.pivot import Pivot, PivotFields, open_fields, pivot_names, pivots
from profiler.session.recording import Recording
from profiler.workload import Attention
from tests.examples import attention, cases, checked, lab6, measured, plan


def pivoted(text: str, recording: Recording) -> tuple[PivotFields[PassEntry], list[Pivot[PassEntry]]]:
    fields = PivotFields.of(pivot_names(text), PASS_FIELDS)
    return fields, pivots(fields, pass_entries(recording), PASS_FIELDS, PASS_AXES)


def swept(*shapes: Attention) -> Recording:
    whole = plan(list(shapes), ["pytorch", "flash2"])
    events = [event for case in cases(whole) for event in (*checked(case), *measured(case))]
    return Recording.of([Planned(plan=whole), *events])


def test_a_figure_stands_where_its_row_and_column_meet_and_the_word_for_why_where_there_is_none() -> None:
    fields, (table,) = pivoted("seq:impl:backward_ms", lab6())
    assert table.rows == ((512,), (4096,))
    assert table.across == ("pytorch", "sdpa", "flash2", "sdpa-cudnn")
    shown = {key: figure_of(fields.value, entries) for key, entries in table.cells.items()}
    assert shown[(512,), "sdpa"] == "0.8333"
    assert shown[(4096,), "pytorch"] == "OOM"
    assert shown[(4096,), "sdpa"] == "not measured"
    assert shown[(4096,), "flash2"] == "crashed"
    assert shown[(512,), "sdpa-cudnn"] == "0.6250 wrong"


def test_the_passes_are_tables_of_their_own_where_the_figure_is_each_passs() -> None:
    _, tables = pivoted("seq:impl:device_ms", lab6())
    assert [[value for _, value in table.fixed] for table in tables] == [["fwd"], ["bwd"], ["fwd_bwd"]]


def test_what_has_no_place_and_is_not_settled_sets_tables_apart() -> None:
    shapes = [attention(seq=seq, causal=causal) for seq in (512, 1024) for causal in (False, True)]
    _, tables = pivoted("seq:impl:forward_ms", swept(*shapes))
    assert open_fields(tables) == [("causal", 2)]
    _, (one,) = pivoted("seq,causal:impl:forward_ms", swept(*shapes))
    assert one.rows == ((512, False), (512, True), (1024, False), (1024, True))


def test_what_a_row_settles_makes_no_further_tables() -> None:
    shapes = [attention(heads=heads, head_dim=1024 // heads, batch=heads) for heads in (8, 16)]
    _, tables = pivoted("heads:impl:forward_ms", swept(*shapes))
    assert len(tables) == 1


def test_rows_go_up_by_size_whatever_the_order_they_were_measured_in() -> None:
    _, (table,) = pivoted("seq:impl:forward_ms", swept(*(attention(seq=seq) for seq in (2048, 512, 1024))))
    assert table.rows == ((512,), (1024,), (2048,))


def test_an_axis_may_be_what_stands_in_the_table_and_ties_stand_together() -> None:
    fields, (table,) = pivoted("seq:pass:impl", swept(attention(seq=512)))
    assert figure_of(fields.value, table.cells[(512,), "fwd"]) == "pytorch, flash2"


def test_for_programs_a_column_called_like_another_says_what_it_is_of() -> None:
    whole = plan([attention(seq=512)], ["seq", "pytorch"], ["fwd"])
    events = [event for case in cases(whole) for event in measured(case, ["fwd"])]
    fields, tables = pivoted("seq:impl:forward_ms", Recording.of([Planned(plan=whole), *events]))
    names, (record,) = pivot_records(fields, tables)
    assert names == list(record) == ["seq", "impl=seq", "pytorch"]
    assert record["seq"] == 512


def test_for_programs_values_that_read_the_same_have_columns_of_their_own() -> None:
    whole = plan([attention(seq=512)], ["flash2", "flash2\x1b[0m", "flash2\x07"], ["fwd"])
    events = [
        event for at, case in enumerate(cases(whole)) for event in measured(case, ["fwd"], speed=1 + at / 1e7)
    ]
    recording = Recording.of([Planned(plan=whole), *events])
    fields, tables = pivoted("seq:impl:forward_ms", recording)
    names, (record,) = pivot_records(fields, tables)
    assert names == ["seq", "impl=flash2", "impl=flash2 (2)", "impl=flash2 (3)"]
    assert len(set(record.values())) == 4
    fields, tables = pivoted("seq:device_ms:impl", recording)
    names, (record,) = pivot_records(fields, tables)
    assert len(set(names)) == 4 and all(name.startswith("device_ms=") for name in names[1:])
    assert set(record.values()) == {512, "flash2", "flash2\x1b[0m", "flash2\x07"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seq:impl", "a pivot is ROWS:COLUMNS:VALUE"),
        ("seq:impl:forward_ms:x", "a pivot is ROWS:COLUMNS:VALUE"),
        ("seq::forward_ms", "a pivot is ROWS:COLUMNS:VALUE"),
        ("seq:impl,pass:device_ms", "one field across"),
        ("seq:seq_k:device_ms", "each field in one place"),
        ("seq:impl:fordward_ms", "did you mean"),
    ],
)
def test_what_is_no_pivot_is_refused(text: str, said: str) -> None:
    with pytest.raises(QueryError, match=said):
        PivotFields.of(pivot_names(text), PASS_FIELDS)
