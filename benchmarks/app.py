"""What the app costs: how soon it paints, how long it makes a key wait, what it takes of CPU and line.

    python benchmarks/app.py           # no GPU needed; two minutes; prints Markdown

benchmarks/app_engine.py stands in for the engine: 20 implementations, readings at 10 Hz, and further
samples of all 60 passes every 0.25 s (240 messages a second). The app is the real one, in a
pseudo-terminal in true colour, with default settings: numbers are painted 4 times a second. Starts are
of the command line. CPU time is that of the app's process; bytes are what it writes to the terminal.
Lag is how much later than asked a 10 ms timer in the app's event loop comes, which a key would wait too.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import platform
import pty
import re
import select
import shlex
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil

SIZES = ((100, 30), (200, 60))
STARTS = 5
SETTLING_S = 3.0
WATCHED_S = 20.0
PROBE_S = 0.01
PATIENCE_S = 30.0

ENGINE = (sys.executable, str(Path(__file__).with_name("app_engine.py").resolve()))
A_ROW = "kernel-01"
# Escapes of a terminal: CSI, OSC and DCS with their text, one that has not come whole, ESC and a letter.
ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"
    r"|\x1b[\]P][^\x07\x1b]*(?:\x07|\x1b\\)?"
    r"|\x1b(?:\[[0-?]*[ -/]*)?$"
    r"|\x1b[ -/]*[0-~]"
)
MOST_KEPT_BYTES = 50_000


@dataclass(frozen=True)
class Figure:
    """A line of the table: a figure for each size, and what it is to stay below."""

    what: str
    values: list[float]
    digits: int
    target: float | None = None

    @property
    def met(self) -> bool:
        return self.target is None or all(value < self.target for value in self.values)

    def line(self) -> str:
        cells = [f"{value:.{self.digits}f}" for value in self.values]
        aim = ["", ""] if self.target is None else [f"< {self.target:g}", "met" if self.met else "missed"]
        return f"| {' | '.join([self.what, *cells, *aim])} |"


@dataclass(frozen=True)
class Cost:
    """What the app costs in a terminal of one size; `lags_ms` in order of size."""

    first_paint_s: float
    listed_s: float
    lags_ms: list[float]
    cpu_percent: float
    kb_per_s: float

    def lag_ms(self, share: float) -> float:
        return self.lags_ms[min(int(len(self.lags_ms) * share), len(self.lags_ms) - 1)]


def main() -> int:
    if sys.argv[1:]:
        asyncio.run(app_with_probe(Path(sys.argv[1])))
        return 0
    costs = [cost_at(columns, lines) for columns, lines in SIZES]
    figures = [
        Figure("first paint (s)", [cost.first_paint_s for cost in costs], 2, target=1),
        Figure("implementations listed (s)", [cost.listed_s for cost in costs], 2),
        Figure("event-loop lag, p50 (ms)", [cost.lag_ms(0.5) for cost in costs], 1),
        Figure("event-loop lag, p99 (ms)", [cost.lag_ms(0.99) for cost in costs], 1, target=50),
        Figure("event-loop lag, longest (ms)", [cost.lag_ms(1) for cost in costs], 1),
        Figure("CPU (% of a core)", [cost.cpu_percent for cost in costs], 1, target=25),
        Figure("written to the terminal (KB/s)", [cost.kb_per_s for cost in costs], 1, target=50),
    ]
    print("# What the app costs\n")
    print("Output of `python benchmarks/app.py`; its head says what is done.\n")
    print(f"{processor()}, {os.cpu_count()} cores, Python {platform.python_version()}. ", end="")
    print(f"Starts are medians of {STARTS}; the rest is of {WATCHED_S:g} s at each size.\n")
    print(f"| | {' | '.join(f'{columns}x{lines}' for columns, lines in SIZES)} | target | |")
    print(f"|---|{'---:|' * len(SIZES)}---:|---|")
    for figure in figures:
        print(figure.line())
    return 0 if all(figure.met for figure in figures) else 1


def processor() -> str:
    with Path("/proc/cpuinfo").open() as lines:
        named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        return next(named, platform.machine())


def cost_at(columns: int, lines: int) -> Cost:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        starts = [start(folder, columns, lines) for _ in range(STARTS)]
        lags_s, cpu, bytes_per_s = watch(folder, columns, lines)
    return Cost(
        first_paint_s=statistics.median(paint_s for paint_s, _ in starts),
        listed_s=statistics.median(listed_s for _, listed_s in starts),
        lags_ms=[1000 * lag_s for lag_s in sorted(lags_s)],
        cpu_percent=100 * cpu,
        kb_per_s=bytes_per_s / 1000,
    )


def start(folder: Path, columns: int, lines: int) -> tuple[float, float]:
    """Seconds from the command to anything but blanks on its screen, and to the list there."""
    command = [sys.executable, "-m", "tui", "--engine", shlex.join(ENGINE)]
    began_s = time.monotonic()
    with Terminal(command, folder, columns, lines) as terminal:
        paint_s = terminal.read_until(lambda text: bool(text.strip())) - began_s
        listed_s = terminal.read_until(lambda text: A_ROW in text) - began_s
    return paint_s, listed_s


def watch(folder: Path, columns: int, lines: int) -> tuple[list[float], float, float]:
    """The probe's lags, the share of a core and the bytes a second, while all rows change."""
    lags = folder / "lags.json"
    with Terminal([sys.executable, __file__, str(lags)], folder, columns, lines) as terminal:
        terminal.read_until(lambda text: A_ROW in text)
        terminal.read_for(SETTLING_S)
        before_s, before, began_s = terminal.cpu_s(), terminal.written, time.monotonic()
        terminal.read_for(WATCHED_S)
        took_s = time.monotonic() - began_s
        cpu, bytes_per_s = (terminal.cpu_s() - before_s) / took_s, (terminal.written - before) / took_s
        terminal.read_until_end()
    return json.loads(lags.read_text()), cpu, bytes_per_s


