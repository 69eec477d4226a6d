"""GPU kernel names shortened for reading; the whole name stays in the session.

Kernels come under C++ signatures of thousands of characters, or under generated names that spell
out every tile size. What is kept is what a person tells them apart by: the function, and for the
generic kernels of ATen and CUTLASS what they were instantiated with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_ELLIPSIS = "..."
_LOWER = "abcdefghijklmnopqrstuvwxyz0123456789_"
_CLOSING = {"<": ">", "(": ")", "{": "}", "[": "]"}

# Functions that say nothing without the namespace or class they stand in.
_ANONYMOUS = frozenset({"kernel", "Kernel", "run", "invoke", "operator()"})
# CUTLASS launches every kernel through one of these; the kernel is the template argument.
_CUTLASS_LAUNCHERS = frozenset({"device_kernel", "Kernel", "Kernel2"})
_ATEN_LAUNCHERS = frozenset({"reduce_kernel", "multi_tensor_apply_kernel"})
# Template arguments that hold the operation: lambdas of an operator's kernel, and functors.
_OPERATION = re.compile(r"\{lambda|[Ff]unctor|Ops?\b")
_AFFIXES = re.compile(r"^CUDAFunctor_|_kernel_cuda$|_kernel_impl$|_kernel$|_?[Ff]unctor$")
_DEEPEST = 8  # functors within functors; no real name has as many
_MOST_TYPES = 3

# cudnn_generated_fort_native_sdpa_..._knob_7_64x128x64_4x1x1_cga1x1x1_kernel0_0
_CUDNN = re.compile(r"cudnn_generated_[a-z]+_(?:native_)?")
_CUDNN_KNOB = re.compile(r"_knob_\d+")
_TILE = re.compile(r"_(?:tilesize)?(\d+x\d+x\d+)")
_NAME = re.compile(r"(?:[^ :<>(){}\[\]]|:(?!:))+|.")
_CONST = re.compile(r" const(?!\w)")


def short_name(name: str, most: int = 48) -> str:
    """A kernel's name in at most `most` characters, on one line.

    C++ signatures lose return type, namespaces, template arguments and parameters. ATen's generic
    kernels read "launcher: operation types" ("vectorized_elementwise: Binary Mul Half"), CUTLASS's
    are called what they launch. Names of copies and fills, of Triton's kernels and of operators
    stay. What is still too long loses its middle: both ends tell kernels apart.
    """
    return _fit(_readable(" ".join(name.split())), most)


def _fit(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    if most < 4 * len(_ELLIPSIS):
        return text[: max(most, 0)]
    tail = (most - len(_ELLIPSIS)) // 3
    return text[: most - len(_ELLIPSIS) - tail] + _ELLIPSIS + text[-tail:]


def _readable(text: str) -> str:
    if text.startswith(("Memset", "Memcpy")):
        return text
    if "<" not in text and "(" not in text:
        return _generated(text)
    path = _path(text)
    if not path:
        return text
    function = path[-1]
    if function.name in _CUTLASS_LAUNCHERS and function.arguments:
        return _launched(function) or function.name
    if "elementwise" in function.name or function.name in _ATEN_LAUNCHERS:
        operation = _operation(function.arguments)
        launcher = function.name.removesuffix("_kernel")
        return f"{launcher}: {operation}" if operation else function.name
    if function.name in _ANONYMOUS and len(path) > 1:
        return f"{path[-2].name}::{function.name}"
    return function.name


def _generated(text: str) -> str:
    """Names that libraries generate, without what only their dispatcher reads."""
    if (prefix := _CUDNN.match(text)) is not None:
        return _up_to_tile("cudnn_" + _CUDNN_KNOB.sub("", text[prefix.end() :]))
    if "_xmma_" in text:  # sm80_xmma_gemm_..._tilesize64x64x8_stage3_..._execute_kernel__5x_cublas
        return _up_to_tile(text)
    if text.startswith("kernel_cutlass_"):  # the CuTe DSL: kernel_cutlass_..._object_at__<argument types>
        subject = text.removeprefix("kernel_cutlass_").partition("_object_at_")[0]
        # Module and class run together: flash_attncuteflash_fwd_sm100FlashAttentionForwardSm100.
        return subject.lstrip(_LOWER) or subject
    return text


def _up_to_tile(text: str) -> str:
    tile = _TILE.search(text)
    return f"{text[: tile.start()]}_{tile[1]}" if tile else text


@dataclass(frozen=True)
class _Part:
    """One name of a qualified one: "b" with arguments "int, 4" in a::b<int, 4>::c(float)."""

    name: str
    arguments: str = ""


def _path(text: str) -> list[_Part]:
    """The names that "::" joins in a function's signature or a type, without what stands around them."""
    path: list[_Part] = []
    name, arguments, at = "", "", 0

    def end_name() -> None:
        nonlocal name, arguments
        if name:
            path.append(_Part(name, arguments))
        name, arguments = "", ""

    while at < len(text):
        character = text[at]
        if not name and text.startswith("operator()", at):
            name, at = "operator()", at + len("operator()")
        elif text.startswith("::", at):
            end_name()
            at += 2
        elif const := _CONST.match(text, at):
            at = const.end()
        elif character in _CLOSING:
            end = _end_of_group(text, at)
            if character == "<":
                arguments = arguments or text[at + 1 : end]
            elif character == "{":
                name = text[at : end + 1]
            elif character == "(" and name and not text.startswith(("::", " const::"), end + 1):
                break  # the parameters; where a member follows, as of a lambda's owner, the name goes on
            at = end + 1
        elif character == " ":
            path, name, arguments, at = [], "", "", at + 1  # what came before was the return type
        else:
            plain = _NAME.match(text, at)
            assert plain is not None  # it matches any character
            name, at = name + plain[0], plain.end()
    end_name()
    return path


