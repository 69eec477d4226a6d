"""The reasons why an implementation cannot run something, one for every rule."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import impls
from impls.contract import DeviceInfo, Implementation, Requirement
from tests.shapes import attention

CPU = DeviceInfo("cpu", "Some CPU")
T4 = DeviceInfo("cuda", "Tesla T4", (7, 5))
H100 = DeviceInfo("cuda", "H100", (9, 0))
UNKNOWN_GPU = DeviceInfo("cuda", "a GPU", None)


def _never(workload: impls.Workload, device: str) -> Any:
    raise AssertionError("nothing here is run")


ANYTHING = Implementation(name="any", label="Any", summary="takes everything", prepare=_never)


@pytest.mark.parametrize(
    ("rule", "workload", "device", "reason"),
    [
        ({"devices": ("cuda",)}, {}, CPU, "needs a CUDA GPU"),
        ({"devices": ("cpu",)}, {}, H100, "does not run on cuda"),
        (
            {"requires": Requirement("no_such_module", "pip install it")},
            {},
            H100,
            "no_such_module is not installed",
        ),
        (
            {"min_compute_capability": (8, 0)},
            {},
            T4,
            "needs compute capability 8.0; Tesla T4 has 7.5",
        ),
        (
            {},
            {"dtype": "bfloat16"},
            T4,
            "Tesla T4 has no bfloat16 (it came with compute capability 8.0); use float16 or float32",
        ),
        (
            {"dtypes": ("float16", "bfloat16")},
            {"dtype": "float32"},
            CPU,
            "has no float32 (has float16, bfloat16)",
        ),
        ({"cuda_dtypes": ("float16",)}, {"dtype": "float32"}, H100, "has no float32 (has float16)"),
        ({"max_head_dim": 128}, {"head_dim": 136}, CPU, "takes head dims up to 128, not 136"),
        (
            {"gqa": False},
            {"heads": 8, "kv_heads": 2},
            CPU,
            "has no grouped-query attention (kv heads must equal heads)",
        ),
        ({"window": False}, {"window": 0}, CPU, "has no sliding window"),
        (
            {"unequal_causal": False},
            {"seq": 64, "seq_q": 32, "causal": True},
            CPU,
            "has no bottom-right causal mask for seq_q != seq_k",
        ),
    ],
)
def test_each_rule_has_its_reason(
    rule: dict[str, Any], workload: dict[str, Any], device: DeviceInfo, reason: str
) -> None:
    assert replace(ANYTHING, **rule).supports(attention(**workload), device) == reason


@pytest.mark.parametrize(
    ("rule", "workload", "device"),
    [
        ({"devices": ("cuda",)}, {}, H100),
        ({"requires": Requirement("json", "it is there")}, {}, CPU),
        ({"min_compute_capability": (8, 0)}, {}, H100),
        ({"min_compute_capability": (8, 0)}, {}, CPU),
        ({"min_compute_capability": (8, 0)}, {}, UNKNOWN_GPU),  # the call itself will tell
        ({}, {"dtype": "bfloat16"}, UNKNOWN_GPU),
        ({}, {"dtype": "bfloat16"}, CPU),
        ({"cuda_dtypes": ("float16",)}, {"dtype": "float32"}, CPU),
        ({"max_head_dim": 128}, {"head_dim": 128}, CPU),
        ({"gqa": False}, {"heads": 8}, CPU),
        ({"window": False}, {"causal": True}, CPU),
        ({"unequal_causal": False}, {"seq": 64, "seq_q": 32}, CPU),
        ({"unequal_causal": False}, {"seq": 64, "causal": True}, CPU),
    ],
)
def test_a_rule_refuses_nothing_else(
    rule: dict[str, Any], workload: dict[str, Any], device: DeviceInfo
) -> None:
    assert replace(ANYTHING, **rule).supports(attention(**workload), device) is None


def test_the_first_thing_said_is_what_no_other_shape_would_cure() -> None:
    nothing_fits = replace(
        ANYTHING, devices=("cuda",), dtypes=("float16",), window=False, requires=Requirement("no_such", "")
    )
    assert nothing_fits.supports(attention(window=3), CPU) == "needs a CUDA GPU"
    assert nothing_fits.unavailable(CPU) == "needs a CUDA GPU"


@pytest.mark.parametrize(
    ("head_dim", "padded"), [(4, 32), (32, 32), (33, 64), (80, 96), (160, 192), (256, 256)]
)
def test_flash2_says_which_head_dim_its_kernel_computes_with(head_dim: int, padded: int) -> None:
    pad = impls.find("flash2").padded_head_dim
    assert pad is not None
    assert pad(head_dim) == padded


@pytest.mark.parametrize(
    ("name", "workload", "device", "reason"),
    [
        ("sdpa-flash", {"window": 4, "dtype": "float16"}, H100, "has no sliding window"),
        ("sdpa-flash", {"dtype": "float32"}, H100, "has no float32 (has float16, bfloat16)"),
        ("sdpa-flash", {"dtype": "float16"}, T4, "needs compute capability 8.0; Tesla T4 has 7.5"),
        ("sdpa-cudnn", {}, CPU, "needs a CUDA GPU"),
        ("sdpa-efficient", {"dtype": "float16"}, T4, None),
        ("pytorch", {"dtype": "float32"}, T4, None),
    ],
)
def test_the_rules_of_the_real_ones(
    name: str, workload: dict[str, Any], device: DeviceInfo, reason: str | None
) -> None:
    assert impls.find(name).supports(attention(**workload), device) == reason
