"""Exports from the app: the Markdown report in a file of its own, and on the clipboard where that works.

Its charts are drawn in a thread: they take seconds, and the screen goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
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

# Base64 makes it a third longer, and terminals that take OSC 52 at all take 100,000 bytes of it
# (xterm's and tmux's own limits lie about there).
_MOST_COPIED_BYTES = 70_000
_NAMELESS = "attnprof-report"


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
        app.run_worker(partial(_draw, app, exported), group="charts", thread=True, exit_on_error=False)
    return exported.path


def _draw(app: App[Any], exported: Exported) -> None:
    """Draw the charts of a report, until the app ends."""
    from textual.worker import get_current_worker

    worker = get_current_worker()
    try:
        for _ in exported.report.write_charts(exported.path) if exported.report else ():
            if worker.is_cancelled:
                return
    except Exception as error:  # whatever it is, the thread must not end without a word
        reason = error.strerror if isinstance(error, OSError) else None
        app.notify(
            f"the charts of {plain_text(exported.path.name)} cannot be drawn ({reason or error}): "
            "`attnprof export SESSION -o FILE` draws them elsewhere",
            severity="error",
            timeout=10,
            markup=False,
        )


def _refused(folder: Path, error: OSError) -> ExportError:
    where = "the working directory" if folder == Path() else f"'{plain_text(str(folder))}'"
    return ExportError(
        f"the report cannot be written in {where} ({error.strerror or error}); the session itself is safe: "
        "`attnprof export SESSION -o FILE` writes the report elsewhere"
    )
