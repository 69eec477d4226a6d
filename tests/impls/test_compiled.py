"""torch.compile around any implementation: what it is asked for, and what becomes of the facts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

import impls
from impls import compiled
from impls.contract import Attend, DeviceInfo, Implementation, Variant, Workload
from profiler.worker.compiled import let_backward_repeat
from profiler.worker.inputs import make_inputs
from tests.shapes import attention

CPU = DeviceInfo("cpu", "Some CPU")
H100 = DeviceInfo("cuda", "H100", (9, 0))
CUDA_GRAPHS_OR_ERROR = {"triton.cudagraphs": True, "triton.cudagraph_or_error": True}


def prepare_product(workload: Workload, device: str) -> Attend:
    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        return (q @ k.mT * workload.head_dim).tanh() @ v

    return attend


PRODUCT = Implementation(
    name="product",
    label="Product",
    summary="two products",
    prepare=prepare_product,
    aliases=("times",),
    variants={"deterministic": Variant(prepare_product)},
    refuses=lambda workload, device: "takes no odd lengths" if workload.seq_q % 2 else None,
)


def compiled_with(
    backend: str | Callable[..., Any], monkeypatch: pytest.MonkeyPatch, workload: Workload
) -> Attend:
    """PRODUCT under torch.compile with another backend: Inductor's C++ compiler takes its time."""
    monkeypatch.setitem(
        compiled.MODES, "compile", replace(compiled.MODES["compile"], options={"backend": backend})
    )
    return compiled.compiled(PRODUCT, "compile").prepare(workload, "cpu")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What torch.compile is asked for, which gives the function back as it is."""
    options: list[dict[str, object]] = []

    def compile_nothing(function: Attend, **given: object) -> Attend:
        options.append(given)
        return function

    monkeypatch.setattr(torch, "compile", compile_nothing)
    return options


@pytest.mark.parametrize(
    ("mode", "options"),
    [("compile", {}), ("fullgraph", {"fullgraph": True}), ("cudagraphs", {"options": CUDA_GRAPHS_OR_ERROR})],
)
def test_each_mode_asks_for_its_own_and_for_the_very_shape(
    mode: str, options: dict[str, object], asked: list[dict[str, object]]
) -> None:
    compiled.compiled(PRODUCT, mode).prepare(attention(), "cpu")
    assert asked == [{"dynamic": False, **options}]


def test_these_options_are_the_mode_that_users_know_but_for_the_error() -> None:
    known = torch._inductor.list_mode_options("reduce-overhead")
    assert known == {key: value for key, value in CUDA_GRAPHS_OR_ERROR.items() if "error" not in key}
    assert set(CUDA_GRAPHS_OR_ERROR) <= set(torch._inductor.list_options())


def test_with_cuda_graphs_each_call_begins_a_new_step(
    asked: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []

    def prepare(workload: Workload, device: str) -> Attend:
        def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            happened.append("call")
            return q

        return attend

    monkeypatch.setattr(torch.compiler, "cudagraph_mark_step_begin", lambda: happened.append("step"))
    attend = compiled.compiled(replace(PRODUCT, prepare=prepare), "cudagraphs").prepare(attention(), "cpu")
    inputs = make_inputs(attention(), "bhsd", "cpu", 0)
    for _ in range(2):
        attend(inputs.q, inputs.k, inputs.v)
    assert happened == ["step", "call"] * 2


def test_backward_can_be_repeated_on_a_kept_graph_after_one_that_was_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    workload = attention(seq=16)
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    qkv = (inputs.q, inputs.k, inputs.v)
    let_backward_repeat()  # as the worker has it
    attend = compiled_with("aot_eager", monkeypatch, workload)
    once = torch.autograd.grad(attend(*qkv), qkv, inputs.grad_out)
    out = attend(*qkv)
    for _ in range(2):
        again = torch.autograd.grad(out, qkv, inputs.grad_out, retain_graph=True)
        assert all(map(torch.equal, once, again))
    eager = torch.autograd.grad(prepare_product(workload, "cpu")(*qkv), qkv, inputs.grad_out)
    assert all(map(torch.allclose, once, eager))


def test_a_break_is_an_error_in_fullgraph_even_after_the_parts_were_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def prepare_in_parts(workload: Workload, device: str) -> Attend:
        def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            scores = q @ k.mT
            torch._dynamo.graph_break()
            return scores @ v

        return attend

    for name in ("compile", "fullgraph"):
        mode = compiled.MODES[name]
        eager = replace(mode, options={**mode.options, "backend": "eager"})
        monkeypatch.setitem(compiled.MODES, name, eager)
    workload = attention(seq=16, decode=True)  # no gradients, about which Dynamo would warn
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    in_parts, whole = (
        compiled.compiled(replace(PRODUCT, prepare=prepare_in_parts), name).prepare(workload, "cpu")
        for name in ("compile", "fullgraph")
    )
    in_parts(inputs.q, inputs.k, inputs.v)
    with pytest.raises(torch._dynamo.exc.Unsupported, match="graph_break"):
        whole(inputs.q, inputs.k, inputs.v)


def test_however_many_share_a_piece_of_code_each_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled_graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[torch.Tensor]) -> Callable[..., Any]:
        compiled_graphs.append(graph)
        forward: Callable[..., Any] = graph.forward
        return forward

    inputs = [torch.ones(1, 1, 2, 2)] * 3
    for head_dim in range(1, 13):
        compiled_with(backend, monkeypatch, attention(head_dim=head_dim))(*inputs)
    assert len(compiled_graphs) == 12


@pytest.mark.parametrize(
    ("mode", "name", "label", "summary", "devices"),
    [
        (
            "compile",
            "product+compile",
            "Product compile",
            "two products, under torch.compile",
            ("cuda", "cpu"),
        ),
        (
            "fullgraph",
            "product+fullgraph",
            "Product fullgraph",
            "two products, under torch.compile in one graph without a break",
            ("cuda", "cpu"),
        ),
        (
            "cudagraphs",
            "product+cudagraphs",
            "Product CUDA graphs",
            "two products, under torch.compile with CUDA graphs",
            ("cuda",),
        ),
    ],
)
def test_it_goes_by_a_name_of_its_own(
    mode: str, name: str, label: str, summary: str, devices: tuple[str, ...]
) -> None:
    made = compiled.compiled(PRODUCT, mode)
    assert (made.name, made.label, made.summary, made.devices) == (name, label, summary, devices)
    assert made.compiled
    assert not made.aliases
    assert not made.variants


def test_a_variant_can_be_compiled() -> None:
    made = compiled.compiled(PRODUCT.varied("deterministic"), "fullgraph")
    assert (made.name, made.label) == (
        "product+deterministic+fullgraph",
        "Product deterministic fullgraph",
    )
    assert made.supports(attention(), H100) is None


def test_what_the_implementation_refuses_is_refused_compiled_too() -> None:
    made = compiled.compiled(PRODUCT, "compile")
    assert made.supports(attention(seq=64), CPU) is None
    assert made.supports(attention(seq=63), CPU) == "takes no odd lengths"


def test_replayed_graphs_overwrite_what_an_earlier_backward_would_need() -> None:
    repeats = {mode: compiled.compiled(PRODUCT, mode).repeats_backward for mode in compiled.MODES}
    assert repeats == {"compile": True, "fullgraph": True, "cudagraphs": False}


def test_what_is_replayed_already_says_so() -> None:
    replays = {mode: compiled.compiled(PRODUCT, mode).replays for mode in compiled.MODES}
    assert replays == {"compile": False, "fullgraph": False, "cudagraphs": True}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("flex+compile", "is compiled as it is: choose flex"),
        ("flex+fullgraph", "is compiled as it is: choose flex"),
        ("flex+cudagraphs", None),
        ("pytorch+fullgraph", None),
    ],
)
def test_what_is_compiled_already_is_not_compiled_again(name: str, reason: str | None) -> None:
    implementation = replace(impls.find(name), requires=None)
    assert implementation.supports(attention(dtype="float16"), H100) == reason


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("flash2+compile", None),
        (
            "flash2+fullgraph",
            "has a graph break in decoding: flash_attn_with_kvcache is no operator of PyTorch's",
        ),
    ],
)
def test_a_known_graph_break_is_refused_where_the_graph_must_be_whole(name: str, reason: str | None) -> None:
    implementation = replace(impls.find(name), requires=None)
    decoding = attention(seq_q=1, seq=64, dtype="float16", decode=True)
    assert implementation.supports(decoding, H100) == reason
    assert implementation.supports(attention(dtype="float16"), H100) is None
