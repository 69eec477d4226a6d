"""Whom FlashAttention 3 is taken from, and what it is called with there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from impls import flash3
from impls.contract import DeviceInfo
from tests.impls.fake_packages import CALLS, RAGGED, USUAL, Site, called, noting, tensors
from tests.shapes import attention

H100 = DeviceInfo("cuda", "H100", (9, 0))
AS_INSTALLED = replace(flash3.IMPLEMENTATION, requires=None)


@pytest.mark.parametrize(("workload", "function", "options"), CALLS, ids=str)
@pytest.mark.parametrize("returned", ["q", "(q, None)"], ids=["a tensor", "a tuple"])
def test_flash3s_own_package_comes_first(
    site: Site, workload: dict[str, Any], function: str, options: dict[str, Any], returned: str
) -> None:
    names = "flash_attn_func", "flash_attn_varlen_func", "flash_attn_with_kvcache"
    site.add("flash_attn_interface.py", noting(*names, returned=returned))
    site.add("xformers/__init__.py")
    site.add("xformers/flash_attn_3/__init__.py")
    site.add("xformers/flash_attn_3/_C.so")
    shape = attention(**workload)
    q, k, v = tensors(shape)
    assert flash3.prepare(shape, "cpu")(q, k, v) is q
    assert called("flash_attn_interface") == (function, {**USUAL, **options})
    assert flash3._backend_of(()) == "flash_attn_interface"
    assert AS_INSTALLED.supports(attention(softcap=30.0, dtype="bfloat16"), H100) is None


class Operators:
    """torch.ops.flash_attn_3, with the names that the library's operators have for what they take."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def fwd(
        self,
        q: torch.Tensor,
        k: torch.Tensor,
        v: torch.Tensor,
        *,
        softmax_scale: float,
        is_causal: bool,
        window_size_left: int,
        window_size_right: int,
        num_splits: int,
        **packed: Any,
    ) -> tuple[torch.Tensor, ...]:
        window = window_size_left, window_size_right
        self.calls.append(
            {"scale": softmax_scale, "causal": is_causal, "window": window, "splits": num_splits, **packed}
        )
        return q.clone(), q.new_zeros(1), q.new_zeros(0), q.new_zeros(0)

    def bwd(
        self, grad: torch.Tensor, *rest: torch.Tensor, deterministic: bool, **options: Any
    ) -> tuple[torch.Tensor, ...]:
        *_, lse, dq, dk, dv = rest
        assert lse.shape == (1,)
        self.calls.append({"deterministic": deterministic, **options})
        dq.copy_(2 * grad)
        dk.fill_(3)
        dv.fill_(4)
        return dq, dk, dv


@pytest.fixture
def operators(site: Site, monkeypatch: pytest.MonkeyPatch) -> Operators:
    """xFormers' library as the only provider of FlashAttention-3, loaded already."""
    site.add("xformers/__init__.py")
    site.add("xformers/flash_attn_3/__init__.py")
    site.add("xformers/flash_attn_3/_C.so")
    monkeypatch.setattr(flash3, "_OWN", "no_such_interface")
    found = Operators()
    monkeypatch.setattr(torch.ops, "flash_attn_3", found)
    return found


@pytest.mark.parametrize("deterministic", [False, True])
def test_flash3_from_xformers_can_be_differentiated_again_and_again(
    operators: Operators, deterministic: bool
) -> None:
    shape = attention(head_dim=64, causal=True, window=9, kv_heads=2)
    implementation = flash3.IMPLEMENTATION.varied("deterministic") if deterministic else flash3.IMPLEMENTATION
    q, k, v = tensors(shape)
    out = implementation.prepare(shape, "cpu")(q, k, v)
    assert operators.calls == [{"scale": 0.125, "causal": True, "window": (9, 0), "splits": 1}]
    for _ in range(2):
        dq, dk, dv = torch.autograd.grad(out, (q, k, v), torch.ones_like(out), retain_graph=True)
        assert (float(dq.mean()), float(dk.mean()), float(dv.mean())) == (2, 3, 4)
    last = operators.calls[-1]
    assert (last["deterministic"], last["softmax_scale"], last["is_causal"]) == (deterministic, 0.125, True)
    assert flash3._backend_of(()) == "xformers"


def test_flash3_from_xformers_packs_and_decodes(operators: Operators) -> None:
    ragged = attention(lengths=RAGGED)
    flash3.prepare(ragged, "cpu")(*tensors(ragged))
    assert operators.calls[-1]["cu_seqlens_q"].tolist() == [0, 5, 17, 18]
    assert operators.calls[-1]["max_seqlen_k"] == 12
    decoding = attention(decode=True, seq_q=1)
    flash3.prepare(decoding, "cpu")(*tensors(decoding))
    assert operators.calls[-1]["splits"] == 0


def test_flash3_from_xformers_has_no_softcap(operators: Operators) -> None:
    refused = AS_INSTALLED.supports(attention(softcap=30.0, dtype="float16"), H100)
    assert refused == "has no softcap in the build that xFormers brings (FlashAttention's own hopper/ has it)"


@pytest.mark.parametrize(
    ("workload", "reason"),
    [
        ({"dtype": "float16"}, "has no float16 in fa3-fwd (has bfloat16)"),
        ({"dtype": "bfloat16", "window": 3}, "has no sliding window in fa3-fwd"),
        ({"dtype": "bfloat16"}, None),
    ],
)
def test_the_forward_only_build_of_flash3_lacks_more(
    site: Site, monkeypatch: pytest.MonkeyPatch, workload: dict[str, Any], reason: str | None
) -> None:
    monkeypatch.setattr(flash3, "_OWN", "no_such_interface")
    monkeypatch.setattr(flash3, "_LIBRARY", "no_such_library")
    site.add("fa3_fwd_interface.py", noting("flash_attn_func"))
    assert flash3.IMPLEMENTATION.supports(attention(**workload), H100) == reason
    assert flash3._backend_of(()) == "fa3_fwd_interface"
