"""CUDA 12's runtime in a process whose torch has another: xFormers' wheels are built for it."""

from __future__ import annotations

import ctypes
from importlib.metadata import PackageNotFoundError, distribution

_LIBRARY = "libcudart.so.12"


def load_runtime() -> None:
    """Load libcudart.so.12, so that what needs it finds it; if it is nowhere, what needs it will say so."""
    for name in (_LIBRARY, _packaged()):
        if name is None:
            continue
        try:
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return


def _packaged() -> str | None:
    """Where NVIDIA's own package has it, in a folder that the loader does not search."""
    try:
        files = distribution("nvidia-cuda-runtime-cu12").files or ()
    except PackageNotFoundError:
        return None
    return next((str(file.locate()) for file in files if file.name == _LIBRARY), None)
