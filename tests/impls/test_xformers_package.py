"""What xFormers' memory-efficient attention is called with."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import impls.xformers
from impls.contract import DeviceInfo
from tests.impls.fake_packages import RAGGED, Site, called, tensors
from tests.shapes import attention

CUTLASS = impls.xformers.IMPLEMENTATION.varied("cutlass")

_XFORMERS_BIASES = """
class Kind:
    def __init__(self, *of, **named):
        self.of = (type(self).__name__, *of)


class LowerTriangularMask(Kind): ...
class LowerTriangularFromBottomRightMask(Kind): ...
class LowerTriangularFromBottomRightLocalAttentionMask(Kind): ...
class LocalAttentionFromBottomRightMask(Kind): ...


class BlockDiagonalMask(Kind):
    @classmethod
    def from_seqlens(cls, lengths, *, device):
        return cls(lengths, str(device))

    def make_causal(self):
        return BlockDiagonalMask("causal", *self.of[1:])

    def make_local_attention(self, width):
        return BlockDiagonalMask("local", width, *self.of[1:])
"""
_XFORMERS = """
MemoryEfficientAttentionCutlassOp = ("F", "B")
calls = []


def memory_efficient_attention(q, k, v, **options):
    calls.append(("memory_efficient_attention", {"q": q, "k": k, "v": v, **options}))
    return q * 1
"""


@pytest.fixture
def xformers(site: Site) -> Site:
    site.add("xformers/__init__.py", "_has_cpp_library = True\n")
    site.add("xformers/ops/__init__.py", _XFORMERS)
    site.add("xformers/ops/fmha/__init__.py", "from . import attn_bias\n")
    site.add("xformers/ops/fmha/attn_bias.py", _XFORMERS_BIASES)
    return site


@pytest.mark.parametrize(
    ("workload", "bias"),
    [
        ({}, None),
        ({"causal": True}, ("LowerTriangularMask",)),
        ({"causal": True, "seq_q": 5}, ("LowerTriangularFromBottomRightMask",)),
        ({"window": 7}, ("LocalAttentionFromBottomRightMask", 7, 7)),
        ({"window": 7, "causal": True}, ("LowerTriangularFromBottomRightLocalAttentionMask", 8)),
        ({"lengths": RAGGED}, ("BlockDiagonalMask", list(RAGGED), "cpu")),
        ({"lengths": RAGGED, "causal": True}, ("BlockDiagonalMask", "causal", list(RAGGED), "cpu")),
        (
            {"lengths": RAGGED, "causal": True, "window": 7},
            ("BlockDiagonalMask", "local", 8, list(RAGGED), "cpu"),
        ),
    ],
    ids=str,
)
def test_xformers_is_told_a_kind_of_mask(
    xformers: Site, workload: dict[str, Any], bias: tuple[Any, ...] | None
) -> None:
    shape = attention(dropout=0.25, **workload)
    q, k, v = tensors(shape)
    out = impls.xformers.prepare(shape, "cpu")(q, k, v)
    _, options = called("xformers.ops")
    assert out.shape == q.shape
    assert getattr(options["attn_bias"], "of", None) == bias
    assert (options["p"], options["op"]) == (0.25, None)
    assert options["q"].dim() == 4
    if shape.lengths:
        assert options["q"].shape[:2] == (1, sum(RAGGED))


def test_xformers_shares_keys_where_it_can_and_repeats_them_for_gradients(xformers: Site) -> None:
    training = attention(heads=6, kv_heads=2, seq=9)
    q, k, v = tensors(training)
    out = impls.xformers.prepare(training, "cpu")(q, k, v)
    given = called("xformers.ops")[1]["k"]
    assert torch.equal(given, k.repeat_interleave(3, dim=2))
    assert out.shape == q.shape
    decoding = attention(heads=6, kv_heads=2, seq=9, seq_q=2, decode=True)
    q, k, v = tensors(decoding)
    out = impls.xformers.prepare(decoding, "cpu")(q, k, v)
    options = called("xformers.ops")[1]
    assert options["q"].shape == (2, 2, 2, 3, 32)
    assert (options["k"].shape, options["k"].stride(3)) == ((2, 9, 2, 3, 32), 0)
    assert options["k"].data_ptr() == k.data_ptr()
    assert torch.equal(out, q)


def test_xformers_can_be_held_to_cutlass(xformers: Site) -> None:
    shape = attention(causal=True)
    CUTLASS.prepare(shape, "cpu")(*tensors(shape))
    assert called("xformers.ops")[1]["op"] == ("F", "B")
    refused = CUTLASS.supports(attention(window=3, dtype="float16"), DeviceInfo("cuda", "H100", (9, 0)))
    assert refused == "has no sliding window without causal in its CUTLASS operator"


def test_xformers_without_its_library_is_said_to_be_that(xformers: Site) -> None:
    xformers.add("xformers/__init__.py", "_has_cpp_library = False\n")
    with pytest.raises(ImportError, match="whose runtime is in nvidia-cuda-runtime-cu12"):
        impls.xformers.prepare(attention(), "cpu")