def _end_of_group(text: str, start: int) -> int:
    """Where the bracket opened at `start` is closed; the text's end where it is not."""
    expected: list[str] = []
    for at in range(start, len(text)):
        character = text[at]
        if character in _CLOSING:
            expected.append(_CLOSING[character])
        elif character == ">":
            if expected[-1] == ">" and text[at - 1] != "-":
                expected.pop()
        elif character in ")}]":
            while expected and expected[-1] == ">":  # was no bracket but a comparison
                expected.pop()
            if expected:
                expected.pop()
        if not expected:
            return at
    return len(text)


def _list(arguments: str) -> list[str]:
    """The items of a comma-separated list, commas within brackets aside."""
    items, began, at = [], 0, 0
    while at < len(arguments):
        if arguments[at] in _CLOSING:
            at = _end_of_group(arguments, at)
        elif arguments[at] == ",":
            items.append(arguments[began:at].strip())
            began = at + 1
        at += 1
    items.append(arguments[began:].strip())
    return [item for item in items if item]


def _launched(launcher: _Part) -> str:
    """The kernel within CUTLASS's launcher, past what only guards it by architecture."""
    name = ""
    for _ in range(_DEEPEST):
        items = _list(launcher.arguments)
        path = _path(items[0]) if items else []
        if not path:
            break
        launcher = path[-1]
        name = launcher.name
        if not name.startswith("enable_"):
            break
    return name


@dataclass(frozen=True)
class _Found:
    """The words for an operation, outermost functor first, and the types it works on."""

    words: list[str]
    types: list[str]


def _operation(arguments: str) -> str:
    """What a generic kernel does, from its template arguments: "direct_copy Half"; "" if they do not say."""
    found = _find(arguments, _DEEPEST)
    return " ".join(found.words + found.types) if found else ""


def _find(arguments: str, levels: int) -> _Found | None:
    items = _list(arguments)
    holder = next((item for item in items if _OPERATION.search(item)), None)
    if holder is None or not levels:
        return None
    path = _path(holder)
    lambdas = [part.name for part in path if part.name.startswith("{lambda")]
    # A lambda's owner is the last name before it; before the first, where lambdas stand in lambdas.
    first = next((index for index, part in enumerate(path) if part.name.startswith("{")), len(path))
    named = [part for part in path[:first] if part.name != "operator()"]
    if not named:
        return None
    owner = named[-1]
    inner = _find(owner.arguments, levels - 1)
    if inner is None:
        types = lambdas[-1].partition("(")[2].rpartition(")")[0] if lambdas else owner.arguments
        return _Found([_label(owner.name)], _types(types))
    if "Functor" in owner.name:  # BinaryFunctor, AUnaryFunctor: which operand is a number
        return _Found([_label(owner.name), *inner.words], _types(owner.arguments) or inner.types)
    return inner


def _label(name: str) -> str:
    return _AFFIXES.sub("", name) or name


def _types(arguments: str) -> list[str]:
    """The plain types among template arguments, each once and without its namespace."""
    types = [item.rpartition("::")[2] for item in _list(arguments) if re.fullmatch(r"[A-Za-z_][\w: ]*", item)]
    return [name for name in dict.fromkeys(types) if name not in ("true", "false")][:_MOST_TYPES]
