"""The grammar of a question, and nothing else: text to a tree. Nothing in it is ever executed.

    question   = all ("or" all)*
    all        = part ("and" part)*
    part       = "not" part | "(" question ")" | comparison
    comparison = value (("<" | "<=" | "==" | "!=" | ">=" | ">") value)*
               | value ["not"] "in" (value | "(" value ("," value)* ")")
    value      = number[unit] | "text" | word

A word may be a field, or what one is compared with: that is decided where the fields are known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, NoReturn

from profiler.query.fields import QueryError, shown

EXAMPLE = "seq >= 4k and causal and impl in (flash2, sdpa)"

MOST_CHARACTERS = 2_000
_DEEPEST = 40  # parentheses and nots within each other; Python's own stack holds many times that
_LONGEST_NUMBER = 40

Operator = Literal["<", "<=", "==", "!=", ">=", ">"]


@dataclass(frozen=True)
class Word:
    """A name as it stands there: a field's, or a value's."""

    text: str


@dataclass(frozen=True)
class Text:
    """What stood in quotes."""

    text: str


@dataclass(frozen=True)
class Number:
    """A number with the unit that was written behind it, "" for none."""

    text: str
    value: float
    unit: str


Operand = Word | Text | Number


@dataclass(frozen=True)
class Alone:
    """A value by itself: true or false only if it is a field of that type."""

    operand: Operand


@dataclass(frozen=True)
class Compared:
    """Values with an operator between each and the next: all of them have to hold."""

    operands: tuple[Operand, ...]
    operators: tuple[Operator, ...]


@dataclass(frozen=True)
class In:
    """Whether a value is one of some, or part of a single one."""

    operand: Operand
    among: tuple[Operand, ...]
    listed: bool
    negated: bool


@dataclass(frozen=True)
class Not:
    """The opposite; of what is not known, not known either."""

    part: Node


@dataclass(frozen=True)
class Both:
    """All parts have to hold."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Either:
    """One of the parts has to."""

    parts: tuple[Node, ...]


Node = Alone | Compared | In | Not | Both | Either

_TOKEN = re.compile(
    r"(?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<unit>[A-Za-z%][A-Za-z/%]*)?"
    r"""|(?P<text>"[^"]*"|'[^']*')"""
    r"|(?P<word>[A-Za-z_][\w.+:/*-]*)"
    r"|(?P<sign><=|>=|==|!=|<>|&&|\|\||[<>=!(),\[\]])",
    re.ASCII,
)
_OPERATORS: dict[str, Operator] = {
    "<": "<",
    "<=": "<=",
    "==": "==",
    "=": "==",
    "!=": "!=",
    "<>": "!=",
    ">=": ">=",
    ">": ">",
}
_OPENING = {"(": ")", "[": "]"}
_OF_OTHER_LANGUAGES = {"&&": "and", "||": "or", "!": "not"}
_KEYWORDS = frozenset({"and", "or", "not", "in"})


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    at: int
    unit: str = ""


def read(text: str) -> Node:
    """The tree of a question.

    Raises:
        QueryError: it is none; the message says where it stops making sense.
    """
    if len(text) > MOST_CHARACTERS:
        raise QueryError(f"a question takes at most {MOST_CHARACTERS:,} characters, not {len(text):,}")
    reader = _Reader(text)
    node = reader.question(0)
    reader.expect_end()
    return node


