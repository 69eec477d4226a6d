"""CSV: tidy, one row a pass of a case, or a training; units in the header, empty where nothing is known.

Its columns are the fields that queries know (profiler.query), but for those that other columns tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice

from profiler.export.spreadsheet import csv_parts
from profiler.query.entries import each_pass_entry, training_entries
from profiler.query.formats import records
from profiler.query.pass_fields import PASS_FIELDS
from profiler.query.training_fields import TRAINING_FIELDS
from profiler.session.recording import Recording


def parts(recording: Recording) -> Iterator[str]:
    """The rows of a recording as CSV with a header line, as they are made. Booleans are true and false.

    Of a session with both kinds the columns of trainings follow those of passes that they do not share.
    """
    passes, trainings = each_pass_entry(recording), training_entries(recording)
    first = list(islice(passes, 1))
    of_passes = PASS_FIELDS.columns if first or not trainings else ()
    of_trainings = TRAINING_FIELDS.columns if trainings else ()
    names = dict.fromkeys([field.name for field in of_passes] + [field.name for field in of_trainings])
    all_records = chain(records(of_passes, chain(first, passes)), records(of_trainings, trainings))
    return csv_parts(list(names), all_records)
