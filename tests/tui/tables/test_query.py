"""`attnprof show` asked for some of its rows, as typed."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from profiler.events import Event, Planned
from profiler.session.file import SessionWriter
from tests.examples import attention, cases, checked, header, hopper_events, lab6_events, measured, plan
from tests.training_examples import study_events
from tui.cli import main
from tui.commands import show


@pytest.fixture(autouse=True)
def a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever width the tests themselves run in."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for day, label, events in (
        (20, "gpt2", study_events()),
        (21, "hopper", hopper_events()),
        (22, "lab6", lab6_events()),
    ):
        write(tmp_path, events, day, label)
    return tmp_path


def write(folder: Path, events: list[Event], day: int = 1, label: str = "") -> Path:
    started = datetime(2026, 11, day, tzinfo=UTC)
    with SessionWriter.create(folder, started, "NVIDIA H100", label) as writer:
        for event in events:
            writer.append(event)
    return writer.path


def attnprof(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)


def shown(folder: Path, session: str, *args: object) -> Result:
    return attnprof("show", session, "--sessions", folder, *args)


def table_of(result: Result) -> list[list[str]]:
    """The lines of the table's body by words."""
    lines = result.stdout.split("\n───", 1)[1].splitlines()[1:]
    return [line.split() for line in lines[: lines.index("") if "" in lines else None]]


def test_whole_cases_that_match_are_shown_in_the_usual_table(folder: Path) -> None:
    result = shown(folder, "lab6", "--where", "impl in (sdpa, flash2) and seq < 1k")
    assert [line[0] for line in table_of(result)] == ["sdpa", "flash2"]
    assert "batch 32, seq 512, heads 16" in result.stdout
    assert "NVIDIA H100 80GB HBM3, torch 2.13.0" in result.stdout


def test_single_passes_that_match_are_shown_in_a_line_each(folder: Path) -> None:
    result = shown(folder, "lab6", "--where", "device_ms < 0.9 and status == ok")
    assert [line[:3] for line in table_of(result)] == [
        ["sdpa", "fwd", "*0.3333"],
        ["sdpa", "bwd", "*0.8333"],
        ["flash2", "fwd", "0.5000"],
    ]


def test_rows_are_sorted_with_what_was_not_measured_last(folder: Path) -> None:
    columns = ("--columns", "seq,impl,forward_ms", "--format", "csv")
    up = shown(folder, "lab6", "--sort", "forward_ms", *columns).stdout.splitlines()
    down = shown(folder, "lab6", "--sort", "-forward_ms", *columns).stdout.splitlines()
    assert up[0] == "seq,impl,forward_ms"
    assert up[1].startswith("512,sdpa-cudnn,0.25")
    assert down[1].startswith("4096,pytorch,10")
    assert up[-2:] == down[-2:] == ["4096,flash2,", "4096,sdpa-cudnn,"]


def test_columns_that_all_passes_share_make_one_line_a_case(folder: Path) -> None:
    columns = shown(folder, "lab6", "--columns", "seq,impl,forward_ms")
    assert len(table_of(columns)) == 8
    assert table_of(columns)[5:7] == [["4096", "sdpa", "1.999", "partial"], ["4096", "flash2", "crashed"]]
    of_passes = table_of(shown(folder, "lab6", "--columns", "impl,device_ms", "--where", "seq < 1k"))
    assert of_passes[0] == ["fwd", "pytorch", "1.000"]


def test_a_wrong_result_says_so_beside_each_figure_and_for_programs_in_no_figure(folder: Path) -> None:
    args = (
        "--where",
        "seq < 1k",
        "--pass",
        "fwd",
        "--columns",
        "impl,device_ms,tflops",
        "--sort",
        "device_ms",
    )
    first = table_of(shown(folder, "lab6", *args))[0]
    assert (first[0], first[2::2]) == ("sdpa-cudnn", ["wrong", "wrong"])
    written = shown(folder, "lab6", *args, "--format", "md").stdout.splitlines()
    assert [line.count(" wrong |") for line in written[2:]] == [0, 0, 2, 0, 0, 0]
    (lowest, *_) = csv.DictReader(io.StringIO(shown(folder, "lab6", *args, "--format", "csv").stdout))
    assert float(lowest["device_ms"]) == 0.25


