"""The Markdown report: what ran where, a table per pass, what is behind it, and the warnings last.

Made to be pasted into a pull request: tables are aligned in the source too, and text from
the session is escaped so that it can be neither markup nor HTML.
"""

from __future__ import annotations

from profiler.export.markdown.details import details
from profiler.export.markdown.device import ceilings, telemetry
from profiler.export.markdown.results import pass_tables
from profiler.export.markdown.session import environment, interruption, summary, title, warnings
from profiler.export.markdown.words import explanations
from profiler.recording import Recording
from profiler.rows import rows


def render(recording: Recording) -> str:
    """The whole report, ending with a newline."""
    all_rows = rows(recording)
    sections = [
        title(recording),
        interruption(recording),
        summary(recording, all_rows),
        environment(recording),
        *pass_tables(all_rows),
        *details(all_rows),
        ceilings(recording),
        telemetry(recording),
        explanations(all_rows),
        warnings(recording),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"
