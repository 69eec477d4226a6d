"""The published GPT-2 study beside sessions of training."""

from __future__ import annotations

import msgspec

from benchmarks.gpt2_study import (
    CLAIMS,
    MODES,
    PLAIN,
    Row,
    fits_where_plain_does_not,
    pairs,
    published,
    report,
)
from profiler.events import TrainingPlanned, TrainingResult
from profiler.session.recording import Recording
from profiler.training.presets import TRAINING_PRESETS
from tests.training_examples import study, study_events


def test_the_published_rows_are_those_of_the_presets() -> None:
    for mode in MODES:
        preset = TRAINING_PRESETS[f"gpt2-{mode}"]
        rows = [(row.model, row.context) for row in published() if row.mode == mode]
        assert rows == [(row.model.name, row.context) for row in preset.trainings]


def test_every_claim_holds_of_the_published_tables() -> None:
    assert {claim.text: claim.of(published())[1] for claim in CLAIMS} == {
        claim.text: True for claim in CLAIMS
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
    assert fits_where_plain_does_not([untried]) == ("0 of 0 rows", None)
