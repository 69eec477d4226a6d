"""The app as it is used: the real one, on the CPU, in a terminal of tmux that tests type into and look at."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import shutil
import signal
import struct
import subprocess
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from profiler.events import CaseStarted, Event, Finished, Samples
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from profiler.state import STATE_VARIABLE
from tests.tui.test_run import (
    COMMAND,
    FAKE_COMMAND,
    HANG_S,
    ROOT,
    assert_gone,
    attnprof,
    children_of,
    environ,
    has_event,
    session_of,
    wait_for,
)
from tests.tui.test_terminal import LOGIN, Terminal
from tui import remembered
from tui.app.choice import Choice

needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux")

# As small as a shape can be and still be turned both ways.
TINY = Choice(
    batch=1,
    seq=32,
    heads=2,
    head_dim=16,
    dtype="float32",
    implementations=("pytorch", "sdpa-math"),
    baseline="pytorch",
)
# An engine without torch that measures at once: for what no measurement has a part in.
FAKE_ENGINE = ("--device", "cpu", "--engine", shlex.join([*FAKE_COMMAND, "engine"]))
RECORDED = "20261122T111000Z-h100-80gb-hbm3-demo"
A_TIME = re.compile(r"pytorch +\*?\d+\.\d")  # the results' row of an implementation, with its first number
# What the terminal was is noted before the command, and again after it with the command's exit status;
# then the pane stays, to be asked in what state the command has left it.
IN_PANE = 'stty -g >before; "$@"; code=$?; stty -g >after; echo $code >code.new; mv code.new code; exec cat'


class Screen:
    """A terminal of tmux's, with a command on it that runs in `folder`."""

    def __init__(self, socket: Path, folder: Path, *args: str) -> None:
        self._tmux = ("tmux", "-f", "/dev/null", "-S", str(socket))
        self.folder = folder
        own = {"PYTHONPATH": str(ROOT), "ATTNPROF_STATE": "state", "ATTNPROF_CONFIG": "config.toml"}
        said = (word for name, value in own.items() for word in ("-e", f"{name}={value}"))
        size = ("-x", "100", "-y", "30", "-c", str(folder))
        self.tmux("new-session", "-d", *size, *said, "sh", "-c", IN_PANE, "sh", *COMMAND, *args)
        self.shell = psutil.Process(int(self.tmux("display", "-p", "#{pane_pid}")))

    def tmux(self, *words: str) -> str:
        done = subprocess.run(
            [*self._tmux, *words], env=environ(), capture_output=True, text=True, timeout=HANG_S, check=True
        )
        return done.stdout

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", *keys)

    @property
    def text(self) -> str:
        return self.tmux("capture-pane", "-p")

    @property
    def exit_status(self) -> int | None:
        """The command's, once it has ended."""
        code = self.folder / "code"
        return int(code.read_text()) if code.exists() else None

    @property
    def processes(self) -> list[psutil.Process]:
        """The app, then its engine and the engine's worker."""
        return children_of(self.shell.pid)

    def wait_for(self, what: Callable[[], object]) -> None:
        """Ask again and again, while the command runs, until it is so."""
        deadline_s = time.monotonic() + HANG_S
        while not what():
            assert self.exit_status is None, f"it ended early:\n{self.text}"
            assert time.monotonic() < deadline_s, f"it never came to this:\n{self.text}"
            time.sleep(0.05)

    def wait_for_text(self, pattern: str | re.Pattern[str]) -> None:
        self.wait_for(lambda: re.search(pattern, self.text))

    def ends(self) -> int:
        """Wait for the command's end; its exit status."""
        deadline_s = time.monotonic() + HANG_S
        while (status := self.exit_status) is None:
            assert time.monotonic() < deadline_s, f"it never ended:\n{self.text}"
            time.sleep(0.02)
        return status

    def assert_restored(self) -> None:
        """The terminal is as the command found it."""
        assert (self.folder / "after").read_text() == (self.folder / "before").read_text()
        flags = "#{alternate_on} #{cursor_flag} #{mouse_any_flag} #{keypad_cursor_flag}"
        assert self.tmux("display", "-p", flags).split() == ["0", "1", "0", "0"]


