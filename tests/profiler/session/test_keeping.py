"""A session whose folder fails: what is measured is kept, said to be unsaved, and saved where that can be."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from profiler.events import Event, Log
from profiler.session.file import SessionError, SessionWriter
from profiler.session.keeping import SessionKeeper
from profiler.session.reader import read_session
from profiler.state import STATE_VARIABLE
from tests.examples import header

STARTED = datetime(2026, 11, 22, 4, 32, 6, tzinfo=UTC)


class Disk:
    """Stands in for the writer's file: its disk is full until it is not. What it took stands in the file."""

    def __init__(self, writer: SessionWriter) -> None:
        self._file = writer._file
        self.is_full = False
        self.cannot_sync = False
        self.closed = False

    def write(self, data: memoryview) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._file.write(data) or 0

    def fileno(self) -> int:
        if self.cannot_sync:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self._file.fileno()

    def close(self) -> None:
        self.closed = True
        self._file.close()


class Keeping:
    """A keeper of a session in `folder`, its disk and its clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_s = 0.0
        writer = SessionWriter.create(folder, STARTED, "cpu")
        self.disk = Disk(writer)
        writer._file = self.disk  # type: ignore[assignment]
        self.keeper = SessionKeeper(writer, clock=lambda: self.now_s)
        self.keeper.append(header())

    @property
    def problem(self) -> str:
        return self.keeper.problem or ""

    def say(self, *numbers: int, durable: bool = True) -> None:
        for number in numbers:
            self.keeper.append(log(number), durable=durable)


def log(number: int) -> Event:
    return Log(level="info", message=str(number))


def said(path: Path) -> list[str]:
    file = read_session(path)
    assert not file.problems
    return [event.message for event in file.events if isinstance(event, Log)]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv(STATE_VARIABLE, str(folder))
    return folder


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    made = Keeping(tmp_path / "sessions")
    yield made
    made.disk.close()


def test_a_full_disk_is_told_and_what_it_refuses_is_there_once_there_is_room(keeping: Keeping) -> None:
    keeping.say(1)
    assert not keeping.problem
    keeping.disk.is_full = True
    keeping.say(2, 3)
    assert "No space left" in keeping.problem
    keeping.disk.is_full = False
    keeping.now_s += 60
    keeping.say(4)
    assert not keeping.problem
    keeping.keeper.close()
    assert said(keeping.keeper.path) == ["1", "2", "3", "4"]


def test_a_disk_that_refused_is_left_alone_for_a_while(keeping: Keeping) -> None:
    keeping.disk.is_full = True
    keeping.say(1)
    keeping.disk.is_full = False
    keeping.say(2)
    assert said(keeping.keeper.path) == []
    keeping.now_s += 60
    keeping.say(3)
    assert said(keeping.keeper.path) == ["1", "2", "3"]


def test_a_disk_that_stays_full_has_the_session_saved_whole_elsewhere(keeping: Keeping, state: Path) -> None:
    keeping.say(1)
    keeping.disk.is_full = True
    keeping.say(2)
    make = SessionWriter.create_named

    def refuse(folder: Path, stem: str) -> SessionWriter:
        if folder == keeping.folder:
            raise SessionError("full")
        return make(folder, stem)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SessionWriter, "create_named", refuse)
        keeping.keeper.close()
    assert keeping.keeper.path.parent == state / "sessions"
    assert said(keeping.keeper.path) == ["1", "2"]


def test_a_folder_that_vanishes_is_made_again_with_all_of_the_session(keeping: Keeping) -> None:
    keeping.say(1)
    shutil.rmtree(keeping.folder)
    keeping.say(2, 3)
    assert "has been removed" in keeping.problem
    keeping.keeper.close()
    assert said(keeping.keeper.path) == ["1", "2", "3"]
    assert keeping.keeper.path.parent == keeping.folder


def test_where_a_file_took_the_folders_place_the_session_goes_to_the_state_folder(
    keeping: Keeping, state: Path
) -> None:
    shutil.rmtree(keeping.folder)
    keeping.folder.write_text("")
    keeping.say(1)
    keeping.keeper.close()
    assert keeping.keeper.path.parent == state / "sessions"
    assert said(keeping.keeper.path) == ["1"]


def test_a_torn_line_stays_behind_where_the_session_is_saved_anew(keeping: Keeping) -> None:
    keeping.say(1)
    keeping.disk._file.write(b'{"type":"lo')
    keeping.keeper._writer._mid_line = True
    keeping.say(2)
    keeping.keeper.save_in(keeping.folder.parent / "elsewhere")
    keeping.say(3)
    keeping.keeper.close()
    file = read_session(keeping.keeper.path)
    assert [event.message for event in file.events if isinstance(event, Log)] == ["1", "2", "3"]
    assert keeping.disk.closed


def test_another_folder_that_does_not_take_it_changes_nothing(keeping: Keeping) -> None:
    keeping.say(1)
    (keeping.folder / "file").write_text("")
    before = keeping.keeper.path
    with pytest.raises(SessionError, match="is, or lies under, a file"):
        keeping.keeper.save_in(keeping.folder / "file")
    keeping.say(2)
    assert keeping.keeper.path == before and said(before) == ["1", "2"]


def test_a_disk_that_takes_lines_but_never_says_that_they_are_safe_is_a_problem(keeping: Keeping) -> None:
    keeping.disk.cannot_sync = True
    keeping.say(1)
    assert "error" in keeping.problem
    keeping.disk.cannot_sync = False
    keeping.now_s += 60
    keeping.say(2)
    assert not keeping.problem and said(keeping.keeper.path) == ["1", "2"]


def test_two_writers_in_one_folder_have_files_of_their_own(keeping: Keeping) -> None:
    one, other = keeping, Keeping(keeping.folder)
    one.say(1)
    other.say(2)
    assert one.keeper.path != other.keeper.path
    with pytest.raises(SessionError, match="still being written"):
        SessionWriter.reopen(one.keeper.path)
    one.keeper.close()
    other.keeper.close()
    assert (said(one.keeper.path), said(other.keeper.path)) == (["1"], ["2"])
