"""A report as files: whole or as they were, its charts in a folder of its own."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from profiler.export import report_for, usual_charts
from profiler.export.report import Report
from tests.examples import lab6, single


def test_the_text_refers_to_the_charts_that_stand_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    report_for(lab6(), "md", path).write(path)
    targets = re.findall(r"^!\[.*\]\((.*)\)$", path.read_text(), flags=re.MULTILINE)
    assert targets == ["report-charts/attention-time.svg", "report-charts/attention-memory.svg"]
    assert sorted(tmp_path.glob("report-charts/*")) == sorted(tmp_path / target for target in targets)


def test_a_report_replaces_its_charts_and_leaves_all_else_in_their_folder(tmp_path: Path) -> None:
    path, folder = tmp_path / "report.md", tmp_path / "report-charts"
    folder.mkdir()
    for name in ("attention-bars.svg", "attention-diagram.svg"):
        (folder / name).write_text("mine")
    report_for(single(), "md", path).write(path)
    assert (folder / "attention-bars.svg").read_text().startswith("<?xml")
    assert (folder / "attention-diagram.svg").read_text() == "mine"


def test_where_charts_cannot_be_written_the_text_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.write_text("before")
    (tmp_path / "report-charts").write_text("a file")
    with pytest.raises(FileExistsError):
        report_for(single(), "md", path).write(path)
    assert path.read_text() == "before"


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.md", tmp_path / "link.md"
    target.write_text("before")
    link.symlink_to(target)
    Report("after").write(link)
    assert link.is_symlink() and target.read_text() == "after"


def test_a_pipe_or_a_device_is_written_as_it_is_and_has_no_charts_beside() -> None:
    reader, writer = os.pipe()
    Report("x").write(Path(f"/dev/fd/{writer}"))
    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert pipe.read() == "x"
    Report("x").write(Path("/dev/null"))
    assert not Path("/dev/null").is_file()
    assert usual_charts("md", Path("/dev/null")) == usual_charts("md") == "none"
    assert usual_charts("html") == "svg"


def test_a_folder_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file or directory"):
        Report("x").write(tmp_path / "gone" / "x.md")
    assert list(tmp_path.iterdir()) == []
