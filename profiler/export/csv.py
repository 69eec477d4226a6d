"""CSV: tidy, one row a pass of a case, or a training; units in the header, empty where nothing is known.

Its columns are the fields that queries know (profiler.query), but for those that other columns tell.
"""

from __future__ import annotations

from itertools import chain

from profiler.export.spreadsheet import csv_text
from profiler.query.entries import pass_entries, training_entries
from profiler.query.formats import records
from profiler.query.pass_fields import PASS_FIELDS
from profiler.query.training_fields import TRAINING_FIELDS
from profiler.session.recording import Recording


def render(recording: Recording) -> str:
    """The rows of a recording as CSV with a header line. Booleans are true and false.

    Of a session with both kinds the columns of trainings follow those of passes that they do not share.
    """
    passes, trainings = pass_entries(recording), training_entries(recording)
    of_passes = PASS_FIELDS.columns if passes or not trainings else ()
    of_trainings = TRAINING_FIELDS.columns if trainings else ()
    names = dict.fromkeys([field.name for field in of_passes] + [field.name for field in of_trainings])
    return csv_text(list(names), chain(records(of_passes, passes), records(of_trainings, trainings)))
