"""The implementations as a session tells of them: which can run on a device, and why others cannot."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import impls
from impls.contract import DeviceInfo, Implementation
from profiler.events import CatalogEntry


def entries(device: DeviceInfo) -> tuple[CatalogEntry, ...]:
    """Every implementation, in the order they are shown; `install` only where that would help."""
    return tuple(entry(implementation, device) for implementation in impls.catalog())


def named(names: Iterable[str], device: DeviceInfo) -> tuple[CatalogEntry, ...]:
    """Those that go by these names, in that order: variants and functions of one's own, which nobody lists.

    A name that finds nothing is left out: why it finds nothing is said where it is to be measured.
    """
    found = []
    for name in names:
        with suppress(impls.UnknownImplementation):
            found.append(entry(impls.find(name), device))
    return tuple(found)


def together(*catalogs: Iterable[CatalogEntry]) -> tuple[CatalogEntry, ...]:
    """All of several catalogs in their order, each entry once; what a later one says of it holds."""
    entries = {entry.name: entry for entries in catalogs for entry in entries}
    return tuple(entries.values())


def entry(implementation: Implementation, device: DeviceInfo) -> CatalogEntry:
    """What is told of an implementation on `device`."""
    return CatalogEntry(
        name=implementation.name,
        label=implementation.label,
        summary=implementation.summary,
        unavailable=implementation.unavailable(device),
        compiles=implementation.compiled,
        install=_install(implementation, device),
    )


def _install(implementation: Implementation, device: DeviceInfo) -> str | None:
    """The command that makes it available; None if it is, or if no package could."""
    needed = implementation.requires
    if needed is None or not needed.missing():
        return None
    has_it = replace(implementation, requires=None)
    return needed.install if has_it.unavailable(device) is None else None
