"""The adapters around installed attention packages: what they refuse, what they pass on, and on a GPU
whether what comes back is right."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

import impls.xformers
from impls import flash1, flash2, flash3, flash4
from impls._flash import packing, starts, window_size
from impls.contract import DeviceInfo, Implementation
from tests.shapes import attention

T4 = DeviceInfo("cuda", "Tesla T4", (7, 5))
A100 = DeviceInfo("cuda", "A100", (8, 0))
H100 = DeviceInfo("cuda", "H100", (9, 0))
B200 = DeviceInfo("cuda", "B200", (10, 0))

RAGGED = (5, 12, 1)
HALF: dict[str, Any] = {"dtype": "float16", "head_dim": 64}


ADAPTERS: dict[str, Implementation] = {
    module.IMPLEMENTATION.name: module.IMPLEMENTATION
    for module in (flash1, flash2, flash3, flash4, impls.xformers)
}


def adapter(name: str) -> Implementation:
    """By its name, with a variant of it or without."""
    base, _, variant = name.partition("+")
    return ADAPTERS[base].varied(variant) if variant else ADAPTERS[base]


def installed(name: str) -> Implementation:
    """As if its package were there."""
    return replace(adapter(name), requires=None)


@pytest.mark.parametrize("name", ADAPTERS)
@pytest.mark.parametrize(
    "workload",
    [{}, {"head_dim": 128}, {"causal": True}, {"lengths": RAGGED, "causal": True}, {"dtype": "bfloat16"}],
    ids=str,
)
def test_all_of_them_take_what_is_usual_on_an_h100(name: str, workload: dict[str, Any]) -> None:
    assert installed(name).supports(attention(**{**HALF, **workload}), H100) is None


@pytest.mark.parametrize(
    ("name", "workload", "device", "reason"),
    [
        ("flash1", {"kv_heads": 2}, H100, "has no grouped-query attention (kv heads must equal heads)"),
        ("flash1", {"head_dim": 136}, H100, "takes head dims up to 128, not 136"),
        ("flash1", {"head_dim": 20}, H100, "takes head dims that are multiples of 8, not 20"),
        ("flash1", {"seq_q": 8, "causal": True}, H100, "has no bottom-right causal mask for seq_q != seq_k"),
        ("flash1", {"seq_q": 8}, H100, None),
        ("flash1", {"decode": True, "seq_q": 1}, H100, "has no path for decoding from a KV cache"),
        ("flash1", {"dropout": 0.1}, T4, None),
        ("flash1", {}, B200, "ends at compute capability 9.0; B200 has 10.0"),
        ("flash2", {"dropout": 0.1}, A100, None),
        ("flash2", {"softcap": 20.0}, A100, None),
        ("flash2", {"dropout": 0.1, "softcap": 20.0}, A100, "has no dropout together with softcap"),
        ("flash2", {"head_dim": 20}, A100, None),
        ("flash2", {"decode": True, "seq_q": 1, "kv_heads": 1}, A100, None),
        ("flash2", {}, T4, "needs compute capability 8.0; Tesla T4 has 7.5"),
        ("flash3", {}, A100, "needs compute capability 9.0; A100 has 8.0"),
        ("flash3", {}, B200, "ends at compute capability 9.0; B200 has 10.0"),
        ("flash3", {"dropout": 0.1}, H100, "has no dropout"),
        ("flash3", {"head_dim": 20}, H100, "takes head dims that are multiples of 8, not 20"),
        ("flash4", {"head_dim": 192}, H100, None),
        ("flash4", {"head_dim": 192}, B200, "takes head dims up to 128, and 256, on B200, not 192"),
        ("flash4", {"head_dim": 256}, B200, None),
        ("flash4", {"head_dim": 4}, H100, "takes head dims from 8 on, not 4"),
        ("flash4", {"dropout": 0.1}, H100, "has no dropout"),
        ("xformers", {"softcap": 20.0}, H100, "has no softcap"),
        ("xformers", {"dtype": "float32", "head_dim": 4}, H100, None),
        (
            "xformers",
            {"head_dim": 20},
            H100,
            "takes head dims that are multiples of 8 in half precision, not 20",
        ),
        ("xformers", {"window": 5}, H100, None),
        (
            "xformers",
            {"window": 5, "dtype": "float32"},
            H100,
            "has no sliding window without causal in its CUTLASS operator",
        ),
        (
            "xformers",
            {"window": 5, "causal": True},
            T4,
            "has no backward with a sliding window in its CUTLASS operator",
        ),
        (
            "xformers",
            {"window": 5, "lengths": RAGGED},
            H100,
            "has no sliding window over both sides in variable-length batches",
        ),
        ("xformers", {"window": 5, "lengths": RAGGED, "causal": True}, H100, None),
        ("xformers", {"seq": 8, "seq_q": 16, "causal": True}, H100, None),
        (
            "xformers",
            {"seq": 8, "seq_q": 16, "causal": True, "head_dim": 512},
            H100,
            "leaves queries that see no key undefined in its CUTLASS operator",
        ),
        (
            "xformers",
            {"dtype": "float32"},
            B200,
            "has no operator for float32 after compute capability 9.0",
        ),
    ],
)
def test_what_they_refuse_is_what_their_sources_say(
    name: str, workload: dict[str, Any], device: DeviceInfo, reason: str | None
) -> None:
    assert installed(name).supports(attention(**{**HALF, **workload}), device) == reason


def test_flash1_takes_no_tensor_beyond_what_32_bits_count() -> None:
    most = attention(batch=64, seq=4096, heads=32, **{**HALF, "head_dim": 128})
    assert installed("flash1").supports(most, H100) is None
    for more in (most.with_batch(65), most.with_batch(80)):
        reason = installed("flash1").supports(more, H100)
        assert reason is not None
        assert reason.startswith("counts bytes in 32 bits: its largest tensor may take 4 GiB, not ")


@pytest.mark.parametrize(
    ("name", "head_dim", "padded"),
    [("flash1", 40, 64), ("flash1", 8, 32), ("flash3", 64, 64), ("flash3", 200, 256), ("flash4", 72, 80)],
)
def test_they_say_which_head_dim_they_compute_with(name: str, head_dim: int, padded: int) -> None:
    pad = adapter(name).padded_head_dim
    assert pad is not None
    assert pad(head_dim) == padded


@pytest.mark.parametrize(
    ("operators", "backend"),
    [
        ({"xformers_flash3::flash_fwd", "flash_attn_3::fwd"}, "flash3"),
        ({"xformers_flash::flash_fwd", "aten::_flash_attention_forward"}, "flash2"),
        ({"aten::_efficient_attention_forward", "aten::empty"}, "cutlass"),
        ({"aten::empty"}, None),
    ],
)
def test_xformers_names_the_operator_that_it_chose(operators: set[str], backend: str | None) -> None:
    name_backend = adapter("xformers").backend_of
    assert name_backend is not None
    assert name_backend(operators) == backend


@pytest.mark.parametrize(
    ("workload", "window"),
    [
        ({}, (-1, -1)),
        ({"causal": True}, (-1, 0)),
        ({"window": 0}, (0, 0)),
        ({"window": 7}, (7, 7)),
        ({"window": 7, "causal": True}, (7, 0)),
    ],
    ids=str,
)
def test_a_window_is_told_as_keys_back_and_ahead(workload: dict[str, Any], window: tuple[int, int]) -> None:
    assert window_size(attention(**workload)) == window


def test_packed_sequences_are_told_by_where_they_begin() -> None:
    packed = packing(attention(lengths=RAGGED), "cpu")
    assert packed["max_seqlen_q"] == packed["max_seqlen_k"] == 12
    for name in ("cu_seqlens_q", "cu_seqlens_k"):
        begin = packed[name]
        assert isinstance(begin, torch.Tensor)
        assert (begin.dtype, begin.tolist()) == (torch.int32, [0, 5, 17, 18])
    assert packing(attention(), "cpu") == {}
    assert starts((3,), "cpu").tolist() == [0, 3]


ON_A_GPU = {
    "head dim 64, causal": attention(seq=300, head_dim=64, dtype="float16", causal=True),
    "head dim 128, grouped": attention(seq=256, heads=4, kv_heads=2, head_dim=128, dtype="bfloat16"),
    "unlike lengths, causal": attention(
        lengths=(70, 200, 1, 129), head_dim=64, dtype="bfloat16", causal=True
    ),
    "decoding, grouped": attention(
        seq=1000, seq_q=1, heads=8, kv_heads=2, head_dim=128, dtype="bfloat16", causal=True, decode=True
    ),
    "window, causal": attention(seq=300, head_dim=64, dtype="bfloat16", causal=True, window=50),
    "fewer queries, causal": attention(seq=300, seq_q=100, head_dim=64, dtype="bfloat16", causal=True),
}


@pytest.mark.gpu
@pytest.mark.filterwarnings("default")  # packages warn of one another
@pytest.mark.parametrize("shape", ON_A_GPU)
@pytest.mark.parametrize(
    "name",
    ["flash1", "flash2", "flash2+deterministic", "flash3", "flash4", "xformers", "xformers+cutlass"],
)
def test_what_is_installed_is_right_and_its_backward_can_be_repeated(name: str, shape: str) -> None:
    from profiler.worker.accuracy import Reference
    from profiler.worker.inputs import make_inputs

    workload, device = ON_A_GPU[shape], "cuda:0"
    implementation = adapter(name)
    here = DeviceInfo("cuda", torch.cuda.get_device_name(), torch.cuda.get_device_capability())
    if reason := implementation.supports(workload, here):
        pytest.skip(reason)
    layout = implementation.layout_of(workload)
    inputs = make_inputs(workload, layout, device, 0)
    try:
        attend = implementation.prepare(workload, device)
    except (NotImplementedError, ImportError) as error:
        pytest.skip(str(error))
    out = attend(inputs.q, inputs.k, inputs.v)
    assert (out.shape, out.dtype) == (inputs.q.shape, inputs.q.dtype)
    reference = Reference.compute(workload, device, 0, backward=workload.has_backward)
    if not workload.has_backward:
        assert reference.judge(out, None, layout).verdict == "ok"
        return
    for _ in range(2):
        wanted = (inputs.q, inputs.k, inputs.v)
        grads = torch.autograd.grad(out, wanted, inputs.grad_out, retain_graph=True)
        accuracy = reference.judge(out, grads, layout)
        assert accuracy.verdict == "ok", accuracy
