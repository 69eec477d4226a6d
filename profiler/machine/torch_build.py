"""What the installed torch was built for, read without importing it (which takes seconds)."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class TorchBuild:
    """torch's version, and the CUDA or HIP version that it was built with, if any."""

    version: str
    cuda: str | None = None
    hip: str | None = None


def installed_torch() -> TorchBuild | None:
    """The torch that `import torch` would load, or None if there is none."""
    spec = find_spec("torch")
    if spec is None or spec.origin is None:
        return None
    try:
        source = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return None
    return parse_version_file(source)


def parse_version_file(source: str) -> TorchBuild:
    """The build that a torch/version.py describes; it is parsed, never run."""
    values: dict[str, str] = {}
    for statement in ast.parse(source).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(text))):
                values[name] = text
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=str(text))):
                values[name] = text
    return TorchBuild(values.get("__version__", "unknown"), values.get("cuda"), values.get("hip"))
