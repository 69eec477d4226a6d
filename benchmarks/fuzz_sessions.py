"""A million broken session files: each is read, and a share of them goes through all that shows a session.

    nice python -m benchmarks.fuzz_sessions                 # two processes, some twenty minutes; Markdown
    python -m benchmarks.fuzz_sessions --again 123          # one input, by its seed, with its traceback

An input is the beginning of one of sessions/*.jsonl after one to four changes of benchmarks/
fuzz_mutations.py: bytes flipped, cut and inserted, lines shuffled, repeated, deleted, spliced from another
session, case numbers used twice, fields swapped, taken out, or given values of another type, out of
range, or hostile. Every input is read as `attnprof show` reads it. One in --rows is also read as a large
file is, which must come to the same, and its rows are computed; one in --shown is listed, told to the
app's state, drawn in its pictures, shown as a table, exported to Markdown, CSV and JSON, a few to HTML,
and asked what a run that goes on with it would measure. A CSV cell that a spreadsheet would take for a
formula is a failure, and so are an escape or a control character in what is shown, an exception but
SessionError, and an input that takes over ten seconds. Inputs that fail are kept in --keep.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import io
import json
import multiprocessing
import platform
import re
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from benchmarks.fuzz_mutations import Lines, bases, broken
from profiler.clients.client import Heard
from profiler.clients.recorded import RecordedSession
from profiler.engine.session_run import missing, missing_training
from profiler.export import export
from profiler.results.rows import rows
from profiler.session import reader as session_reader
from profiler.session.file import SessionError
from profiler.session.listing import summary
from profiler.session.reader import read_recording, read_session
from profiler.session.recording import Recording
from profiler.training.rows import training_rows

INPUTS = 1_000_000
ROWS_ONE_IN = 5
SHOWN_ONE_IN = 100
HTML_ONE_IN = 100  # of those that are shown: its charts take a second
PROCESSES = 2
MOST_S = 10.0
MOST_KEPT = 20
_CHUNK = 500

# What a terminal would act on; a table's own newlines are none of it.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_FORMULA = re.compile(r"^[=+\-@\t\r]")
_NUMBER = re.compile(r"^-?(\d+(\.\d+)?(e[+-]?\d+)?|inf|nan)$", re.IGNORECASE)


class TooSlowError(Exception):
    """An input took longer than any file of its size may."""


class LeakError(Exception):
    """Something of the file went out that a terminal or a spreadsheet would act on."""


def main() -> int:
    options = _options()
    sources = bases(options.sessions)
    if options.again is not None:
        return again(sources, options.again)
    began_s = time.monotonic()
    outcomes: Counter[str] = Counter()
    failures: list[tuple[int, str]] = []
    chunks = [(first, min(first + _CHUNK, options.inputs)) for first in range(0, options.inputs, _CHUNK)]
    with multiprocessing.Pool(
        PROCESSES, _prepare, (sources, options.rows, options.shown, options.keep)
    ) as pool:
        for counted, failed in pool.imap_unordered(_run, [(first, last) for first, last in chunks]):
            outcomes += counted
            failures += failed
    report(options, outcomes, failures, time.monotonic() - began_s)
    return 1 if failures else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--inputs", type=int, default=INPUTS)
    parser.add_argument("--rows", type=int, default=ROWS_ONE_IN)
    parser.add_argument("--shown", type=int, default=SHOWN_ONE_IN)
    parser.add_argument("--sessions", type=Path, default=Path("sessions"))
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()) / "attnprof-fuzz")
    parser.add_argument("--again", type=int)
    return parser.parse_args()


def again(sources: list[Lines], seed: int) -> int:
    """One input with all that is done to any."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input.jsonl"
        path.write_bytes(broken(sources, seed))
        print(attempt(path, rows_too=True, shown_too=True, html_too=True))
    return 0


_state: dict[str, object] = {}


