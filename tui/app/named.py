"""Implementations that no catalog lists, by the names a person gives them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import msgspec

import impls
from profiler.engine import catalog
from profiler.engine.control import Hello
from profiler.events import CatalogEntry
from tui.app.choice import device_info


def entry_named(name: str, hello: Hello) -> CatalogEntry:
    """What the list shows of it; a variant can run where the engine says that what it varies can.

    Raises:
        UnknownImplementation: there is none; the message says what there is.
    """
    found = impls.find(name)
    listed = {entry.name: entry for entry in hello.catalog}
    if known := listed.get(found.name):
        return known
    entry = catalog.entry(found, device_info(hello))
    if varied := listed.get(found.name.partition("+")[0]):
        return msgspec.structs.replace(entry, unavailable=varied.unavailable, install=varied.install)
    return entry


def entry_asked_for(name: str, hello: Hello) -> CatalogEntry:
    """The same; what cannot be found here is left to the engine, which may be on another machine."""
    try:
        return entry_named(name, hello)
    except impls.UnknownImplementation:
        return CatalogEntry(name=name, label=name, summary="a file on the engine's machine")


def entries_found(names: Iterable[str], hello: Hello) -> tuple[CatalogEntry, ...]:
    """Of the names those that there still are."""
    found = []
    for name in names:
        with suppress(impls.UnknownImplementation):
            found.append(entry_named(name, hello))
    return tuple(found)
