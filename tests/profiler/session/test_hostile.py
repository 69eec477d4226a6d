"""Session files that no run wrote as they are: what is whole in them is read, and nothing else happens."""

from __future__ import annotations

import csv
import io
import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiler.events import CaseStarted, Event, Log, PlanEnded, Planned, Result
from profiler.export import export
from profiler.results.rows import rows
from profiler.session import line_reader
from profiler.session import reader as session_reader
from profiler.session.edit import relabel
from profiler.session.file import SessionError, SessionWriter
from profiler.session.listing import summary
from profiler.session.reader import read_recording, read_session
from profiler.session.recording import Recording
from tests.examples import attention, cases, checked, header, lab6_events, measured, plan
from tests.training_examples import study_events

HEADER = msgspec.json.encode(header())
LOG = msgspec.json.encode(Log(level="info", message="hello"))
TWO = plan([attention(), attention(seq=2048)], ["pytorch", "flash2"])
EVENTS = [event for case in cases(TWO) for event in (*checked(case), *measured(case))]
LINES = [
    msgspec.json.encode(event)
    for event in [header(), Planned(plan=TWO), *EVENTS, PlanEnded(ending="completed")]
]


def file_of(folder: Path, *lines: bytes) -> Path:
    path = folder / "x.jsonl"
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def read_deferred(path: Path, monkeypatch: pytest.MonkeyPatch) -> Recording:
    """As a large file is read, of which this is many blocks: in the first there are no lines deferred."""
    with monkeypatch.context() as patch:
        patch.setattr(session_reader, "DEFERRING_BYTES", 0)
        patch.setattr(line_reader, "_BLOCK_BYTES", 500)
        return read_recording(path).recording


@pytest.mark.parametrize("place", ["/dev/zero", "/dev/null", "pipe"])
def test_a_pipe_or_a_device_is_refused_and_not_waited_for(tmp_path: Path, place: str) -> None:
    path = tmp_path / place
    if place == "pipe":
        os.mkfifo(path)
    with pytest.raises(SessionError, match="a pipe or a device, not a file"):
        read_session(path)
    with pytest.raises(SessionError, match="a pipe or a device, not a file"):
        SessionWriter.reopen(path)
    assert "a pipe or a device" in summary(path).problem


def test_a_line_without_end_is_left_out_and_what_follows_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiler.session.line_reader._LONGEST_LINE_BYTES", 2**18)
    file = read_session(file_of(tmp_path, HEADER, b'{"type":"log","x":"' + b"y" * 2**20, LOG))
    assert file.events == [header(), Log(level="info", message="hello")]
    assert file.problems == ["line 2: not a whole event, left out"]


def test_problems_without_end_are_not_all_told(tmp_path: Path) -> None:
    lines = [msgspec.json.encode({"type": f"weather{number}"}) for number in range(500)]
    problems = read_session(file_of(tmp_path, HEADER, *lines)).problems
    assert len(problems) == 21
    assert problems[-1] == "and 480 further problems of other kinds"


def test_a_long_foreign_word_is_quoted_in_part(tmp_path: Path) -> None:
    line = msgspec.json.encode({"type": "\x1b[31m" + "w" * 10_000})
    (problem,) = read_session(file_of(tmp_path, HEADER, line)).problems
    assert len(problem) < 200 and "\x1b" not in problem


@pytest.mark.parametrize("number", [b"1e400", b"1e300", b"9" * 5000, b"NaN", b"-Infinity", b'"1"', b"null"])
def test_a_number_that_nothing_measures_costs_its_line(tmp_path: Path, number: bytes) -> None:
    line = b'{"type":"samples","case":0,"pass":"fwd","first_round":0,"device_ms":[' + number + b"]}"
    file = read_session(file_of(tmp_path, HEADER, line, LOG))
    assert file.events == [header(), Log(level="info", message="hello")]
    assert len(file.problems) == 1


