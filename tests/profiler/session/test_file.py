"""Session files: named after the run, safe to write, and readable whatever became of them."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import msgspec
import pytest

from profiler.events import Event, Finished, Log, SessionStarted
from profiler.session.file import (
    SessionError,
    SessionWriter,
    check_writable,
    find_session,
    session_name,
    sessions_folder,
)
from profiler.session.reader import read_session
from tests.examples import header, lab6_events

STARTED = datetime(2026, 11, 22, 4, 32, 6, tzinfo=UTC)


def written(folder: Path, *events: Event) -> Path:
    with SessionWriter.create(folder, STARTED, "NVIDIA H100 80GB HBM3") as writer:
        for event in events:
            writer.append(event)
    return writer.path


def file_of(folder: Path, *lines: bytes, name: str = "x.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(lines))
    return path


HEADER = msgspec.json.encode(header())
LOG = msgspec.json.encode(Log(level="info", message="hello"))


def test_folder_is_the_option_then_the_variable_then_sessions_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ATTNPROF_SESSIONS", raising=False)
    assert sessions_folder(None) == Path("sessions")
    monkeypatch.setenv("ATTNPROF_SESSIONS", "/data/runs")
    assert sessions_folder(None) == Path("/data/runs")
    assert sessions_folder("here") == Path("here")


@pytest.mark.parametrize(
    ("device", "label", "name"),
    [
        ("NVIDIA H100 80GB HBM3", "lab6", "20261122T043206Z-h100-80gb-hbm3-lab6"),
        ("NVIDIA H100 80GB HBM3", "", "20261122T043206Z-h100-80gb-hbm3"),
        ("cpu", "../../etc/passwd", "20261122T043206Z-cpu-etc-passwd"),
        ("AMD EPYC", "Größe 1\x1b[31m\n|", "20261122T043206Z-amd-epyc-groe-1-31m"),
        ("", "日本", "20261122T043206Z"),
    ],
)
def test_names_say_when_where_and_what_and_are_safe(device: str, label: str, name: str) -> None:
    assert session_name(STARTED, device, label) == name


def test_a_very_long_label_still_makes_a_name() -> None:
    assert len(session_name(STARTED, "g" * 500, "l" * 500)) < 120


def test_the_time_in_a_name_is_utc() -> None:
    east = STARTED.astimezone(timezone(timedelta(hours=9)))
    assert session_name(east, "cpu", "") == session_name(STARTED, "cpu", "")


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    events = lab6_events()
    file = read_session(written(tmp_path, *events))
    assert file.events == events
    assert file.problems == []


def test_a_taken_name_is_never_overwritten(tmp_path: Path) -> None:
    first, second, third = (written(tmp_path, header()) for _ in range(3))
    assert (second.stem, third.stem) == (f"{first.stem}-2", f"{first.stem}-3")


def test_each_event_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    writer = SessionWriter.create(tmp_path, STARTED, "cpu")
    writer.append(header())
    writer.append(Log(level="info", message="one\ntwo"), durable=True)
    assert len(read_session(writer.path).events) == 2
    writer.close()
    writer.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
def test_a_full_disk_is_one_sentence_and_the_writer_still_closes(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "full.jsonl", os.open("/dev/full", os.O_WRONLY))
    with pytest.raises(SessionError, match=r"full\.jsonl.*No space left.*--sessions"):
        writer.append(header())
    with suppress(SessionError):  # /dev/full cannot be synced either
        writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.append(header())


def test_an_event_after_a_torn_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Filling:
        """A raw file on a disk that takes five bytes more, then none, then has space again."""

        def __init__(self) -> None:
            self.taken = b""
            self.room: list[int | OSError] = [5, OSError(28, "No space left on device")]

        def write(self, data: memoryview) -> int:
            now = self.room.pop(0) if self.room else len(data)
            if isinstance(now, OSError):
                raise now
            self.taken += bytes(data[:now])
            return now

    writer = SessionWriter.create(tmp_path, STARTED, "cpu")
    writer.append(header())
    disk = Filling()
    real = writer._file
    monkeypatch.setattr(writer, "_file", disk)
    with pytest.raises(SessionError):
        writer.append(Log(level="info", message="lost"))
    writer.append(Log(level="info", message="kept"))
    real.write(disk.taken)
    real.close()
    file = read_session(writer.path)
    assert file.events == [header(), Log(level="info", message="kept")]
    assert file.problems == ["line 2: not a whole event, left out"]


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_refused_with_what_to_type(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match=r"file'.*is, or lies under, a file.*--sessions DIR"):
        check_writable(tmp_path / "file")
    with pytest.raises(SessionError, match="--sessions DIR"):
        check_writable(tmp_path / "file" / "below")
    with pytest.raises(SessionError, match="--sessions DIR"):
        SessionWriter.create(tmp_path / "file", STARTED, "cpu")


def test_a_torn_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    file = read_session(file_of(tmp_path, HEADER, LOG, LOG[:20]))
    assert len(file.events) == 2
    assert file.problems == [
        "line 3: cut short (the run was killed while writing, or is still going), left out"
    ]


def test_a_whole_last_line_needs_no_newline(tmp_path: Path) -> None:
    file = read_session(file_of(tmp_path, HEADER, LOG))
    assert (len(file.events), file.problems) == (2, [])


def test_unknown_events_are_left_out_and_said_once_with_their_lines(tmp_path: Path) -> None:
    weather = b'{"type":"weather","names":["a"]}'
    file = read_session(file_of(tmp_path, HEADER, weather, LOG, weather, b""))
    assert len(file.events) == 2
    assert file.problems == ["lines 2 and 4: unknown event 'weather', left out"]


def test_many_lines_of_one_problem_are_counted_not_listed(tmp_path: Path) -> None:
    file = read_session(file_of(tmp_path, HEADER, *[b'{"type":"weather"}'] * 100, b""))
    assert file.problems == ["lines 2, 3, 4, 5, 6 and 95 more: unknown event 'weather', left out"]


def test_unknown_fields_are_ignored_and_said(tmp_path: Path) -> None:
    mig = HEADER.replace(b'"gpu":{', b'"gpu":{"mig":true,')
    log = LOG.replace(b"{", b'{"color":"red",', 1)
    file = read_session(file_of(tmp_path, mig, log, b""))
    assert file.events == [header(), Log(level="info", message="hello")]
    assert file.problems == [
        "line 1: unknown field 'environment.gpu.mig' of 'session', left out",
        "line 2: unknown field 'color' of 'log', left out",
    ]


def test_blank_lines_are_said(tmp_path: Path) -> None:
    file = read_session(file_of(tmp_path, HEADER, b"", b"  ", LOG, b""))
    assert (len(file.events), file.problems) == (2, ["lines 2 and 3: blank"])


@pytest.mark.parametrize(
    "line",
    [
        b"\xff\xfe",
        b"nonsense",
        b"null",
        b'{"type":"log","level":"loud","message":""}',
        b'{"type":"log","level":"info","message":"","x":' + b"[" * 100_000,
        b'{"type":"plan","plan":{"workloads":[{"batch":0}],"implementations":[]}}',
    ],
)
def test_a_line_that_is_no_event_costs_only_itself(tmp_path: Path, line: bytes) -> None:
    file = read_session(file_of(tmp_path, HEADER, line, LOG, b""))
    assert len(file.events) == 2
    assert len(file.problems) == 1
    assert file.problems[0].startswith("line 2: ")


def test_a_newer_minor_schema_is_read_and_said(tmp_path: Path) -> None:
    newer = msgspec.json.encode(header(minor=7))
    file = read_session(file_of(tmp_path, newer, LOG, b""))
    assert len(file.events) == 2
    assert "newer attnprof (schema 1.7" in file.problems[0]


def test_a_newer_major_schema_is_refused_even_if_its_header_looks_different(tmp_path: Path) -> None:
    path = file_of(tmp_path, b'{"type":"session","schema":[2,0],"machine":"?"}')
    with pytest.raises(SessionError, match=r"schema 2\.0 .*update attnprof"):
        read_session(path)


def test_a_second_session_in_the_file_is_left_out(tmp_path: Path) -> None:
    file = read_session(file_of(tmp_path, HEADER, LOG, HEADER, LOG, LOG, b""))
    assert len([event for event in file.events if isinstance(event, SessionStarted)]) == 1
    assert file.problems == ["line 3: another session begins here: what follows is left out"]


@pytest.mark.parametrize("content", [b"", b"\n\n", LOG, HEADER[:40], b"\x89PNG\r\n\x1a\n", b"[1,2]", b"null"])
def test_a_file_that_is_no_session_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(SessionError, match=r"x\.jsonl' is (no attnprof session|empty)"):
        read_session(file_of(tmp_path, content))


def test_a_file_that_is_not_there_or_is_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.jsonl", tmp_path):
        with pytest.raises(SessionError, match="cannot be read"):
            read_session(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("20260101T000000Z-a100-lab6", "20260102T000000Z-h100-lab6", "20260102T000000Z-h100-lab6-2"):
        file_of(tmp_path, HEADER, b"", name=f"{name}.jsonl")
    file_of(tmp_path, b"notes", name="README.md")
    return tmp_path


def test_a_session_is_found_by_path_part_of_its_name_or_last(folder: Path) -> None:
    a100 = folder / "20260101T000000Z-a100-lab6.jsonl"
    assert find_session(str(a100), Path("elsewhere")) == a100
    assert find_session("A100", folder) == a100
    assert find_session(a100.name, folder) == a100


def test_a_whole_name_wins_over_longer_ones_that_hold_it(folder: Path) -> None:
    assert find_session("20260102T000000Z-h100-lab6", folder).stem == "20260102T000000Z-h100-lab6"


def test_last_is_the_newest_by_name_then_by_change(folder: Path) -> None:
    os.utime(folder / "20260101T000000Z-a100-lab6.jsonl", (2e9, 2e9))
    os.utime(folder / "20260102T000000Z-h100-lab6.jsonl", (1e9, 1e9))
    os.utime(folder / "20260102T000000Z-h100-lab6-2.jsonl", (1e9 + 5, 1e9 + 5))
    assert find_session("last", folder).stem == "20260102T000000Z-h100-lab6-2"


def test_a_label_goes_before_other_parts_of_names(folder: Path) -> None:
    names = ("20261122T043206Z-h100-eager", "20261122T043207Z-h100-eager-12gib")
    for name in names:
        (folder / f"{name}.jsonl").write_text("x")
    assert find_session("eager", folder).stem == names[0]
    assert find_session("12gib", folder).stem == names[1]


def test_a_part_of_several_names_is_refused_with_the_candidates(folder: Path) -> None:
    with pytest.raises(SessionError, match=r"'h100' is part of 2 names in .*lab6-2 and .*h100-lab6$"):
        find_session("h100", folder)


@pytest.mark.parametrize("text", ["b200", "", "no/such/file.jsonl", "a\0b", "x" * 5000])
def test_no_such_session_is_refused_with_what_there_is(folder: Path, text: str) -> None:
    with pytest.raises(SessionError, match=r"there is no session .*; it has .*a100-lab6"):
        find_session(text, folder)


@pytest.mark.parametrize("text", ["last", "h100"])
def test_an_empty_or_missing_folder_says_how_to_get_a_session(tmp_path: Path, text: str) -> None:
    for place in (tmp_path, tmp_path / "none"):
        with pytest.raises(SessionError, match="`attnprof run` makes one"):
            find_session(text, place)


def test_finished_is_the_last_event_of_a_closed_session(tmp_path: Path) -> None:
    file = read_session(written(tmp_path, *lab6_events()))
    assert isinstance(file.events[-1], Finished)
