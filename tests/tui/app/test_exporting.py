"""Exports from the app write a file, lose nothing, and say what happened; commands measure the same again."""

from __future__ import annotations

import asyncio
import shlex
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
import pytest
from textual.app import App

from impls.contract import DeviceInfo
from profiler.events import Gpu
from profiler.export import export
from profiler.export.report import Report
from profiler.machine.environment import Device
from profiler.plans.plan import Plan, Stopping, Takes
from profiler.session.recording import Recording
from profiler.workload import Attention
from tests.examples import attention, lab6, lab6_events, plan
from tui.app.exporting import ExportError, export_and_say, export_report, leaves_after_charts
from tui.app.reproduce import command_for
from tui.commands import run
from tui.options.asked import Asked
from tui.options.planning import QUICK_STOPPING, QUICK_TAKES, make_plan

SESSION = Path("sessions/20261122T043206Z-h100-lab6.jsonl")


def test_a_report_has_the_sessions_name_and_takes_the_place_of_none(tmp_path: Path) -> None:
    first = export_report(lab6(), SESSION, tmp_path)
    second = export_report(lab6(), SESSION, tmp_path)
    assert first.path.name == "20261122T043206Z-h100-lab6.md"
    assert second.path.name == "20261122T043206Z-h100-lab6-2.md"
    assert first.markdown == second.markdown == export(lab6(), "md")
    assert "](20261122T043206Z-h100-lab6-2-charts/attention-time.svg)" in second.path.read_text()
    assert first.markdown.startswith("# lab6: attention on NVIDIA H100")


def test_a_session_that_is_still_running_can_be_exported(tmp_path: Path) -> None:
    running = Recording.of(lab6_events()[:-8])
    assert "still running" in export_report(running, SESSION, tmp_path).path.read_text()
    nothing = export_report(Recording(), None, tmp_path)
    assert nothing.path.name == "attnprof-report.md" and "Nothing was measured." in nothing.markdown


