"""Files that are written as a whole: a reader finds what was there before, or all of the new."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path


def is_ordinary(path: Path) -> bool:
    """Whether a file can be there, and a folder beside it: not so for a pipe, or for /dev/stdout."""
    return path.parent != Path("/dev") and (path.is_file() or not path.exists())


def replace_file(path: Path, content: bytes) -> None:
    """Write a file as a whole, never a part of it.

    A link stays one, and what it points to is written; a device or a pipe is written as it is.

    Raises:
        OSError: it cannot be written; what was there before still is.
    """
    replace_file_by_parts(path, [content])


def replace_file_by_parts(path: Path, parts: Iterable[bytes]) -> None:
    """The same of what comes part by part; where making one fails, what was there before still is.

    Raises:
        OSError: as replace_file.
    """
    if not is_ordinary(path):
        with path.open("wb") as file:
            file.writelines(parts)
        return
    path = path.resolve()
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o666 & ~_umask()
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(parts)
            os.fchmod(file.fileno(), mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """The process's; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
