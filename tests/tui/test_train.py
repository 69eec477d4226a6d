"""`attnprof train` as it is typed: the real command in a process of its own, on the CPU."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from profiler.events import Finished, Steps, TrainingPlanned, TrainingResult
from profiler.training.presets import TRAINING_PRESETS
from tests.tui.test_run import Done, attnprof, session_of
from tui.cli import main

SMALL = ("--model", "2x2x32", "--context", "16", "--vocab", "64", "--batch", "2", "--device", "cpu")
TINY = (*SMALL, "--steps", "6", "--last", "4")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """The smallest model there is sense in, trained on plain PyTorch and on SDPA's flash."""
    return attnprof(tmp_path_factory.mktemp("trained"), "train", *TINY, "--label", "tiny", "-o", "report.md")


def test_each_result_is_a_line_then_come_the_tables(trained: Done) -> None:
    lines = trained.stdout.splitlines()
    assert (trained.code, trained.stderr) == (0, "")
    assert lines[0].endswith(
        ": pytorch, sdpa-flash; 1 row "
        "(gpt2-2x2x32, vocab 64, float32, adamw-foreach, eager, context 16, batch 2)"
    )
    assert [line.split("  ")[:2] for line in lines[1:3]] == [
        ["pytorch", "batch 2"],
        ["sdpa-flash", "batch 2"],
    ]
    assert all(" tokens/s  " in line and " ms a step" in line for line in lines[1:3])
    assert "gpt2-2x2x32, eager, float32, adamw-foreach, vocab 64" in lines
    wrote = "wrote report.md, and 2 charts in report-charts"
    assert lines[-2:] == [wrote, f"saved sessions/{session_of(trained.folder).name}"]


def test_the_session_holds_what_was_asked_for_and_every_step(trained: Done) -> None:
    (planned,) = trained.of_type(TrainingPlanned)
    assert (planned.plan.batch, planned.plan.stopping.steps, planned.plan.label) == (2, 6, "tiny")
    results = trained.of_type(TrainingResult)
    assert [result.implementation for result in results] == ["pytorch", "sdpa-flash"]
    for result in results:
        told = [event for event in trained.of_type(Steps) if event.case == result.case]
        assert sum(len(event.step_ms) for event in told) == 6
        assert sum(len(event.step_ms) for event in told if event.measured) == 4
    assert trained.finished == Finished(at_s=trained.finished.at_s, ending="completed", results=2)


def test_the_report_and_every_other_format_have_the_throughput(trained: Done) -> None:
    report = (trained.folder / "report.md").read_text()
    assert report.startswith("# tiny: GPT-2 training on ")
    assert "## Training: gpt2-2x2x32, eager, float32, adamw-foreach, vocab 64" in report
    rows = list(
        csv.DictReader(io.StringIO(attnprof(trained.folder, "export", "last", "--format", "csv").stdout))
    )
    written = json.loads(attnprof(trained.folder, "export", "last", "--format", "json").stdout)
    measured = {result.implementation: result.tokens_per_s for result in trained.of_type(TrainingResult)}
    assert {row["implementation"]: float(row["tokens_per_s"]) for row in rows} == pytest.approx(measured)
    assert {entry["impl"]: entry["tokens_per_s"] for entry in written} == pytest.approx(measured)
    assert [row["verdict"] for row in rows] == ["ok", "ok"]


def test_show_last_shows_it_again(trained: Done) -> None:
    shown = attnprof(trained.folder, "show", "last")
    assert (shown.code, shown.stderr) == (0, "")
    assert "attnprof train --model 2x2x32" in shown.stdout
    assert "gpt2-2x2x32, eager, float32, adamw-foreach, vocab 64" in shown.stdout
    assert "What a step is made of" in shown.stdout
    assert "Nothing was measured" not in shown.stdout


@pytest.mark.parametrize(
    "typed",
    ["--model huge", "--mode fast", "--preset gpt3", "--steps 4 --last 5", "--format json", "--impl flash22"],
)
def test_bad_input_is_one_sentence_and_leaves_no_session(
    typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["train", "--device", "cpu", *typed.split()])
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.rglob("*.jsonl"))


def test_beside_resume_no_option_may_say_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["train", "--device", "cpu", "--resume", "last", "--context", "64"])
    assert done.exit_code == 2
    assert "--resume goes on as the session was asked for: drop --context" in done.stderr


@pytest.mark.parametrize("columns", [80, 120])
def test_the_help_fits_names_every_preset_and_says_how_one_is_narrowed(columns: int) -> None:
    shown = CliRunner().invoke(main, ["train", "--help"], prog_name="attnprof", terminal_width=columns).output
    assert max(map(len, shown.splitlines())) <= columns
    text = " ".join(shown.split())
    assert all(name in text for name in TRAINING_PRESETS)
    assert "--model and --context keep of its rows those that they name" in text