class _Reader:
    """Goes through the tokens once, from left to right."""

    def __init__(self, text: str) -> None:
        self._whole = text
        self._tokens = _tokens(text)
        self._next = 0

    def question(self, depth: int) -> Node:
        parts = [self._all(depth)]
        while self._take_keyword("or"):
            parts.append(self._all(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def expect_end(self) -> None:
        token = self._peek()
        if token is None:
            return
        if token.text in _OF_OTHER_LANGUAGES:
            raise QueryError(f"'{token.text}' is written {_OF_OTHER_LANGUAGES[token.text]}: {EXAMPLE}")
        self._refuse("and, or, or the end")

    def _all(self, depth: int) -> Node:
        parts = [self._part(depth)]
        while self._take_keyword("and"):
            parts.append(self._part(depth))
        return parts[0] if len(parts) == 1 else Both(tuple(parts))

    def _part(self, depth: int) -> Node:
        if depth > _DEEPEST:
            raise QueryError(f"a question may be nested {_DEEPEST} deep, and this is deeper")
        if self._take_keyword("not"):
            return Not(self._part(depth + 1))
        token = self._peek()
        if token is not None and token.text == "(" and token.kind == "sign":
            self._next += 1
            node = self.question(depth + 1)
            self._close(")")
            return node
        return self._comparison()

    def _comparison(self) -> Node:
        operands, operators = [self._value()], list[Operator]()
        negated = self._keyword_at(0) == "not" and self._keyword_at(1) == "in"
        if negated or self._keyword_at(0) == "in":
            self._next += 2 if negated else 1
            return self._in(operands[0], negated)
        while (token := self._peek()) is not None and token.text in _OPERATORS and token.kind == "sign":
            self._next += 1
            operators.append(_OPERATORS[token.text])
            operands.append(self._value())
        return Compared(tuple(operands), tuple(operators)) if operators else Alone(operands[0])

    def _in(self, operand: Operand, negated: bool) -> Node:
        token = self._peek()
        if token is None or token.text not in _OPENING or token.kind != "sign":
            return In(operand, (self._value(),), listed=False, negated=negated)
        self._next += 1
        among = [self._value()]
        while (after := self._peek()) is not None and after.text == "," and after.kind == "sign":
            self._next += 1
            among.append(self._value())
        self._close(_OPENING[token.text])
        return In(operand, tuple(among), listed=True, negated=negated)

    def _value(self) -> Operand:
        token = self._peek()
        if token is None or token.kind == "sign" or self._keyword_at(0):
            self._refuse("a field or a value")
        self._next += 1
        if token.kind == "number":
            return _number(token)
        return Text(token.text[1:-1]) if token.kind == "text" else Word(token.text)

    def _close(self, sign: str) -> None:
        token = self._peek()
        if token is None or token.text != sign:
            self._refuse(f"'{sign}'")
        self._next += 1

    def _peek(self) -> _Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _keyword_at(self, ahead: int) -> str:
        index = self._next + ahead
        token = self._tokens[index] if index < len(self._tokens) else None
        lowered = token.text.lower() if token is not None and token.kind == "word" else ""
        return lowered if lowered in _KEYWORDS else ""

    def _take_keyword(self, keyword: str) -> bool:
        if self._keyword_at(0) != keyword:
            return False
        self._next += 1
        return True

    def _refuse(self, wanted: str) -> NoReturn:
        token = self._peek()
        where = f"ends where {wanted} should stand"
        if token is not None:
            where = f"has '{shown(token.text)}' where {wanted} should stand"
        raise QueryError(f"'{shown(self._whole)}' {where}; for example: {EXAMPLE}")


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        match = _TOKEN.match(text, at)
        if match is None:
            raise QueryError(_why_no_token(text, at))
        kind = next(kind for kind in ("number", "text", "word", "sign") if match[kind] is not None)
        found.append(_Token(kind, match[kind], at, match["unit"] or ""))
        at = match.end()
    return found


def _why_no_token(text: str, at: int) -> str:
    if text[at] in "'\"":
        return f"the quote at {shown(text[at:])} is not closed; for example: impl == 'flash2'"
    sign = f"'{shown(text[at])}'" if shown(text[at]) else "a character that cannot be seen"
    return f"'{shown(text)}' has {sign} in it, which means nothing there; for example: {EXAMPLE}"


def _number(token: _Token) -> Number:
    written = f"{token.text}{token.unit}"
    if len(token.text) > _LONGEST_NUMBER or abs(value := float(token.text)) == float("inf"):
        raise QueryError(f"the number {shown(written)} is out of all proportion")
    return Number(written, float(token.text) if value else 0.0, token.unit)
