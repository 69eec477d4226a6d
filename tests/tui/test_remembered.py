"""What is remembered between runs, and that nothing about it can fail a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from profiler.state import STATE_VARIABLE, state_folder
from tui.app.choice import Choice
from tui.remembered import recall, remember

CHOICE = Choice(
    batch=4,
    seq=2048,
    heads=16,
    kv_heads=4,
    head_dim=64,
    dtype="float16",
    keeps="emb_dim",
    window=128,
    passes=("fwd",),
    implementations=("pytorch", "sdpa"),
    baseline="sdpa",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "state" / "attnprof"
    monkeypatch.setenv(STATE_VARIABLE, str(path))
    return path


def test_the_last_choice_comes_back(folder: Path) -> None:
    assert recall("cuda") is None
    remember("cuda", replace(CHOICE, seq=64))
    remember("cuda", CHOICE)
    assert recall("cuda") == CHOICE


def test_each_kind_of_device_has_its_own(folder: Path) -> None:
    on_cpu = replace(CHOICE, seq=128)
    remember("cuda", CHOICE)
    remember("cpu", on_cpu)
    assert (recall("cuda"), recall("cpu")) == (CHOICE, on_cpu)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"choices": {"cuda": {}}}',
        b'{"choices": {"cuda": {"batch": 1, "seq": 1, "heads": 3, "kv_heads": 2, "head_dim": 8, '
        b'"dtype": "float16"}}}',
    ],
)
def test_a_broken_or_foreign_file_is_as_none_and_is_replaced(data: bytes, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "bench.json").write_bytes(data)
    assert recall("cuda") is None
    remember("cuda", CHOICE)
    assert recall("cuda") == CHOICE


def test_a_folder_that_cannot_be_written_is_passed_over(folder: Path) -> None:
    folder.parent.mkdir()
    folder.write_text("in the way")
    remember("cuda", CHOICE)
    assert recall("cuda") is None


def test_a_write_that_fails_keeps_the_old_file_and_leaves_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remember("cuda", CHOICE)

    def full(self: Path, target: Path) -> Path:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", full)
    remember("cuda", replace(CHOICE, seq=1))
    assert recall("cuda") == CHOICE
    assert [path.name for path in folder.iterdir()] == ["bench.json"]


def test_the_folder_is_the_systems_own_unless_the_environment_names_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert state_folder() == folder
    monkeypatch.delenv(STATE_VARIABLE)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_folder() == tmp_path / "attnprof"
