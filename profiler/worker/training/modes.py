"""The loss under torch.compile, in each of the ways that a row can ask for."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from impls.compiled import compile_alone
from profiler.training.model import Mode

LossOf = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(batch, context) tokens and targets -> the loss, with its graph."""

OPTIONS: dict[Mode, Mapping[str, Any]] = {
    "compile": {},
    "fullgraph": {"fullgraph": True},
    "reduce-overhead": {"mode": "reduce-overhead"},
}
"""What torch.compile is asked for in each mode that compiles."""

# One that compiles, one whose memory is read, one whose time is. With CUDA graphs the first only warms
# up, the second records, the third replays.
FIRST_STEPS: dict[Mode, int] = {"eager": 3, "compile": 3, "fullgraph": 3, "reduce-overhead": 4}
"""Within so many steps a mode has made all that it ever makes."""


class GraphBreak(RuntimeError):
    """The model cannot be compiled in one graph; the message says why and where."""


def in_mode(function: Callable[..., Any], mode: Mode) -> Callable[..., Any]:
    """`function` as the mode has it; compiled at its first call, for one shape."""
    if mode == "eager":
        return function
    compiled = compile_alone(function, **OPTIONS[mode])
    if mode == "compile":
        return compiled
    if mode == "reduce-overhead":
        return _each_a_step(compiled)
    return _telling_where(compiled)


@cache
def wake_compiler(device: str) -> None:
    """Have torch.compile load what its first use in a process does, so that no case's time has that in it.

    What fails here fails in every case too, which tells it.
    """
    with suppress(Exception), warnings.catch_warnings():
        import torch._inductor.config

        warnings.simplefilter("ignore")  # that its caches are off
        # Found in its cache there would be nothing to compile, and no compiler woken.
        with torch._inductor.config.patch(force_disable_caches=True):
            given = torch.ones(16, device=device, requires_grad=True)
            in_mode(_trivial, "compile")(given).backward()


def _trivial(given: torch.Tensor) -> torch.Tensor:
    return given.sin().sum()


def _each_a_step(function: Callable[..., Any]) -> Callable[..., Any]:
    """With CUDA graphs: what earlier calls gave is done with, and may be written over."""

    def call(*arguments: Any) -> Any:
        torch.compiler.cudagraph_mark_step_begin()
        return function(*arguments)

    return call


def _telling_where(function: Callable[..., Any]) -> Callable[..., Any]:
    """With fullgraph: a break is an error in one sentence, with the line that it is at.

    Raises:
        GraphBreak: by the call that is returned.
    """
    from torch._dynamo.exc import Unsupported

    def call(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except Unsupported as error:
            why, where = " ".join(str(error).strip().partition("\n")[0].split()), _place_of(error)
        raise GraphBreak(f"the graph breaks: {why}{where}")

    return call


def _place_of(error: Exception) -> str:
    frames = list(getattr(error, "real_stack", None) or ())
    if not frames:
        return ""
    return f", at {frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}"


@dataclass(frozen=True)
class Counts:
    """What torch.compile has counted so far that a reader of times should know."""

    graphs_left_out: int
    """CUDA graphs that were asked for and not made."""
    found_on_disk: int
    """Graphs that it did not compile, for it found them in its cache."""

    @classmethod
    def read(cls) -> Counts:
        dynamo = sys.modules.get("torch._dynamo.utils")
        counters: Mapping[str, Mapping[str, int]] = getattr(dynamo, "counters", {})
        inductor, autograd = (Counter(counters.get(name, {})) for name in ("inductor", "aot_autograd"))
        found = inductor["fxgraph_cache_hit"] + autograd["autograd_cache_hit"]
        return cls(inductor["cudagraph_skips"], found)

    def remarks_since(self, before: Counts) -> list[str]:
        """What of it is to be said."""
        remarks = []
        if count := self.graphs_left_out - before.graphs_left_out:
            remarks.append(f"torch.compile did without {count} of its CUDA graphs")
        if self.found_on_disk > before.found_on_disk:
            remarks.append(
                "part of what it runs was compiled before, in torch's cache: "
                "TORCHINDUCTOR_FORCE_DISABLE_CACHES=1 has all of it in the time to compile"
            )
        return remarks