Opens = Callable[..., Screen]


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opens]:
    """Starts the command with some options; whatever the test did, nothing of it is left afterwards."""
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    remembered.remember("cpu", TINY)
    screens: list[Screen] = []
    with tempfile.TemporaryDirectory(prefix="attnprof-") as short:  # a socket's path has at most 107 bytes

        def start(*args: str) -> Screen:
            screens.append(Screen(Path(short) / "tmux", tmp_path, *args))
            return screens[-1]

        yield start
        for screen in screens:
            left = screen.processes
            with suppress(subprocess.CalledProcessError):  # the test may have closed it
                screen.tmux("kill-server")
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()


def events_of(folder: Path) -> list[Event]:
    session = read_session(session_of(folder))
    assert not session.problems
    return session.events


def assert_closed(folder: Path) -> None:
    """The session is whole, with the line that ends it."""
    assert isinstance(events_of(folder)[-1], Finished)


@needs_tmux
def test_a_visit_from_the_first_number_to_an_export_leaves_files_and_nothing_else(opened: Opens) -> None:
    screen = opened("--device", "cpu")
    screen.wait_for_text(A_TIME)
    screen.press("Right")  # the cursor begins on the sequence length
    screen.wait_for_text("seq 64, ")
    screen.wait_for_text(A_TIME)
    screen.press("e")
    screen.wait_for_text("wrote ")
    processes = screen.processes
    assert len(processes) == 3
    screen.press("q")
    assert screen.ends() == 0
    screen.assert_restored()
    assert_gone(processes)
    events = events_of(screen.folder)
    measured = [event for event in events if isinstance(event, Samples)]
    shapes = {event.workload.seq_q for event in events if isinstance(event, CaseStarted)}
    assert measured
    assert shapes == {32, 64}
    assert isinstance(events[-1], Finished)
    report = screen.folder / f"{session_of(screen.folder).stem}.md"
    assert "pytorch" in report.read_text()
    last = remembered.recall("cpu")
    assert last is not None
    assert last.implementations == TINY.implementations


@needs_tmux
def test_a_function_of_ones_own_is_measured_beside_the_others(opened: Opens, tmp_path: Path) -> None:
    (tmp_path / "kernel.py").write_text(
        "from torch.nn.functional import scaled_dot_product_attention as sdpa\n\n\n"
        "def attention(q, k, v, *, causal, scale):\n"
        "    return sdpa(q, k, v, is_causal=causal, scale=scale)\n"
    )
    screen = opened("--device", "cpu", "--impl", "pytorch,kernel.py:attention")
    screen.wait_for_text(r"kernel\.py:attention +\*?\d+\.\d")
    screen.press("q")
    assert screen.ends() == 0
    catalog = Recording.of(events_of(screen.folder)).catalog
    assert catalog is not None
    assert "kernel.py:attention" in [entry.name for entry in catalog.implementations]


@needs_tmux
@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--impl", "flash22"), "there is no implementation 'flash22'"),
        (("--demo", "--impl", "pytorch"), "--demo plays the implementations that were recorded"),
    ],
)
def test_names_that_cannot_be_looked_at_are_refused_before_the_screen_is_taken(
    args: tuple[str, ...], said: str, opened: Opens
) -> None:
    screen = opened(*args)
    assert screen.ends() == 2
    assert said in screen.text


@needs_tmux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_restores_the_terminal_closes_the_session_and_leaves_no_process(
    number: signal.Signals, opened: Opens
) -> None:
    screen = opened(*FAKE_ENGINE)
    screen.wait_for(lambda: has_event(screen.folder, "samples"))
    processes = screen.processes
    processes[0].send_signal(number)
    assert screen.ends() == 128 + number
    screen.assert_restored()
    assert_gone(processes)
    assert_closed(screen.folder)


