"""The implementations as a session tells of them: which can run on a device, and why others cannot."""

from __future__ import annotations

from dataclasses import replace

import impls
from impls.contract import DeviceInfo, Implementation
from profiler.events import CatalogEntry


def entries(device: DeviceInfo) -> tuple[CatalogEntry, ...]:
    """Every implementation, in the order they are shown; `install` only where that would help."""
    return tuple(_entry(implementation, device) for implementation in impls.catalog())


def _entry(implementation: Implementation, device: DeviceInfo) -> CatalogEntry:
    return CatalogEntry(
        name=implementation.name,
        label=implementation.label,
        summary=implementation.summary,
        unavailable=implementation.unavailable(device),
        install=_install(implementation, device),
    )


def _install(implementation: Implementation, device: DeviceInfo) -> str | None:
    """The command that makes it available; None if it is, or if no package could."""
    needed = implementation.requires
    if needed is None or not needed.missing():
        return None
    has_it = replace(implementation, requires=None)
    return needed.install if has_it.unavailable(device) is None else None
