"""The model: its size, its beginning, and that any implementation computes the same in it."""

from __future__ import annotations

import math

import pytest
import torch

import impls
from impls import DeviceInfo, Implementation, Workload
from impls.contract import Attend, Layout
from profiler.training.model import MODEL_NAMES, gpt2
from profiler.worker.training.gpt import GptModel, empty_model, heads_of, mixing
from tests.profiler.worker.training.tiny import CONTEXT, own, plain, tiny, tiny_gpt

CPU = DeviceInfo("cpu", "Some CPU")
RUNNABLE = [
    implementation.name
    for implementation in impls.catalog()
    if implementation.supports(tiny().attention(2), CPU) is None
]


def model_of(**sizes: object) -> GptModel:
    model = empty_model(tiny_gpt(**sizes), CONTEXT, "cpu")
    model.initialise(0)
    return model


def tokens_of(batch: int = 2, vocab: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(vocab, (batch, CONTEXT), generator=generator)


def loss_and_gradients(
    model: GptModel, name: str, implementation: Implementation | None = None
) -> tuple[torch.Tensor, ...]:
    implementation = implementation or impls.find(name)
    training = tiny(kv_heads=model.gpt.kv_heads)
    attend = implementation.prepare(training.attention(2), "cpu")
    loss = model(tokens_of(), tokens_of().roll(-1, 1), mixing(attend, implementation, model.gpt))
    return (loss.detach(), *torch.autograd.grad(loss, model.projections))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("name", MODEL_NAMES)
def test_it_has_as_many_parameters_as_its_sizes_say(name: str, *, bias: bool) -> None:
    for kv_heads in (None, 1):
        gpt = gpt2(name, kv_heads=kv_heads, bias=bias)
        parameters = empty_model(gpt, 1024, "meta").parameters()
        assert sum(parameter.numel() for parameter in parameters) == gpt.parameters(1024)


def test_it_begins_as_gpt2_does() -> None:
    model = model_of(width=256, heads=4, vocab=512, bias=True)
    spreads = {name: float(each.detach().std()) for name, each in model.named_parameters() if each.dim() > 1}
    for name, spread in spreads.items():
        as_wide = 0.02 / math.sqrt(2 * 2) if name.endswith("out.weight") else 0.02
        assert spread == pytest.approx(as_wide, rel=0.05), name
    for name, each in model.named_parameters():
        if each.dim() == 1:
            wanted = torch.zeros_like(each) if name.endswith("bias") else torch.ones_like(each)
            assert torch.equal(each, wanted), name


def test_the_same_seed_begins_the_same_and_another_does_not() -> None:
    model, other = model_of(), model_of()
    assert all(map(torch.equal, model.parameters(), other.parameters()))
    other.initialise(1)
    assert not torch.equal(model.tokens.weight, other.tokens.weight)


def test_a_model_that_knows_nothing_guesses() -> None:
    loss, *_ = loss_and_gradients(model_of(), "pytorch")
    assert float(loss) == pytest.approx(math.log(64), rel=0.02)


@pytest.mark.parametrize("kv_heads", [4, 2, 1])
@pytest.mark.parametrize("name", RUNNABLE)
def test_every_implementation_computes_the_same_from_views_as_from_contiguous_tensors(
    name: str, kv_heads: int
) -> None:
    implementation = impls.find(name)
    model = model_of(kv_heads=kv_heads)
    workload = tiny(kv_heads=kv_heads).attention(2)
    projected = torch.randn(2, CONTEXT, 32 + 2 * 8 * kv_heads, generator=torch.Generator().manual_seed(0))
    views = heads_of(projected, implementation, model.gpt)
    assert any(not view.is_contiguous() for view in views)
    attend = implementation.prepare(workload, "cpu")
    results = []
    for made in (torch.Tensor.detach, torch.Tensor.contiguous):
        inputs = [made(view).requires_grad_() for view in views]
        out = attend(*inputs)
        # The gradient comes as the model's does: laid out by token.
        gradient = torch.linspace(-1, 1, out.numel()).view(2, CONTEXT, 4, 8)
        if implementation.layout == "bhsd":
            gradient = gradient.transpose(1, 2)
        results.append((out, *torch.autograd.grad(out, inputs, gradient)))
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("kv_heads", [4, 2])
@pytest.mark.parametrize("name", RUNNABLE)
def test_every_implementation_trains_the_same_model(name: str, kv_heads: int) -> None:
    model = model_of(kv_heads=kv_heads)
    for mine, plains in zip(
        loss_and_gradients(model, name), loss_and_gradients(model, "pytorch"), strict=True
    ):
        torch.testing.assert_close(mine, plains)


@pytest.mark.parametrize("layout", ["bhsd", "bshd", "thd"])
def test_a_function_of_ones_own_is_given_contiguous_tensors_in_its_layout(layout: Layout) -> None:
    shapes: list[tuple[int, ...]] = []
    pieces: list[bool] = []

    class Watched(torch.autograd.Function):
        @staticmethod
        def forward(ctx: object, out: torch.Tensor) -> torch.Tensor:
            return out.clone()

        @staticmethod
        def backward(ctx: object, gradient: torch.Tensor) -> torch.Tensor:
            pieces.append(gradient.is_contiguous())
            return gradient

    def prepare(workload: Workload, device: str) -> Attend:
        attend = plain(workload, device)

        def mine(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
            shapes.append(tuple(q.shape))
            pieces.extend(tensor.is_contiguous() for tensor in (q, k, v))
            if layout == "bhsd":
                out = attend(q, k, v)
            else:
                heads = (tensor.view(2, CONTEXT, 4, 8).transpose(1, 2) for tensor in (q, k, v))
                out = attend(*heads).transpose(1, 2).reshape(q.shape)
            watched: torch.Tensor = Watched.apply(out)  # type: ignore[no-untyped-call]
            return watched

        return mine

    model = model_of()
    found = loss_and_gradients(model, "mine", own("mine", prepare, layout=layout, strided=False))
    for mine, plains in zip(found, loss_and_gradients(model, "pytorch"), strict=True):
        torch.testing.assert_close(mine, plains)
    shape = {"bhsd": (2, 4, 16, 8), "bshd": (2, 16, 4, 8), "thd": (32, 4, 8)}[layout]
    assert shapes == [shape] * 2
    assert len(pieces) == 2 * (3 + 1)
    assert all(pieces)


def test_functions_of_ones_own_are_said_to_take_no_views() -> None:
    assert not impls.find("docs/examples/plain_kernel.py").strided
    assert all(impls.find(name).strided for name in RUNNABLE)


def test_dropout_drops_in_the_residual_branches_and_the_embedding() -> None:
    model = model_of(dropout=0.5)
    implementation = impls.find("sdpa-math")
    mix = mixing(implementation.prepare(tiny().attention(2), "cpu"), implementation, model.gpt)
    with torch.no_grad():
        losses = {float(model(tokens_of(), tokens_of(), mix)) for _ in range(3)}
    assert len(losses) == 3


def test_the_loss_is_float32_under_autocast_too() -> None:
    model = model_of()
    implementation = impls.find("sdpa-math")
    mix = mixing(
        implementation.prepare(tiny(dtype="bfloat16").attention(2), "cpu"), implementation, model.gpt
    )
    with torch.autocast("cpu", torch.bfloat16):
        assert model(tokens_of(), tokens_of(), mix).dtype == torch.float32
