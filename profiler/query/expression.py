"""A question bound to the fields of one kind of rows: what of it makes sense, and which rows match.

A row in which something was not measured is neither matched by a comparison with that nor by its opposite:
logic has three values here, as in SQL. `field == none` asks for such rows.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic

from profiler.query import syntax
from profiler.query.fields import Entry, Field, QueryError, Value, Vocabulary, no_field, shown
from profiler.query.quantity import Quantity, quantity
from profiler.query.syntax import Alone, Both, Compared, Either, In, Node, Not, Number, Operand, Word

_Truth = Callable[[Entry], bool | None]
_Compare = Callable[[Any, Any], bool]

_COMPARE: dict[str, _Compare] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
_FLIPPED = {"<": ">", "<=": ">=", "==": "==", "!=": "!=", ">=": "<=", ">": "<"}
_EQUALITY = ("==", "!=")
_SWITCHES = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Condition(Generic[Entry]):
    """A question that makes sense for some rows. `fields` are those that it asks about, each once."""

    fields: tuple[Field[Entry], ...]
    _truth: _Truth[Entry]

    def matches(self, entry: Entry) -> bool:
        """Whether what is known of the row answers it with yes."""
        return self._truth(entry) is True


@dataclass(frozen=True)
class Question:
    """A question that can be read, not yet asked of any kind of rows."""

    text: str
    _node: Node

    def of(self, vocabulary: Vocabulary[Entry]) -> Condition[Entry]:
        """The question asked of rows that have these fields.

        Raises:
            QueryError: a name is no field of theirs, or what is compared does not compare.
        """
        binder = _Binder(vocabulary)
        truth = binder.truth(self._node)
        return Condition(tuple(binder.fields), truth)


def parse(text: str) -> Question:
    """A question such as "seq >= 4k and causal and impl in (flash2, sdpa)".

    Raises:
        QueryError: it cannot be read.
    """
    return Question(text, syntax.read(text))


class _Binder(Generic[Entry]):
    """Turns a tree into functions of a row, and refuses what makes no sense of such rows."""

    def __init__(self, vocabulary: Vocabulary[Entry]) -> None:
        self._vocabulary = vocabulary
        self.fields: dict[Field[Entry], None] = {}

    def truth(self, node: Node) -> _Truth[Entry]:
        match node:
            case Both(parts):
                return partial(_decided, False, [self.truth(part) for part in parts])
            case Either(parts):
                return partial(_decided, True, [self.truth(part) for part in parts])
            case Not(part):
                return partial(_opposite, self.truth(part))
            case Alone(operand):
                return self._switch(operand)
            case In():
                return self._among(node)
            case Compared(operands, operators):
                pairs = zip(operands, operators, operands[1:], strict=False)
                steps = [self._compare(left, sign, right) for left, sign, right in pairs]
                return steps[0] if len(steps) == 1 else partial(_decided, False, steps)

    def _field(self, operand: Operand, beside: Operand | None = None) -> Field[Entry] | None:
        """The field that a word is; none where it is a value of the word field that it stands `beside`."""
        if not isinstance(operand, Word):
            return None
        other = self._vocabulary.find(beside.text) if isinstance(beside, Word) else None
        if other is not None and other.kind == "word" and other.word(operand.text) is not None:
            return None
        return self._vocabulary.find(operand.text)

    def _use(self, field: Field[Entry]) -> Field[Entry]:
        self.fields[field] = None
        return field

    def _switch(self, operand: Operand) -> _Truth[Entry]:
        field = self._field(operand)
        if field is None:
            if isinstance(operand, Word):
                raise no_field(operand.text, [self._vocabulary])
            raise QueryError(f"{_written(operand)} alone is no question; for example: {syntax.EXAMPLE}")
        if field.kind != "yes/no":
            raise QueryError(
                f"{_written(operand)} is {_type(field)}, so it needs a comparison: {_example(field)}"
            )
        return partial(_is_on, self._use(field))

    def _compare(self, left: Operand, sign: str, right: Operand) -> _Truth[Entry]:
        of_left, of_right = self._field(left, right), self._field(right, left)
        if of_left is None and of_right is None:
            raise self._no_field_in(left, right)
        if of_left is None:
            assert of_right is not None
            return self._with_value(self._use(of_right), _FLIPPED[sign], left)
        if of_right is None:
            return self._with_value(self._use(of_left), sign, right)
        return self._with_field(self._use(of_left), sign, self._use(of_right))

    def _with_field(self, left: Field[Entry], sign: str, right: Field[Entry]) -> _Truth[Entry]:
        texts = ("text", "word")
        alike = left.kind == right.kind or (left.kind in texts and right.kind in texts)
        if not alike or left.unit != right.unit or "list" in (left.kind, right.kind):
            raise QueryError(f"{left.name} and {right.name} do not compare: {_type(left)} and {_type(right)}")
        self._check_order(left, sign)
        return partial(_fields_compare, left, _COMPARE[sign], right)

    def _with_value(self, field: Field[Entry], sign: str, literal: Operand) -> _Truth[Entry]:
        if isinstance(literal, Word) and literal.text.casefold() == "none":
            if sign not in _EQUALITY:
                raise QueryError(f"none has no order: write {field.name} == none, or != none")
            return partial(_is_missing, field, sign == "==")
        if field.kind == "list":
            raise QueryError(f"{field.name} is a list: {_example(field)}")
        self._check_order(field, sign)
        possible = self._values(field, literal)
        if len(possible) == 1:
            return partial(_compares, field, _COMPARE[sign], possible[0])
        return partial(_is_one_of, field, possible, sign == "==")

    def _check_order(self, field: Field[Entry], sign: str) -> None:
        if sign not in _EQUALITY and field.kind not in ("number", "time"):
            raise QueryError(f"{field.name} has no order, so it takes == or != or in: {_example(field)}")

    def _values(self, field: Field[Entry], literal: Operand) -> tuple[Quantity, ...]:
        """What a literal stands for beside that field; of a text, every spelling that is as good."""
        text = literal.text
        if field.kind == "number":
            if not isinstance(literal, Number):
                raise QueryError(
                    f"{field.name} is a number, and {_written(literal)} is none: {_example(field)}"
                )
            return (quantity(field, literal),)
        if isinstance(literal, Number) and field.kind != "time":
            raise QueryError(
                f"{field.name} is {_type(field)}, and {shown(text)} is a number: {_example(field)}"
            )
        if field.kind == "yes/no":
            if text.casefold() not in _SWITCHES:
                raise QueryError(f"{field.name} is yes or no, not '{shown(text)}': {_example(field)}")
            return (_SWITCHES[text.casefold()],)
        if field.kind == "word":
            if (word := field.word(text)) is None:
                possible = ", ".join(field.words)
                raise QueryError(f"there is no {field.name} '{shown(text)}'; there are {possible}")
            return (word.casefold(),)
        return tuple(dict.fromkeys((text.casefold(), *_other_spellings(field, text))))

    def _among(self, node: In) -> _Truth[Entry]:
        if not node.listed:
            return self._part_of(node)
        alone = next((item for item in node.among if isinstance(item, Word)), None)
        field = self._field(node.operand, alone)
        if field is None:
            raise self._no_field_in(node.operand, node.operand)
        found = [self._with_value(self._use(field), "==", item) for item in node.among]
        either: _Truth[Entry] = partial(_decided, True, found)
        return partial(_opposite, either) if node.negated else either

    def _part_of(self, node: In) -> _Truth[Entry]:
        """Whether a text is part of a field's, or of one of a list's."""
        (whole,) = node.among
        field = self._field(whole)
        if field is None:
            if self._field(node.operand) is None:
                raise self._no_field_in(whole, node.operand)
            raise QueryError(f"in takes a list: {_written(node.operand)} in ({_written(whole)}, ...)")
        if field.kind not in ("text", "list", "word", "time"):
            raise QueryError(f"nothing is in {field.name}, {_type(field)}: {_example(field)}")
        part = node.operand.text.casefold()
        truth: _Truth[Entry] = partial(_holds, self._use(field), part)
        return partial(_opposite, truth) if node.negated else truth

    def _no_field_in(self, left: Operand, right: Operand) -> QueryError:
        words = [operand for operand in (left, right) if isinstance(operand, Word)]
        if words:
            return no_field(words[0].text, [self._vocabulary])
        return QueryError(f"{_written(left)} is compared with no field; for example: {syntax.EXAMPLE}")


def _decided(decisive: bool, parts: list[_Truth[Entry]], entry: Entry) -> bool | None:
    """The `decisive` truth as soon as one part has it; else what is not known leaves all of it so."""
    found: bool | None = not decisive
    for part in parts:
        truth = part(entry)
        if truth is decisive:
            return decisive
        if truth is None:
            found = None
    return found


def _opposite(part: _Truth[Entry], entry: Entry) -> bool | None:
    truth = part(entry)
    return None if truth is None else not truth


def _is_on(field: Field[Entry], entry: Entry) -> bool | None:
    value = field.value(entry)
    return None if value is None else bool(value)


def _compares(field: Field[Entry], compare: _Compare, with_: Quantity, entry: Entry) -> bool | None:
    value = _plain(field.value(entry))
    return None if value is None else compare(value, with_)


def _is_one_of(
    field: Field[Entry], possible: tuple[Quantity, ...], wanted: bool, entry: Entry
) -> bool | None:
    value = _plain(field.value(entry))
    return None if value is None else (value in possible) is wanted


def _fields_compare(left: Field[Entry], compare: _Compare, right: Field[Entry], entry: Entry) -> bool | None:
    one, other = _plain(left.value(entry)), _plain(right.value(entry))
    return None if one is None or other is None else compare(one, other)


def _is_missing(field: Field[Entry], wanted: bool, entry: Entry) -> bool:
    value = field.value(entry)
    return (value is None or value == ()) is wanted


def _holds(field: Field[Entry], part: str, entry: Entry) -> bool | None:
    match field.value(entry):
        case None:
            return None
        case tuple() as items:
            return any(part in item.casefold() for item in items)
        case value:
            return part in str(value).casefold()


def _plain(value: Value) -> Value:
    """A value as it is compared: texts whatever the case of their letters."""
    return value.casefold() if isinstance(value, str) else value


def _other_spellings(field: Field[Entry], text: str) -> list[str]:
    """What else a text may be called: the labs' names of implementations, a model without its gpt2-."""
    if field.column == "implementation":
        import impls

        names = {alias.casefold(): item.name for item in impls.catalog() for alias in item.aliases}
        return [names[text.casefold()].casefold()] if text.casefold() in names else []
    spelled = field.spelled.get(text.casefold())
    return [spelled.casefold()] if spelled else []


def _written(operand: Operand) -> str:
    return shown(operand.text) if isinstance(operand, Number) else f"'{shown(operand.text)}'"


def _type(field: Field[Entry]) -> str:
    match field.kind:
        case "number":
            return f"a number of {field.unit}" if field.unit else "a number"
        case "yes/no":
            return "yes or no"
        case "list":
            return "a list"
        case "word":
            return f"one of {', '.join(field.words)}"
        case "time":
            return "a time"
        case "text":
            return "a text"


def _example(field: Field[Entry]) -> str:
    """What to type instead."""
    match field.kind:
        case "number":
            return f"{field.name} >= {_A_NUMBER.get(field.unit, '1')}"
        case "yes/no":
            return f"{field.name}, or not {field.name}"
        case "list":
            return (
                f"'power cap' in {field.name}" if field.column == "conditions" else f"'...' in {field.name}"
            )
        case "word":
            return f"{field.name} == {field.words[0]}"
        case "time":
            return f"{field.name} >= '2026-11-22'"
        case "text":
            return f"{field.name} == flash2" if field.column == "implementation" else f"'...' in {field.name}"


_A_NUMBER = {"": "4k", "ms": "1.5", "bytes": "512MiB", "%": "50"}
