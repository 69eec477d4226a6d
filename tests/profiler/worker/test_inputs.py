"""Inputs: the same values in either layout, and fingerprints that tell whether a call has changed them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from impls.contract import Layout
from profiler.worker import inputs as module
from profiler.worker.devices import CpuDevice, CudaDevice
from profiler.worker.inputs import Tensors, changed_inputs, fingerprint, make_inputs, to_bhsd
from tests.shapes import attention

NAMES = ("q", "k", "v", "grad_out")
DTYPES = ["float16", "bfloat16", "float32"]


SHAPE = attention(seq=9, seq_q=5, heads=4, kv_heads=2, head_dim=7)
RAGGED = attention(lengths=(5, 1, 9), heads=4, kv_heads=2, head_dim=7)


def made(dtype: str = "float32", layout: Layout = "bhsd", head_dim: int = 7) -> Tensors:
    return make_inputs(
        attention(seq=9, seq_q=5, heads=4, kv_heads=2, head_dim=head_dim, dtype=dtype), layout, "cpu", 3
    )


def changed_by(change: Callable[[Tensors], object], inputs: Tensors) -> tuple[str, ...]:
    before = inputs.fingerprints()
    with torch.no_grad():
        change(inputs)
    return changed_inputs(before, inputs.fingerprints())


def test_the_values_are_the_same_in_either_layout() -> None:
    one, other = made(layout="bhsd"), made(layout="bshd")
    for name in NAMES:
        assert torch.equal(getattr(one, name), to_bhsd(getattr(other, name), "bshd", SHAPE))
        assert getattr(other, name).is_contiguous()


def test_packed_are_the_tokens_of_each_sequence_behind_the_other_without_the_padding() -> None:
    padded, packed = (make_inputs(RAGGED, layout, "cpu", 3) for layout in ("bhsd", "thd"))
    assert packed.q.shape == (15, 4, 7)
    assert packed.k.shape == (15, 2, 7)
    assert packed.k.is_contiguous() and packed.k.requires_grad
    for name in NAMES:
        rows = [getattr(padded, name)[entry, :, :length] for entry, length in enumerate((5, 1, 9))]
        assert torch.equal(getattr(packed, name), torch.cat(rows, dim=1).transpose(0, 1))


@pytest.mark.parametrize("layout", ["bhsd", "bshd"])
def test_no_gradient_comes_from_padding_which_holds_values_like_any_others(layout: Layout) -> None:
    inputs = make_inputs(RAGGED, layout, "cpu", 3)
    q, grad_out = (to_bhsd(tensor, layout, RAGGED) for tensor in (inputs.q, inputs.grad_out))
    for entry, length in enumerate((5, 1, 9)):
        assert (grad_out[entry, :, :length] != 0).any(dim=-1).all()
        assert (grad_out[entry, :, length:] == 0).all()
        assert (q[entry] != 0).any(dim=-1).all()


def test_padded_again_what_was_packed_has_zeros_where_no_token_is() -> None:
    packed = make_inputs(RAGGED, "thd", "cpu", 3)
    again = to_bhsd(packed.q, "thd", RAGGED)
    assert again.shape == (3, 4, 9, 7)
    assert (again[1, :, 1:] == 0).all()
    assert torch.equal(again[2], packed.q[6:].detach().transpose(0, 1))


def test_a_cache_that_is_only_read_needs_no_gradient() -> None:
    inputs = make_inputs(attention(seq=9, seq_q=1, decode=True), "bhsd", "cpu", 3)
    assert not any(tensor.requires_grad for tensor in (inputs.q, inputs.k, inputs.v))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("layout", ["bhsd", "bshd"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_bit_of_one_element_is_noticed_by_name(dtype: str, layout: Layout, name: str) -> None:
    inputs = made(dtype, layout)
    bits = getattr(inputs, name).detach().view(torch.int16)
    for bit in (0, 14, 15):
        for place in ((0, 0, 0, 0), (1, 1, 1, 5), (-1, -1, -1, -1)):
            before = inputs.fingerprints()
            bits[place] ^= torch.tensor(1 << bit).to(torch.int16)
            assert changed_inputs(before, inputs.fingerprints()) == (name,)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_leaves_every_bit_as_it_was_is_no_change(dtype: str) -> None:
    def rewrite(inputs: Tensors) -> None:
        for name in NAMES:
            getattr(inputs, name).mul_(1)

    assert changed_by(rewrite, made(dtype)) == ()


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_same_nan_again_is_no_change(dtype: str) -> None:
    inputs = made(dtype)

    def write(inputs: Tensors) -> None:
        inputs.k[0, 1, 2] = float("nan")

    assert changed_by(write, inputs) == ("k",)
    assert changed_by(write, inputs) == ()


@pytest.mark.parametrize("chunk", [2**20, 16, 7])
@pytest.mark.parametrize("dtype", DTYPES)
def test_what_only_changes_places_is_noticed(dtype: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_CHUNK", chunk)

    def swap_rows(inputs: Tensors) -> None:
        inputs.q[1, 2] = inputs.q[1, 2][[0, 3, 2, 1, 4]]

    def swap_heads(inputs: Tensors) -> None:
        inputs.v.copy_(inputs.v.flip(1))

    def swap_elements(inputs: Tensors) -> None:
        inputs.grad_out[0, 0, 0] = inputs.grad_out[0, 0, 0][[1, 0, 2, 3, 4, 5, 6]]

    inputs = made(dtype)
    assert changed_by(swap_rows, inputs) == ("q",)
    assert changed_by(swap_heads, inputs) == ("v",)
    assert changed_by(swap_elements, inputs) == ("grad_out",)


def test_all_that_changed_are_named_in_order() -> None:
    def scale(inputs: Tensors) -> None:
        inputs.grad_out.mul_(0.5)
        inputs.q.mul_(-1)

    assert changed_by(scale, made()) == ("q", "grad_out")


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_fingerprint_takes_little_memory_beside_a_large_tensor(dtype: str) -> None:
    tensor = torch.zeros(2, 4, 2**14, 2**6, dtype=getattr(torch, dtype))  # eight chunks or more
    tracked = CpuDevice().track(lambda: fingerprint(tensor))
    assert tracked.peak_bytes < 25 * 2**20
    assert tracked.held_bytes == 0


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", DTYPES)
def test_on_a_gpu_too_a_changed_bit_is_noticed_and_little_memory_taken(dtype: str) -> None:
    tensor = torch.randn(2, 4, 2**14, 2**7, device="cuda").to(getattr(torch, dtype))
    tracked = CudaDevice(0).track(lambda: fingerprint(tensor))
    assert tracked.peak_bytes < 25 * 2**20
    assert tracked.held_bytes == 0
    assert fingerprint(tensor) == tracked.result
    tensor.view(torch.int16)[1, 2, 9999, 101] ^= 1
    assert fingerprint(tensor) != tracked.result


def test_it_leaves_torchs_own_random_numbers_alone() -> None:
    state = torch.get_rng_state()
    fingerprint(torch.ones(3, 3))
    assert torch.equal(torch.get_rng_state(), state)
