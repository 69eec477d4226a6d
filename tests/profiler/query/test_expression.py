"""Questions to rows: what they match, and what is refused in a sentence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from profiler.query import (
    PASS_FIELDS,
    TRAINING_FIELDS,
    PassEntry,
    QueryError,
    TrainingEntry,
    parse,
    pass_entries,
    training_entries,
)
from profiler.query.syntax import MOST_CHARACTERS
from tests.examples import hopper, lab6
from tests.training_examples import study

LAB6: list[PassEntry] = pass_entries(lab6())
HOPPER: list[PassEntry] = pass_entries(hopper())
STUDY: list[TrainingEntry] = training_entries(study())


def matched(question: str, entries: list[PassEntry] = LAB6) -> set[tuple[int, str, str]]:
    condition = parse(question).of(PASS_FIELDS)
    return {
        (each.row.workload.seq_k, each.row.implementation, each.row.which)
        for each in entries
        if condition.matches(each)
    }


def names(question: str, entries: list[PassEntry] = LAB6) -> set[str]:
    return {name for _, name, _ in matched(question, entries)}


def refusal(question: str) -> str:
    with pytest.raises(QueryError) as refused:
        parse(question).of(PASS_FIELDS)
    return str(refused.value)


@pytest.mark.parametrize(
    ("question", "same"),
    [
        ("seq >= 4k", "seq_k >= 4096"),
        ("4096 <= seq", "seq >= 4k"),
        ("seq = 512", "seq == 512"),
        ("seq <> 512", "seq != 512"),
        ("1k < seq <= 4k", "seq > 1024 and seq <= 4096"),
        ("head-dim == 64", "head_dim == 64"),
        ("SEQ == 512", "seq == 512"),
        ("causal", "causal == yes"),
        ("not causal", "causal == false"),
        ("impl in (flash2, sdpa)", "impl == flash2 or impl == sdpa"),
        ("impl not in [flash2]", "impl != flash2"),
        ("impl == Pytorch", 'implementation == "pytorch"'),
        ("dtype == fp16", "dtype == float16"),
        ("pass == backward", "pass == bwd"),
        ("device_ms < 500us", "device_ms < 0.5ms"),
        ("device_ms < 0.5", "device_ms < 0.0005s"),
        ("memory > 1MiB", "working_bytes > 1048576"),
        ("memory > 1M", "memory > 1MiB"),
        ("memory > 1MB", "working_bytes > 1000000"),
        ("speedup > 2x", "speedup > 2"),
        ("not (causal and seq < 1k)", "not causal or seq >= 1k"),
        ("causal and seq < 1k or seq > 2k", "(causal and seq < 1k) or seq > 2k"),
        ("kv_heads == heads", "heads == kv_heads"),
    ],
)
def test_the_same_question_may_be_written_in_several_ways(question: str, same: str) -> None:
    assert matched(question) == matched(same)


def test_a_comparison_chooses_the_rows_of_which_it_holds() -> None:
    assert {seq for seq, _, _ in matched("seq >= 4k")} == {4096}
    assert names("'flash' in impl") == {"flash2"}
    assert names("status == wrong") == {"sdpa-cudnn"}
    assert names("status in (oom, unsupported)") == {"pytorch", "sdpa-cudnn"}
    assert matched("seq < 4k and device_ms <= 0.5 and pass == fwd and status == ok") == {
        (512, "sdpa", "fwd"),
        (512, "flash2", "fwd"),
    }


def test_a_word_that_is_a_field_too_is_a_value_beside_a_field_that_has_it() -> None:
    assert matched("bound == memory", HOPPER) == matched("bound == 'memory'", HOPPER)


def test_what_was_not_measured_matches_neither_a_comparison_nor_its_opposite() -> None:
    unmeasured = matched("device_ms == none")
    assert unmeasured
    for question in ("device_ms > 0", "not device_ms > 0", "device_ms != 1", "device_ms not in (1, 2)"):
        assert not unmeasured & matched(question), question
    assert matched("device_ms != none") == matched("device_ms > 0")


def test_what_is_unknown_does_not_hide_what_is_known() -> None:
    assert matched("device_ms > 0 or seq > 0") == matched("seq > 0")
    assert matched("device_ms < 0 and seq > 0") == set()


def test_lists_are_asked_for_what_stands_in_them() -> None:
    assert {seq for seq, _, _ in matched("'power' in conditions", HOPPER)} == {4096}
    assert names("q in writes_inputs", HOPPER) == {"compiled"}
    assert names("notes != none") == {"flash2"}


def test_a_case_may_be_chosen_by_the_time_of_another_pass() -> None:
    assert {which for _, _, which in matched("seq == 512 and impl == sdpa and forward_ms < 1")} == {
        "fwd",
        "bwd",
        "fwd_bwd",
    }


def test_trainings_have_fields_of_their_own() -> None:
    condition = parse("context >= 1k and tokens_per_s > 60k and model == small").of(TRAINING_FIELDS)
    assert {each.row.implementation for each in STUDY if condition.matches(each)} == {"sdpa-flash", "flash2"}


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("sequence >= 4k", "did you mean seq"),
        ("xyzzy == 1", "there is no field 'xyzzy' of attention; `attnprof show --fields` lists them"),
        ("seq == flash2", "seq is a number, and 'flash2' is none: seq >= 4k"),
        ("seq", "'seq' is a number, so it needs a comparison: seq >= 4k"),
        ("impl < flash2", "impl has no order"),
        ("impl == 3", "impl is a text, and 3 is a number"),
        ("dtype == bf17", "there is no dtype 'bf17'; there are float16, bfloat16, float32"),
        ("causal == maybe", "causal is yes or no, not 'maybe'"),
        ("memory > 100", "memory is in bytes, so a size needs its unit: 100MiB"),
        ("memory > 5ms", "memory takes a size such as 512MiB"),
        ("device_ms < 4k", "device_ms takes a time such as 1.5"),
        ("seq < device_ms", "seq and device_ms do not compare: a number and a number of ms"),
        ("conditions == x", "conditions is a list: 'power cap' in conditions"),
        ("'a' in seq", "nothing is in seq"),
        ("impl in flash2", "in takes a list: 'impl' in ('flash2', ...)"),
        ("seq < none", "none has no order: write seq == none"),
        ("1 < 2", "1 is compared with no field"),
        ("seq >", "ends where a field or a value should stand"),
        ("(seq > 1", "ends where ')' should stand"),
        ("seq > 1)", "has ')' where and, or, or the end should stand"),
        ("seq > 1 && causal", "'&&' is written and"),
        ("impl == 'flash2", "is not closed"),
        ("seq > 1; import os", "';'"),
        ("__import__('os').system('true')", "has '.' in it"),
        ("seq.__class__ == 1", "there is no field 'seq.__class__'"),
        ("seq > 9" + "9" * 50, "is out of all proportion"),
        ("seq > 1e999", "is out of all proportion"),
        ("", "ends where a field or a value should stand"),
        ("not " * 50 + "causal", "nested 40 deep"),
        ("(" * 50 + "causal" + ")" * 50, "nested 40 deep"),
        ("x" * (MOST_CHARACTERS + 1), "at most 2,000 characters"),
    ],
)
def test_what_makes_no_sense_is_refused_with_what_to_write(question: str, said: str) -> None:
    told = refusal(question)
    assert said in told
    assert "\n" not in told


def test_a_refusal_repeats_no_escape_that_was_typed() -> None:
    assert "\x1b" not in refusal("impl == \x1b[31mred")


_PIECES = st.sampled_from(
    [*PASS_FIELDS.by_name, *"()[],<>=!'\"", "<=", "==", "!=", " and ", " or ", " not ", " in ", " none "]
)
_VALUES = st.sampled_from(
    ["4k", "1MiB", "500us", "50%", "flash2", "fp16", "true", "-1.5e3", "..", "\x00", "\x1b[2J", "=cmd()", " "]
)


@given(st.one_of(st.text(max_size=80), st.lists(_PIECES | _VALUES, max_size=14).map("".join)))
def test_no_text_raises_anything_but_the_refusal_and_what_is_read_answers_for_every_row(text: str) -> None:
    try:
        condition = parse(text).of(PASS_FIELDS)
    except QueryError as error:
        assert str(error)
        return
    assert {condition.matches(entry) for entry in LAB6} <= {True, False}


@given(
    st.lists(
        st.sampled_from(["seq >= 1k", "causal", "impl == sdpa", "device_ms < 1"]), min_size=2, max_size=5
    )
)
def test_all_hold_where_each_does_and_one_holds_where_any_does(parts: list[str]) -> None:
    each = [matched(part) for part in parts]
    assert matched(" and ".join(parts)) == set.intersection(*each)
    assert matched(" or ".join(parts)) == set.union(*each)
