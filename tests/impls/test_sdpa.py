"""What SDPA's backends are told, and what they refuse before they are asked."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.nn.attention import varlen

import impls
from impls import _sdpa, sdpa_efficient
from impls.contract import DeviceInfo
from profiler.worker.accuracy import Reference
from profiler.worker.inputs import make_inputs
from profiler.workload import Attention
from tests.shapes import attention

CPU = DeviceInfo("cpu", "Some CPU")
T4 = DeviceInfo("cuda", "Tesla T4", (7, 5))
H100 = DeviceInfo("cuda", "H100", (9, 0))
HALF = "float16"


@pytest.mark.parametrize(
    ("operators", "backend"),
    [
        ({"aten::_scaled_dot_product_flash_attention_for_cpu", "aten::mul"}, "flash"),
        ({"aten::_scaled_dot_product_attention_math"}, "math"),
        ({"aten::_scaled_dot_product_cudnn_attention", "aten::empty"}, "cudnn"),
        ({"aten::_scaled_dot_product_efficient_attention"}, "efficient"),
        ({"aten::baddbmm"}, None),
    ],
)
def test_the_backend_is_read_off_the_operators_that_ran(operators: set[str], backend: str | None) -> None:
    name_backend = impls.find("sdpa").backend_of
    assert name_backend is not None
    assert name_backend(operators) == backend


@pytest.mark.parametrize(
    ("name", "workload", "device", "reason"),
    [
        ("sdpa-flash", {"dtype": HALF, "window": 4}, H100, "has no sliding window"),
        ("sdpa-flash", {"window": 4}, CPU, None),
        ("sdpa-flash", {"dtype": HALF, "seq_q": 9, "causal": True}, H100, None),
        ("sdpa-flash", {"dropout": 0.1}, CPU, "has no dropout on the CPU"),
        ("sdpa-flash", {"dtype": HALF, "dropout": 0.1}, H100, None),
        ("sdpa-flash", {"lengths": (3, 4)}, CPU, "has variable-length batches on CUDA only"),
        ("sdpa-flash", {"dtype": HALF, "lengths": (3, 4), "window": 4}, H100, None),
        (
            "sdpa-flash",
            {"dtype": HALF, "lengths": (3, 4), "dropout": 0.1},
            H100,
            "has no dropout for variable-length batches",
        ),
        (
            "sdpa-flash",
            {"dtype": HALF, "lengths": (3, 4), "head_dim": 20},
            H100,
            "takes head dims that are multiples of 8 in variable-length batches, not 20",
        ),
        (
            "sdpa-efficient",
            {"head_dim": 6},
            T4,
            "takes head dims that are multiples of 4 in float32, not 6",
        ),
        ("sdpa-efficient", {"head_dim": 12}, T4, None),
        (
            "sdpa-efficient",
            {"dtype": HALF, "head_dim": 12},
            T4,
            "takes head dims that are multiples of 8 in float16, not 12",
        ),
        ("sdpa-cudnn", {"dtype": HALF, "seq": 1}, H100, "takes no single key"),
        (
            "sdpa-cudnn",
            {"dtype": HALF, "seq_q": 1, "dropout": 0.5},
            H100,
            "has no dropout for a single query",
        ),
        ("sdpa-cudnn", {"dtype": HALF, "seq_q": 1, "decode": True}, H100, None),
    ],
)
def test_what_a_backend_is_known_to_refuse_is_said_without_trying(
    name: str, workload: dict[str, Any], device: DeviceInfo, reason: str | None
) -> None:
    assert impls.find(name).supports(attention(**workload), device) == reason


@pytest.fixture
def release_not_remembered() -> Iterator[None]:
    sdpa_efficient._torch_release.cache_clear()
    yield
    sdpa_efficient._torch_release.cache_clear()


@pytest.mark.usefixtures("release_not_remembered")
@pytest.mark.parametrize(
    ("torch_version", "reason"),
    [
        ("2.11.0+cu130", "has no grouped-query attention in torch 2.11 (it came with 2.14)"),
        ("2.14.1", None),
        ("3.0.0", None),
    ],
)
def test_whether_the_efficient_backend_groups_depends_on_torch(
    torch_version: str, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sdpa_efficient, "version", lambda package: torch_version)
    grouped = attention(heads=4, kv_heads=2, dtype=HALF)
    assert impls.find("sdpa-efficient").supports(grouped, T4) == reason
    assert impls.find("sdpa-efficient").supports(attention(dtype=HALF), T4) is None


def test_the_stand_in_for_a_bottom_right_mask_means_that_mask() -> None:
    workload = attention(seq=48, seq_q=20, heads=4, kv_heads=2, causal=True)
    inputs = make_inputs(workload, "bhsd", "cpu", 0)
    attend = _sdpa.prepare_sdpa(workload, "cpu", None, lower_right=True)
    with warnings.catch_warnings():
        # Here no kernel knows it: SDPA says so and makes a mask of it, at each call.
        warnings.simplefilter("ignore")
        out = attend(inputs.q, inputs.k, inputs.v)
    reference = Reference.compute(workload, "cpu", 0, backward=False)
    assert reference.judge(out.detach(), None, "bhsd").verdict == "ok"


@pytest.mark.parametrize(
    ("workload", "window"),
    [
        (attention(lengths=(3, 5)), (-1, -1)),
        (attention(lengths=(3, 5), causal=True), (-1, 0)),
        (attention(lengths=(3, 5), window=2), (2, 2)),
        (attention(lengths=(3, 5), window=2, causal=True), (2, 0)),
    ],
    ids=["all", "causal", "window", "causal window"],
)
def test_packed_sequences_go_to_the_flash_kernels_by_their_starts(
    workload: Attention, window: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []

    def varlen_attn(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *rest: Any, **options: Any
    ) -> torch.Tensor:
        given.extend([*rest, options])
        return q

    monkeypatch.setattr(varlen, "varlen_attn", varlen_attn)
    inputs = make_inputs(workload, "thd", "cpu", 0)
    impls.find("sdpa-flash").prepare(workload, "cpu")(inputs.q, inputs.k, inputs.v)
    starts_q, starts_k, *rest = given
    assert starts_q is starts_k
    assert starts_q.tolist() == [0, 3, 8]
    assert starts_q.dtype == torch.int32
    assert rest == [5, 5, {"window_size": window}]


def test_a_torch_that_wants_to_be_told_of_grouped_queries_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bool] = []

    def asks(q: torch.Tensor, *rest: Any, enable_gqa: bool = False, **options: Any) -> torch.Tensor:
        told.append(enable_gqa)
        return q

    def does_not_ask(q: torch.Tensor, *rest: Any, window_size: tuple[int, int]) -> torch.Tensor:
        return q

    grouped = attention(lengths=(3, 5), heads=4, kv_heads=2)
    inputs = make_inputs(grouped, "thd", "cpu", 0)
    for varlen_attn in (asks, does_not_ask):
        monkeypatch.setattr(varlen, "varlen_attn", varlen_attn)
        impls.find("sdpa-flash").prepare(grouped, "cpu")(inputs.q, inputs.k, inputs.v)
    assert told == [True]