def test_a_column_of_the_status_says_it_for_all_figures_of_the_row_but_not_of_another_pass(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = ("--where", "seq < 1k and impl == sdpa-cudnn", "--pass", "fwd")
    (told,) = table_of(shown(folder, "lab6", *args, "--columns", "status,device_ms"))
    assert told == ["wrong", "0.2500"]
    (told,) = table_of(shown(folder, "lab6", *args, "--columns", "status,backward_ms"))
    assert told == ["wrong", "0.6250", "wrong"]
    monkeypatch.setenv("COLUMNS", "30")
    (told,) = table_of(shown(folder, "lab6", *args, "--sort", "device_ms"))
    assert told[-1] == "wrong" and len(told) < 7


def test_pass_keeps_to_some_passes(folder: Path) -> None:
    result = shown(folder, "lab6", "--pass", "backward", "--columns", "pass,impl", "--format", "csv")
    assert {line["pass"] for line in csv.DictReader(io.StringIO(result.stdout))} == {"bwd"}


def test_a_pivot_has_the_figures_in_place_and_says_why_one_is_missing(folder: Path) -> None:
    result = shown(folder, "lab6", "--pivot", "seq:impl:backward_ms")
    assert table_of(result) == [
        ["512", "2.500", "*0.8333", "1.250", "0.6250", "wrong"],
        ["4096", "OOM", "not", "measured", "crashed", "unsupported"],
    ]


def test_a_pivot_too_wide_for_the_terminal_goes_on_below(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    result = shown(folder, "lab6", "--pivot", "seq:impl:backward_ms")
    assert max(map(len, result.stdout.split("\n\n", 1)[1].splitlines())) <= 40
    assert result.stdout.count(" seq ") == 2
    assert "sdpa-cudnn" in result.stdout


def test_csv_and_json_of_a_selection_are_whole(folder: Path) -> None:
    args = ("--where", "fastest and pass == fwd", "--columns", "seq,impl,device_ms")
    (line,) = csv.DictReader(io.StringIO(shown(folder, "lab6", *args, "--format", "csv").stdout))
    (record,) = json.loads(shown(folder, "lab6", *args, "--format", "json").stdout)
    assert line == {name: str(value) for name, value in record.items()}
    assert record["impl"] == "sdpa"
    assert len(str(record["device_ms"])) > len("0.3333")
    pivot = json.loads(shown(folder, "lab6", "--pivot", "seq:impl:forward_ms", "--format", "json").stdout)
    assert pivot[1]["flash2"] is None
    assert pivot[1]["pytorch"] == pytest.approx(10)


def test_csv_without_columns_has_all_fields_and_no_formulas(tmp_path: Path) -> None:
    whole = plan([attention()], ["=cmd()"], ["fwd"])
    (case,) = cases(whole)
    path = write(tmp_path, [header(), Planned(plan=whole), *checked(case), *measured(case, ["fwd"])])
    (line,) = csv.DictReader(io.StringIO(attnprof("show", path, "--format", "csv").stdout))
    assert line["implementation"] == "'=cmd()"
    assert line["seq_k"] == "1024"


def test_markdown_is_a_table_whose_text_is_escaped(tmp_path: Path) -> None:
    whole = plan([attention()], ["a|b<x>"], ["fwd"])
    (case,) = cases(whole)
    path = write(tmp_path, [header(), Planned(plan=whole), *checked(case), *measured(case, ["fwd"])])
    written = attnprof("show", path, "--columns", "impl,device_ms", "--format", "md").stdout
    assert "| a\\|b&lt;x&gt; |" in written
    pivot = attnprof("show", path, "--pivot", "seq:impl:device_ms", "--format", "md").stdout
    assert "| a\\|b&lt;x&gt; |" in pivot


def test_trainings_are_asked_in_the_same_way(folder: Path) -> None:
    result = shown(folder, "gpt2", "--pivot", "context:impl:tokens_per_s")
    assert table_of(result)[2] == ["4096", "OOM", "37,697", "53,791"]
    assert "gpt2-small" in shown(folder, "gpt2", "--where", "impl == flash2").stdout


def test_fields_say_which_rows_of_a_session_with_both_kinds_are_meant(tmp_path: Path) -> None:
    both = write(tmp_path, [*lab6_events()[:-1], *study_events()[1:]])
    of_shapes = attnprof("show", both, "--where", "seq < 1k", "--columns", "impl", "--format", "csv")
    of_trainings = attnprof("show", both, "--where", "context < 1k", "--columns", "impl", "--format", "csv")
    of_both = attnprof("show", both, "--where", "impl == pytorch", "--columns", "impl", "--format", "csv")
    counts = [len(each.stdout.splitlines()) - 1 for each in (of_shapes, of_trainings, of_both)]
    assert counts == [4, 3, 5]
    neither = attnprof("show", both, "--where", "seq < 1k and context < 1k")
    assert (neither.exit_code, "no row has both" in neither.stderr) == (2, True)


def test_where_nothing_matches_the_values_that_there_are_are_named(folder: Path) -> None:
    result = shown(folder, "lab6", "--where", "seq == 3k and impl == flash2")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == (
        "no row matches; here seq is 512, 4096; impl is pytorch, sdpa, flash2, sdpa-cudnn\n"
    )


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--where", "sequence > 1"), "did you mean seq"),
        (
            ("--where", "context > 1"),
            "'context' is a field of training, and this session has attention alone",
        ),
        (("--sort", "speed"), "did you mean speedup"),
        (("--columns", "seq,,impl"), "an empty name"),
        (("--pivot", "seq:impl"), "a pivot is ROWS:COLUMNS:VALUE"),
        (("--pivot", "seq:impl:device_ms", "--columns", "seq"), "not both"),
        (("--format", "xml"), "there is no format 'xml'; there are table, md, csv, json"),
        (("--pass", "sideways"), "there is no pass 'sideways'"),
    ],
)
def test_what_cannot_be_answered_is_refused_in_a_sentence(
    folder: Path, args: tuple[str, ...], said: str
) -> None:
    result = shown(folder, "lab6", *args)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert said in result.stderr


