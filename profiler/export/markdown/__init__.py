"""The Markdown report: what ran where, the results' tables, what is behind them, and the warnings last.

Made to be pasted into a pull request: it is as short as GitHub takes it where that is possible,
what is behind the results is folded, and text from the session is escaped so that it can be
neither markup nor HTML.
"""

from __future__ import annotations

from profiler.export.markdown.details import details, left_out
from profiler.export.markdown.device import ceilings, conditions, telemetry
from profiler.export.markdown.extent import EXTENTS, Extent
from profiler.export.markdown.results import pass_tables
from profiler.export.markdown.session import environment, interruption, notes, summary, title, warnings
from profiler.export.markdown.training import TrainingReport
from profiler.export.markdown.words import explanations
from profiler.recording import Recording
from profiler.rows import Row, rows

# GitHub refuses the text of a pull request or an issue above 65,536 characters; some are for its author.
_MOST_CHARACTERS = 60_000


def render(recording: Recording) -> str:
    """The whole report, ending with a newline; in a lesser extent where the whole would be too long."""
    all_rows = rows(recording)
    for extent in EXTENTS:
        report = _report(recording, all_rows, extent)
        if len(report) <= _MOST_CHARACTERS:
            break
    return report


def _report(recording: Recording, all_rows: list[Row], extent: Extent) -> str:
    training = TrainingReport(recording, aligned=extent.aligned)
    sections = [
        title(recording),
        interruption(recording),
        summary(recording, all_rows),
        training.summary(),
        notes(recording),
        environment(recording),
        conditions(all_rows, extent),
        *pass_tables(all_rows, extent),
        *training.tables(),
        left_out(all_rows, extent),
        *details(all_rows, extent),
        *training.details(),
        ceilings(recording),
        telemetry(recording),
        explanations(recording, all_rows),
        training.explanations(),
        warnings(recording),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"
