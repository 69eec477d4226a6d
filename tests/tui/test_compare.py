"""`attnprof compare`, as typed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from click.testing import Result as Outcome

from profiler.events import Event, Finished, Memory, Planned, Result
from profiler.session.file import SessionWriter
from profiler.workload import PASSES
from tests.compare_examples import MEMORY, session, study
from tests.examples import attention, cases, checked, header, measured, plan, samples
from tui.cli import main

SHAPES = [attention(seq=seq, causal=causal) for seq in (512, 16384) for causal in (False, True)]


def save(folder: Path, day: int, label: str, events: Sequence[Event]) -> None:
    with SessionWriter.create(folder, datetime(2026, 11, day, tzinfo=UTC), "h100", label) as writer:
        for event in events:
            writer.append(event)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    speeds = {"pytorch": 1.0, "sdpa-efficient": 1.5, "flash2": 2.0}
    save(tmp_path, 20, "before", session(speeds, shapes=SHAPES, passes=PASSES, sm_mhz=1800.0))
    slower = {**speeds, "flash2": 1.8}
    after = session(slower, shapes=SHAPES, passes=PASSES, sm_mhz=1500.0, packages={"torch": "2.14.0"})
    save(tmp_path, 21, "after", after)
    save(tmp_path, 22, "trained", study({"pytorch": 40_000.0, "flash2": 60_000.0}))
    save(tmp_path, 23, "faster-training", study({"pytorch": 44_000.0, "flash2": None}))
    return tmp_path


def compare(folder: Path, *args: str) -> Outcome:
    arguments = ["compare", "--sessions", str(folder), *args]
    return CliRunner().invoke(main, arguments, catch_exceptions=False)


def test_it_says_what_differs_then_the_table_and_last_what_came_of_it(folder: Path) -> None:
    result = compare(folder, "before", "after")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == [
        "A  20261120T000000Z-h100-before (the base)",
        "B  20261121T000000Z-h100-after",
    ]
    assert ["torch", "2.13.0", "2.14.0"] in [line.split() for line in lines]
    assert lines[-1] == "B against A: 36 cases: 12 slower, 24 the same"
    assert "flash2          forward   0.5000  0.5556   0.900x  0.899-0.901  slower   1.080x" in result.stdout


@pytest.mark.parametrize("width", [80, 100, 160])
@pytest.mark.parametrize("sessions", [("before", "after"), ("trained", "faster-training")])
def test_a_terminal_gets_no_line_that_it_would_have_to_wrap(
    folder: Path, width: int, sessions: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = compare(folder, *sessions).stdout.splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    verdicts = [
        word for line in lines for word in line.split() if word in ("same", "slower", "faster", "lost")
    ]
    assert len(verdicts) >= 2


def test_what_has_no_room_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert "not shown for want of width:" in compare(folder, "before", "after").stdout
    monkeypatch.setenv("COLUMNS", "160")
    assert "not shown" not in compare(folder, "before", "after").stdout


def test_training_has_throughput_and_steps(folder: Path) -> None:
    said = compare(folder, "trained", "faster-training").stdout
    assert "40,000" in said and "44,000" in said and "1.100x" in said
    assert "speedup: A's time of a token over the other's" in said
    assert "lost in B: flash2: right, now OOM (not even a batch of 1 fits)" in said


def test_fail_over_exits_with_3_and_says_on_stderr_which(folder: Path) -> None:
    result = compare(folder, "before", "after", "--fail-over", "5%", "--pass", "forward")
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 4
    assert (
        "regression: B: seq 512, not causal, flash2, forward: 0.5000 to 0.5556 ms, 0.900x (0.899-0.901)"
        in result.stderr.splitlines()
    )


def test_fail_over_passes_where_nothing_is_so_much_slower(folder: Path) -> None:
    result = compare(folder, "before", "after", "--fail-over", "0.2")
    assert (result.exit_code, result.stderr) == (0, "no regression beyond 20 % was found\n")


def test_fail_over_counts_what_is_right_no_more(folder: Path) -> None:
    result = compare(folder, "trained", "faster-training", "--fail-over", "50%")
    assert result.exit_code == 3
    assert result.stderr == "regression: B: flash2: was right, now OOM (not even a batch of 1 fits)\n"


def test_fail_over_fails_for_what_is_missing_unless_that_may_be(folder: Path) -> None:
    save(folder, 24, "half", session({"pytorch": 1.0}, shapes=SHAPES[:1], passes=("fwd",)))
    asked = ("before", "half", "--fail-over", "5%", "--pass", "fwd")
    result = compare(folder, *asked)
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        "no regression beyond 5 % was found",
        "missing in B: 11 cases: sdpa-efficient 4, flash2 4, pytorch 3",
        "what could not be looked at may have regressed: --allow-missing lets it pass",
    ]
    assert compare(folder, *asked, "--allow-missing").exit_code == 0
    assert compare(folder, *asked, "--where", "impl == pytorch and seq == 512 and not causal").exit_code == 0


def test_a_session_that_was_killed_before_its_first_result_fails(folder: Path) -> None:
    events = session({"pytorch": 1.0}, shapes=SHAPES[:1], passes=("fwd",))
    save(folder, 24, "whole", events)
    save(folder, 25, "killed", [event for event in events if not isinstance(event, Result | Finished)])
    result = compare(folder, "whole", "killed", "--fail-over", "5%")
    assert result.exit_code == 3
    assert "only in part in B, which ended before: pytorch" in result.stderr
    lines = result.stdout.splitlines()
    assert lines[2] == "   This session was not closed: it is still running, or it was killed."
    assert ["pytorch", "1.000", "1.000?", "1.000x", "0.999-1.001", "same"] in [line.split() for line in lines]
    assert lines[-1] == "B against A: 1 case: 1 the same; 1 in part"
    assert compare(folder, "whole", "killed", "--fail-over", "5%", "--allow-missing").exit_code == 0
    assert compare(folder, "killed", "whole", "--fail-over", "5%").exit_code == 0


def test_fail_over_tells_what_was_measured_too_roughly(folder: Path) -> None:
    for day, label, speed in ((24, "few", 2.0), (25, "fewer", 1.0)):
        whole = plan(SHAPES[:1], ["flash2"], ["fwd"])
        (case,) = cases(whole)
        few = [samples(case, "fwd", speed, count=3)]
        save(folder, day, label, [header(), Planned(plan=whole), *checked(case), *few])
    result = compare(folder, "few", "fewer", "--fail-over", "5%", "--allow-missing")
    assert result.exit_code == 0
    assert (
        "nothing can be told of B: no time is known well enough to see 5 %; measure longer, in 6 rounds at "
        "least" in result.stderr.splitlines()
    )
    assert (
        "perhaps a regression, measure longer: B: flash2, forward: 0.5000? to 1.000? ms, 0.500x"
        in result.stderr
    )


def rough(folder: Path, day: int, label: str, **counts: int) -> None:
    """A session of one shape, with so many samples of each implementation."""
    whole = plan(SHAPES[:1], list(counts), ["fwd"])
    events: list[Event] = [header(), Planned(plan=whole)]
    for case in cases(whole):
        count = counts[case.implementation]
        events += [*checked(case), samples(case, "fwd", count=count)]
        result = measured(case, ["fwd"], memory=MEMORY)[-1]
        assert isinstance(result, Result)
        time = msgspec.structs.replace(result.device_ms, count=count)
        events.append(msgspec.structs.replace(result, device_ms=time))
    save(folder, day, label, [*events, Finished(at_s=9.0, ending="completed")])


def test_a_check_that_could_tell_nothing_is_not_passed(folder: Path) -> None:
    rough(folder, 24, "rough", pytorch=3, flash2=3)
    rough(folder, 25, "again", pytorch=3, flash2=3)
    result = compare(folder, "rough", "again", "--fail-over", "5%")
    assert result.exit_code == 3
    assert "nothing can be told of B" in result.stderr
    assert compare(folder, "rough", "again", "--fail-over", "5%", "--allow-missing").exit_code == 0


def test_one_case_that_cannot_be_told_passes_unless_the_check_is_strict(folder: Path) -> None:
    rough(folder, 24, "rough", pytorch=10, flash2=3)
    rough(folder, 25, "again", pytorch=10, flash2=3)
    result = compare(folder, "rough", "again", "--fail-over", "5%")
    assert (result.exit_code, result.stderr) == (0, "no regression beyond 5 % was found\n")
    result = compare(folder, "rough", "again", "--fail-over", "5%", "--strict")
    assert result.exit_code == 3
    (line,) = [line for line in result.stderr.splitlines() if "not ruled out" in line]
    assert line == (
        "5 % longer is not ruled out, measure longer: B: flash2, forward: 1.000 to 1.000 ms, 1.000x"
    )


def test_memory_that_grew_by_more_than_the_share_fails_unless_it_may(folder: Path) -> None:
    larger = Memory(working_bytes=90 * 2**20, absolute_bytes=306 * 2**20)
    for day, label, memory in ((24, "lean", MEMORY), (25, "larger", larger)):
        save(folder, day, label, session({"flash2": 1.0}, memory=memory))
    result = compare(folder, "lean", "larger", "--fail-over", "5%")
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        "regression of memory: B: flash2, forward: 84.0 MiB to 90.0 MiB, +7.1 %",
        "--allow-memory lets memory grow",
    ]
    assert compare(folder, "lean", "larger", "--fail-over", "5%", "--allow-memory").exit_code == 0
    assert compare(folder, "lean", "larger", "--fail-over", "8%").exit_code == 0
    assert compare(folder, "larger", "lean", "--fail-over", "5%").exit_code == 0


def test_rows_of_the_base_can_be_asked_for(folder: Path) -> None:
    said = compare(
        folder, "before", "after", "--where", "impl == flash2 and device_ms < 1 and seq == 512"
    ).stdout
    assert said.splitlines()[-1] == "B against A: 2 cases: all slower"


def test_it_can_be_narrowed_to_passes_and_implementations(folder: Path) -> None:
    last = compare(folder, "before", "after", "--pass", "bwd", "--impl", "Flash2").stdout.splitlines()[-1]
    assert last == "B against A: 4 cases: all slower"


def test_a_margin_makes_little_the_same(folder: Path) -> None:
    last = compare(folder, "before", "after", "--margin", "15%").stdout.splitlines()[-1]
    assert last == "B against A: 36 cases: all the same"


def test_a_file_gets_the_format_of_its_name_and_stdout_the_one_named(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "gpus.json"
    result = compare(folder, "before", "after", "-o", str(out))
    assert (result.exit_code, result.stdout) == (0, "")
    assert json.loads(out.read_text())["base"] == "A"
    assert compare(folder, "before", "after", "--format", "md").stdout.startswith("# Sessions compared\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("before",), "compare takes from 2 to 26 sessions, the base first, not 1"),
        (("before", "before"), "is there twice"),
        (("before", "nowhere"), "there is no session 'nowhere'"),
        (("before", "trained"), "no case of A is in another session, by shape, implementation and pass: A"),
        (("before", "after", "--margin", "2"), "--margin takes a share such as 1% or 0.01, not '2'"),
        (("before", "after", "--fail-over", "slow"), "--fail-over takes a share"),
        (("before", "after", "--fail-over", "1%"), "lies within the margin of 2%"),
        (("before", "after", "--pass", "sideways"), "there is no pass 'sideways'"),
        (("before", "after", "--impl", "flash9"), "no session has 'flash9'; there are pytorch"),
        (("before", "after", "--impl", ","), "--impl has an empty name"),
        (("before", "after", "--impl", "flash2", "--where", "seq > 1m"), "no row of A matches 'seq > 1m'"),
        (("before", "after", "--where", "rate > 3"), "there is no field 'rate'"),
        (("before", "after", "--allow-missing"), "--allow-missing goes with --fail-over"),
        (("before", "after", "--allow-memory"), "--allow-memory goes with --fail-over"),
        (("before", "after", "--strict"), "--strict goes with --fail-over: add --fail-over 5%"),
        (
            ("before", "after", "--format", "csv"),
            "there is no format 'csv' of a comparison; there are md, json",
        ),
        (("before", "after", "-o", "x.txt"), "cannot be told from its name"),
        (("before", "after", "--format", "html"), "there is no format 'html' of a comparison"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_sentence(
    folder: Path, args: tuple[str, ...], said: str
) -> None:
    result = compare(folder, *args)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_is_no_session_is_refused(folder: Path) -> None:
    (folder / "x.jsonl").write_bytes(b"\x00\x01")
    result = compare(folder, "before", str(folder / "x.jsonl"))
    assert (result.exit_code, "is no attnprof session" in result.stderr) == (2, True)


def test_a_torn_session_is_compared_as_far_as_it_goes(folder: Path) -> None:
    path = next(folder.glob("*after*"))
    path.write_bytes(path.read_bytes()[:-40])
    result = compare(folder, "before", "after")
    assert result.exit_code == 0
    assert "cut short" in result.stderr


def test_escapes_in_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    for day, label in ((1, "a"), (2, "b")):
        save(tmp_path, day, label, session({"\x1b[31m[red]x": 1.0}, cuda=f"\x1b]0;{label}\x07{label}"))
    result = compare(tmp_path, "h100-a", "h100-b")
    assert "\x1b" not in result.stdout
    assert "[red]x" in result.stdout
