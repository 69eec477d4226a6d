"""From claims and what became of them to a report: what is wrong, what was refused without need."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import impls
from benchmarks import features
from benchmarks import features_grid as grid
from benchmarks.features_plan import jobs, plan
from benchmarks.features_pool import Report
from benchmarks.features_protocol import Tried
from benchmarks.features_report import Run, render, verdict
from benchmarks.features_results import Result, judge
from impls.contract import DeviceInfo, Implementation, Workload
from profiler.features import matrix
from profiler.units import count
from tests.shapes import attention

FAKE = (sys.executable, str(Path(__file__).with_name("fake_child.py")))
CPU = DeviceInfo("cpu", "CPU")


def _never(workload: Workload, device: str) -> Any:
    raise AssertionError("nothing here is run")


SOME = Implementation(
    name="some",
    label="",
    summary="",
    prepare=_never,
    dropout=True,
    softcap=True,
    decode=True,
    ragged="padded",
)


@pytest.mark.parametrize(
    ("refused", "report", "status", "message"),
    [
        (None, Report(Tried("right")), "passed", ""),
        (None, Report(Tried("wrong", "out off")), "failed", "out off"),
        (None, Report(Tried("raised", "ValueError")), "failed", "ValueError"),
        (None, Report(Tried("declined", "built without")), "declined", "built without"),
        (None, Report(lost="SIGSEGV"), "crashed", "SIGSEGV"),
        (None, Report(skipped="the time was up"), "untried", "the time was up"),
        ("has no window", Report(Tried("right")), "understated", ""),
        ("has no window", Report(Tried("wrong", "out off")), "confirmed", "out off"),
        ("has no window", Report(Tried("raised", "ValueError")), "confirmed", "ValueError"),
        ("has no window", Report(Tried("declined", "built without")), "confirmed", "built without"),
        ("has no window", Report(lost="SIGSEGV"), "confirmed", "crashed: SIGSEGV"),
        ("has no window", Report(skipped="interrupted"), "untried", "interrupted"),
    ],
)
def test_a_claim_holds_or_not_and_a_refusal_is_true_or_not(
    refused: str | None, report: Report, status: str, message: str
) -> None:
    assert judge(refused, report) == (status, message)


def test_what_is_refused_is_tried_after_all_that_is_claimed_and_what_compiles_before_the_rest() -> None:
    slow = replace(SOME, name="slow", compiled=True, window=False)
    planned = plan([replace(SOME, window=False), slow], CPU, quick=False)
    order = [(each.refused is not None, each.implementation.name) for each in planned]
    assert list(dict.fromkeys(order)) == [(False, "slow"), (False, "some"), (True, "slow"), (True, "some")]
    assert len(planned) == len(grid.reduced_grid()) + len(grid.full_grid())


def test_a_job_is_of_one_implementation_and_every_cell_is_in_one() -> None:
    planned = plan([SOME, replace(SOME, name="slow", compiled=True)], CPU, quick=False)
    parts = list(jobs(planned))
    assert [order.number for part in parts for order in part] == list(range(len(planned)))
    assert all(len({order.task.name for order in part}) == 1 for part in parts)
    sizes = {name: max(len(part) for part in parts if part[0].task.name == name) for name in ("some", "slow")}
    assert sizes["slow"] < sizes["some"]


def test_reasons_that_differ_only_in_what_was_asked_for_are_of_one_kind() -> None:
    planned = plan([replace(SOME, max_head_dim=128)], CPU, quick=False)
    kinds = {order.kind for part in jobs(planned) for order in part}
    assert kinds == {"", "takes head dims up to 128"}


def test_a_second_backward_is_insisted_on_only_where_that_is_the_question() -> None:
    planned = plan([SOME], CPU, quick=True)
    insisted = {
        planned[order.number].cell.about for part in jobs(planned) for order in part if order.task.insist
    }
    assert insisted == {grid.BACKWARD}


def result(status: Any, *, refused: str | None = None, message: str = "", **shape: Any) -> Result:
    about = "window" if "window" in shape else "lengths"
    workload = attention(**shape)
    return Result(
        name="some", about=about, workload=workload, refused=refused, status=status, message=message
    )


def report_of(*results: Result, implementation: Implementation = SOME, **unavailable: str) -> str:
    return render(Run("A GPU, torch 2.0.", results, matrix([implementation], CPU), unavailable))


def test_the_report_says_that_zero_failed() -> None:
    text = report_of(result("passed"), result("passed", window=3))
    assert "Of 2 claimed cells tried, all passed: zero failed." in text
    assert "## Failures" not in text
    assert "## Refused, but right when tried" not in text


def test_the_report_lists_failures_with_shapes_and_messages() -> None:
    text = report_of(
        result("failed", message="out off by 0.5 (limit 0.1)"),
        result("failed", message="out off by 0.7 (limit 0.1)", head_dim=64),
        result("crashed", message="SIGSEGV"),
        result("passed"),
    )
    assert "**Of 4 claimed cells tried, 3 failed or crashed.**" in text
    assert (
        "- `some`, 2 cells failed: out off by 0.5 (limit 0.1). B2 H4 S64 D32 fp32, B2 H4 S64 D64 fp32" in text
    )
    assert "- `some`, 1 cell crashed: SIGSEGV. B2 H4 S64 D32 fp32" in text


def test_the_report_groups_what_was_refused_without_need_by_its_reason() -> None:
    text = report_of(
        result("understated", refused="takes head dims up to 8, not 32"),
        result("understated", refused="takes head dims up to 8, not 64", head_dim=64),
        result("confirmed", refused="takes head dims up to 8, not 256", message="ValueError: no | kernel"),
    )
    assert "No claimed cell was tried." in text
    assert (
        "- `some` takes head dims up to 8: right in 2 cells. B2 H4 S64 D32 fp32, B2 H4 S64 D64 fp32" in text
    )
    assert r"|`some`|takes head dims up to 8|3|1|2|ValueError: no \| kernel|" in text


def test_the_report_says_what_was_not_tried_and_what_is_not_here() -> None:
    text = report_of(result("untried", message="the time was up"), result("passed"), other="is not installed")
    assert "- `some`, 1 cell: the time was up" in text
    assert "Not here: `other` (is not installed)." in text


def test_the_matrix_says_of_each_claim_how_much_of_it_was_verified() -> None:
    text = report_of(
        result("passed", window=3),
        result("failed", window=4),
        result("passed", heads=4, kv_heads=2),
        result("confirmed", refused="has no softcap", softcap=2.0),
        implementation=replace(SOME, softcap=False),
    )
    heading, _, row = text.partition("## What is claimed")[2].split("\n\n")[2].splitlines()[:3]
    cells = dict(zip(*([part.strip() for part in line.split("|")] for line in (heading, row)), strict=True))
    assert cells["window"] == "yes (1 of 2)"
    assert cells["gqa"] == "yes (1)"
    assert cells["softcap"] == "no"
    assert cells["dropout"] == "yes (untried)"
    assert cells["fp32"] == "yes (2 of 3)"


def test_what_is_declined_when_prepared_is_no_failure() -> None:
    assert verdict([result("passed"), result("declined", message="built without")]) == (
        "Of 1 claimed cell tried, all passed: zero failed."
    )


def test_from_the_command_line_to_the_report(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report, raw = tmp_path / "features.md", tmp_path / "cells.jsonl"
    arguments = ["--quick", "--only", "pytorch,chunked", "--device", "cpu", "--jobs", "2"]
    assert features.main([*arguments, "-o", str(report), "--raw", str(raw)], FAKE) == 0
    results = [json.loads(line) for line in raw.read_text().splitlines()]
    planned = plan([impls.find("pytorch"), impls.find("chunked")], CPU, quick=True)
    assert len(results) == len(planned)
    text = report.read_text()
    assert "all passed: zero failed" in text
    assert f"{count(len(planned), 'cell')} of 2 implementations" in text
    assert "A quick look" in text
    assert capfd.readouterr().out == ""


def test_what_an_earlier_run_has_settled_is_not_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--quick", "--only", "pytorch", "--device", "cpu", "--jobs", "1"]
    cells = [grid.Cell("head dims", attention(head_dim=size)) for size in (8, 2)]  # the second is wrong
    monkeypatch.setattr(grid, "sparse_grid", lambda dtypes: cells)
    earlier, later = tmp_path / "earlier.jsonl", tmp_path / "later.jsonl"
    assert features.main([*arguments, "--raw", str(earlier)], FAKE) == 1
    dead = (*FAKE, "broken")  # nothing that is asked of it is answered
    monkeypatch.setattr(grid, "sparse_grid", lambda dtypes: cells[:1])
    assert features.main([*arguments, "--known", str(earlier), "--raw", str(later)], dead) == 0
    assert "1 cell of them settled by an earlier run" in capfd.readouterr().out
    assert [json.loads(line)["status"] for line in later.read_text().splitlines()] == ["passed"]
    monkeypatch.setattr(grid, "sparse_grid", lambda dtypes: cells)
    assert features.main([*arguments, "--known", str(earlier)], FAKE) == 1  # what failed is tried again


def test_a_claim_that_fails_makes_the_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = grid.Cell("head dims", attention(head_dim=2))
    monkeypatch.setattr(grid, "sparse_grid", lambda dtypes: [wrong])
    assert features.main(["--quick", "--only", "pytorch", "--device", "cpu", "--jobs", "1"], FAKE) == 1
    assert "1 failed or crashed" in capfd.readouterr().out


@pytest.mark.parametrize("arguments", [["--only", "nothing"], ["--device", "tpu"]])
def test_what_does_not_exist_is_said_in_a_sentence(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="there is no"):
        features.main(arguments, FAKE)


def test_a_time_limit_leaves_cells_untried(capfd: pytest.CaptureFixture[str]) -> None:
    arguments = ["--quick", "--only", "pytorch", "--device", "cpu", "--time-limit", "0"]
    assert features.main(arguments, FAKE) == 0
    assert "cells: the time was up" in capfd.readouterr().out
