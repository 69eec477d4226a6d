"""What a session of 100,000 results costs: to append to, to show in a terminal, to open in the app.

    python -m benchmarks.big_session                  # no GPU needed; a minute or two; prints Markdown
    python -m benchmarks.big_session --write FILE     # only makes such a session, to try things on

The session is made by benchmarks/big_session_events.py as runs make theirs: four plans of 1,400 shapes,
six implementations each, ten rounds of three passes, with checks, memory, clocks and readings at 10 Hz.
Appending is a run's own (profiler.session.keeping): every result is timed without waiting for the disk, and
a share of them with (fsync, as a run does). What opens the session are the real commands in a
pseudo-terminal: wall time is from the start of the process, Python's own included, until `show` has ended,
and until the app of `attnprof open` has read all of it and painted that; memory is the most that was
resident. A session with one shape is opened beside it: that is what the commands themselves take. `show` is
to open the big one in a second with its start, the app in a second beyond its own: a person in it waits so
long for a session that is opened from its list. What decodes all of it writes into a file, as into a pipe.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import platform
import pty
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.app import processor
from benchmarks.big_session_events import events
from profiler.events import Event, Finished, PlanEnded, Result
from profiler.session.file import SessionWriter
from profiler.session.keeping import SessionKeeper

OPENINGS = 5
SYNCED = 2000
COLUMNS, LINES = 120, 40
MOST_OPEN_S = 1.0
MOST_MIB = 300
MOST_APPEND_MS = 1.0
_MIB = 2**20
_LAST_BYTES = 20_000
_LOOK_S = 0.005

IN_APP = "`attnprof open`"
SHOW = (sys.executable, "-m", "tui", "show")
OPEN = (sys.executable, "-m", "benchmarks.big_session", "--open")
WHOLE = ("show", "export --format csv", "export --format json")


@dataclass(frozen=True)
class Appended:
    """What appending took, in milliseconds a result, and what it came to."""

    path: Path
    lines: int
    buffered_ms: list[float]
    synced_ms: list[float]


@dataclass(frozen=True)
class Opened:
    """What opening took."""

    seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Written:
    """What writing all of it took, and how much that was."""

    seconds: float
    peak_mib: float
    size_mib: float


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", type=Path)
    parser.add_argument("--open", type=Path, help="what this script runs itself")
    options = parser.parse_args()
    if options.open is not None:
        asyncio.run(open_until_painted(options.open))
        return 0
    if options.write is not None:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        append(options.write.parent, events()).path.replace(options.write)
        return 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        big = append(folder / "big", events())
        small = append(folder / "small", first_shape())
        size_bytes = big.path.stat().st_size
        commands = {"`attnprof show`": SHOW, IN_APP: OPEN}
        opened = {
            what: [timed([*command, str(each.path)], folder) for each in (big, small)]
            for what, command in commands.items()
        }
        written = {
            what: timed_whole([sys.executable, "-m", "tui", *what.split(), str(big.path)], folder)
            for what in WHOLE
        }
    return report(big, size_bytes, opened, written)


def first_shape() -> Iterator[Event]:
    """As much of the session as one shape has, closed."""
    results = 0
    for event in events():
        yield event
        results += isinstance(event, Result)
        if results == 18:
            break
    yield PlanEnded(ending="interrupted")
    yield Finished(ending="interrupted")


def append(folder: Path, told: Iterator[Event]) -> Appended:
    """Write the events as a run does, but without waiting for the disk after each result."""
    writer = SessionWriter.create(folder, datetime.now(UTC), "NVIDIA H100 80GB HBM3", "big")
    keeper = SessionKeeper(writer)
    lines = 0
    result: Result | None = None
    buffered_ms: list[float] = []
    for event in told:
        began_s = time.perf_counter()
        keeper.append(event)
        took_ms = (time.perf_counter() - began_s) * 1000
        lines += 1
        if isinstance(event, Result):
            buffered_ms.append(took_ms)
            result = event
    keeper.close()
    assert result is not None
    return Appended(writer.path, lines, buffered_ms, synced(folder, result))


def synced(folder: Path, result: Result) -> list[float]:
    """Milliseconds of appending a result and waiting until it is on the disk, in a file of its own."""
    keeper = SessionKeeper(SessionWriter.create(folder / "synced", datetime.now(UTC), "synced"))
    took_ms = []
    for _ in range(SYNCED):
        began_s = time.perf_counter()
        keeper.append(result, durable=True)
        took_ms.append((time.perf_counter() - began_s) * 1000)
    keeper.close()
    return took_ms


def timed(command: Sequence[str], folder: Path) -> Opened:
    """The median of several runs in a pseudo-terminal, and the most memory of any."""
    runs = [run_in_terminal(command, folder) for _ in range(OPENINGS)]
    return Opened(statistics.median(run.seconds for run in runs), max(run.peak_mib for run in runs))


def timed_whole(command: Sequence[str], folder: Path) -> Written:
    """What the command takes that writes all of the session."""
    output = folder / "output"
    began_s = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, env=_environment(folder))
        _, status, used = os.wait4(process.pid, 0)
    took_s = time.monotonic() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return Written(took_s, used.ru_maxrss / 1024, output.stat().st_size / _MIB)


def _environment(folder: Path) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS")} | {
        "TERM": "xterm-256color",
        "ATTNPROF_STATE": str(folder),
        "ATTNPROF_CONFIG": str(folder / "none.toml"),
    }


def run_in_terminal(command: Sequence[str], folder: Path) -> Opened:
    screen, inside = pty.openpty()
    fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    began_s = time.monotonic()
    process = subprocess.Popen(command, stdin=inside, stdout=inside, stderr=inside, env=_environment(folder))
    os.close(inside)
    said = b""
    while data := _read(screen):
        said = (said + data)[-_LAST_BYTES:]
    _, status, used = os.wait4(process.pid, 0)
    took_s = time.monotonic() - began_s
    process.returncode = os.waitstatus_to_exitcode(status)
    os.close(screen)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{said.decode(errors='replace')}")
    return Opened(took_s, used.ru_maxrss / 1024)


def _read(screen: int) -> bytes:
    try:
        return os.read(screen, 1 << 16)
    except OSError:  # the command has ended, and its terminal with it
        return b""


async def open_until_painted(path: Path) -> None:
    """The app as `attnprof open` runs it, left as soon as all of the session is there and painted."""
    from profiler.clients.recorded import RecordedSession
    from tui.app.app import AttnprofApp
    from tui.config import DEFAULTS

    app = AttnprofApp(RecordedSession(path), DEFAULTS, mode="recording")

    async def leave() -> None:
        while not app.is_running or app.desk.recording.finished is None:
            await asyncio.sleep(_LOOK_S)
        app.paint()
        app.call_after_refresh(app.exit, 0)

    leaving = asyncio.create_task(leave())
    await app.run_async()
    await leaving


def report(
    big: Appended, size_bytes: int, opened: dict[str, list[Opened]], written: dict[str, Written]
) -> int:
    """The tables; 1 where a target is missed."""
    results = len(big.buffered_ms)
    print("# A session of 100,000 results\n")
    print("Output of `python -m benchmarks.big_session`; its head says what is done.\n")
    print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}. ", end="")
    print(f"{results:,} results in {big.lines:,} lines, {size_bytes / _MIB:.0f} MiB. ", end="")
    print(f"Openings are medians of {OPENINGS}, their memory the most of any.\n")
    print("| to open | wall (s) | one shape (s) | memory (MiB) | one shape (MiB) | target | |")
    print("|---|---:|---:|---:|---:|---:|---|")
    met = True
    for what, (whole, small) in opened.items():
        judged_s = whole.seconds - (small.seconds if what == IN_APP else 0)
        good = judged_s < MOST_OPEN_S and whole.peak_mib < MOST_MIB
        met &= good
        figures = f"{whole.seconds:.2f} | {small.seconds:.2f} | {whole.peak_mib:.0f} | {small.peak_mib:.0f}"
        beyond = " beyond its start" if what == IN_APP else ""
        target = f"< {MOST_OPEN_S:g} s{beyond}, < {MOST_MIB} MiB"
        print(f"| {what} | {figures} | {target} | {'met' if good else 'missed'} |")
    print("\n| to write all of it into a pipe | wall (s) | memory (MiB) | written (MiB) |")
    print("|---|---:|---:|---:|")
    for what, all_of_it in written.items():
        figures = f"{all_of_it.seconds:.1f} | {all_of_it.peak_mib:.0f} | {all_of_it.size_mib:.0f}"
        print(f"| `attnprof {what}` | {figures} |")
    print("\n| to append a result | median (ms) | p99 (ms) | longest (ms) | target | |")
    print("|---|---:|---:|---:|---:|---|")
    for what, times_ms, judged in (
        ("without waiting for the disk", big.buffered_ms, True),
        ("with fsync", big.synced_ms, False),
    ):
        ordered = sorted(times_ms)
        p99 = ordered[int(len(ordered) * 0.99)]
        good = statistics.median(ordered) < MOST_APPEND_MS
        met &= good or not judged
        aim = f"< {MOST_APPEND_MS:g} ms | {'met' if good else 'missed'}" if judged else " | "
        print(f"| {what} | {statistics.median(ordered):.3f} | {p99:.3f} | {ordered[-1]:.1f} | {aim} |")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
