"""A training session as Markdown, CSV and JSON, by itself and beside shapes."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import msgspec
import pytest

from profiler.events import Event, Finished, Steps, TrainingPlanned, TrainingResult
from profiler.export import export
from profiler.export.charts.training import training_pictures
from profiler.session.recording import Recording
from profiler.training.rows import training_rows
from tests.examples import header, lab6_events
from tests.training_examples import (
    STUDY,
    study,
    study_events,
    trained,
    training,
    training_cases,
    training_plan,
)


def sections(report: str) -> dict[str, str]:
    return {part.partition("\n")[0]: part for part in report.split("\n## ")}


def table_of(section: str) -> list[list[str]]:
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def records(recording: Recording) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export(recording, "csv"))))


def both() -> Recording:
    """A session that measured shapes, and then trained."""
    shapes, trained = lab6_events(), study_events()[1:]
    first = 1 + max(getattr(event, "case", 0) for event in shapes)
    for event in trained:
        if isinstance(event, TrainingPlanned):
            event.plan = msgspec.structs.replace(event.plan, first_case=first)
        elif hasattr(event, "case"):
            event.case += first
    return Recording.of([*shapes, *trained])


def test_the_report_begins_with_what_was_trained_and_on_what() -> None:
    report = export(study(), "md")
    assert report.startswith("# gpt2-compile: GPT-2 training on NVIDIA H100 80GB HBM3\n")
    assert "- Trained with: `pytorch`, `sdpa-flash`, `flash2`\n- Baseline: `pytorch`\n" in report
    assert "- Batch: the largest that fits, by each for itself\n" in report
    assert "- Steps: 125, the last 25 measured\n- Memory limit: 12.0 GiB\n" in report
    assert "`attnprof train --preset gpt2-compile`" in sections(report)["Environment"]
    assert "Nothing was measured" not in report


def test_the_report_has_the_studys_table_with_a_word_where_it_did_not_fit() -> None:
    section = sections(export(study(), "md"))[
        "Training: gpt2-small, compile, float16, adamw-foreach, vocab 16384"
    ]
    header, _, first, _, last = table_of(section)
    assert header[:4] == ["context", "pytorch: batch", "tokens/s", "sdpa-flash: batch"]
    assert " ".join(first) == "256 52 63,820 64 72,785 1.14x ±0.01 64 71,628 1.12x ±0.01 -1,157 -1.6"
    assert last[:5] == ["4096", "-", "OOM", "4", "37,697"]
    assert last[-2:] == ["+16,094", "+29.9"]


def test_the_chart_of_throughput_ranks_by_what_it_draws_and_says_that_this_tells_none_apart() -> None:
    alt = next(iter(training_pictures(training_rows(study()), "H100"))).alt
    assert "4k (tokens/s, the highest first, which does not tell them apart): flash2 53,791" in alt


def test_the_report_tells_of_steps_agreement_and_graph_breaks_and_names_the_formula() -> None:
    report = export(study(), "md")
    assert "<summary>What a step is made of</summary>" in report
    assert "<summary>Training: agreement of the first step</summary>" in report
    assert "- `flash2`, context 256: `call to a C extension` (12 x)" in report
    assert "arXiv:2204.02311" in report
    remarks = sections(report)["Remarks on training"]
    assert "- `pytorch`, context 4096: OOM: not even a batch of 1 fits (6.00 GiB asked for)" in remarks


def test_the_table_says_what_throughput_and_speedup_are_of() -> None:
    section = sections(export(study(), "md"))[
        "Training: gpt2-small, compile, float16, adamw-foreach, vocab 16384"
    ]
    assert "Tokens/s are of all measured steps, speedups of each round's median step: " in section


def test_agreement_of_what_was_never_measured_is_left_out() -> None:
    def agreement_of(events: list[Event]) -> list[str]:
        report = export(Recording.of(events), "md")
        _, _, part = report.partition("<summary>Training: agreement of the first step</summary>")
        return [
            line.split("|")[1].strip() for line in part.partition("</details>")[0].splitlines()[4:] if line
        ]

    whole = training_plan([training()], batch=8)
    first, second, _ = training_cases(whole)
    checked_only = list(trained(second, batch=8, tokens_per_s=50_000))
    checked_only = [each for each in checked_only if not isinstance(each, Steps | TrainingResult)]
    events = [
        header(),
        TrainingPlanned(plan=whole),
        *trained(first, batch=8, tokens_per_s=50_000),
        *checked_only,
        Finished(ending="interrupted"),
    ]
    assert agreement_of(events) == ["pytorch"]


def test_csv_has_a_row_a_training_and_units_in_its_header() -> None:
    rows = records(study())
    assert len(rows) == 9
    flash = rows[1]
    assert (flash["model"], flash["context"], flash["mode"]) == ("gpt2-small", "256", "compile")
    assert (flash["implementation"], flash["batch"], flash["status"]) == ("sdpa-flash", "64", "ok")
    assert float(flash["tokens_per_s"]) == pytest.approx(72_785)
    assert float(flash["speedup"]) == pytest.approx(72_785 / 63_820)
    assert (flash["verdict"], flash["graph_breaks"], flash["conditions"]) == ("ok", "0", "power cap")
    failed = rows[6]
    assert (failed["status"], failed["tokens_per_s"]) == ("oom", "")
    assert failed["message"] == "not even a batch of 1 fits"
    assert rows[2]["graph_break_reasons"] == "call to a C extension"


def test_json_is_a_list_of_trainings_with_all_figures_behind_each() -> None:
    written: list[dict[str, Any]] = json.loads(export(study(), "json"))
    assert [(entry["impl"], entry["context"]) for entry in written] == [
        (name, context) for context in STUDY for name in ("pytorch", "sdpa-flash", "flash2")
    ]
    entry = written[2]
    assert (entry["model"], entry["batch_size"], entry["mode"]) == ("gpt2-small", 64, "compile")
    behind = entry["attnprof"]
    assert behind["stopping"] == {"steps": 125, "last": 25, "precision": None}
    assert behind["baseline"] == "pytorch"
    row = behind["training"]
    assert row["batches_tried"] == {"128": False, "64": True}
    assert row["step_ms"]["count"] == 24
    assert row["graph_breaks"] == {"call to a C extension": 12}
    assert row["agreement"]["verdict"] == "ok"
    assert written[6]["attnprof"]["training"]["failure"]["kind"] == "oom"


def test_a_session_with_both_kinds_shows_both_in_every_format() -> None:
    recording = both()
    report = export(recording, "md")
    assert report.startswith("# lab6: attention and GPT-2 training on ")
    assert {"Forward", "Training: gpt2-small, compile, float16, adamw-foreach, vocab 16384"} <= set(
        sections(report)
    )
    rows = records(recording)
    assert [bool(row["pass"]) for row in rows] == sorted((bool(row["pass"]) for row in rows), reverse=True)
    assert sum(bool(row["context"]) for row in rows) == 9
    assert (rows[-1]["device_ms"], bool(rows[-1]["step_ms"])) == ("", True)
    written = json.loads(export(recording, "json"))
    assert sum("forward" in entry for entry in written) == len(written) - 9
    assert sum("tokens_per_s" in entry for entry in written) == 9
