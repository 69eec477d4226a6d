"""`attnprof run` on terminals and files that stall, hang up or are full: it measures on, and saves."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from profiler.events import Event, Finished
from profiler.session.reader import read_session
from tests.tui.test_run import (
    COMMAND,
    FAKE_COMMAND,
    HANG_S,
    LONG,
    TINY,
    assert_gone,
    attnprof,
    children_of,
    environ,
    has_event,
    read_all,
    session_of,
    wait_for,
)

SHORT = (*TINY, "--impl", "pytorch", "--seq", "16", "--pass", "fwd", "--repeats", "3")
# Makes the terminal named by $0 the one that the command runs on, as a login does.
LOGIN = ("sh", "-c", 'exec "$@" <>"$0" >&0 2>&0')


@dataclass
class Terminal:
    """Both ends of a pseudo-terminal; this one is what a person looks at."""

    master: int
    slave: int
    name: str = field(init=False)

    def __post_init__(self) -> None:
        self.name = os.ttyname(self.slave)

    def fill(self) -> None:
        """Write to it until it takes no more, as one does that nobody reads."""
        writer = os.open(self.name, os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
        room = True
        while room:  # the kernel moves on what was written, and then takes more
            with suppress(BlockingIOError):
                while True:
                    os.write(writer, b"." * 1024)
            room = bool(select.select([], [writer], [], 0.1)[1])
        os.close(writer)

    def leave_to_the_command(self) -> None:
        os.close(self.slave)
        self.slave = -1

    def hang_up(self) -> None:
        os.close(self.master)
        self.master = -1


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    opened = Terminal(*pty.openpty())
    yield opened
    for end in (opened.master, opened.slave):
        if end >= 0:
            os.close(end)


@contextmanager
def running_on(
    terminal: Terminal, folder: Path, *args: str, command: Sequence[str] = FAKE_COMMAND
) -> Iterator[subprocess.Popen[str]]:
    """A command whose terminal this is; it and its worker are gone afterwards, whatever the test did."""
    with subprocess.Popen(
        [*LOGIN, terminal.name, *command, "run", *args],
        cwd=folder,
        env=environ(),
        start_new_session=True,
        text=True,
    ) as process:
        processes = [psutil.Process(process.pid)]
        try:
            # Only the command has it from then on, so that its end is the end of what can be read.
            wait_for(lambda: has_event(folder, "session"), process)
            terminal.leave_to_the_command()
            yield process
        finally:
            processes += children_of(process.pid)
            for left in processes:
                if left.is_running() and left.status() != psutil.STATUS_ZOMBIE:
                    left.kill()


def last_of(folder: Path) -> Event:
    session = read_session(session_of(folder))
    assert not session.problems
    return session.events[-1]


def ending_of(folder: Path) -> tuple[str, str]:
    last = last_of(folder)
    assert isinstance(last, Finished)
    return last.ending, last.reason


def test_a_terminal_that_nobody_reads_does_not_stop_the_measurement(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.fill()
    with running_on(terminal, tmp_path, *LONG, command=COMMAND) as process:
        wait_for(lambda: has_event(tmp_path, "samples"), process)
        path = session_of(tmp_path)
        for _ in range(3):  # it goes on and on
            size = path.stat().st_size
            wait_for(lambda size=size: path.stat().st_size > size, process)  # type: ignore[misc]
        children = children_of(process.pid)
        assert children
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=HANG_S) == 128 + signal.SIGTERM
        assert_gone(children)
    assert ending_of(tmp_path) == ("interrupted", "SIGTERM")


def test_what_a_stalled_terminal_held_back_is_shown_once_it_is_read_again(
    terminal: Terminal, tmp_path: Path
) -> None:
    terminal.fill()
    with running_on(terminal, tmp_path, *SHORT) as process:
        wait_for(lambda: has_event(tmp_path, "finished"), process)
        shown = read_all(terminal.master)
        assert process.wait(timeout=HANG_S) == 0
    assert ending_of(tmp_path) == ("completed", "")
    assert shown.rstrip().endswith(f"saved sessions/{session_of(tmp_path).name}")


def test_a_terminal_that_hangs_up_ends_the_run_with_everything_saved(
    terminal: Terminal, tmp_path: Path
) -> None:
    with running_on(terminal, tmp_path, *LONG, "-o", "report.md") as process:
        wait_for(lambda: has_event(tmp_path, "samples"), process)
        children = children_of(process.pid)
        assert children
        terminal.hang_up()
        assert process.wait(timeout=HANG_S) == 128 + signal.SIGHUP
        assert_gone(children)
    assert ending_of(tmp_path) == ("interrupted", "the terminal hung up")
    assert "pytorch" in (tmp_path / "report.md").read_text()


def test_on_a_terminal_the_table_stays_and_the_last_line_says_where_the_session_is(
    terminal: Terminal, tmp_path: Path
) -> None:
    with running_on(terminal, tmp_path, *SHORT) as process:
        painted = read_all(terminal.master)
        assert process.wait(timeout=HANG_S) == 0
    left = painted.rpartition("\x1b[?25h")[2]  # what is written once the live table is gone
    lines = [line.strip() for line in left.splitlines() if line.strip()]
    assert sum("pytorch" in line for line in lines) == 1
    assert lines[-1] == f"saved sessions/{session_of(tmp_path).name}"
    assert ending_of(tmp_path) == ("completed", "")


def test_a_full_disk_behind_stdout_does_not_stop_the_run(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*FAKE_COMMAND, "run", *SHORT],
            cwd=tmp_path,
            env=environ(),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=HANG_S,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert ending_of(tmp_path) == ("completed", "")


def test_an_export_that_cannot_be_written_fails_the_command_and_keeps_the_session(tmp_path: Path) -> None:
    done = attnprof(tmp_path, "run", *SHORT, "-o", "/dev/full", "--format", "md", command=FAKE_COMMAND)
    assert done.code == 1
    assert done.stderr == (
        "Error: /dev/full could not be written: No space left on device; the session is saved\n"
    )
    assert "wrote" not in done.stdout
    assert done.stdout.endswith(f"saved sessions/{session_of(tmp_path).name}\n")
    assert ending_of(tmp_path) == ("completed", "")


def test_the_users_own_files_are_not_taken_for_modules(tmp_path: Path) -> None:
    """A folder of experiments has such names; -P is what running the installed script comes to."""
    (tmp_path / "impls").mkdir()
    names = ("random.py", "profiler.py", "tui.py", "torch.py", "json.py", "impls/__init__.py")
    for name in names:
        (tmp_path / name).write_text(f"raise SystemExit('imported {name}')\n")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tui", "run", *SHORT],
        cwd=tmp_path,
        env=environ(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert ending_of(tmp_path) == ("completed", "")
