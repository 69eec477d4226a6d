"""Which rows are asked for, in which order, and what of them: for each kind of rows that a session has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from profiler.query.expression import Condition, Question, parse
from profiler.query.fields import Entry, Field, NoSuchField, QueryError, Vocabulary, no_field
from profiler.query.pivot import PivotFields, pivot_names


@dataclass(frozen=True)
class Query:
    """A question, an order and what is shown, as they were typed; nothing of it is asked of any rows yet."""

    where: Question | None = None
    sort: tuple[tuple[str, bool], ...] = ()
    """Names of fields, each with whether the largest comes first."""
    columns: tuple[str, ...] = ()
    pivot: tuple[tuple[str, ...], str, str] | None = None

    @classmethod
    def of(cls, where: str | None, sort: str | None, columns: str | None, pivot: str | None) -> Query:
        """The query that these options of `attnprof show` describe.

        Raises:
            QueryError: one of them cannot be read.
        """
        return cls(
            None if where is None else parse(where),
            () if sort is None else tuple((name.lstrip("-"), name.startswith("-")) for name in _names(sort)),
            () if columns is None else tuple(_names(columns)),
            None if pivot is None else pivot_names(pivot),
        )

    def bound(self, vocabulary: Vocabulary[Entry]) -> Bound[Entry]:
        """The same for rows that have these fields.

        Raises:
            QueryError: they have them not, or it makes no sense of them.
        """
        return Bound(
            vocabulary,
            None if self.where is None else self.where.of(vocabulary),
            tuple((vocabulary.get(name), descending) for name, descending in self.sort),
            tuple(vocabulary.get(name) for name in self.columns),
            None if self.pivot is None else PivotFields.of(self.pivot, vocabulary),
        )


@dataclass(frozen=True)
class Bound(Generic[Entry]):
    """A query of one kind of rows."""

    vocabulary: Vocabulary[Entry]
    condition: Condition[Entry] | None
    sort: tuple[tuple[Field[Entry], bool], ...]
    columns: tuple[Field[Entry], ...]
    pivot: PivotFields[Entry] | None

    def select(self, entries: Iterable[Entry]) -> list[Entry]:
        """The rows that match, in the order asked for; what was not measured comes last."""
        condition = self.condition
        found = list(entries) if condition is None else [each for each in entries if condition.matches(each)]
        for field, descending in reversed(self.sort):
            known = [(value, each) for each in found if (value := field.value(each)) is not None]
            unknown = [each for each in found if field.value(each) is None]
            known.sort(key=_first, reverse=descending)
            found = [each for _, each in known] + unknown
        return found

    @property
    def is_of_cases(self) -> bool:
        """Whether all that is ordered by, and shown, is the same for all passes of a case."""
        return all(field.of_case for field in (*self.columns, *(field for field, _ in self.sort)))


def bind(
    query: Query, present: Sequence[Vocabulary[Any]], absent: Sequence[Vocabulary[Any]]
) -> dict[str, Bound[Any]]:
    """The query for each kind of rows that has all of its fields, by subject; at least for one.

    `present` are the kinds that the session has, `absent` those that it has not.

    Raises:
        QueryError: no kind has.
    """
    found: dict[str, Bound[Any]] = {}
    errors: dict[str, QueryError] = {}
    for vocabulary in present:
        try:
            found[vocabulary.subject] = query.bound(vocabulary)
        except QueryError as error:
            errors[vocabulary.subject] = error
    if found:
        return found
    raise _why_none(query, list(errors.values()), present, absent)


def _why_none(
    query: Query,
    errors: list[QueryError],
    present: Sequence[Vocabulary[Any]],
    absent: Sequence[Vocabulary[Any]],
) -> QueryError:
    senseless = [error for error in errors if not isinstance(error, NoSuchField)]
    if senseless:
        return senseless[0]
    names = list(dict.fromkeys(error.name for error in errors if isinstance(error, NoSuchField)))
    for vocabulary in absent:
        if all(vocabulary.find(name) for name in names):
            has = " and ".join(each.subject for each in present)
            return QueryError(
                f"'{names[0]}' is a field of {vocabulary.subject}, and this session has {has} alone"
            )
    if len(names) > 1 and all(any(each.find(name) for each in present) for name in names):
        whose = ", ".join(
            f"'{name}' is of {next(each.subject for each in present if each.find(name))}" for name in names
        )
        return QueryError(f"{whose}: no row has both, so ask for one at a time")
    return no_field(names[0], present)


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def _names(text: str) -> list[str]:
    names = [part.strip() for part in text.split(",")]
    if not all(name.strip("-") for name in names):
        raise QueryError("a list of fields has an empty name in it; for example: seq,impl,forward_ms")
    return names
