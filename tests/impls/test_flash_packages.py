"""What FlashAttention 1, 2 and 4 are called with, and which package is taken for which."""

from __future__ import annotations

import ctypes
import sys
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from impls import flash1, flash2, flash4
from impls.contract import DeviceInfo
from tests.impls.fake_packages import CALLS, RAGGED, USUAL, Site, called, noting, tensors
from tests.shapes import attention

H100 = DeviceInfo("cuda", "H100", (9, 0))


@pytest.mark.parametrize(("workload", "function", "options"), CALLS, ids=str)
def test_flash2_is_called_for_what_is_asked(
    site: Site, workload: dict[str, Any], function: str, options: dict[str, Any]
) -> None:
    site.add("flash_attn_2_cuda.py")
    site.add("flash_attn/flash_attn_interface.py")
    names = "flash_attn_func", "flash_attn_varlen_func", "flash_attn_with_kvcache"
    site.add("flash_attn/__init__.py", noting(*names))
    shape = attention(**workload)
    flash2.prepare(shape, "cpu")(*tensors(shape))
    dropout = {} if shape.decode else {"dropout_p": 0.0}
    assert called("flash_attn") == (function, {**USUAL, **dropout, **options})


def test_flash2_packs_drops_and_repeats_when_asked(site: Site) -> None:
    site.add("flash_attn_2_cuda.py")
    site.add("flash_attn/__init__.py", noting("flash_attn_func", "flash_attn_varlen_func"))
    shape = attention(lengths=RAGGED, dropout=0.25)
    flash2.IMPLEMENTATION.variants["deterministic"].prepare(shape, "cpu")(*tensors(shape))
    function, options = called("flash_attn")
    assert function == "flash_attn_varlen_func"
    assert options["cu_seqlens_q"].tolist() == options["cu_seqlens_k"].tolist() == [0, 5, 17, 18]
    assert (options["dropout_p"], options["deterministic"], options["max_seqlen_k"]) == (0.25, True, 12)


def test_a_build_that_lacks_a_head_dims_kernel_is_said_to_be_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.add("flash_attn_2_cuda.py")
    site.add("flash_attn/__init__.py", noting("flash_attn_func"))
    library = SimpleNamespace(**{flash2._KERNEL.format(size): 0 for size in (32, 64, 128)})
    monkeypatch.setattr(ctypes, "CDLL", lambda file: library)
    flash2.prepare(attention(head_dim=128), "cpu")
    for head_dim, kernel in ((136, 192), (80, 96)):
        reason = f"kernels for head dims 32, 64, 128, and {head_dim} takes the one for {kernel}"
        with pytest.raises(NotImplementedError, match=reason):
            flash2.prepare(attention(head_dim=head_dim), "cpu")


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (("flash_attn/__init__.py", "flash_attn/flash_attn_interface.py", "flash_attn_2_cuda.py"), True),
        (("flash_attn/__init__.py", "flash_attn/flash_attn_interface.py", "flash_attn_cuda.py"), False),
        (("flash_attn/__init__.py", "flash_attn/cute/interface.py"), False),
    ],
    ids=["FlashAttention 2", "FlashAttention 1", "FlashAttention 4 alone"],
)
def test_flash2_is_not_taken_for_another_of_its_name(
    site: Site, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...], found: bool
) -> None:
    monkeypatch.setattr(sys, "path", [str(site.folder)])
    for file in files:
        site.add(file)
    requirement = flash2.IMPLEMENTATION.requires
    assert requirement is not None
    assert requirement.missing() is not found


_FLASH1 = """
given = []


def fwd(
    q, k, v, out, begin_q, begin_k, longest_q, longest_k, p, scale, zero, causal, scores, splits, generator
):
    given.append((q, out, begin_q, begin_k, longest_q, longest_k, p, scale, zero, causal, scores, splits))
    out.copy_(q)
    return q.new_zeros(3), q.new_ones(2)


def bwd(
    grad, q, k, v, out, lse, dq, dk, dv, begin_q, begin_k, longest_q, longest_k, p, scale, zero, causal,
    splits, generator, rng_state,
):
    assert grad.is_contiguous() and out.is_contiguous() and rng_state.sum() == 2
    given.append((begin_q, begin_k, longest_q, longest_k, p, scale, zero, causal, splits))
    dq.copy_(2 * grad)
    dk.fill_(3)
    dv.fill_(4)
"""


