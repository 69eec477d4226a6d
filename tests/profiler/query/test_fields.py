"""The vocabularies of queries: names, what they mean, and what tells rows apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from profiler.query import PASS_FIELDS, TRAINING_FIELDS, Vocabulary, pass_entries, training_entries
from profiler.query.pass_fields import PASS_AXES
from profiler.query.reference import markdown
from profiler.query.training_fields import TRAINING_AXES
from tests.examples import lab6
from tests.training_examples import study

ROOT = Path(__file__).parents[3]
PASSES: Vocabulary[Any] = PASS_FIELDS
TRAININGS: Vocabulary[Any] = TRAINING_FIELDS


@pytest.mark.parametrize("vocabulary", [PASSES, TRAININGS], ids=["attention", "training"])
def test_a_name_means_one_field_and_each_has_a_meaning(vocabulary: Vocabulary[Any]) -> None:
    names = [name for field in vocabulary.fields for name in (field.name, *field.aliases)]
    assert len(set(names)) == len(names)
    assert all(field.meaning and "|" not in field.meaning for field in vocabulary.fields)


@pytest.mark.parametrize(
    ("vocabulary", "axes", "entries"),
    [(PASSES, PASS_AXES, pass_entries(lab6())), (TRAININGS, TRAINING_AXES, training_entries(study()))],
    ids=["attention", "training"],
)
def test_the_axes_tell_every_row_from_every_other(
    vocabulary: Vocabulary[Any], axes: Sequence[str], entries: Sequence[Any]
) -> None:
    keys = {tuple(vocabulary.get(axis).value(entry) for axis in axes) for entry in entries}
    assert len(keys) == len(entries)


def test_a_field_found_by_an_alias_goes_by_it() -> None:
    found = PASS_FIELDS.get("impl")
    assert (found.name, found.column) == ("impl", "implementation")


def test_the_documentation_lists_the_fields_as_they_are() -> None:
    assert markdown() in (ROOT / "docs" / "query.md").read_text(encoding="utf-8")