def test_too_many_tables_are_refused_with_how_they_become_fewer(tmp_path: Path) -> None:
    shapes = [attention(batch=batch, causal=causal) for batch in range(1, 8) for causal in (False, True)]
    whole = plan(shapes, ["pytorch"], ["fwd"])
    events = [event for case in cases(whole) for event in (*checked(case), *measured(case, ["fwd"]))]
    result = attnprof(
        "show", write(tmp_path, [header(), Planned(plan=whole), *events]), "--pivot", "seq:impl:device_ms"
    )
    assert result.exit_code == 2
    assert "14 tables, for batch (7 values), causal (2 values) vary too" in result.stderr
    assert "seq,batch:impl:device_ms" in result.stderr


def test_a_screen_gets_the_first_shapes_of_many_and_is_told_how_to_see_the_rest(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(show, "_MOST_LINES", 4)
    said = "these are the first 4 of 8 cases: --where"
    first = shown(folder, "lab6").stdout
    assert said in first
    assert "4096" not in first.partition("\n\n")[2].partition("these are")[0].partition("not shown")[0]
    assert said not in shown(folder, "lab6", "--all").stdout
    assert "first 4 of 24 rows" in shown(folder, "lab6", "--columns", "impl,pass,device_ms").stdout
    monkeypatch.delenv("COLUMNS")
    assert said not in shown(folder, "lab6").stdout


def test_the_fields_can_be_listed_without_a_session() -> None:
    result = attnprof("show", "--fields")
    assert result.exit_code == 0
    assert "Of training:" in result.stdout
    assert "  seq_k " in result.stdout
    assert attnprof("show").exit_code == 2


def test_sorting_trainings_keeps_the_studys_table_and_what_is_of_one_context_together(tmp_path: Path) -> None:
    path = write(tmp_path, study_events())
    usual, by_speed = (shown_lines(path, "--sort", by) for by in ("context", "-tokens_per_s"))
    of_study = next(index for index, line in enumerate(usual) if "What a step" in line)
    assert by_speed[:of_study] == usual[:of_study]
    rows = [line for line in by_speed[of_study:] if line.split()[:1] in (["256"], ["1024"], ["4096"])]
    assert [line.split()[:2] for line in rows] == [
        ["256", "sdpa-flash"],
        ["1024", "flash2"],
        ["4096", "flash2"],
    ]


def shown_lines(path: Path, *args: str) -> list[str]:
    return attnprof("show", path, *args).stdout.splitlines()


def test_what_goes_along_with_a_pivots_rows_is_told_above_it(tmp_path: Path) -> None:
    whole = plan([attention(seq=seq, batch=8192 // seq) for seq in (512, 1024)], ["pytorch"], ["fwd"])
    events = [event for case in cases(whole) for event in (*checked(case), *measured(case, ["fwd"]))]
    path = write(tmp_path, [header(), Planned(plan=whole), *events])
    said = attnprof("show", path, "--pivot", "seq:impl:forward_ms").stdout
    assert "heads 16, head dim 64, float16, not causal; batch along with it\nforward_ms by impl\n" in said


def test_columns_without_units_have_titles_of_one_line(folder: Path) -> None:
    lines = shown(folder, "lab6", "--columns", "impl,forward_ms").stdout.splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("impl "))
    assert lines[at - 1].startswith("batch 32, ")
