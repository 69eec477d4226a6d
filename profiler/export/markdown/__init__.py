"""The Markdown report: what was measured, charts and tables of it, what is behind them, on which machine,
how to measure it again, and the warnings last.

Made to be pasted into a pull request: it is as short as GitHub takes it where that is possible,
what is behind the results is folded, and text from the session is escaped so that it can be
neither markup nor HTML.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from profiler.export.charts.picture import Picture
from profiler.export.markdown.advice import which_to_take
from profiler.export.markdown.charts import charts
from profiler.export.markdown.details import details, left_out
from profiler.export.markdown.device import ceilings, conditions, telemetry
from profiler.export.markdown.extent import EXTENTS, Extent
from profiler.export.markdown.origin import origin
from profiler.export.markdown.reproduce import reproduce
from profiler.export.markdown.results import pass_tables
from profiler.export.markdown.session import (
    environment,
    interruption,
    measured_on,
    notes,
    summary,
    title,
    warnings,
)
from profiler.export.markdown.training import TrainingReport
from profiler.export.markdown.words import explanations
from profiler.results.rows import rows
from profiler.session.recording import Recording

# GitHub refuses the text of a pull request or an issue above 65,536 characters; some are for its author.
_MOST_CHARACTERS = 60_000


def render(
    recording: Recording, pictures: Sequence[Picture] = (), links: Mapping[str, str] | None = None
) -> str:
    """The whole report, ending with a newline; in a lesser extent where the whole would be too long.

    `links` say where each of the `pictures` is, by its name.
    """
    for extent in EXTENTS:
        report = report_of(recording, extent, pictures, links or {})
        if len(report) <= _MOST_CHARACTERS:
            break
    return report


def report_of(
    recording: Recording, extent: Extent, pictures: Sequence[Picture], links: Mapping[str, str]
) -> str:
    """The report in that extent, however long."""
    all_rows = rows(recording)
    training = TrainingReport(recording, aligned=extent.aligned)
    sections = [
        title(recording),
        interruption(recording),
        origin(recording),
        measured_on(recording),
        summary(recording, all_rows),
        training.summary(),
        notes(recording),
        which_to_take(recording),
        charts("Charts", "attention", pictures, links),
        conditions(all_rows, extent),
        *pass_tables(all_rows, extent),
        charts("Charts of training", "training", pictures, links),
        *training.tables(),
        left_out(all_rows, extent),
        *details(all_rows, extent),
        *training.details(),
        ceilings(recording),
        telemetry(recording),
        environment(recording),
        reproduce(recording),
        explanations(recording, all_rows),
        training.explanations(),
        warnings(recording),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"
