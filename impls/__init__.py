"""Attention implementations, one file each, and the registry that lists them.

`import impls` loads no torch: everything said about an implementation before it
runs (what it is, where it can run, why not) is readable without it.
"""

from impls.contract import DeviceInfo, Implementation, Requirement, Workload
from impls.registry import UnknownImplementation, catalog, find

__all__ = [
    "DeviceInfo",
    "Implementation",
    "Requirement",
    "UnknownImplementation",
    "Workload",
    "catalog",
    "find",
]
