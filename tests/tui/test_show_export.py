"""`attnprof show` and `attnprof export`, as typed."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote

import pytest
from click.testing import CliRunner, Result

from profiler.session import line_reader, reader
from profiler.session.edit import add_note, relabel
from profiler.session.file import SessionWriter
from tests.examples import header, hopper_events, lab6_events, single_events
from tui.cli import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for day, label, events in ((21, "one", single_events()), (22, "lab6", lab6_events())):
        started = datetime(2026, 11, day, tzinfo=UTC)
        with SessionWriter.create(tmp_path / "runs", started, "NVIDIA H100", label) as writer:
            for event in events:
                writer.append(event)
    return tmp_path / "runs"


def attnprof(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)


def test_show_last_prints_where_when_and_the_table(folder: Path) -> None:
    result = attnprof("show", "last", "--sessions", folder)
    assert result.exit_code == 0
    assert "NVIDIA H100 80GB HBM3, torch 2.13.0" in result.output
    assert "attnprof run --preset lab6" in result.output
    assert "This session was interrupted: Ctrl+C." in result.output
    assert "OOM: 64.0 GiB asked for" in result.output
    assert "warning: another process uses this GPU" in result.output
    assert "compiled in 2 s" not in result.output


def test_show_ends_with_the_table_and_has_kernels_graph_breaks_and_ceilings_above(tmp_path: Path) -> None:
    with SessionWriter.create(tmp_path, datetime.now(UTC), "h100") as writer:
        for event in hopper_events():
            writer.append(event)
    said = attnprof("show", writer.path).output
    assert "seq 4096, flash2, forward: 1 kernel in 500 us\n" in said
    assert "seq 256, compiled: 2 graph breaks\n" in said
    behind, _, table = said.partition("\n\nbatch 8, heads 16")
    assert behind.splitlines()[-1].startswith("ceilings: matmul bfloat16 750 TFLOP/s at 1542 MHz, copy 3000")
    assert "20.0x ±0.1" in table


def test_show_has_the_label_and_the_notes_in_its_heading(folder: Path) -> None:
    path = relabel(next(folder.glob("*one*")), "[red]fan[/red]")
    add_note(path, "it was [bold]loud[/bold]")
    heading = attnprof("show", path).output.split("\n\n", 1)[0].splitlines()
    assert heading[2] == "label: [red]fan[/red]"
    assert re.fullmatch(r"note of \d{4}-\d\d-\d\d: it was \[bold\]loud\[/bold\]", heading[3])


def test_show_finds_a_session_by_part_of_its_name_or_path(folder: Path) -> None:
    path = next(folder.glob("*one*"))
    assert attnprof("show", "one", "--sessions", folder).output == attnprof("show", path).output


def test_show_keeps_to_the_columns_it_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    table = attnprof("show", "last", "--sessions", folder).output.split("\n\n", 1)[1].split("warning:")[0]
    assert max(map(len, table.splitlines())) <= 80


def test_the_sessions_folder_can_come_from_the_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATTNPROF_SESSIONS", str(folder))
    assert attnprof("show", "lab6").exit_code == 0


def test_what_cannot_be_read_is_said_on_stderr_and_the_rest_is_shown(folder: Path) -> None:
    path = next(folder.glob("*one*"))
    with path.open("ab") as file:
        file.write(b'{"type":"novelty"}\n{"type":"resu')
    result = attnprof("show", path)
    assert result.exit_code == 0
    assert "line 12: unknown event 'novelty', left out" in result.stderr
    assert "line 13: cut short" in result.stderr
    assert "flash2" in result.stdout


@pytest.mark.parametrize("command", [("show",), ("export", "--format", "csv"), ("show", "--format", "json")])
def test_a_large_session_is_shown_as_a_small_one_and_what_cannot_be_read_in_it_is_said(
    folder: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    path = next(folder.glob("*lab6*"))
    lines = path.read_bytes().splitlines(keepends=True)
    last = max(index for index, line in enumerate(lines) if line.startswith(b'{"type":"result"'))
    lines[last] = lines[last].replace(b'"tflops":', b'"tflops":"x","was":')
    path.write_bytes(b"".join(lines))
    small = attnprof(*command, path)
    monkeypatch.setattr(reader, "DEFERRING_BYTES", 0)
    monkeypatch.setattr(line_reader, "_BLOCK_BYTES", 500)
    large = attnprof(*command, path)
    assert large.stdout == small.stdout
    assert f"line {last + 1}: a 'result' that cannot be read" in small.stderr
    assert "case 4: a 'result' that cannot be read" in large.stderr


def test_a_session_that_measured_nothing_says_so(tmp_path: Path) -> None:
    with SessionWriter.create(tmp_path, datetime.now(UTC), "cpu") as writer:
        writer.append(header())
    result = attnprof("show", writer.path)
    assert result.exit_code == 0
    assert "Nothing was measured." in result.output


@pytest.mark.parametrize("command", ["show", "export"])
@pytest.mark.parametrize(
    ("session", "said"),
    [("lab7", "there is no session 'lab7'"), ("2026", "is part of 2 names"), ("h100-o", "")],
)
def test_a_session_that_is_not_one_is_refused_in_a_sentence(
    folder: Path, command: str, session: str, said: str
) -> None:
    result = attnprof(command, session, "--sessions", folder)
    assert result.exit_code == (2 if said else 0)
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == (1 if said else 0)


def test_a_file_that_is_no_session_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b"\x00\x01")
    result = attnprof("show", tmp_path / "x.jsonl")
    assert (result.exit_code, "is no attnprof session" in result.stderr) == (2, True)


@pytest.mark.parametrize("output", [(), ("-o", "-")])
def test_export_is_markdown_on_standard_output(folder: Path, output: tuple[str, ...]) -> None:
    result = attnprof("export", "last", "--sessions", folder, *output)
    assert result.stdout.startswith("# lab6: attention on NVIDIA H100")
    assert result.exit_code == 0


def test_export_takes_the_format_from_the_files_name_and_says_where_it_wrote(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.csv"
    result = attnprof("export", "last", "--sessions", folder, "-o", out)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"wrote {out}" in result.stderr
    assert len(list(csv.DictReader(io.StringIO(out.read_text())))) == 24


def test_a_markdown_report_has_its_charts_in_a_folder_named_after_it(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "my report.md"
    result = attnprof("export", "last", "--sessions", folder, "-o", out)
    assert f"wrote {out}, and 2 charts in my report-charts\n" in result.stderr
    for target in re.findall(r"^!\[.*\]\((.*)\)$", out.read_text(), flags=re.MULTILINE):
        assert (tmp_path / unquote(target)).read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(("name", "charts"), [("x.md", "none"), ("x.csv", None), ("x.html", "svg")])
def test_no_folder_is_made_where_there_are_no_charts_beside(
    folder: Path, tmp_path: Path, name: str, charts: str | None
) -> None:
    option = ("--charts", charts) if charts else ()
    result = attnprof("export", "one", "--sessions", folder, "-o", tmp_path / name, *option)
    assert (result.exit_code, [path.name for path in tmp_path.iterdir() if path != folder]) == (0, [name])


def test_charts_can_be_png(folder: Path, tmp_path: Path) -> None:
    attnprof("export", "one", "--sessions", folder, "-o", tmp_path / "x.md", "--charts", "png")
    (chart,) = (tmp_path / "x-charts").iterdir()
    assert chart.suffix == ".png" and chart.read_bytes().startswith(b"\x89PNG")


def test_html_on_standard_output_is_the_page_with_its_charts(folder: Path) -> None:
    page = attnprof("export", "one", "--sessions", folder, "--format", "html").stdout
    assert page.startswith("<!doctype html>") and "<figure><svg" in page


def test_export_json_of_one_configuration_is_the_labs_object(folder: Path) -> None:
    result = attnprof("export", "one", "--sessions", folder, "--format", "json")
    assert "peak_memory_usage(MB)" in json.loads(result.stdout)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("-o", "report.txt"), "the format of 'report.txt' cannot be told"),
        (("--format", "pdf"), "there is no format 'pdf'; there are md, html, csv, json"),
        (("-o", "/no/such/report.md"), "there is no folder '/no/such': make it, or give another --output"),
        (("-o", "/no/report.md", "--charts", "png"), "there is no folder '/no': make it"),
        (("--charts", "svg"), "charts of Markdown are files beside it: add -o FILE, or --format html"),
        (("--charts", "png", "--format", "csv"), "csv has no charts: leave out --charts"),
    ],
)
def test_export_refuses_in_a_sentence(folder: Path, args: tuple[str, ...], said: str) -> None:
    result = attnprof("export", "last", "--sessions", folder, *args)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert said in result.stderr


@pytest.mark.parametrize("command", ["show", "export"])
def test_a_reader_that_stops_early_gets_no_traceback(folder: Path, command: str) -> None:
    script = "from tui.cli import main; main()"
    child = subprocess.Popen(
        [sys.executable, "-c", script, command, "last", "--sessions", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    said = child.stderr.read()
    child.stderr.close()
    child.wait(timeout=30)
    assert said == ""


def test_neither_command_loads_torch_or_textual(folder: Path) -> None:
    script = (
        "import sys\n"
        "from tui.cli import main\n"
        "main(standalone_mode=False)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'textual')))"
    )
    for command in ("show", "export"):
        args = [sys.executable, "-c", script, command, "last", "--sessions", str(folder)]
        assert subprocess.run(args, capture_output=True, check=False).returncode == 0
