"""Questions to a recording's rows: one vocabulary of fields, expressions over them, columns, pivots."""

from profiler.query.entries import PassEntry, TrainingEntry, pass_entries, training_entries
from profiler.query.expression import parse
from profiler.query.fields import Field, QueryError, Value, Vocabulary
from profiler.query.pass_fields import PASS_FIELDS
from profiler.query.training_fields import TRAINING_FIELDS

__all__ = [
    "PASS_FIELDS",
    "TRAINING_FIELDS",
    "Field",
    "PassEntry",
    "QueryError",
    "TrainingEntry",
    "Value",
    "Vocabulary",
    "parse",
    "pass_entries",
    "training_entries",
]
