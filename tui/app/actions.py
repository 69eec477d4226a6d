"""Every action of the app that a key is bound to, by the name under which the settings can give it others."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module

from textual.binding import Binding
from textual.dom import DOMNode

import tui.app


def actions() -> dict[str, Binding]:
    """The bindings by their ids, those of the app, its screens and its widgets, in order of the ids."""
    for module in pkgutil.walk_packages(tui.app.__path__, f"{tui.app.__name__}."):
        import_module(module.name)
    found = {
        binding.id: binding
        for kind in _ours(DOMNode)
        for binding in vars(kind).get("BINDINGS", ())
        if isinstance(binding, Binding) and binding.id is not None
    }
    return dict(sorted(found.items()))


def _ours(kind: type[DOMNode]) -> Iterator[type[DOMNode]]:
    for each in kind.__subclasses__():
        if each.__module__.startswith(f"{tui.app.__name__}."):
            yield each
        yield from _ours(each)