@needs_tmux
def test_quitting_while_torch_loads_leaves_no_process_and_no_empty_session(opened: Opens) -> None:
    screen = opened("--device", "cpu")
    screen.wait_for(lambda: len(screen.processes) == 3)
    screen.wait_for_text("loading torch")
    processes = screen.processes
    screen.press("q")
    assert screen.ends() == 0
    screen.assert_restored()
    assert_gone(processes)
    assert not list((screen.folder / "sessions").glob("*"))


@needs_tmux
def test_a_terminal_that_is_closed_ends_everything_with_the_session_closed(opened: Opens) -> None:
    """The connection drops: nobody is there any more to restore anything for."""
    screen = opened(*FAKE_ENGINE)
    screen.wait_for(lambda: has_event(screen.folder, "samples"))
    processes = screen.processes
    screen.tmux("kill-server")
    assert_gone(processes)
    assert_closed(screen.folder)


@needs_tmux
def test_the_engine_of_a_killed_app_closes_the_session_and_ends(opened: Opens) -> None:
    screen = opened("--device", "cpu")
    screen.wait_for(lambda: has_event(screen.folder, "samples"))
    processes = screen.processes
    processes[0].kill()
    assert_gone(processes)
    assert_closed(screen.folder)


@needs_tmux
@pytest.mark.parametrize(
    "args", [("open", str(ROOT / "sessions" / f"{RECORDED}.jsonl")), ("--demo",)], ids=["open", "demo"]
)
def test_a_recording_is_shown_with_its_device_and_numbers(args: tuple[str, ...], opened: Opens) -> None:
    screen = opened(*args)
    screen.wait_for_text("NVIDIA H100")
    screen.wait_for_text(A_TIME)
    processes = screen.processes
    assert len(processes) == 1  # nothing measures
    screen.press("q")
    assert screen.ends() == 0
    screen.assert_restored()
    assert not (screen.folder / "sessions").exists()


@pytest.fixture
def stalled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The app on a terminal that was read up to the first number and is full now; that terminal's own end."""
    monkeypatch.setenv(STATE_VARIABLE, str(tmp_path / "state"))
    remembered.remember("cpu", TINY)
    terminal = Terminal(*pty.openpty())
    fcntl.ioctl(terminal.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
    command = [*LOGIN, terminal.name, *COMMAND, "--device", "cpu"]
    with subprocess.Popen(
        command, cwd=tmp_path, env={**environ(), "TERM": "xterm-256color"}, start_new_session=True, text=True
    ) as process:
        try:
            while not has_event(tmp_path, "samples"):
                assert process.poll() is None
                if select.select([terminal.master], [], [], 0.05)[0]:
                    os.read(terminal.master, 64 * 1024)
            terminal.fill()
            yield process, terminal.master
        finally:
            for left in [*children_of(process.pid), process]:
                with suppress(psutil.NoSuchProcess):
                    left.kill()
            os.close(terminal.master)
            os.close(terminal.slave)


def test_a_terminal_that_nobody_reads_holds_up_neither_the_measuring_nor_the_end(
    stalled: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    process, master = stalled
    session = session_of(tmp_path)
    size = session.stat().st_size
    wait_for(lambda: session.stat().st_size > size + 2000, process)  # samples and readings go on coming
    children = children_of(process.pid)
    assert len(children) == 2
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=HANG_S) == 128 + signal.SIGTERM
    assert_gone(children)
    assert_closed(tmp_path)
    shown = b""
    while select.select([master], [], [], 1.0)[0] and not shown.endswith(b"\x1b[?1049l\x1b[?25h"):
        shown += os.read(master, 64 * 1024)  # who reads it again finds it restored
    assert shown.endswith(b"\x1b[?1049l\x1b[?25h")


@pytest.mark.parametrize("args", [(), ("--demo",), ("open", "last"), ("watch", "last")])
def test_without_a_terminal_the_app_refuses_and_says_what_does_without(
    args: tuple[str, ...], tmp_path: Path
) -> None:
    done = attnprof(tmp_path, *args)
    assert (done.code, done.stdout) == (2, "")
    assert "needs a terminal" in done.stderr
    assert "attnprof run" in done.stderr
    assert not list(tmp_path.iterdir())
