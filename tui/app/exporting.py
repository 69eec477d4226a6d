"""Exports from the app: the Markdown report in a file of its own, and on the clipboard where that works."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from profiler.export import export
from profiler.recording import Recording
from profiler.session import create_unique
from profiler.units import byte_count, plain_text

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
    """A report that was written to `path`."""

    path: Path
    markdown: str

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
        return (
            f"wrote {plain_text(str(self.path))} ({size}); {what} was sent to the clipboard too, "
            "which tmux and some terminals cut or drop"
        )


def export_report(recording: Recording, session: Path | None, folder: Path | None = None) -> Exported:
    """Write the Markdown report of a session, also of one that is still running, under its file's name.

    It goes to `folder`, by default the working directory, and never takes the place of a file: a
    name that is taken gets -2, -3, ...

    Raises:
        ExportError: it cannot be written; nothing half-written is left.
    """
    markdown = export(recording, "md")
    folder = Path() if folder is None else folder
    try:
        path, descriptor = create_unique(folder, session.stem if session else _NAMELESS, ".md")
    except OSError as error:
        raise _refused(folder, error) from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(markdown)
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _refused(folder, error) from error
    return Exported(path, markdown)


def export_and_say(app: App[Any], recording: Recording, session: Path | None) -> Path | None:
    """Export, copy, and tell the user; None where it could not be written."""
    try:
        exported = export_report(recording, session)
    except ExportError as error:
        app.notify(str(error), severity="error", timeout=10, markup=False)
        return None
    app.copy_to_clipboard(exported.clipboard)
    app.notify(exported.said, timeout=10, markup=False)
    return exported.path


def _refused(folder: Path, error: OSError) -> ExportError:
    where = "the working directory" if folder == Path() else f"'{plain_text(str(folder))}'"
    return ExportError(
        f"the report cannot be written in {where} ({error.strerror or error}); the session itself is safe: "
        "`attnprof export SESSION -o FILE` writes the report elsewhere"
    )
