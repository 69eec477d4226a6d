"""Files are written as a whole."""

from __future__ import annotations

import os
from pathlib import Path

from profiler.files import replace_file


def test_a_file_is_replaced_as_a_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "x.md"
    path.write_text("before")
    path.chmod(0o640)
    with path.open() as reader:
        replace_file(path, b"after")
        assert reader.read() == "before"
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("after", 0o640)
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_file_has_the_mode_that_the_user_gives_new_files(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "x", b"")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640
