"""`attnprof import`, as typed, and what is said of such a session wherever it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from impls import DeviceInfo
from profiler.engine.session_run import Session
from profiler.machine.environment import Device
from profiler.session.file import SessionError
from tui.cli import main

LABS = (
    *("--impl", "Flash2", "--batch_size", 32, "--seq_len", 1024, "--num_heads", 32, "--emb_dim", 2048),
    *("--dtype", "fp16", "--no-causal"),
)


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "benchmark_result.json"
    path.write_text('{"forward": {"time(s)": 0.001, "FLOPS(TFLOPs/s)": 274.9}}', encoding="utf-8")
    return path


def attnprof(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)


def test_the_labs_own_spellings_say_what_was_measured(file: Path) -> None:
    result = attnprof("import", file, *LABS)
    assert result.exit_code == 0
    (session,) = Path("sessions").iterdir()
    assert result.stdout == f"saved {session}\n"
    assert session.name.endswith("Z-unknown-device-benchmark-result.jsonl")
    assert "who measured it, when, on what and how is not known" in result.stderr


def test_without_the_shape_it_is_refused_and_nothing_is_saved(file: Path) -> None:
    result = attnprof("import", file)
    assert result.exit_code == 2
    assert "--impl Flash2 --batch_size 32 --seq_len 1024" in result.stderr
    assert not Path("sessions").exists()


def test_a_misspelt_implementation_and_what_is_no_size_are_refused(file: Path) -> None:
    assert "did you mean flash2" in attnprof("import", file, "--impl", "flahs2").stderr
    result = attnprof("import", file, "--seq-len", "many")
    assert (result.exit_code, "--seq-len takes sizes" in result.stderr) == (2, True)


def test_it_is_shown_and_reported_with_the_words_of_what_is_unknown(file: Path) -> None:
    attnprof("import", file, *LABS, "--label", "of *old*")
    shown = attnprof("show", "last").output
    heading, _, table = shown.partition("\n\n")
    assert "unknown device" in heading
    assert "This session was imported from benchmark_result.json: who measured it" in heading
    assert "tables have no speedups, and mark nothing as the fastest" in heading
    assert "1.000" in table
    report = attnprof("export", "last").output
    assert "> **This session was imported from benchmark_result.json: who measured it" in report
    assert "| flash2         |     1.000 |   274.9 |" in report
    assert (
        ",benchmark_result.json,flash2,,fwd,32,1024," in attnprof("export", "last", "--format", "csv").output
    )


def test_a_run_does_not_go_on_with_an_imported_session(file: Path) -> None:
    attnprof("import", file, *LABS)
    (session,) = Path("sessions").iterdir()
    with pytest.raises(SessionError, match="was imported"):
        Session.resume(session, Device("cpu", DeviceInfo("cpu", "a CPU")))
    assert len(session.read_text(encoding="utf-8").splitlines()) == 6


def test_a_folder_that_cannot_be_written_is_said(file: Path) -> None:
    result = attnprof("import", file, *LABS, "--sessions", file)
    assert (result.exit_code, "sessions cannot be saved in" in result.stderr) == (2, True)
