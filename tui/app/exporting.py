"""Exports from the app: the Markdown report in a file of its own, and on the clipboard where that works.

Its charts are drawn in a thread: they take seconds, and the screen goes on. Who quits meanwhile is told, and
they are waited for; who quits again leaves at once.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiler.export import report_for
from profiler.export.markdown.charts import without_charts
from profiler.export.report import Report
from profiler.session.file import create_unique
from profiler.session.recording import Recording
from profiler.units import byte_count, count, plain_text

if TYPE_CHECKING:
    from textual.app import App
    from textual.worker import Worker

# Base64 makes it a third longer, and terminals that take OSC 52 at all take 100,000 bytes of it
# (xterm's and tmux's own limits lie about there).
_MOST_COPIED_BYTES = 70_000
_NAMELESS = "attnprof-report"
_CHARTS, _LEAVING = "charts", "leaving"


class ExportError(Exception):
    """The report could not be written; the message is one sentence for the user."""


@dataclass(frozen=True)
class Exported:
    """A report that was written to `path`; `markdown` is its text without the charts that `report` has."""

    path: Path
    markdown: str
    report: Report | None = None

    @property
    def charts(self) -> int:
        """How many there are to draw beside it."""
        return len(self.report.pictures) if self.report else 0

    @property
    def is_copied_whole(self) -> bool:
        """Whether the report itself goes to the clipboard; a longer one leaves its path there."""
        return len(self.markdown.encode()) <= _MOST_COPIED_BYTES

    @property
    def clipboard(self) -> str:
        return self.markdown if self.is_copied_whole else str(self.path.absolute())

    @property
    def said(self) -> str:
        """What to tell the user. No terminal answers an OSC 52, so the file is what is certain."""
        what = "the report" if self.is_copied_whole else "its path"
        size = byte_count(len(self.markdown.encode()))
        drawn, without = "", ""
        if self.report and self.charts:
            verb = "is" if self.charts == 1 else "are"
            drawn = f"; {count(self.charts, 'chart')} {verb} drawn into {plain_text(self.report.folder)}"
            without = " without its charts" if self.is_copied_whole else ""
        return (
            f"wrote {plain_text(str(self.path))} ({size}){drawn}; {what}{without} was sent to the clipboard "
            "too, which tmux and some terminals cut or drop"
        )


def export_report(recording: Recording, session: Path | None, folder: Path | None = None) -> Exported:
    """Write the Markdown report of a session, also of one that is still running, under its file's name.

    It goes to `folder`, by default the working directory, and never takes the place of a file: a
    name that is taken gets -2, -3, ...

    Raises:
        ExportError: it cannot be written; nothing half-written is left.
    """
    return _write(
        lambda path: report_for(recording, "md", path), session.stem if session else _NAMELESS, folder
    )


def write_report(markdown: str, name: str, folder: Path | None = None) -> Exported:
    """Write Markdown under that name, as export_report does.

    Raises:
        ExportError: it cannot be written; nothing half-written is left.
    """
    return _write(lambda _: Report(markdown), name, folder)


def _write(make: Callable[[Path], Report], name: str, folder: Path | None) -> Exported:
    """Write the text that `make` makes for its path; its charts are still to be drawn."""
    folder = Path() if folder is None else folder
    try:
        path, descriptor = create_unique(folder, name, ".md")
    except OSError as error:
        raise _refused(folder, error) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            report = make(path)
            file.write(report.text)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _refused(folder, error) from error
    return Exported(path, without_charts(report.text) if report.pictures else report.text, report)


def export_and_say(app: App[Any], recording: Recording, session: Path | None) -> Path | None:
    """Export, copy, and tell the user; None where it could not be written."""
    return write_and_say(app, lambda: export_report(recording, session))


def write_and_say(app: App[Any], write: Callable[[], Exported]) -> Path | None:
    """The same of a report that `write` writes."""
    try:
        exported = write()
    except ExportError as error:
        app.notify(str(error), severity="error", timeout=10, markup=False)
        return None
    app.copy_to_clipboard(exported.clipboard)
    app.notify(exported.said, timeout=10, markup=False)
    if exported.charts:
        app.run_worker(_draw(app, exported), group=_CHARTS, exit_on_error=False)
    return exported.path


def leaves_after_charts(app: App[Any]) -> bool:
    """Whether the app ends by itself, once the charts are drawn that were begun; said, and so only once."""
    drawing = [worker for worker in app.workers if worker.group == _CHARTS and not worker.is_finished]
    if not drawing or any(worker.group == _LEAVING for worker in app.workers):
        return False
    app.notify(
        "the report's charts are still being drawn, then attnprof ends; q again ends it now", timeout=60
    )
    app.run_worker(_leave(app, drawing), group=_LEAVING, exit_on_error=False)
    return True


async def _leave(app: App[Any], drawing: Sequence[Worker[bool]]) -> None:
    """End the app when all is drawn; where something cannot be, that has been said and is to be read."""
    if all([await worker.wait() for worker in drawing]):
        app.exit(0)


async def _draw(app: App[Any], exported: Exported) -> bool:
    """Draw the charts of a report, until the app ends; whether all were."""
    problem = await _drawn_beside(exported)
    if problem is None:
        return True
    reason = problem.strerror if isinstance(problem, OSError) else None
    app.notify(
        f"the charts of {plain_text(exported.path.name)} cannot be drawn ({reason or problem}): "
        "`attnprof export SESSION -o FILE` draws them elsewhere",
        severity="error",
        timeout=10,
        markup=False,
    )
    return False


async def _drawn_beside(exported: Exported) -> Exception | None:
    """Draw in a thread, and return what went wrong.

    The thread is a daemon: nothing stops one that loads matplotlib or draws, and who leaves at once is not
    to wait for it, as for a thread of asyncio's. Charts appear whole or not at all.
    """
    loop = asyncio.get_running_loop()
    drawn: asyncio.Future[Exception | None] = loop.create_future()
    is_left = threading.Event()

    def settle(problem: Exception | None) -> None:
        if not drawn.done():
            drawn.set_result(problem)

    def draw() -> None:
        problem = None
        try:
            for _ in exported.report.write_charts(exported.path) if exported.report else ():
                if is_left.is_set():
                    return
        except Exception as error:  # whatever it is, it must not end without a word
            problem = error
        with suppress(RuntimeError):  # the app has ended, and its loop with it
            loop.call_soon_threadsafe(settle, problem)

    threading.Thread(target=draw, name="charts", daemon=True).start()
    try:
        return await drawn
    finally:
        is_left.set()


def _refused(folder: Path, error: OSError) -> ExportError:
    where = "the working directory" if folder == Path() else f"'{plain_text(str(folder))}'"
    return ExportError(
        f"the report cannot be written in {where} ({error.strerror or error}); the session itself is safe: "
        "`attnprof export SESSION -o FILE` writes the report elsewhere"
    )