def test_a_folder_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"cannot be written in .*gone' \(No such file or directory\)"):
        export_report(lab6(), SESSION, tmp_path / "gone")


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(folder: Path, stem: str, suffix: str) -> tuple[Path, int]:
        import os

        path = folder / f"{stem}{suffix}"
        path.touch()
        return path, os.open("/dev/full", os.O_WRONLY)

    monkeypatch.setattr("tui.app.exporting.create_unique", full)
    with pytest.raises(ExportError, match="No space left on device"):
        export_report(lab6(), SESSION, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_report_is_copied_or_its_path_where_it_is_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported = export_report(lab6(), SESSION, tmp_path)
    assert (
        exported.clipboard == exported.markdown and "the report without its charts was sent" in exported.said
    )
    monkeypatch.setattr("tui.app.exporting._MOST_COPIED_BYTES", 100)
    assert exported.clipboard == str(exported.path) and "its path was sent" in exported.said


def test_the_app_says_where_the_report_is_and_copies_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        app: App[None] = App()
        async with app.run_test() as pilot:
            path = export_and_say(app, lab6(), SESSION)
            assert path is not None and path.is_file()
            assert app.clipboard == export(lab6(), "md")
            await app.workers.wait_for_complete()
            drawn = path.with_name(f"{path.stem}-charts")
            assert {chart.name for chart in drawn.iterdir()} == {"attention-time.svg", "attention-memory.svg"}
            await pilot.pause()
            (told,) = app._notifications
            assert told.message.startswith(f"wrote {path.name} (")
            assert (
                f"2 charts are drawn into {drawn.name}; the report without its charts was sent"
                in told.message
            )
            (tmp_path / "gone").mkdir()
            monkeypatch.chdir(tmp_path / "gone")
            (tmp_path / "gone").rmdir()
            assert export_and_say(app, lab6(), SESSION) is None

    monkeypatch.chdir(tmp_path)
    asyncio.run(scenario())


def test_the_app_says_where_charts_could_not_be_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        app: App[None] = App()
        async with app.run_test() as pilot:
            (tmp_path / f"{SESSION.stem}-charts").write_text("a file")
            assert export_and_say(app, lab6(), SESSION) is not None
            await app.workers.wait_for_complete()
            await pilot.pause()
            last = list(app._notifications)[-1]
            assert last.severity == "error"
            assert f"the charts of {SESSION.stem}.md cannot be drawn (File exists)" in last.message

    monkeypatch.chdir(tmp_path)
    asyncio.run(scenario())


def quit_while_drawing(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *, quits: int, fails: bool = False
) -> tuple[list[str], bool, int]:
    """Quit so often while two charts are drawn: what was said, whether it ended by itself, and the charts."""
    drawn, go_on = [], threading.Event()

    def slowly(report: Report, path: Path) -> Iterator[None]:
        for name in ("one", "two"):
            go_on.wait(10)
            if fails:
                raise OSError(28, "No space left on device")
            drawn.append(name)
            yield

    said: list[str] = []
    ended = False

    async def scenario() -> None:
        nonlocal ended
        app: App[None] = App()
        async with app.run_test() as pilot:
            export_and_say(app, lab6(), SESSION)
            waits = [leaves_after_charts(app) for _ in range(quits)]
            assert waits == [True, False][:quits]
            await pilot.pause()
            assert app.return_code is None
            go_on.set()
            await app.workers.wait_for_complete()
            await pilot.pause()
            said.extend(each.message for each in app._notifications)
            ended = app.return_code is not None or app._exit

    monkeypatch.chdir(folder)
    monkeypatch.setattr(Report, "write_charts", slowly)
    asyncio.run(scenario())
    return said, ended, len(drawn)


def test_who_quits_while_charts_are_drawn_is_told_and_they_are_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, ended, drawn = quit_while_drawing(monkeypatch, tmp_path, quits=1)
    assert said[-1].startswith("the report's charts are still being drawn, then attnprof ends; q again")
    assert (ended, drawn) == (True, 2)


def test_who_quits_again_is_not_held_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said, _, _ = quit_while_drawing(monkeypatch, tmp_path, quits=2)
    assert sum("q again" in each for each in said) == 1


def test_charts_that_fail_while_the_app_is_to_end_are_there_to_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said, ended, _ = quit_while_drawing(monkeypatch, tmp_path, quits=1, fails=True)
    assert "cannot be drawn (No space left on device)" in said[-1]
    assert not ended


def test_without_charts_to_draw_nothing_is_waited_for() -> None:
    async def scenario() -> None:
        app: App[None] = App()
        async with app.run_test():
            assert not leaves_after_charts(app)

    asyncio.run(scenario())


def replanned(command: str, kind: str = "cuda") -> Plan:
    """The plan that a command makes on a machine with two H100s."""
    words = shlex.split(command)
    assert words[:2] == ["attnprof", "run"]
    context = run.command.make_context("run", words[2:])
    asked = {name: value for name, value in context.params.items() if name in Asked.__dataclass_fields__}
    name = context.params["device_name"]
    name = ("cpu" if kind == "cpu" else "cuda:0") if name == "auto" else name
    gpu = Gpu(name="NVIDIA H100 80GB HBM3", memory_bytes=80 * 2**30)
    info = DeviceInfo("cpu" if name == "cpu" else "cuda", "NVIDIA H100 80GB HBM3", compute_capability=(9, 0))
    return make_plan(Asked(**asked), Device(name, info, gpu=gpu))


def changed(of: Attention, names: tuple[str, ...], **fields: object) -> Plan:
    return msgspec.structs.replace(plan([of], names), **fields)


@pytest.mark.parametrize(
    "wanted",
    [
        changed(attention(), ("pytorch", "flash2")),
        changed(attention(causal=True, heads=32, kv_heads=8, dtype="bfloat16"), ("flash2",)),
        changed(attention(window=0, head_dim=128), ("pytorch", "sdpa"), baseline="sdpa"),
        changed(attention(dtype="float32"), ("sdpa", "sdpa-flash"), passes=("fwd", "fwd_bwd")),
        changed(attention(), ("flash2",), stopping=Stopping(repeats=30, cooldown_s=0.5), timeout_s=30.0),
        changed(attention(), ("flash2",), stopping=Stopping(precision=0.005, budget_s=2.5)),
        changed(attention(), ("flash2",), stopping=QUICK_STOPPING, takes=QUICK_TAKES),
        changed(
            attention(),
            ("flash2",),
            stopping=msgspec.structs.replace(QUICK_STOPPING, repeats=5),
            takes=QUICK_TAKES,
        ),
        changed(attention(), ("flash2",), takes=Takes(energy=True, kernels=True), seed=7),
        changed(attention(seq_q=16, seq_k=1024, causal=True), ("flash2",)),
        changed(attention(seq_q=1, seq_k=4096, decode=True), ("flash2",), passes=("fwd",)),
        changed(attention(seq_q=8, seq_k=4096, decode=True, softcap=50.0), ("flash2",), passes=("fwd",)),
        changed(attention(batch=3, seq=512, lengths=(512, 7, 100), dropout=0.1), ("flash2",), seed=7),
        changed(attention(), ("pytorch+compile", "flash2+compile"), baseline="flash2+compile"),
        changed(attention(), ("flash2",), memory_limit_bytes=12 * 2**30, device="cuda:1"),
        changed(attention(), ("flash2",), memory_limit_bytes=12 * 10**9 + 1),
    ],
)
def test_a_command_makes_the_plan_that_it_was_made_of(wanted: Plan) -> None:
    command = command_for(wanted.workloads[0], wanted.implementations, wanted)
    assert replanned(command) == wanted


def test_a_command_names_the_cpu_so_that_a_gpu_is_not_taken() -> None:
    wanted = changed(attention(dtype="float32"), ("pytorch", "sdpa"), device="cpu")
    command = command_for(wanted.workloads[0], wanted.implementations, wanted)
    assert replanned(command) == wanted


def test_a_name_with_blanks_or_worse_is_quoted() -> None:
    of = plan([attention()], ["my kernel.py:a;rm -rf"])
    command = command_for(of.workloads[0], of.implementations, of)
    assert "--impl 'my kernel.py:a;rm -rf' --batch" in command


def test_every_option_that_a_command_has_is_one_of_attnprof_run() -> None:
    known = {option for parameter in run.command.params for option in parameter.opts}
    assert isinstance(run.command, click.Command)
    of = changed(
        attention(causal=True, kv_heads=4, window=8),
        ("flash2", "sdpa"),
        baseline="sdpa",
        passes=("fwd",),
        stopping=Stopping(precision=0.02, budget_s=3.0, cooldown_s=1.0),
        takes=Takes(energy=True, kernels=True),
        memory_limit_bytes=2**30,
        seed=3,
        device="cuda:1",
        timeout_s=60.0,
    )
    words = shlex.split(command_for(of.workloads[0], of.implementations, of))
    assert {word for word in words if word.startswith("--")} <= known