def test_a_shape_beyond_all_measure_is_no_shape(tmp_path: Path) -> None:
    line = msgspec.json.encode(CaseStarted(case=0, workload=attention(), implementation="pytorch"))
    file = read_session(file_of(tmp_path, HEADER, line.replace(b'"seq_q":1024', b'"seq_q":1' + b"0" * 30)))
    assert file.events == [header()]


def test_one_number_for_two_cases_loses_neither() -> None:
    short, long = attention(seq=512), attention(seq=4096)
    (one,), (other,) = (cases(plan([shape], ["pytorch"])) for shape in (short, long))
    recording = Recording.of(
        [header(), *checked(one), *measured(one), *checked(other), *measured(other, speed=2), *measured(one)]
    )
    assert {case.workload for case in recording.cases.values() if case.done} == {short, long}
    assert len(recording.cases) == 2
    assert "same number" in recording.warnings[0]


def test_a_case_that_begins_anew_is_no_contradiction() -> None:
    (case,) = cases(plan([attention()], ["pytorch"]))
    recording = Recording.of([header(), *checked(case), *checked(case), *measured(case)])
    assert len(recording.cases) == 1 and not recording.warnings


def test_of_two_results_the_later_counts() -> None:
    (case,) = cases(plan([attention()], ["pytorch"], passes=("fwd",)))
    first, second = measured(case, speed=1), measured(case, speed=2)
    (row,) = rows(
        Recording.of(
            [
                header(),
                Planned(plan=plan([attention()], ["pytorch"], ("fwd",))),
                *checked(case),
                *first,
                *second,
            ]
        )
    )
    wanted = next(event for event in second if isinstance(event, Result))
    assert row.device_ms == wanted.device_ms


def test_the_plans_of_a_session_may_have_more_cases_together_than_one_may() -> None:
    many = [
        plan([attention(seq=64 * (1 + each + 3000 * n)) for each in range(3000)], ["a", "b", "c"])
        for n in (0, 1)
    ]
    together = Recording.of([header(), *(Planned(plan=each) for each in many)]).plan
    assert together is not None and together.count == 18_000


def test_a_large_file_comes_to_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for events in (lab6_events(), study_events()):
        path = file_of(tmp_path, *map(msgspec.json.encode, events))
        whole, deferred = Recording.of(read_session(path).events), read_deferred(path, monkeypatch)
        assert repr(rows(deferred)) == repr(rows(whole))
        assert export(deferred, "json") == export(whole, "json")
        assert deferred.last_s == whole.last_s


def test_what_is_deferred_is_decoded_when_it_is_asked_for_and_can_be_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = read_deferred(file_of(tmp_path, *LINES), monkeypatch)
    case = recording.cases[0]
    assert case.done and case.heard == 7
    check = case.check
    case.let_go()
    assert case.done and case.heard == 7
    assert case.check == check and case.passes["fwd"].result is not None


def broken(lines: list[bytes], case: int) -> list[bytes]:
    """The lines with the results of a case as no version ever wrote them."""
    known = b'"case":%d,' % case
    return [
        line.replace(b'"tflops":', b'"tflops":"x","was":') if b'"result"' in line and known in line else line
        for line in lines
    ]


def test_a_deferred_line_that_proves_unreadable_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = read_deferred(file_of(tmp_path, *broken(LINES, case=2)), monkeypatch)
    assert {row.case: row.status for row in rows(recording)} == {0: "ok", 1: "ok", 2: "partial", 3: "ok"}


def test_a_deferred_line_that_proves_unreadable_is_told_once_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, *broken(broken(LINES, case=1), case=2))
    recording = read_deferred(path, monkeypatch)
    assert recording.unread == []
    for case in (2, 1, 2):
        assert recording.cases[case].check
        recording.cases[case].let_go()
    (told,) = recording.unread
    where, _, what = told.partition(": ")
    assert where == "cases 2 and 1"
    (whole,) = read_session(path).problems
    assert whole.endswith(what) and what.startswith("a 'result' that cannot be read (")


