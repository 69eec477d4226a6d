"""What a Python file says of its functions, read off its text: nothing of it is run."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SCOPES = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class CannotUse(ValueError):
    """Why a function cannot be an implementation, in one sentence."""


@dataclass(frozen=True)
class Attribute:
    """What is assigned to an attribute of a function at module level; `value` only if it is a literal."""

    line: int
    text: str
    is_literal: bool
    value: object = None


@dataclass(frozen=True)
class Function:
    """A function as its `def` has it. `signature` is the text between its parentheses."""

    name: str
    summary: str
    signature: str
    positional: tuple[str, ...]
    by_name: frozenset[str]
    required: frozenset[str]
    takes_any_position: bool
    takes_any_name: bool
    attributes: Mapping[str, Attribute]


@dataclass
class Source:
    """The functions of a file by name, and the lines where other names are bound."""

    functions: dict[str, Function] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)


def read(path: Path, shown: str) -> Source:
    """The functions that are defined at module level, which conditions do not change.

    Raises:
        CannotUse: the file, which the message calls `shown`, cannot be read or is no Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are the worker's to give, when it runs the file
            tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        place = f", line {error.lineno}" if error.lineno else ""
        raise CannotUse(f"{shown}{place}: {type(error).__name__}: {error.msg}") from None
    except OSError as error:
        raise CannotUse(f"{shown} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, MemoryError) as error:  # null bytes; nested too deep
        raise CannotUse(f"{shown} is no Python: {error}") from None
    source, attributes = Source(), _attributes(tree)
    for statement in _at_module_level(tree):
        if isinstance(statement, ast.FunctionDef):
            found = _function(statement, attributes.get(statement.name, {}))
            source.functions[statement.name] = found
        for name in _bound_by(statement):
            source.others[name] = statement.lineno
    return source


def _at_module_level(node: ast.AST) -> Iterator[ast.stmt]:
    """The statements outside functions and classes, those under `if` and `try` too."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.stmt):
            yield child
        if not isinstance(child, _SCOPES | ast.expr):
            yield from _at_module_level(child)


def _targets(statement: ast.stmt) -> tuple[list[ast.expr], ast.expr | None]:
    """What an assignment assigns to, and what."""
    if isinstance(statement, ast.Assign):
        return statement.targets, statement.value
    if isinstance(statement, ast.AnnAssign):
        return [statement.target], statement.value
    return [], None


def _bound_by(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
    if isinstance(statement, ast.ClassDef | ast.AsyncFunctionDef):
        return [statement.name]
    return [target.id for target in _targets(statement)[0] if isinstance(target, ast.Name)]


def _attributes(tree: ast.Module) -> dict[str, dict[str, Attribute]]:
    """By name, what is assigned to attributes of what goes by it: `attention.layout = "bshd"`."""
    found: dict[str, dict[str, Attribute]] = {}
    for statement in _at_module_level(tree):
        targets, value = _targets(statement)
        for target in targets:
            if value and isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name):
                found.setdefault(target.value.id, {})[target.attr] = _attribute(statement.lineno, value)
    return found


def _attribute(line: int, value: ast.expr) -> Attribute:
    text = ast.unparse(value)
    try:
        return Attribute(line, text, is_literal=True, value=ast.literal_eval(value))
    except (ValueError, TypeError):
        return Attribute(line, text, is_literal=False)


def _function(node: ast.FunctionDef, attributes: Mapping[str, Attribute]) -> Function:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = positional[: len(positional) - len(arguments.defaults)] + [
        argument
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if default is None
    ]
    docstring = (ast.get_docstring(node) or "").strip()
    return Function(
        name=node.name,
        summary=docstring.partition("\n")[0].rstrip(". "),
        signature=ast.unparse(arguments),
        positional=tuple(argument.arg for argument in positional),
        by_name=frozenset(argument.arg for argument in (*arguments.args, *arguments.kwonlyargs)),
        required=frozenset(argument.arg for argument in without_default),
        takes_any_position=arguments.vararg is not None,
        takes_any_name=arguments.kwarg is not None,
        attributes=attributes,
    )