def _prepare(sources: list[Lines], rows_one_in: int, shown_one_in: int, keep: Path) -> None:
    # Memory, where there is some for files: a million small ones would keep a disk busy.
    fast = Path("/dev/shm") if Path("/dev/shm").is_dir() else None
    _state.update(sources=sources, rows=rows_one_in, shown=shown_one_in, keep=keep)
    _state["folder"] = tempfile.TemporaryDirectory(dir=fast)
    signal.signal(signal.SIGALRM, _too_slow)


def _too_slow(_: int, frame: FrameType | None) -> None:
    raise TooSlowError


def _run(seeds: tuple[int, int]) -> tuple[Counter[str], list[tuple[int, str]]]:
    sources, folder = _state["sources"], _state["folder"]
    rows_one_in, shown_one_in, keep = _state["rows"], _state["shown"], _state["keep"]
    assert isinstance(sources, list) and isinstance(folder, tempfile.TemporaryDirectory)
    assert isinstance(rows_one_in, int) and isinstance(shown_one_in, int) and isinstance(keep, Path)
    path = Path(folder.name) / "input.jsonl"
    outcomes: Counter[str] = Counter()
    failed: list[tuple[int, str]] = []
    for seed in range(*seeds):
        data = broken(sources, seed)
        path.write_bytes(data)
        shown = seed % shown_one_in == 0
        signal.setitimer(signal.ITIMER_REAL, MOST_S)
        try:
            found = attempt(
                path,
                rows_too=seed % rows_one_in == 0,
                shown_too=shown,
                html_too=seed % (shown_one_in * HTML_ONE_IN) == 0,
            )
            outcomes.update(found)
        except Exception as error:
            what = _place_of(error)
            outcomes["failed"] += 1
            failed.append((seed, what))
            if len(failed) <= MOST_KEPT:
                keep.mkdir(parents=True, exist_ok=True)
                (keep / f"{seed}.jsonl").write_bytes(data)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return outcomes, failed


def _place_of(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if any(part in frame.filename for part in ("/profiler/", "/tui/"))]
    at = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
    return f"{type(error).__name__} at {at}: {str(error)[:100]}"


def attempt(path: Path, *, rows_too: bool, shown_too: bool, html_too: bool) -> list[str]:
    """What became of a file: how it was read, and what of it was shown.

    Raises:
        Exception: whatever should not have happened.
    """
    try:
        file = read_recording(path)
    except SessionError as error:
        _check_plain(str(error))
        if shown_too:
            summary(path)
        return ["refused", f"refused: {_kind(str(error))}"]
    for problem in file.problems:
        _check_plain(problem)
    outcomes = ["read whole" if not file.problems else "read in part"]
    outcomes += {f"said: {_kind(problem)}" for problem in file.problems}
    if file.recording.warnings:
        outcomes.append("said: two cases by one number")
    if rows_too:
        _rows_of(path, file.recording, alike=not file.problems and not file.recording.warnings)
        outcomes.append("rows computed")
    if shown_too:
        _show(path, file.recording, html_too)
        outcomes.append("shown everywhere")
    return outcomes


def _kind(said: str) -> str:
    """The sentence without what is particular to the file."""
    said = re.sub(r"^lines? [\d, ]+?(and \d+( more)?)?: ", "", said)
    said = re.sub(r"\(.*\)", "(...)", re.sub(r"'.*'", "'...'", said))
    return re.sub(r"\d+", "N", said)[:70]


def _rows_of(path: Path, recording: Recording, *, alike: bool) -> None:
    """Of what was read whole, a large file's way of reading must come to the same."""
    found = rows(recording), training_rows(recording)
    usual = session_reader.DEFERRING_BYTES
    session_reader.DEFERRING_BYTES = 0
    try:
        deferred = read_recording(path).recording
    finally:
        session_reader.DEFERRING_BYTES = usual
    other = rows(deferred), training_rows(deferred)
    if alike and repr(found) != repr(other):
        raise AssertionError("a large file's rows differ")
    if len(read_session(path).events) == 0:
        raise AssertionError("no events")


