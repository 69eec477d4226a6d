"""What can be asked of a row: fields with a type, a unit and a meaning, found by name or nearly so."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cached_property
from typing import Generic, Literal, Protocol, TypeVar

from profiler.units import plain_text
from profiler.workload import Pass

Value = bool | int | float | str | tuple[str, ...] | None
"""What a row has in a field; None where nothing was measured."""

Kind = Literal["number", "text", "word", "yes/no", "list", "time"]
"""Of the texts, a "word" is one of a few, and a "time" is ISO 8601: it has an order."""

Entry = TypeVar("Entry", bound="Subject")
# A field of both kinds of rows is one of either.
Entry_contra = TypeVar("Entry_contra", bound="Subject", contravariant=True)

_MOST_SHOWN = 60  # characters of what was written that a sentence repeats


class QueryError(ValueError):
    """What was asked cannot be answered; the message is one sentence for the user."""


class Subject(Protocol):
    """A row that has fields."""

    def status(self, which: Pass | None) -> str:
        """The word for what became of it, or of another pass of its case."""

    def is_fastest(self, which: Pass | None) -> bool:
        """Whether nothing was faster, of the same pass."""

    @property
    def case(self) -> int:
        """The number of its case, which all passes of it share."""


class NoSuchField(QueryError):
    """A name is no field's."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, eq=False)
class Field(Generic[Entry_contra]):
    """One thing that is known of a row, under the name that CSV has for it.

    `aliases` are shorter names; found by one of these, the field goes by it, and `column` is CSV's name. A
    word's `words` are the possible ones, `spelled` what else they may be called. `of_case` is whether all
    passes of a case have the same; `which` is the one pass that it is of, whatever the row's own. What
    `is_derived` other fields tell already: CSV does without.
    """

    name: str
    kind: Kind
    meaning: str
    value: Callable[[Entry_contra], Value]
    unit: str = ""
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    spelled: Mapping[str, str] = field(default_factory=dict)
    of_case: bool = True
    which: Pass | None = None
    column: str = ""
    is_derived: bool = False

    def word(self, text: str) -> str | None:
        """The word that `text` stands for; None if it is none of this field's."""
        lowered = text.casefold()
        found = self.spelled.get(lowered, lowered)
        return next((word for word in self.words if word.casefold() == found.casefold()), None)


@dataclass(frozen=True)
class Vocabulary(Generic[Entry]):
    """The fields of one kind of rows; `subject` is what these are of, "attention" or "training"."""

    subject: str
    fields: tuple[Field[Entry], ...]

    @cached_property
    def columns(self) -> tuple[Field[Entry], ...]:
        """Those that CSV has, in its order."""
        return tuple(each for each in self.fields if not each.is_derived)

    @cached_property
    def by_name(self) -> Mapping[str, Field[Entry]]:
        """Every field by each of its names, and called so."""
        return {
            name: replace(each, name=name, column=each.name)
            for each in self.fields
            for name in (each.name, *each.aliases)
        }

    def find(self, name: str) -> Field[Entry] | None:
        """The field of that name, written as in CSV or as an option: head_dim, head-dim."""
        return self.by_name.get(name.replace("-", "_").casefold())

    def get(self, name: str) -> Field[Entry]:
        """The same.

        Raises:
            QueryError: there is none.
        """
        if (found := self.find(name)) is None:
            raise no_field(name, [self])
        return found


def no_field(name: str, vocabularies: Sequence[Vocabulary[Entry]]) -> NoSuchField:
    """What to say of a name that is no field of these: the nearest, else where all are listed."""
    subjects = [vocabulary.subject for vocabulary in vocabularies]
    names = list(dict.fromkeys(name for vocabulary in vocabularies for name in vocabulary.by_name))
    lowered = name.replace("-", "_").casefold()[:_MOST_SHOWN]
    near = get_close_matches(lowered, names, n=3, cutoff=0.6)
    near += [each for each in names if len(lowered) > 2 and lowered in each and each not in near]
    hint = f"did you mean {' or '.join(near[:3])}?" if near else "`attnprof show --fields` lists them"
    of = f" of {' or '.join(subjects)}" if subjects else ""
    return NoSuchField(name, f"there is no field '{shown(name)}'{of}; {hint}")


def shown(text: str) -> str:
    """What was written, as a sentence repeats it."""
    text = plain_text(text)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."
