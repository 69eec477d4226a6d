"""Where a module's file is, found without importing anything.

`importlib.util.find_spec("flash_attn.cute")` imports flash_attn, and with it torch and a hundred
megabytes of kernels. Here the finders are asked level by level, as the import would, and nothing
of what they find is run.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from itertools import accumulate
from pathlib import Path


def find_module(name: str) -> Path | None:
    """The file that `import name` would run (a package's is its __init__), or None if there is none.

    There is none either for a namespace package and for what is built into Python.
    """
    spec: ModuleSpec | None = None
    inside: Sequence[str] | None = None
    parts = name.split(".")
    if not all(parts):
        return None
    for qualified in accumulate(parts, "{}.{}".format):
        if spec is not None and inside is None:
            return None  # a plain module has nothing inside
        spec = _find(qualified, inside)
        if spec is None:
            return None
        inside = spec.submodule_search_locations
    return Path(spec.origin) if spec and spec.has_location and spec.origin else None


def _find(qualified: str, inside: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        find_spec = getattr(finder, "find_spec", None)
        if find_spec is None:
            continue
        try:
            found: ModuleSpec | None = find_spec(qualified, inside)
        except KeyError:
            # A namespace package inside a package: PathFinder looks for the parent among the modules
            # that are imported. In folders only the last part of the name counts.
            found = PathFinder.find_spec(qualified.rpartition(".")[2], inside)
        if found is not None:
            return found
    return None