def _show(path: Path, recording: Recording, html_too: bool) -> None:
    from rich.console import Console

    from tui.tables.details import details
    from tui.tables.results import results_table
    from tui.tables.training import training_view

    summary(path)
    missing(recording)
    missing_training(recording)
    for width in (60, 200):
        console = Console(file=io.StringIO(), width=width, highlight=False, no_color=True)
        tables = [results_table(recording, width=width)] if recording.cases else []
        for table in (*tables, *(training_view(recording, width=width) if recording.trainings else ())):
            console.print(table)
        assert isinstance(console.file, io.StringIO)
        _check_plain(console.file.getvalue())
    _check_plain("\n".join(details(recording)))
    _check_plain(export(recording, "md"))
    _check_cells(export(recording, "csv"))
    json.loads(export(recording, "json"), parse_constant=_no_number)
    if html_too:
        export(recording, "html")
    _in_app(path)


def _no_number(text: str) -> None:
    raise LeakError(f"JSON has no {text}")


def _in_app(path: Path) -> None:
    """What the app's screens make of it, without a terminal."""
    from tui.app.desk import Desk
    from tui.app.glyphs import UNICODE
    from tui.app.metrics import METRICS
    from tui.app.pictures import cells, chart
    from tui.app.sweep_state import SweepState
    from tui.app.train_state import TrainState

    client = RecordedSession(path)
    desk = Desk(client, "recording")

    def hear(message: Heard) -> None:
        desk.hear(message)

    asyncio.run(client.run(hear))
    view = desk.view()
    sweep, train = SweepState(), TrainState()
    sweep.update(view)
    train.update(view)
    if sweep.sweep.shapes:
        for metric in METRICS:
            which = sweep.sweep.passes[-1]
            grid = cells.grid_of(sweep.sweep, metric, which, UNICODE)
            _check_plain("\n".join(cell.text for row in grid.cells for cell in row))
            data = chart.chart_data(sweep.sweep, metric, which)
            selection = chart.settled(chart.Selection(), data)
            _check_plain(chart.draw(data, selection, 70, 20, glyphs=UNICODE).plain)


def _check_plain(text: str) -> None:
    if found := _UNPRINTABLE.search(text):
        raise LeakError(f"{found[0]!r} in {text[max(0, found.start() - 40) : found.start() + 20]!r}")


def _check_cells(text: str) -> None:
    _check_plain(text)
    for row in csv.reader(io.StringIO(text)):
        for cell in row:
            if _FORMULA.match(cell) and not _NUMBER.match(cell):
                raise LeakError(f"a formula: {cell[:40]!r}")


def report(
    options: argparse.Namespace, outcomes: Counter[str], failures: list[tuple[int, str]], took_s: float
) -> None:
    print("## A million broken files\n")
    print("Output of `python -m benchmarks.fuzz_sessions`; its head says what is done.\n")
    print(
        f"{options.inputs:,} inputs, seeds 0 to {options.inputs - 1:,}, in {took_s / 60:.0f} minutes by "
        f"{PROCESSES} processes, Python {platform.python_version()}.\n"
    )
    print("| outcome | inputs |")
    print("|---|---:|")
    for outcome in sorted(_plain_outcomes(outcomes)):
        print(f"| {outcome} | {outcomes[outcome]:,} |")
    print("\nWhat was said of them, most often first (a file may have several):\n")
    print("| said | inputs |")
    print("|---|---:|")
    for outcome, number in outcomes.most_common():
        if ": " in outcome and number >= options.inputs / 1000:
            print(f"| {outcome} | {number:,} |")
    print(f"\n{len(failures):,} failed.")
    for what, number in Counter(what for _, what in failures).most_common(40):
        seed = next(seed for seed, of_seed in failures if of_seed == what)
        print(f"- {number:,} x {what} (seed {seed})")


def _plain_outcomes(outcomes: Counter[str]) -> Iterator[str]:
    return (outcome for outcome in outcomes if ": " not in outcome)


if __name__ == "__main__":
    sys.exit(main())
