"""`attnprof best`, as typed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from profiler.events import Event, Imported, Planned, TrainingPlanned
from profiler.session.file import SessionWriter
from tests.examples import attention, cases, checked, header, measured, plan
from tests.training_examples import (
    study_events,
    trained,
    training,
    training_cases,
    training_plan,
    wavering,
)
from tui.cli import main


def session(
    day: int, *, torch: str = "2.13.0", seqs: tuple[int, ...] = (512, 4096), **speeds: float
) -> list[Event]:
    """A session in which all implementations are that fast, forward and backward."""
    names = [name.replace("_", "-") for name in speeds]
    whole = plan([attention(seq=seq, causal=True) for seq in seqs], names, ["fwd", "bwd"])
    began = header()
    environment = msgspec.structs.replace(began.environment, packages={"torch": torch})
    began = msgspec.structs.replace(began, environment=environment, started=f"2026-11-{day:02}T04:32:06Z")
    events: list[Event] = [began, Planned(plan=whole)]
    for case in cases(whole):
        speed = speeds[case.implementation.replace("-", "_")]
        events += [*checked(case), *measured(case, ["fwd", "bwd"], speed=speed)]
    return events


def write(folder: Path, events: list[Event], day: int, label: str) -> Path:
    with SessionWriter.create(folder, datetime(2026, 11, day, tzinfo=UTC), "h100", label) as writer:
        for event in events:
            writer.append(event)
    return writer.path


@pytest.fixture(autouse=True)
def a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever width the tests themselves run in."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, session(20, pytorch=1, sdpa=3, flash2=2), 20, "old")
    write(tmp_path, session(22, pytorch=1, sdpa=1.5, flash2=2), 22, "new")
    write(tmp_path, session(23, flash2=2), 23, "alone")
    return tmp_path


def best(folder: Path, *args: object) -> Result:
    typed = ["best", "--sessions", str(folder), *map(str, args)]
    return CliRunner().invoke(main, typed, catch_exceptions=False)


def test_the_newest_session_that_compares_answers_and_one_that_says_otherwise_is_named(folder: Path) -> None:
    result = best(folder, "--seq", "512")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[:2] == [
        "NVIDIA H100 80GB HBM3, torch 2.13.0",
        "every pass: flash2 (1.33x over sdpa, 2.00x over pytorch)",
    ]
    assert "batch 32, seq 512, heads 16, head dim 64, float16, causal" in lines
    assert "measured in 20261122T000000Z-h100-new" in lines
    assert lines[-1] == (
        "20261120T000000Z-h100-old says otherwise, forward: sdpa (not flash2); backward: sdpa (not flash2)"
    )


def test_a_newer_session_of_fewer_implementations_does_not_answer(folder: Path) -> None:
    write(folder, session(24, pytorch=1, flash2=2), 24, "fewer")
    assert best(folder, "--seq", "512").stdout.splitlines()[-2] == "measured in 20261122T000000Z-h100-new"


def test_what_only_another_session_measured_is_named(folder: Path) -> None:
    write(folder, session(24, pytorch=1, flash3=2), 24, "newest")
    lines = best(folder, "--seq", "512").stdout.splitlines()
    assert lines[1] == "every pass: flash3 (2.00x over pytorch, sdpa and flash2 not measured with it)"
    assert lines[-1] == "measured in 20261124T000000Z-h100-newest"


def test_what_was_imported_does_not_answer_and_is_said_to_be_left_out(tmp_path: Path) -> None:
    began, *rest = session(24, pytorch=1, flash3=2)
    imported = Imported(files=("benchmark_result.json",))
    write(tmp_path, [msgspec.structs.replace(began, imported=imported), *rest], 24, "imported")
    result = best(tmp_path, "--seq", "512")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "nothing that was measured matches",
        "imported, so without rounds to compare by: 20261124T000000Z-h100-imported",
        "measure it: attnprof run --seq 512",
    ]


@pytest.mark.parametrize("asked", [(), ("--context", "256")])
def test_a_session_that_was_cut_short_is_to_be_gone_on_with_as_it_was_asked_for(
    tmp_path: Path, asked: tuple[str, ...]
) -> None:
    write(tmp_path, study_events()[:4], 19, "gpt2")
    result = best(tmp_path, *asked)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        "20261119T000000Z-h100-gpt2 ended before anything of this was measured to its end",
        "go on with it, as it was asked for: attnprof train --resume 20261119T000000Z-h100-gpt2 "
        f"--sessions {tmp_path}",
    ]


def test_what_a_session_that_was_cut_short_was_not_asked_for_is_measured_by_a_command_of_its_own(
    tmp_path: Path,
) -> None:
    write(tmp_path, study_events()[:4], 19, "gpt2")
    assert best(tmp_path, "--context", "512").stderr.splitlines()[-1] == (
        "measure it: attnprof train --context 512 --model small --dtype fp16 --mode compile"
    )


def test_sessions_that_are_named_answer_alone(folder: Path) -> None:
    result = best(folder, "--seq", "512", "old")
    assert "every pass: sdpa (1.50x over flash2, 3.00x over pytorch)" in result.stdout
    assert "otherwise" not in result.stdout


def test_what_ran_under_another_torch_stands_apart(folder: Path) -> None:
    write(folder, session(21, torch="2.11.0", pytorch=1, sdpa=4), 21, "other")
    lines = best(folder, "--seq", "512").stdout.splitlines()
    assert [line for line in lines if "torch 2." in line] == [
        "NVIDIA H100 80GB HBM3, torch 2.13.0",
        "NVIDIA H100 80GB HBM3, torch 2.11.0",
    ]


def test_several_shapes_are_summed_up_along_their_axis(folder: Path) -> None:
    assert "every pass: flash2 for seq 512 to 4k (1.33x over sdpa, 2.00x over pytorch)" in best(folder).stdout


def test_passes_can_be_chosen(folder: Path) -> None:
    said = best(folder, "--seq", "512", "--pass", "bwd").stdout
    assert "\nbackward: flash2 (1.33x ±0.01 over sdpa, 2.00x ±0.01 over pytorch)\n" in said
    assert "forward" not in said


def test_what_was_never_measured_is_answered_with_the_nearest_and_the_command_for_it(folder: Path) -> None:
    result = best(folder, "--seq", "8k", "--heads", "32", "--no-causal", "--pass", "fwd")
    assert (result.exit_code, result.stdout) == (1, "")
    nothing, near, command = result.stderr.splitlines()
    assert nothing == "nothing that was measured matches"
    assert near.startswith("nearest: batch 32, seq 4096, heads 16, head dim 64, float16, causal (2026112")
    assert command == (
        "measure it: attnprof run --seq 8k --heads 32 --no-causal --batch 32 --head-dim 64 --dtype fp16 "
        "--pass fwd"
    )


def test_the_command_that_is_named_is_one_that_run_takes(folder: Path) -> None:
    from profiler.machine.environment import resolve_device
    from tui.options.asked import Asked
    from tui.options.planning import make_plan

    command = best(folder, "--seq", "8k", "--emb-dim", "1k", "--dtype", "fp32").stderr.splitlines()[-1]
    words = command.removeprefix("measure it: attnprof run ").replace("--causal", "").split()
    asked = {
        option[2:].replace("-", "_"): value for option, value in zip(words[::2], words[1::2], strict=True)
    }
    (shape,) = make_plan(Asked(**asked), resolve_device("cpu")).workloads  # type: ignore[arg-type]
    assert (shape.seq_k, shape.emb_dim, shape.dtype, shape.batch) == (8192, 1024, "float32", 32)


def test_an_empty_folder_says_what_to_type(tmp_path: Path) -> None:
    result = best(tmp_path, "--seq", "8k")
    assert result.exit_code == 1
    assert result.stderr.endswith("measure it: attnprof run --seq 8k\n")


def test_a_broken_file_is_said_and_does_not_end_it(folder: Path) -> None:
    (folder / "broken.jsonl").write_bytes(b"\x00nothing")
    (folder / "empty.jsonl").touch()
    (folder / "gone.jsonl").symlink_to(folder / "nowhere")
    result = best(folder, "--seq", "512")
    assert result.exit_code == 0
    assert "flash2" in result.stdout
    assert [line.partition(": ")[0] for line in result.stderr.splitlines()] == ["left out", "left out"]
    assert "empty" not in result.stderr


def test_trainings_are_asked_for_by_their_own_options(folder: Path) -> None:
    write(folder, study_events(), 19, "gpt2")
    said = best(folder, "--context", "4k").stdout
    assert "NVIDIA H100 80GB HBM3, torch 2.13.0, held to 12.0 GiB\ntraining: flash2 (" in said
    assert "forward" not in said
    missing = best(folder, "--model", "xl")
    assert missing.exit_code == 1
    assert "measure it: attnprof train --model xl --context" in missing.stderr


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--seq", "many"), "--seq takes sizes"),
        (("--dtype", "fp17"), "there is no dtype 'fp17'"),
        (("--pass", "sideways"), "there is no pass 'sideways'"),
        (("--mode", "lazy"), "there is no mode 'lazy'"),
        (("--model", "huge"), "there is no model 'huge'"),
        (("--seq", "1k", "--context", "1k"), "--seq is of a shape, and --context of a training: drop one"),
        (("nosuch",), "there is no session 'nosuch'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(folder: Path, args: tuple[str, ...], said: str) -> None:
    result = best(folder, *args)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert said in result.stderr


def test_a_name_from_a_session_is_no_markup_and_no_escape(tmp_path: Path) -> None:
    events = session(20, seqs=(512,), pytorch=1, x=2)
    whole = plan([attention(seq=512)], ["pytorch", "[red]\x1b[31mx"], ["fwd"])
    events = [events[0], Planned(plan=whole)]
    for case, speed in zip(cases(whole), (1, 2), strict=True):
        events += [*checked(case), *measured(case, ["fwd"], speed=speed)]
    write(tmp_path, events, 20, "odd")
    said = best(tmp_path).stdout
    assert "forward: [red]x (2.00x ±0.01 over pytorch)" in said
    assert "\x1b" not in said


def test_a_run_ends_with_its_advice_in_one_line() -> None:
    from profiler.advice import all_courses
    from profiler.session.recording import Recording
    from tests.examples import lab6_events, single_events
    from tui.tables.best import closing_line

    def line(events: list[Event]) -> str:
        return closing_line(all_courses(Recording.of(events)))

    assert line(session(20, pytorch=1, flash2=2)) == (
        "fastest for every pass: flash2 for seq 512 to 4k (2.00x over pytorch)"
    )
    assert line(lab6_events()).endswith("; 1 more such line: attnprof best last")
    assert line(single_events()) == ""


def test_each_session_has_its_own_lines_for_what_changes_between_two_is_no_crossover(tmp_path: Path) -> None:
    write(tmp_path, session(20, seqs=(512,), pytorch=1, sdpa=3), 20, "short")
    write(tmp_path, session(21, seqs=(1024, 4096), pytorch=1, flash2=2), 21, "long")
    assert best(tmp_path).stdout.splitlines()[1:5] == [
        "20261121T000000Z-h100-long (batch 32, heads 16, head dim 64, float16, causal)",
        "  every pass: flash2 for seq 1k to 4k (2.00x over pytorch)",
        "20261120T000000Z-h100-short (batch 32, seq 512, heads 16, head dim 64, float16, causal)",
        "  every pass: sdpa (3.00x over pytorch)",
    ]


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eighty columns; a pipe has no width."""
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.usefixtures("screen")
def test_eighty_columns_keep_who_is_not_told_apart_and_say_a_ratio_once(tmp_path: Path) -> None:
    whole = training_plan([training(context=256), training()], ("pytorch", "sdpa-flash", "flash2"))
    events: list[Event] = [header(), TrainingPlanned(plan=whole)]
    for case, speed in zip(training_cases(whole), (50_000, 70_000, 69_000) * 2, strict=True):
        made = trained(case, batch=8, tokens_per_s=speed)
        events += wavering(made) if case.implementation == "flash2" else made
    write(tmp_path, events, 20, "tied")
    lines = best(tmp_path).stdout.splitlines()
    titles = next(index for index, line in enumerate(lines) if "fastest" in line)
    assert "not told apart" in lines[titles]
    assert " ".join(lines[titles - 1 : titles + 1]).split().count("pytorch") == 1
    assert "over next" not in "".join(lines)


