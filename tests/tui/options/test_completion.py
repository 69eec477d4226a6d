"""What the tab key completes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.shell_completion import BashComplete

from tui.cli import main


def completed(incomplete: str) -> list[str]:
    """What `attnprof run --impl INCOMPLETE` becomes."""
    shell = BashComplete(main, {}, "attnprof", "_ATTNPROF_COMPLETE")
    return [item.value for item in shell.get_completions(["run", "--impl"], incomplete)]


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("flash1", ["flash1", "flash1-triton"]),
        ("flash2+d", ["flash2+deterministic"]),
        ("sdpa,flash1", ["sdpa,flash1", "sdpa,flash1-triton"]),
        ("sdpa,flash2+d", ["sdpa,flash2+deterministic"]),
        ("ker", ["kernel.py"]),
        ("sdpa,attn/k", ["sdpa,attn/kernel.py"]),
        ("nothing", []),
    ],
)
def test_names_variants_and_files_are_completed_in_a_list_too(
    typed: str, offered: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "attn").mkdir()
    for file in ("kernel.py", "kernel.cu", "attn/kernel.py"):
        (tmp_path / file).touch()
    monkeypatch.chdir(tmp_path)
    assert completed(typed) == offered
