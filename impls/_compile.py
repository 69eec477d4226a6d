"""torch.compile as it has to be set for measuring, shared by whatever compiles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Dynamo keeps so many versions of one piece of code and then runs it uncompiled, with no more than a
# warning. All timed calls that SDPA's backends prepare are one piece of code (impls/_sdpa.py), and
# each counts again with every mode that it is compiled in.
_VERSIONS_KEPT = 256


def compile_for_one_shape(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`function` under torch.compile, each shape compiled for itself."""
    import torch
    import torch._dynamo.config

    torch._dynamo.config.recompile_limit = _VERSIONS_KEPT
    compiled: Callable[..., Any] = torch.compile(function, dynamic=False, **options)
    return compiled
