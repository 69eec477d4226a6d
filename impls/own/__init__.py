"""A user's own kernel as an implementation: a function in a file, or an installed package's entry point.

`FILE.py:FUNCTION` names any function (q, k, v, *, causal, scale); it needs nothing of attnprof. The
engine and the terminal load no torch, and they ask about implementations: so what is said here of
a function is read off its text, and its file is run by `prepare` alone, in the worker.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from impls._locate import find_module
from impls.contract import Attend, DeviceInfo, Implementation, Prepare, Workload
from impls.own.declared import check_signature, facts, options
from impls.own.running import function_of
from impls.own.source import CannotUse, Function, Source, read

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    import torch

GROUP = "attnprof.implementations"
"""The entry points of installed packages that are implementations: NAME = "package.module:function"."""

_DEFAULT = "attention"
_MOST_LISTED = 8
_NO_FUNCTIONS = "it has none at all"


class NoSuchFunction(ValueError):
    """There is no such file, or no function in it that could be used; the message says what there is."""


def is_path(name: str) -> bool:
    """Whether `name` is meant as FILE.py or FILE.py:FUNCTION: no other name has a slash or a colon."""
    return name.endswith(".py") or "/" in name or ":" in name


def from_file(name: str) -> Implementation:
    """The function that FILE.py:FUNCTION names, or FILE.py: `attention`, or the only one it could be.

    Raises:
        NoSuchFunction: there is none that can be used.
    """
    try:
        return _from_file(name)
    except CannotUse as error:
        raise NoSuchFunction(str(error)) from None


def installed() -> tuple[Implementation, ...]:
    """Those of installed packages; one that cannot be used says why, and none keeps the others from it."""
    from importlib.metadata import entry_points  # takes 20 ms

    try:
        points = {point.name: point for point in entry_points(group=GROUP)}
    except Exception:  # another package's broken metadata
        return ()
    return tuple(_from_package(point) for point in points.values())


def _from_file(name: str) -> Implementation:
    typed, function_name = _parts(name)
    shown = str(PurePath(typed))
    path = _existing(typed, shown)
    function = _chosen(read(path, shown), function_name, shown)
    return _implementation(
        function,
        shown,
        name=f"{shown}:{function.name}",
        label=f"{function.name} ({path.name})",
        get=lambda: function_of(path, function.name),
    )


def _parts(name: str) -> tuple[str, str]:
    """The file and the function, "" if none is named."""
    path, colon, function = name.rpartition(":")
    return (path, function) if colon and not name.endswith(".py") else (name, "")


def _existing(typed: str, shown: str) -> Path:
    try:
        path = Path(typed).expanduser().resolve()
        if path.suffix != ".py":
            raise CannotUse(f"{shown} is no Python file: a function of your own is FILE.py:FUNCTION")
        if path.is_dir():
            raise CannotUse(f"{shown} is a folder: a function of your own is FILE.py:FUNCTION")
        if not path.exists():
            raise CannotUse(_missing(path, shown))
    except (RuntimeError, OSError) as error:  # ~somebody; links in a circle; too long; a closed folder
        raise CannotUse(f"there is no file {shown}: {error}") from None
    return path


def _missing(path: Path, shown: str) -> str:
    folder = PurePath(shown).parent
    if not path.parent.is_dir():
        return f"there is no folder {folder} in {Path.cwd()}"
    there = sorted(file.name for file in path.parent.glob("*.py"))
    near = get_close_matches(path.name, there, n=1, cutoff=0.7)
    hint = (
        f"did you mean {folder / near[0]}?"
        if near
        else _list("Python files there are", there, if_none="it has no Python files")
    )
    return f"there is no file {path.name} in {path.parent}; {hint}"


def _list(title: str, names: list[str], *, if_none: str) -> str:
    if not names:
        return if_none
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return f"{title} {', '.join(names[:_MOST_LISTED])}{more}"


def _chosen(source: Source, name: str, shown: str) -> Function:
    if name:
        return _named(source, name, shown)
    if _DEFAULT in source.functions:
        return _named(source, _DEFAULT, shown)
    public = [function for function in source.functions.values() if not function.name.startswith("_")]
    possible = [function for function in public if _can_be_called(function)]
    if len(possible) == 1:
        return possible[0]
    if possible:
        raise CannotUse(f"{shown} has several functions: say which, {_called(shown, possible)}")
    hint = _list("its functions are", [function.name for function in public], if_none=_NO_FUNCTIONS)
    raise CannotUse(f"{shown} has no function attention(q, k, v, *, causal, scale); {hint}")


def _called(shown: str, functions: list[Function]) -> str:
    return " or ".join(f"{shown}:{function.name}" for function in functions[:_MOST_LISTED])


def _can_be_called(function: Function) -> bool:
    try:
        check_signature(function, "")
    except CannotUse:
        return False
    return True


def _named(source: Source, name: str, shown: str) -> Function:
    if function := source.functions.get(name):
        check_signature(function, shown)
        return function
    if line := source.others.get(name):
        raise CannotUse(
            f"{shown}, line {line}: {name} is no def, so what it takes cannot be read; "
            f"wrap it: def {name}(q, k, v, *, causal, scale)"
        )
    near = get_close_matches(name, source.functions, n=1)
    hint = (
        f"did you mean {near[0]}?"
        if near
        else _list("its functions are", [*source.functions], if_none=_NO_FUNCTIONS)
    )
    raise CannotUse(f"{shown} has no function {name}; {hint}")


def _implementation(
    function: Function, shown: str, *, name: str, label: str, get: Callable[[], Callable[..., Any]]
) -> Implementation:
    said = facts(function, shown)
    always_packed = said["layout"] == "thd"
    takes_packed = said["ragged"] == "packed"

    def prepare(workload: Workload, device: str) -> Attend:
        call = get()
        packed = always_packed or (takes_packed and workload.lengths is not None)
        given = options(function, workload, device, packed=packed)

        def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = call(q, k, v, **given)
            return out

        return attend

    summary = function.summary or f"the function {function.name} of {shown}"
    # A kernel of one's own may reckon with tensors in one piece, as those are that it is measured with.
    return Implementation(
        name=name, prepare=prepare, summary=summary, strided=False, **{"label": label, **said}
    )


@dataclass(frozen=True, kw_only=True)
class _Unusable(Implementation):
    """An entry point that is listed with the reason why it is nothing to be run."""

    reason: str

    def unavailable(self, device: DeviceInfo) -> str | None:
        return self.reason


def _from_package(point: EntryPoint) -> Implementation:
    summary = f"entry point of an installed package: {point.value}"
    try:
        return _usable(point)
    except CannotUse as error:
        reason = f"its entry point {point.name} = {point.value} cannot be used: {error}"
    except Exception as error:  # whatever its text and its folders are like, others are to be listed
        reason = f"its entry point {point.name} = {point.value} cannot be read: {error}"
    return _Unusable(
        name=point.name, label=point.name, summary=summary, prepare=_prepare_nothing(reason), reason=reason
    )


def _prepare_nothing(reason: str) -> Prepare:
    def prepare(workload: Workload, device: str) -> Attend:
        raise NotImplementedError(reason)

    return prepare


def _usable(point: EntryPoint) -> Implementation:
    if is_path(point.name) or set(point.name) & set("+, "):
        raise CannotUse("nobody could type its name, with one of : / + , or a space in it")
    module, _, attribute = point.value.partition("[")[0].partition(":")
    module, attribute = module.strip(), attribute.strip()
    if not attribute.isidentifier():
        raise CannotUse("it names no function (package.module:function)")
    path = find_module(module)
    if path is None:
        raise CannotUse(f"there is no module {module}")
    if path.suffix != ".py":
        raise CannotUse(f"{path.name} is no Python source, so what it takes cannot be read")
    function = _named(read(path, module), attribute, module)
    return _implementation(
        function,
        module,
        name=point.name,
        label=point.name,
        get=lambda: _attribute_of(module, attribute),
    )


def _attribute_of(module: str, name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(import_module(module), name)
    return function
