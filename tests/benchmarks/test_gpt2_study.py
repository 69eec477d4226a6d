"""The published GPT-2 study beside sessions of training."""

from __future__ import annotations

import msgspec

from benchmarks.gpt2_study import (
    CLAIMS,
    MODES,
    PLAIN,
    Found,
    Ratio,
    Row,
    all_over_one,
    all_the_same,
    fits_where_plain_does_not,
    pairs,
    published,
    report,
)
from profiler.events import TrainingFailure, TrainingPlanned, TrainingResult
from profiler.session.recording import Recording
from profiler.training.presets import TRAINING_PRESETS
from tests.training_examples import study, study_events


def test_the_published_rows_are_those_of_the_presets() -> None:
    for mode in MODES:
        preset = TRAINING_PRESETS[f"gpt2-{mode}"]
        rows = [(row.model, row.context) for row in published() if row.mode == mode]
        assert rows == [(row.model.name, row.context) for row in preset.trainings]


def test_every_claim_holds_of_the_published_tables() -> None:
    assert {claim.text: claim.of(published()).verdict for claim in CLAIMS} == {
        claim.text: "holds" for claim in CLAIMS
    }


def test_only_rows_that_a_session_has_are_compared() -> None:
    assert [(theirs.context, PLAIN in ours.cells) for theirs, ours in pairs([study()])] == [
        (256, True),
        (1024, True),
        (4096, False),
    ]


def test_published_and_measured_stand_beside_each_other_and_claims_have_verdicts() -> None:
    lines = list(report([study()]))
    assert lines[0] == "# Held to 12.0 GiB"
    assert lines[2] == "## gpt2-small, compile (published / measured)"
    assert lines[6].startswith("| 256 | 52 / 52 | 63,820 / 63,820 | 64 / 64 | 72,785 / 72,785 |")
    assert "| - / - | - / - |" in next(line for line in lines if line.startswith("| 4096 |"))
    verdicts = [line.split("|")[-2].strip() for line in lines if line.startswith("| eager, medium")]
    assert verdicts == ["not measured"]
    assert any(line.endswith("| holds |") for line in lines)


def test_sessions_under_another_limit_are_a_part_of_their_own() -> None:
    free = Recording.of(
        [
            msgspec.structs.replace(event, plan=msgspec.structs.replace(event.plan, memory_limit_bytes=None))
            if isinstance(event, TrainingPlanned)
            else event
            for event in study_events()
        ]
    )
    lines = list(report([study(), free]))
    assert [line for line in lines if line.startswith("# ")] == ["# Held to 12.0 GiB", "# Without a limit"]
    assert len([line for line in lines if line.startswith("| 256 |")]) == 2


def test_a_throughput_in_which_the_gpu_waited_is_marked() -> None:
    events = [
        msgspec.structs.replace(event, gpu_busy_percent=60.0) if isinstance(event, TrainingResult) else event
        for event in study_events()
    ]
    lines = list(report([Recording.of(events)]))
    assert "| 63,820 / 63,820* |" in lines[6]
    assert "`*` launch-bound: in a good part of each step the GPU waited for the host." in lines


def test_what_was_not_tried_is_not_what_does_not_fit() -> None:
    untried = Row("eager", "gpt2-medium", 4096, {}, frozenset({PLAIN}))
    assert fits_where_plain_does_not([untried]) == Found("-", 0, "not measured")


def test_what_a_ratios_interval_does_not_settle_cannot_be_told() -> None:
    faster, slower, either = Ratio(1.2, 1.1, 1.3), Ratio(0.9, 0.8, 0.95), Ratio(1.2, 0.9, 1.5)
    assert all_over_one([faster, faster]).verdict == "holds"
    assert all_over_one([faster, either]).verdict == "cannot be told"
    assert all_over_one([faster, either, slower]).verdict == "differs"
    assert all_over_one([faster, Ratio(1.2)]).verdict == "cannot be told"  # without an interval
    assert all_the_same([Ratio(1.01, 0.99, 1.03)]).verdict == "holds"
    assert all_the_same([Ratio(1.01, 0.9, 1.03)]).verdict == "cannot be told"
    assert all_the_same([faster]).verdict == "differs"


def test_a_batch_that_ran_out_of_memory_later_is_not_one_that_does_not_fit() -> None:
    events = list(study_events())
    plain = next(event for event in events if isinstance(event, TrainingResult))
    late = TrainingFailure(
        case=plain.case, training=plain.training, implementation=plain.implementation, kind="oom", message=""
    )
    some = pairs([Recording.of([late if event is plain else event for event in events])])
    (row,) = [ours for _, ours in some if ours.context == plain.training.context]
    assert PLAIN not in row.cells and PLAIN not in row.out_of_memory