@pytest.mark.usefixtures("screen")
def test_on_a_screen_a_long_line_goes_on_indented_below(folder: Path) -> None:
    write(
        folder,
        session(25, pytorch=1, flash2=2, a=1.99, b=1.99, c=1.99, d=1.99, e=1.99, f=1.99, g=1.99, h=1.99),
        25,
        "many",
    )
    lines = best(folder).stdout.splitlines()
    assert max(map(len, lines)) <= 80
    first = next(index for index, line in enumerate(lines) if line.startswith("every pass: "))
    assert lines[first + 1].startswith("  ")


@pytest.mark.usefixtures("screen")
def test_on_a_screen_the_newest_of_many_sessions_answer_and_the_rest_is_counted(tmp_path: Path) -> None:
    for day in range(1, 9):
        write(tmp_path, session(day, seqs=(512 * day,), pytorch=1, sdpa=3), day, f"day-{day}")
    lines = best(tmp_path).stdout.splitlines()
    assert [line.partition("-h100")[0] for line in lines if "-h100" in line] == [
        f"2026110{day}T000000Z" for day in (8, 7, 6, 5, 4)
    ]
    assert "and 3 older sessions: --all has them" in lines
    assert "day-1" in best(tmp_path, "--all").stdout


@pytest.mark.usefixtures("screen")
def test_on_a_screen_a_table_that_would_run_off_it_is_left_out_and_counted(tmp_path: Path) -> None:
    write(tmp_path, session(1, seqs=tuple(range(512, 512 * 14, 512)), pytorch=1, sdpa=3), 1, "long")
    said = best(tmp_path).stdout
    assert "a table of 26 lines: --all has it; --seq 4k or --pass bwd asks for some" in said
    assert "fastest" not in said
    assert "fastest" in best(tmp_path, "--pass", "fwd").stdout
    assert "fastest" in best(tmp_path, "--all").stdout