def test_a_deferred_line_of_no_case_is_told_by_its_own_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, *LINES[:-1], b'{"type":"result","at_s":1.0}', *LINES[-8:])
    monkeypatch.setattr(session_reader, "DEFERRING_BYTES", 0)
    monkeypatch.setattr(line_reader, "_BLOCK_BYTES", 500)
    file = read_recording(path)
    assert file.problems == read_session(path).problems
    assert file.problems[0].startswith(f"line {len(LINES)}: a 'result' that cannot be read (")


def test_a_deferred_line_of_a_case_that_never_began_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = file_of(tmp_path, *LINES[:-1], b'{"type":"samples","case":7,"pass":3}', *LINES[-8:])
    assert read_deferred(path, monkeypatch).unread[0].startswith("case 7: a 'samples' that cannot be read (")


lines_of_events = st.lists(st.sampled_from(LINES[1:]), max_size=len(LINES))
noise = st.one_of(
    st.binary(max_size=40).filter(lambda data: b"\n" not in data),
    st.sampled_from([b"", b"null", b"[]", b'{"type":"weather"}', b"\0\0", LINES[0], LINES[-2][:40]]),
)


@given(st.lists(st.one_of(lines_of_events, st.lists(noise, max_size=2)), max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_in_any_order_and_with_anything_between_what_is_whole_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parts: list[list[bytes]]
) -> None:
    body = [line for part in parts for line in part]
    path = file_of(tmp_path, HEADER, *body)
    until = next((index for index, line in enumerate(body) if line == LINES[0]), len(body))
    whole = [line for line in body[:until] if line in LINES[1:]]
    events = read_session(path).events
    assert [msgspec.json.encode(event) for event in events[1:]] == whole
    assert repr(rows(read_deferred(path, monkeypatch))) == repr(rows(Recording.of(events)))


hostile = st.sampled_from(
    [
        "=cmd|'/C calc'!A0",
        "+1",
        "-1+1",
        "@SUM(1)",
        "\t=1",
        "\x1b[31mred",
        "[bold]x[/]",
        "a\nb",
        "\u202ex",
        "|",
        "<b>",
    ]
)


@given(hostile, hostile)
@settings(max_examples=25, deadline=None)
def test_a_name_is_neither_a_formula_nor_an_escape_in_what_is_exported(name: str, message: str) -> None:
    of = plan([attention()], [name, "flash2"], passes=("fwd",))
    events: list[Event] = [header(command=message), Planned(plan=of)]
    for case in cases(of):
        events += [*checked(case, backend=name), *measured(case)]
    recording = Recording.of([*events, Log(level="warning", message=message)])
    for row in csv.reader(io.StringIO(export(recording, "csv"))):
        assert not any(cell.startswith(("=", "+", "@", "\t", "\r")) or cell[:2] == "-1" for cell in row)
    assert "\x1b" not in export(recording, "md") + export(recording, "csv")
    assert "\u202e" not in export(recording, "md")


def test_a_link_is_renamed_and_what_it_leads_to_stays_where_it_is(tmp_path: Path) -> None:
    real = tmp_path / "real" / "kept.jsonl"
    real.parent.mkdir()
    real.write_bytes(b"\n".join(LINES) + b"\n")
    before = real.read_bytes()
    link = tmp_path / "20261122T043206Z-h100-80gb-hbm3.jsonl"
    link.symlink_to(real)
    renamed = relabel(link, "mine")
    assert renamed.is_symlink() and renamed.readlink() == real and not link.exists()
    assert not real.is_symlink() and real.read_bytes().startswith(before)
    assert read_recording(renamed).recording.label == "mine"


def test_links_to_nothing_and_to_themselves_say_so(tmp_path: Path) -> None:
    nothing, loop = tmp_path / "nothing.jsonl", tmp_path / "loop.jsonl"
    nothing.symlink_to(tmp_path / "gone")
    loop.symlink_to(loop)
    for path in (nothing, loop):
        with pytest.raises(SessionError, match="cannot be read"):
            read_session(path)
        assert summary(path).problem
        with pytest.raises(SessionError):
            relabel(path, "x")
