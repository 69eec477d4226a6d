"""The list of implementations, and how a name finds one."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module

from impls import compiled, own
from impls.contract import Implementation

# In the order they are shown: the baseline first, then PyTorch's own, then packages.
_MODULES = (
    "pytorch",
    "chunked",
    "sdpa",
    "sdpa_math",
    "sdpa_flash",
    "sdpa_efficient",
    "sdpa_cudnn",
    "flex",
    "xformers",
    "flash1",
    "flash1_triton",
    "flash2",
    "flash3",
    "flash4",
)


class UnknownImplementation(ValueError):
    """No implementation goes by that name; the message names the nearest."""


@cache
def catalog() -> tuple[Implementation, ...]:
    """Every implementation, in the order they are shown: attnprof's own, then those of installed packages."""
    built_in = tuple(import_module(f"impls.{module}").IMPLEMENTATION for module in _MODULES)
    taken = {name.casefold() for item in built_in for name in (item.name, *item.aliases)}
    return built_in + tuple(item for item in own.installed() if item.name.casefold() not in taken)


@cache
def _by_name() -> dict[str, Implementation]:
    return {
        name.casefold(): implementation
        for implementation in catalog()
        for name in (implementation.name, *implementation.aliases)
    }


def find(name: str) -> Implementation:
    """The implementation called `name`, or an alias of it, in any case of letters.

    FILE.py:FUNCTION is a function of one's own. NAME+VARIANT is a variant of an implementation:
    torch.compile's (impls.compiled), or one of its own.

    Raises:
        UnknownImplementation: there is none; the message says what there is.
    """
    whole, *added = _split(name)
    found = _own(whole) if own.is_path(whole) else _listed(whole)
    for variant in added:
        found = _varied(found, variant.casefold())
    return found


def _split(name: str) -> list[str]:
    """The name and its variants; a plus in a file's path is part of the path."""
    if name.endswith(".py"):
        return [name]
    path, colon, rest = name.rpartition(":")
    first, *added = rest.split("+")
    return [path + colon + first, *added]


def _own(name: str) -> Implementation:
    try:
        return own.from_file(name)
    except own.NoSuchFunction as error:
        raise UnknownImplementation(str(error)) from None


def _listed(name: str) -> Implementation:
    known = _by_name()
    if found := known.get(name.casefold()):
        return found
    names = [implementation.name for implementation in catalog()]
    near = dict.fromkeys(
        known[match].name for match in get_close_matches(name.casefold(), known, n=3, cutoff=0.5)
    )
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
    raise UnknownImplementation(
        f"there is no implementation '{name}'; {hint} (a function of your own is FILE.py:FUNCTION)"
    )


def _varied(base: Implementation, variant: str) -> Implementation:
    if variant in base.variants:
        return base.varied(variant)
    is_compiled = not set(base.name.split("+")).isdisjoint(compiled.MODES)
    modes = () if is_compiled else tuple(compiled.MODES)
    if variant in modes:
        return compiled.compiled(base, variant)
    possible = ", ".join(f"{base.name}+{name}" for name in (*base.variants, *modes))
    hint = f"there are {possible}" if possible else f"{base.name} is compiled already"
    raise UnknownImplementation(f"there is no {base.name}+{variant}; {hint}")
