"""Sessions are listed from the ends of their files, whatever the files hold."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from profiler.events import Event, Finished, Log, Note
from profiler.session import listing as session_list
from profiler.session.edit import add_note, relabel
from profiler.session.file import SessionError, SessionWriter
from profiler.session.listing import summaries, summary
from tests.examples import attention, cases, header, lab6_events, measured, plan, single_events, telemetry
from tests.training_examples import study_events

STARTED = datetime(2026, 11, 22, 4, 32, 6, tzinfo=UTC)
GPU = "NVIDIA H100 80GB HBM3"


def saved(folder: Path, events: Iterable[Event], label: str = "", day: int = 22) -> Path:
    with SessionWriter.create(folder, STARTED.replace(day=day), GPU, label) as writer:
        for event in events:
            writer.append(event)
    return writer.path


def test_a_summary_says_when_where_what_and_how_it_ended(tmp_path: Path) -> None:
    found = summary(saved(tmp_path, lab6_events(), "lab6"))
    assert found.started == STARTED
    assert (found.device, found.label) == (GPU, "lab6")
    assert (found.shapes, found.implementations, found.varied) == (2, 4, ("seq",))
    assert found.shape == "batch 32, heads 16, head dim 64, float16, causal"
    assert (found.ending, found.reason, found.problem) == ("interrupted", "Ctrl+C", "")
    assert found.size_bytes == found.path.stat().st_size
    assert found.is_resumable and not found.has_more


def test_a_training_is_listed_by_its_rows(tmp_path: Path) -> None:
    found = summary(saved(tmp_path, study_events(), "gpt2-compile"))
    assert found.is_training and not found.has_more
    assert (found.shapes, found.implementations, found.varied) == (3, 3, ("context",))
    assert found.shape.startswith("gpt2-small") and "float16" in found.shape
    assert (found.label, found.ending, found.problem) == ("gpt2-compile", "completed", "")


def test_a_training_that_was_interrupted_can_be_gone_on_with(tmp_path: Path) -> None:
    *before, _ = study_events()
    assert summary(saved(tmp_path, [*before, Finished(ending="interrupted")])).is_resumable


def test_the_newest_session_comes_first_whatever_its_name(tmp_path: Path) -> None:
    older, newer = saved(tmp_path, single_events()), saved(tmp_path, single_events(), day=23)
    later = msgspec.structs.replace(header(), started="2026-11-30T00:00:00+00:00")
    newest = saved(tmp_path, [later], day=1)
    assert [found.path for found in summaries(tmp_path)] == [newest, newer, older]


def test_a_session_is_running_while_its_writer_has_it_open_and_not_closed_if_that_was_killed(
    tmp_path: Path,
) -> None:
    with SessionWriter.create(tmp_path, STARTED, GPU) as writer:
        for event in lab6_events()[:-1]:
            writer.append(event)
        found = summary(writer.path)
        assert found.ending == "running" and not found.is_resumable
    found = summary(writer.path)
    assert found.ending == "not closed" and found.is_resumable


def test_what_was_written_after_the_end_is_no_other_ending(tmp_path: Path) -> None:
    path = saved(tmp_path, single_events(), "mine")
    add_note(path, "the fan was loud")
    add_note(path, "again, quieter")
    path = relabel(path, "fan")
    found = summary(path)
    assert (found.ending, found.label) == ("completed", "fan")
    assert found.notes == ("the fan was loud", "again, quieter")


def test_a_session_that_was_gone_on_with_after_its_end_is_not_closed(tmp_path: Path) -> None:
    path = saved(tmp_path, [*lab6_events(), Log(level="info", message="going on")])
    assert summary(path).ending == "not closed"


def test_a_label_is_found_though_the_session_was_gone_on_with_since(tmp_path: Path) -> None:
    path = relabel(saved(tmp_path, single_events(), ""), "before")
    with SessionWriter.reopen(path) as writer:
        for index in range(2000):
            writer.append(telemetry(float(index), power_w=500.0, sm_mhz=1980, memory_mhz=2619))
        writer.append(Finished(ending="completed"))
    assert summary(path).label == "before"


def test_cases_beyond_the_first_plan_tell_that_there_were_more(tmp_path: Path) -> None:
    first = plan([attention()], ["flash2"])
    later = msgspec.structs.replace(plan([attention(seq=2048)], ["flash2"]), first_case=1)
    path = saved(tmp_path, [*single_events()[:-1], *measured(cases(later)[0])])
    found = summary(path)
    assert found.shapes == first.count and found.has_more


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "no session in it yet"),
        (b"\n\n", "not a session"),
        (b"hello\nworld\n", "not a session"),
        (b'{"type":"finished","ending":"completed"}\n', "not a session"),
        (b'{"type":"session","schema":[2,0]}\n', "of a newer attnprof (schema 2.0)"),
        (b'{"type":"session","schema":[1,0],"att', "not a session"),
        (b"\x00\xff" * 5000, "not a session"),
        (b"[" * 100_000, "not a session"),
    ],
)
def test_a_file_that_is_no_session_has_a_row_that_says_so(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    path = tmp_path / "odd.jsonl"
    path.write_bytes(content)
    (found,) = summaries(tmp_path)
    assert found.problem == problem and not found.is_resumable


def test_a_torn_last_line_leaves_the_rest_known(tmp_path: Path) -> None:
    path = saved(tmp_path, lab6_events()[:-1], "torn")
    with path.open("ab") as file:
        file.write(b'{"type":"resu')
    found = summary(path)
    assert (found.label, found.ending, found.problem) == ("lab6", "not closed", "")


def test_a_header_alone_is_listed_without_a_plan(tmp_path: Path) -> None:
    found = summary(saved(tmp_path, [header()]))
    assert (found.device, found.shapes, found.ending, found.problem) == (GPU, 0, "not closed", "")
    assert not found.is_resumable


def test_a_start_that_is_no_time_leaves_the_time_unknown(tmp_path: Path) -> None:
    found = summary(saved(tmp_path, [msgspec.structs.replace(header(), started="yesterday")]))
    assert found.started is None and not found.problem


def test_text_of_a_file_is_plain(tmp_path: Path) -> None:
    events = [*single_events(), Note(text="\x1b[31mred\x07\nline", written="")]
    assert summary(saved(tmp_path, events)).notes == ("red line",)


def test_links_are_followed_and_one_to_nothing_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "real", single_events())
    folder = tmp_path / "links"
    folder.mkdir()
    (folder / "good.jsonl").symlink_to(path)
    (folder / "bad.jsonl").symlink_to(tmp_path / "nowhere.jsonl")
    found = {session.path.name: session for session in summaries(folder)}
    assert found["good.jsonl"].ending == "completed"
    assert found["bad.jsonl"].problem == "a link to nothing"


def test_what_is_no_file_is_not_listed_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "folder.jsonl").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "notes.txt").write_text("not mine")
    assert summaries(tmp_path) == []


def test_a_file_that_may_not_be_read_has_a_row_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path, single_events())

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(session_list, "open_file", refuse)
    assert summary(path).problem == "cannot be read (Permission denied)"


def test_no_folder_has_no_sessions_and_one_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    assert summaries(tmp_path / "none") == []
    (tmp_path / "file").write_text("")
    with pytest.raises(SessionError, match=r"cannot be read \(Not a directory\)"):
        summaries(tmp_path / "file")


def test_only_the_ends_of_a_huge_file_are_read(tmp_path: Path) -> None:
    path = saved(tmp_path, single_events()[:-1])
    with path.open("ab") as file:
        file.truncate(20 * 2**30)  # sparse: it takes no room
    with SessionWriter.reopen(path) as writer:
        writer.append(Finished(ending="completed"))
    assert summary(path).ending == "completed"
