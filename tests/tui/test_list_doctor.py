"""`attnprof list` and `attnprof doctor` as a user meets them."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TextIO

import pytest
from click.testing import CliRunner
from rich.cells import cell_len

import impls
from impls.contract import DeviceInfo
from profiler import doctor
from profiler.doctor import Check
from profiler.machine.environment import Device
from tui.cli import main
from tui.commands import doctor as doctor_command
from tui.commands import list as list_command

H100 = Device("cuda:0", DeviceInfo("cuda", "NVIDIA H100 80GB HBM3", (9, 0)))
CHECKS = [
    Check("Python and torch", "torch", "ok", "2.11.0+cu130"),
    Check(
        "GPU 0: NVIDIA [H100]", "power", "warn", "limit [bold]500[/bold] W", "sudo nvidia-smi -i 0 -pl 700"
    ),
    Check(
        "Packages",
        "flash-attn",
        "problem",
        "cannot be imported: " + "a long reason " * 8,
        "pip install " + "x" * 90,
    ),
]


class Terminal(io.StringIO):
    """A terminal of 256 colours that keeps what is written to it."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, arguments: Sequence[str], columns: int) -> tuple[list[str], int]:
    """The lines that a terminal of that width shows, without colours, and the exit code."""
    screen: TextIO = Terminal()
    for name, value in {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "50"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", screen)
    code = main.main([*arguments], standalone_mode=False)
    assert isinstance(screen, Terminal)
    return re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines(), code or 0


def test_list_in_a_pipe_is_a_line_an_implementation() -> None:
    result = CliRunner().invoke(main, ["list", "--device", "cpu"])
    assert result.exit_code == 0
    heading, *lines = result.stdout.splitlines()
    assert heading.split()[:3] == ["NAME", "HERE", "DTYPES"]
    assert [line.split()[0] for line in lines] == [found.name for found in impls.catalog()]
    here = heading.index("HERE")
    assert lines[0][here:].startswith("yes")
    flash2 = next(line for line in lines if line.startswith("flash2"))
    assert flash2[here:].startswith("needs a CUDA GPU")
    assert "Flash2" in flash2
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("columns", [80, 200])
def test_list_on_a_terminal_fits_it(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    lines, code = shown(monkeypatch, ["list", "--device", "cpu"], columns)
    assert code == 0
    assert max(map(cell_len, lines)) <= columns
    text = "\n".join(lines)
    for implementation in impls.catalog():
        assert implementation.name in text
    assert "…" not in text


def test_list_says_what_to_install_on_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(list_command, "resolve_device", lambda option: H100)
    monkeypatch.setattr(impls.Requirement, "missing", lambda self: True)
    lines, _ = shown(monkeypatch, ["list"], 80)
    assert "For flash2: pip install 'attnprof[flash]' --no-build-isolation" in lines


def test_list_leaves_out_dtypes_that_the_device_lacks() -> None:
    t4 = Device("cuda:0", DeviceInfo("cuda", "Tesla T4", (7, 5)))
    sdpa = next(row for row in list_command.list_rows(t4) if row.name == "sdpa")
    assert sdpa.dtypes == "fp16 fp32"


def test_features_in_a_pipe_are_a_line_an_implementation() -> None:
    result = CliRunner().invoke(main, ["list", "--features", "--device", "cpu"])
    assert result.exit_code == 0
    heading, *lines = result.stdout.splitlines()
    assert re.split(r" {2,}", heading)[:6] == [
        "NAME",
        "HERE",
        "DTYPES",
        "HEAD DIMS",
        "BACKWARD",
        "CAUSAL Q!=K",
    ]
    assert [line.split()[0] for line in lines] == [found.name for found in impls.catalog()]
    cells = dict(zip(re.split(r" {2,}", heading), re.split(r" {2,}", lines[0]), strict=False))
    assert cells["HERE"] == cells["WINDOW"] == cells["GQA"] == "yes"
    assert cells["DTYPES"] == "fp16 bf16 fp32"
    assert cells["HEAD DIMS"] == "any"
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("columns", [80, 200])
def test_features_on_a_terminal_fit_it(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    lines, code = shown(monkeypatch, ["list", "--features", "--device", "cpu"], columns)
    assert code == 0
    assert max(map(cell_len, lines)) <= columns
    text = "\n".join(lines)
    assert text.isascii()
    here = {line[2:].split()[0]: line[0] for line in lines[2 : 2 + len(impls.catalog())]}
    assert here["pytorch"] == "*"
    assert here["flash2"] == " "
    assert "flash2+deterministic" in text
    assert "NAME+compile" in text


def test_features_on_a_terminal_that_is_too_narrow_are_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, _ = shown(monkeypatch, ["list", "--features", "--device", "cpu"], 40)
    flash2 = next(line for line in lines if line[2:].startswith("flash2 "))
    assert flash2.split()[-1] == "8.0+"


def test_features_that_are_limited_say_why_below(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = replace(
        impls.find("pytorch"),
        name="limited",
        refuses=lambda load, device: "has no [window] here" if load.window and load.causal else None,
        repeats_backward=False,
        min_compute_capability=(7, 5),
        max_compute_capability=(9, 0),
        min_head_dim=16,
        max_head_dim=128,
        head_dim_multiple=16,
        ragged="causal only",
    )
    monkeypatch.setattr(impls, "catalog", lambda: (limited,))
    lines, _ = shown(monkeypatch, ["list", "--features", "--device", "cpu"], 80)
    heading, row = (line.split() for line in lines[1:3])
    cells = dict(zip(["", *heading], [row[0], row[1], " ".join(row[2:5]), *row[5:]], strict=True))
    assert cells["dims"] == "16-128/16"
    assert cells["bwd"] == "once"
    assert cells["win"] == "~"
    assert cells["ragged"] == "causal~"
    assert cells["GPUs"] == "7.5-9.0"
    told = " ".join(line.strip() for line in lines if line.startswith("~ limited: ") or "[window]" in line)
    assert "~ limited: has no [window] here" in told


def test_head_dims_that_there_is_no_room_for_are_told_below(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = replace(
        impls.find("pytorch"),
        name="odd",
        refuses=lambda load, device: None if load.head_dim in (16, 64, 96, 256) else "has no kernel",
    )
    monkeypatch.setattr(impls, "catalog", lambda: (odd,))
    lines, _ = shown(monkeypatch, ["list", "--features", "--device", "cpu"], 80)
    assert " to 256~ " in lines[2]
    assert "~ odd: head dims 16, 64, 96, 256" in [line.rstrip() for line in lines]


def test_list_with_a_device_that_is_not_there_is_one_sentence_and_exit_code_2() -> None:
    result = CliRunner().invoke(main, ["list", "--device", "tpu"])
    assert result.exit_code == 2
    assert result.stderr == "Error: there is no device 'tpu'; say auto, cpu, cuda or cuda:N\n"


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[Check]:
    """What the doctor finds, to be filled by the test."""
    found: list[Check] = []
    monkeypatch.setattr(doctor_command, "_gather", lambda: None)
    monkeypatch.setattr(doctor, "diagnose", lambda facts: found)
    return found


def test_doctor_in_a_pipe(checks: list[Check]) -> None:
    checks += CHECKS[:2]
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "",
        "Python and torch",
        "  ok       torch: 2.11.0+cu130",
        "",
        "GPU 0: NVIDIA [H100]",
        "  warn     power: limit [bold]500[/bold] W",
        "  try      sudo nvidia-smi -i 0 -pl 700",
        "",
        "0 problems, 1 warning.",
    ]


def test_doctor_ends_with_1_if_there_is_a_problem(checks: list[Check]) -> None:
    checks += CHECKS
    result = CliRunner().invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert result.stdout.splitlines()[-1] == "1 problem, 1 warning."


def test_doctor_says_that_all_is_well(checks: list[Check]) -> None:
    checks += CHECKS[:1]
    assert CliRunner().invoke(main, ["doctor"]).stdout.splitlines()[-1] == "All is well."


def test_doctor_on_a_terminal_wraps_findings_and_never_remedies(
    monkeypatch: pytest.MonkeyPatch, checks: list[Check]
) -> None:
    checks += CHECKS
    with pytest.raises(SystemExit) as ended:
        shown(monkeypatch, ["doctor"], 80)
    assert ended.value.code == 1
    screen = sys.stdout
    assert isinstance(screen, Terminal)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()).splitlines()
    assert "  warn     power       limit [bold]500[/bold] W" in [line.rstrip() for line in lines]
    assert "  try      pip install " + "x" * 90 in lines
    assert all(cell_len(line) <= 80 for line in lines if not line.startswith("  try"))


def test_list_into_a_closed_pipe_leaves_no_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from tui.cli import main; input(); main()", "list", "--device", "cpu"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout and process.stdin and process.stderr
    process.stdout.close()
    process.stdin.write(b"\n")  # only now may it write
    process.stdin.close()
    with process.stderr as stderr:
        assert stderr.read() == b""
    process.wait()


@pytest.mark.parametrize("name", ["list", "doctor"])
def test_neither_torch_nor_textual_is_imported(name: str) -> None:
    code = f"import sys; import tui.commands.{name}; print({{'torch', 'textual', 'rich'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
