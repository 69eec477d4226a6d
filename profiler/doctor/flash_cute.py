"""Whose `flash_attn/cute` it is that Python would import.

FlashAttention-4 (distribution flash-attn-4) lives in `flash_attn/cute`, and the wheel of
flash-attn 2 ships an old copy of the same folder. Installed later, or found earlier on the
path, the old copy hides FlashAttention-4, and nothing else says so.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

_FILE = "flash_attn/cute/interface.py"


@dataclass(frozen=True)
class CuteCopy:
    """The distribution whose file it is: "flash-attn", "flash-attn-4", or None for neither's."""

    owner: str | None


def installed_cute() -> CuteCopy | None:
    """The copy that `import flash_attn.cute` would load, or None if there is none."""
    spec = find_spec("flash_attn")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "cute" / "interface.py"
        if path.is_file():
            return CuteCopy(owner_of(path, _distributions()))
    return None


def owner_of(path: Path, candidates: Mapping[str, Distribution]) -> str | None:
    """Which distribution's record has this very file, by place and content."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(path.read_bytes()).digest()).rstrip(b"=").decode()
    for name, candidate in candidates.items():
        for entry in candidate.files or ():
            if str(entry) != _FILE or Path(str(entry.locate())).resolve() != path.resolve():
                continue
            # A record without a hash (an editable or legacy install) is taken at its word.
            if entry.hash is None or entry.hash.value == digest:
                return name
    return None


def _distributions() -> dict[str, Distribution]:
    found: dict[str, Distribution] = {}
    for name in ("flash-attn-4", "flash-attn"):
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
    return found