@pytest.mark.parametrize("deterministic", [False, True])
def test_flash1_is_given_packed_views_and_its_backward_can_be_repeated(
    site: Site, deterministic: bool
) -> None:
    site.add("flash_attn_cuda.py", _FLASH1)
    shape = attention(batch=3, seq=10, seq_q=7, heads=2, head_dim=16, dropout=0.5)
    implementation = flash1.IMPLEMENTATION.varied("deterministic") if deterministic else flash1.IMPLEMENTATION
    q, k, v = tensors(shape)
    out = implementation.prepare(shape, "cpu")(q, k, v)
    rows, written, *rest = sys.modules["flash_attn_cuda"].given[0]
    assert (rows.shape, rows.data_ptr(), written.data_ptr()) == ((21, 2, 16), q.data_ptr(), out.data_ptr())
    begin_q, begin_k, *options = rest
    assert (begin_q.tolist(), begin_k.tolist()) == ([0, 7, 14, 21], [0, 10, 20, 30])
    assert options == [7, 10, 0.5, 0.25, False, False, False, 0]
    assert out.shape == q.shape
    strided = torch.ones(3, 2, 7, 16).transpose(1, 2)
    for _ in range(2):
        dq, dk, dv = torch.autograd.grad(out, (q, k, v), strided, retain_graph=True)
        assert dq.shape == q.shape
        assert (float(dq.mean()), float(dk.mean()), float(dv.mean())) == (2, 3, 4)
    assert sys.modules["flash_attn_cuda"].given[-1][-1] == int(deterministic)


def test_flash1_takes_sequences_of_unlike_lengths(site: Site) -> None:
    site.add("flash_attn_cuda.py", _FLASH1)
    shape = attention(lengths=RAGGED, causal=True)
    q, k, v = tensors(shape)
    assert flash1.prepare(shape, "cpu")(q, k, v).shape == q.shape
    _, _, begin_q, begin_k, longest_q, longest_k, *_ = sys.modules["flash_attn_cuda"].given[0]
    assert begin_q.tolist() == begin_k.tolist() == [0, 5, 17, 18]
    assert longest_q == longest_k == 12


@pytest.mark.parametrize(
    ("workload", "function", "options"),
    [
        ({}, "flash_attn_func", {}),
        ({"causal": True}, "flash_attn_func", {"causal": True, "window_size": (None, 0)}),
        ({"window": 7}, "flash_attn_func", {"window_size": (7, 7)}),
        ({"softcap": 30.0}, "flash_attn_func", {"softcap": 30.0}),
    ],
    ids=str,
)
def test_flash4_is_called_for_what_is_asked(
    site: Site, workload: dict[str, Any], function: str, options: dict[str, Any]
) -> None:
    site.add_flash4()
    shape = attention(**workload)
    q, k, v = tensors(shape)
    assert flash4.prepare(shape, "cpu")(q, k, v) is q
    usual = {**USUAL, "window_size": (None, None), "deterministic": False}
    assert called("flash_attn.cute") == (function, {**usual, **options})


@pytest.mark.parametrize(("capability", "splits"), [((9, 0), None), ((10, 0), 0), ((12, 0), None)])
def test_flash4_splits_keys_where_it_can(
    site: Site, monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], splits: int | None
) -> None:
    site.add_flash4()
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    shape = attention(decode=True, seq_q=1)
    flash4.prepare(shape, "cuda:0")(*tensors(shape))
    assert called("flash_attn.cute")[1].get("num_splits") == splits


def test_flash4_takes_sequences_of_unlike_lengths(site: Site) -> None:
    site.add_flash4()
    shape = attention(lengths=RAGGED)
    flash4.IMPLEMENTATION.variants["deterministic"].prepare(shape, "cpu")(*tensors(shape))
    function, options = called("flash_attn.cute")
    assert (function, options["deterministic"]) == ("flash_attn_varlen_func", True)
    assert options["cu_seqlens_k"].tolist() == [0, 5, 17, 18]


def test_flash4_is_not_taken_for_flash2s_old_copy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(site.folder)])
    site.add("flash_attn/cute/interface.py", "old = True\n")
    shape = attention(dtype="float16", head_dim=64)
    assert flash4.IMPLEMENTATION.supports(shape, H100) == "flash-attn-4 is not installed"
    site.add_flash4("old = True\n", recorded="new = True\n")
    assert flash4.IMPLEMENTATION.supports(shape, H100) == (
        "is hidden by an older copy of flash_attn/cute, which flash-attn 2 brings: "
        "pip install --force-reinstall --no-deps flash-attn-4"
    )


def test_flash4_is_found_where_it_is_whole(site: Site) -> None:
    site.add_flash4("new = True\n")
    assert flash4.IMPLEMENTATION.supports(attention(dtype="float16", head_dim=64), H100) is None
    assert "flash_attn" not in sys.modules
