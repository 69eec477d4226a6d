"""The list of implementations, and how a name finds one."""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib import import_module

from impls.contract import Implementation

# In the order they are shown: the baseline first, then PyTorch's own, then packages.
_MODULES = (
    "pytorch",
    "sdpa",
    "sdpa_math",
    "sdpa_flash",
    "sdpa_efficient",
    "sdpa_cudnn",
    "flash2",
)


class UnknownImplementation(ValueError):
    """No implementation goes by that name; the message names the nearest."""


@cache
def catalog() -> tuple[Implementation, ...]:
    """Every implementation, in the order they are shown."""
    return tuple(import_module(f"impls.{module}").IMPLEMENTATION for module in _MODULES)


@cache
def _by_name() -> dict[str, Implementation]:
    return {
        name.casefold(): implementation
        for implementation in catalog()
        for name in (implementation.name, *implementation.aliases)
    }


def find(name: str) -> Implementation:
    """The implementation called `name`, or an alias of it, in any case of letters.

    Raises:
        UnknownImplementation: there is none; the message names the nearest and all.
    """
    known = _by_name()
    if found := known.get(name.casefold()):
        return found
    names = [implementation.name for implementation in catalog()]
    near = dict.fromkeys(
        known[match].name for match in get_close_matches(name.casefold(), known, n=3, cutoff=0.5)
    )
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"
    raise UnknownImplementation(f"there is no implementation '{name}'; {hint}")
