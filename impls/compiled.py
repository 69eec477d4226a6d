"""torch.compile around any implementation, as variants of its name.

Jason Ansel et al., "PyTorch 2: Faster Machine Learning Through Dynamic Python Bytecode
Transformation and Graph Compilation" (ASPLOS 2024). +compile is the default mode: TorchDynamo
captures the call, Inductor generates code for it. With +fullgraph a break of the graph is an
error, which says where and why. +cudagraphs is the mode "reduce-overhead": the generated code
replayed as CUDA graphs, into which each call first copies q, k, v and the gradient of the
output; where that mode would do without a graph and only warn, it is an error too. An operator
that PyTorch does not know, a package's kernel, is called as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

from impls._compile import compile_for_one_shape
from impls.contract import Attend, Implementation, Prepare, Refuses, Workload, first_of

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Mode:
    """One way to call torch.compile: its options, and how it is spoken of."""

    options: Mapping[str, Any]
    label: str
    summary: str
    cuda_graphs: bool = False


MODES = {
    "compile": Mode({}, "compile", "under torch.compile"),
    "fullgraph": Mode({"fullgraph": True}, "fullgraph", "under torch.compile in one graph without a break"),
    "cudagraphs": Mode(
        # The mode's options, and one for which it would not go on without a graph.
        {"options": {"triton.cudagraphs": True, "triton.cudagraph_or_error": True}},
        "CUDA graphs",
        "under torch.compile with CUDA graphs",
        cuda_graphs=True,
    ),
}

_COMPILES_ITSELF = ("flex",)  # by torch.compile; others' own compilers stay what they are


def compiled(base: Implementation, name: str) -> Implementation:
    """`base` under torch.compile in the mode of that name."""
    mode = MODES[name]
    return replace(
        base,
        name=f"{base.name}+{name}",
        label=f"{base.label} {mode.label}",
        summary=f"{base.summary}, {mode.summary}",
        prepare=_prepare(base.prepare, mode),
        aliases=(),
        variants={},
        devices=tuple(kind for kind in base.devices if kind == "cuda" or not mode.cuda_graphs),
        # A second backward of one forward is a graph of its own, recorded behind the first: no replay.
        repeats_backward=base.repeats_backward and not mode.cuda_graphs,
        replays=mode.cuda_graphs,
        refuses=_refuses(base, mode),
        compiled=True,
    )


def _prepare(prepare: Prepare, mode: Mode) -> Prepare:
    def prepare_compiled(workload: Workload, device: str) -> Attend:
        import torch

        attend = compile_alone(prepare(workload, device), **mode.options)
        if not mode.cuda_graphs:
            return attend

        def attend_anew(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            # What earlier calls gave is done with, even without a backward: the graphs may write there.
            torch.compiler.cudagraph_mark_step_begin()
            out: torch.Tensor = attend(q, k, v)
            return out

        return attend_anew

    return prepare_compiled


def compile_alone(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """`function` under torch.compile, for one shape, beside whatever of its code was compiled before."""
    return compile_for_one_shape(_with_code_of_its_own(function), **options)


def _with_code_of_its_own(attend: Callable[..., Any]) -> Callable[..., Any]:
    """The same call, of which Dynamo keeps nothing yet.

    It keeps what it has compiled by the code: what another mode has made, in parts, would do for
    fullgraph too, and never say that it is in parts.
    """
    if not isinstance(attend, FunctionType):
        return attend
    copied = FunctionType(
        attend.__code__.replace(),
        attend.__globals__,
        attend.__name__,
        attend.__defaults__,
        attend.__closure__,
    )
    copied.__kwdefaults__ = attend.__kwdefaults__
    return copied


def _refuses(base: Implementation, mode: Mode) -> Refuses | None:
    """The base's own reasons, unless it compiles itself; and what would break a graph that must be whole."""
    if base.name in _COMPILES_ITSELF and not mode.cuda_graphs:
        return lambda workload, device: f"is compiled as it is: choose {base.name}"
    whole = mode.options.get("fullgraph", False)
    return first_of([base.refuses, base.breaks_graph if whole else None])
