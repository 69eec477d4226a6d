"""Which of the sessions' rows are compared, where not all are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import impls
from profiler.compare.matching import Case, Wanted, case_of
from profiler.query import PASS_FIELDS, TRAINING_FIELDS, Vocabulary, pass_entries, training_entries
from profiler.query.selection import Query, bind
from profiler.results.rows import Row
from profiler.session.recording import Recording
from profiler.training.rows import TrainingRow
from profiler.units import plain_text
from profiler.workload import Pass


class NotThere(ValueError):
    """No session has what was asked for; the message is one sentence for the user."""


def wanted(
    recordings: Sequence[Recording],
    passes: Collection[Pass] | None,
    implementations: Sequence[str],
    where: str | None = None,
) -> Wanted | None:
    """Rows of these passes (None: of all, and trainings, which have none) and implementations (none: all).

    `where` is an expression as `attnprof show` has it (docs/query.md): asked of the first session, whose rows
    it holds for are compared with the same cases of the others.

    Raises:
        NotThere: no session has an implementation of such a name or alias, or the first no such row.
        QueryError: the expression cannot be read, or the first session has no such fields.
    """
    if passes is None and not implementations and where is None:
        return None
    names = _names(recordings, implementations)
    chosen = None if where is None else _chosen(recordings[0], where)

    def is_wanted(row: Row | TrainingRow) -> bool:
        of_pass = passes is None or (isinstance(row, Row) and row.which in passes)
        of_name = not implementations or row.implementation in names
        return of_pass and of_name and (chosen is None or case_of(row) in chosen)

    return is_wanted


def _chosen(base: Recording, where: str) -> set[Case]:
    """The cases of the base that the expression holds for."""
    entries: dict[str, tuple[Vocabulary[Any], Sequence[Any]]] = {
        PASS_FIELDS.subject: (PASS_FIELDS, pass_entries(base)),
        TRAINING_FIELDS.subject: (TRAINING_FIELDS, training_entries(base)),
    }
    present = [vocabulary for vocabulary, found in entries.values() if found]
    absent = [vocabulary for vocabulary, found in entries.values() if not found]
    bound = bind(Query.of(where, None, None, None), present, absent)
    chosen = {case_of(each.row) for subject in bound for each in bound[subject].select(entries[subject][1])}
    if not chosen:
        raise NotThere(f"no row of A matches '{plain_text(where)}'")
    return chosen


def _names(recordings: Iterable[Recording], asked: Sequence[str]) -> set[str]:
    """What the sessions call the implementations asked for."""
    known: dict[str, str] = {}
    for recording in recordings:
        names = [record.implementation for record in recording.cases.values()]
        names += [record.implementation for record in recording.trainings.values()]
        known |= {name.casefold(): name for name in names}
    return {_name(text, known) for text in asked}


def _name(text: str, known: dict[str, str]) -> str:
    if found := known.get(text.casefold()):
        return found
    try:
        if found := known.get(impls.find(text).name.casefold()):
            return found
    except impls.UnknownImplementation:
        pass  # the sessions may be older than what there is now: theirs are what counts
    there = ", ".join(map(plain_text, known.values())) or "none"
    raise NotThere(f"no session has '{plain_text(text)}'; there are {there}")