class Terminal:
    """A command in a pseudo-terminal, whose output is read and counted; it is ended at the end."""

    def __init__(self, command: list[str], folder: Path, columns: int, lines: int) -> None:
        self.written = 0
        self._latest = b""
        self._screen, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        own = {
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
            "ATTNPROF_STATE": str(folder),
            "ATTNPROF_CONFIG": str(folder / "none.toml"),
        }
        env = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | own
        self._process = psutil.Popen(
            command, stdin=inside, stdout=inside, stderr=inside, cwd=folder, env=env, start_new_session=True
        )
        os.close(inside)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self.read_until_end()
        self._process.wait(PATIENCE_S)
        os.close(self._screen)

    def cpu_s(self) -> float:
        """CPU time that the command has taken, that of its engine not among it."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def read_until(self, condition: Callable[[str], bool]) -> float:
        """When this became true of the text that was written, its escapes left out."""
        while not condition(text := ESCAPES.sub("", self._latest.decode(errors="replace"))):
            if not self._read(PATIENCE_S):
                raise SystemExit(f"the app did not come so far; it wrote:\n{text}")
        return time.monotonic()

    def read_for(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            self._read(left_s)

    def read_until_end(self) -> None:
        while self._read(PATIENCE_S):
            pass

    def _read(self, timeout_s: float) -> bool:
        """Take what comes within that time; False if nothing does."""
        if not select.select([self._screen], [], [], timeout_s)[0]:
            return False
        try:
            data = os.read(self._screen, 1 << 16)
        except OSError:  # the command has ended, and its terminal with it
            return False
        self.written += len(data)
        self._latest = (self._latest + data)[-MOST_KEPT_BYTES:]
        return bool(data)


async def app_with_probe(lags: Path) -> None:
    """The app, as the command runs it, with a probe in its event loop whose finds go to `lags`."""
    from profiler.clients.child import ChildEngine
    from tui.app.app import AttnprofApp
    from tui.config import DEFAULTS

    client = ChildEngine(ENGINE, lags.with_suffix(".log"))
    app = AttnprofApp(client, DEFAULTS, mode="live")
    late_s: list[float] = []
    probing = asyncio.create_task(probe(late_s))
    asyncio.get_running_loop().call_later(SETTLING_S + WATCHED_S + 3, app.exit)
    try:
        await app.run_async()
    finally:
        await client.close()
    probing.cancel()
    lags.write_text(json.dumps(late_s))


async def probe(late_s: list[float]) -> None:
    """How much later than asked the loop comes back, time after time, once the app has settled."""
    await asyncio.sleep(SETTLING_S)
    until_s = time.monotonic() + WATCHED_S
    while (began_s := time.monotonic()) < until_s:
        await asyncio.sleep(PROBE_S)
        late_s.append(time.monotonic() - began_s - PROBE_S)


if __name__ == "__main__":
    sys.exit(main())
