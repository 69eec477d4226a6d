"""Labels and notes are added at the end of a session; nothing that is there is touched or lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from profiler.events import Event
from profiler.session.edit import MOST_LABEL, MOST_NOTE, add_note, label_problem, note_problem, relabel
from profiler.session.file import SessionError, SessionWriter
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from tests.examples import single_events

STARTED = datetime(2026, 11, 22, 4, 32, 6, tzinfo=UTC)
STEM = "20261122T043206Z-h100-80gb-hbm3"


def saved(folder: Path, label: str = "", events: Iterable[Event] | None = None) -> Path:
    with SessionWriter.create(folder, STARTED, "NVIDIA H100 80GB HBM3", label) as writer:
        for event in single_events() if events is None else events:
            writer.append(event)
    return writer.path


def recorded(path: Path) -> Recording:
    return Recording.of(read_session(path).events)


def test_a_label_renames_the_file_and_is_the_recordings_from_then_on(tmp_path: Path) -> None:
    before = saved(tmp_path, "old")
    path = relabel(before, "Fan at 40 %")
    assert path == tmp_path / f"{STEM}-fan-at-40.jsonl"
    assert not before.exists()
    assert recorded(path).label == "Fan at 40 %"
    assert relabel(path, "").name == f"{STEM}.jsonl"


def test_the_latest_label_counts_and_what_was_measured_stays_byte_for_byte(tmp_path: Path) -> None:
    path = saved(tmp_path)
    measured = path.read_bytes()
    path = relabel(relabel(path, "one"), "two")
    assert recorded(path).label == "two"
    assert path.read_bytes().startswith(measured)


def test_a_name_that_is_taken_is_never_overwritten(tmp_path: Path) -> None:
    taken = saved(tmp_path, "fan")
    kept = taken.read_bytes()
    path = relabel(saved(tmp_path, "other"), "fan")
    assert path.name == f"{STEM}-fan-2.jsonl"
    assert taken.read_bytes() == kept
    assert relabel(path, "fan") == path
    assert {file.name for file in tmp_path.iterdir()} == {taken.name, path.name}


def test_the_log_beside_it_goes_along_and_overwrites_none(tmp_path: Path) -> None:
    path = saved(tmp_path, "old")
    path.with_suffix(".log").write_text("printed")
    renamed = relabel(path, "new")
    assert renamed.with_suffix(".log").read_text() == "printed"
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"{STEM}-new.jsonl", f"{STEM}-new.log"]


def test_a_file_with_a_name_of_its_own_keeps_it(tmp_path: Path) -> None:
    own = saved(tmp_path).rename(tmp_path / "best.jsonl")
    assert relabel(own, "fan") == own
    assert recorded(own).label == "fan"


def test_notes_add_up_in_order_with_their_times(tmp_path: Path) -> None:
    path = saved(tmp_path)
    add_note(path, "the fan was loud")
    add_note(path, "[red]again[/red]")
    notes = recorded(path).notes
    assert [note.text for note in notes] == ["the fan was loud", "[red]again[/red]"]
    assert all(datetime.fromisoformat(note.written).tzinfo for note in notes)
    assert not read_session(path).problems


def test_a_torn_last_line_is_left_torn_and_the_note_is_whole(tmp_path: Path) -> None:
    path = saved(tmp_path)
    with path.open("ab") as file:
        file.write(b'{"type":"resu')
    add_note(path, "killed by me")
    assert [note.text for note in recorded(path).notes] == ["killed by me"]
    assert b'{"type":"resu\n' in path.read_bytes()


def test_control_characters_do_not_get_into_a_file(tmp_path: Path) -> None:
    path = saved(tmp_path)
    add_note(path, "one\x1b[2J\ntwo")
    assert recorded(path).notes[0].text == "one two"


def test_a_session_that_a_run_is_writing_is_left_alone(tmp_path: Path) -> None:
    with SessionWriter.create(tmp_path, STARTED, "h100") as writer:
        for event in single_events():
            writer.append(event)
        before = writer.path.read_bytes()
        with pytest.raises(SessionError, match="still being written by a run"):
            add_note(writer.path, "too early")
        with pytest.raises(SessionError, match="still being written by a run"):
            relabel(writer.path, "early")
        assert writer.path.read_bytes() == before
    add_note(writer.path, "now")


def test_the_lock_of_a_process_that_was_killed_is_gone_with_it(tmp_path: Path) -> None:
    path = saved(tmp_path)
    code = (
        "import sys, pathlib; from profiler.session.file import SessionWriter;"
        "writer = SessionWriter.reopen(pathlib.Path(sys.argv[1]));"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writing:
        assert writing.stdout and writing.stdout.readline() == b"open\n"
        with pytest.raises(SessionError, match="still being written"):
            add_note(path, "too early")
        writing.kill()
    add_note(path, "after it died")


def test_what_is_no_session_is_not_written_to(tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text("my own lines\n")
    with pytest.raises(SessionError, match=r"'mine.jsonl' cannot be edited: not a session"):
        add_note(path, "hello")
    assert path.read_text() == "my own lines\n"


def test_a_rename_that_fails_leaves_the_file_and_says_that_the_label_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(SessionError, match=r"the label is saved, but .* \(Permission denied\)"):
        relabel(path, "fan")
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert recorded(path).label == "fan"


@pytest.mark.parametrize("text", ["", "  ", "\x07", "x" * (MOST_NOTE + 1)])
def test_a_note_says_something_and_has_an_end(tmp_path: Path, text: str) -> None:
    assert note_problem(text)
    with pytest.raises(SessionError):
        add_note(saved(tmp_path), text)


def test_a_label_may_be_empty_but_not_long() -> None:
    assert label_problem("") is None
    assert label_problem("x" * (MOST_LABEL + 1)) == "a label has at most 80 characters, not 81"
