"""The matrix of what implementations can do, as their rules answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import impls
from impls.contract import DeviceInfo, Implementation, Requirement, Workload
from profiler.features import FEATURES, LARGEST_HEAD_DIM, Features, describe_head_dims, features, matrix

CPU = DeviceInfo("cpu", "CPU")
T4 = DeviceInfo("cuda", "Tesla T4", (7, 5))
H100 = DeviceInfo("cuda", "H100", (9, 0))


def _never(workload: Workload, device: str) -> Any:
    raise AssertionError("nothing here is run")


ALL = Implementation(
    name="all", label="", summary="", prepare=_never, dropout=True, softcap=True, decode=True, ragged="padded"
)


def of(device: DeviceInfo = H100, /, **facts: Any) -> Features:
    return features(replace(ALL, **facts), device)


def test_what_refuses_nothing_can_do_everything() -> None:
    row = of()
    assert set(row.marks) == set(FEATURES)
    assert set(row.marks.values()) == {"yes"}
    assert row.dtypes == ("float16", "bfloat16", "float32")
    assert describe_head_dims(row.head_dims) == "any"
    assert (row.backward, row.ragged, row.capability, row.limits) == ("yes", "padded", "any", ())


@pytest.mark.parametrize("feature", ["gqa", "window", "dropout", "softcap", "decode"])
def test_what_a_rule_refuses_is_no_feature_and_takes_none_of_the_others_away(feature: str) -> None:
    marks = of(**{feature: False}).marks
    assert [name for name, mark in marks.items() if mark == "no"] == [feature]
    assert set(marks.values()) == {"yes", "no"}


def test_causal_without_the_bottom_right_mask() -> None:
    row = of(unequal_causal=False)
    assert row.marks["unequal causal"] == "no"
    assert row.marks["decode"] == "some"  # four queries, causal
    assert row.limits == ("has no bottom-right causal mask for seq_q != seq_k",)


def test_padding_that_only_causal_masking_hides_is_a_feature_with_a_limit() -> None:
    row = of(ragged="causal only")
    assert (row.marks["ragged"], row.ragged) == ("some", "causal only")
    assert row.limits == ("has no mask for the padding of a variable-length batch (causal needs none)",)
    without = of(ragged=None)
    assert (without.marks["ragged"], without.ragged) == ("no", None)


def test_two_features_that_exclude_each_other_are_both_limited_and_say_why() -> None:
    row = of(refuses=lambda load, device: "not both" if load.window is not None and load.softcap else None)
    assert [name for name, mark in row.marks.items() if mark == "some"] == ["window", "softcap"]
    assert row.limits == ("not both",)


def test_a_feature_that_is_there_only_beside_another_is_limited() -> None:
    row = of(
        refuses=lambda load, device: "alone" if load.window is not None and load.lengths is None else None
    )
    assert row.marks["window"] == "some"
    assert row.limits == ("alone",)


def test_a_function_without_causal_has_its_features_without_it() -> None:
    row = of(refuses=lambda load, device: "takes no causal" if load.causal else None)
    assert row.marks["window"] == "yes"
    assert row.marks["unequal causal"] == "no"
    assert row.limits == ("takes no causal",)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"max_head_dim": 256}, "1..256"),
        ({"max_head_dim": 256, "head_dim_multiple": 8}, "8..256 by 8"),
        ({"head_dim_multiple": 8}, "8.. by 8"),
        ({"min_head_dim": 16}, "16.."),
        ({"min_head_dim": 16, "max_head_dim": 128}, "16..128"),
        ({"min_head_dim": 64, "head_dim_multiple": 64, "max_head_dim": 128}, "64, 128"),
        (
            {
                "refuses": lambda load, device: (
                    None if load.head_dim in (1, 2, 3, 64, 256) else "has no kernel"
                )
            },
            "1..3, 64, 256",
        ),
        (
            {
                "refuses": lambda load, device: (
                    "no" if load.head_dim % (32 if load.head_dim < 128 else 8) else None
                )
            },
            "32..128 by 32, 136.. by 8",
        ),
        ({"min_head_dim": LARGEST_HEAD_DIM + 1}, "none"),
    ],
)
def test_head_dims_are_those_that_the_rules_take(facts: dict[str, Any], text: str) -> None:
    assert describe_head_dims(of(**facts).head_dims) == text


def test_head_dims_that_depend_on_the_dtype_are_a_limit() -> None:
    row = of(refuses=lambda load, device: "no" if load.dtype == "float32" and load.head_dim > 64 else None)
    assert describe_head_dims(row.head_dims) == "any"
    assert row.limits == ("takes head dims 1..64 in float32",)


def test_what_one_dtype_alone_cannot_do_is_a_limit() -> None:
    row = of(refuses=lambda load, device: "no" if load.dtype == "float32" and load.window else None)
    assert row.marks["window"] == "some"
    assert row.limits == ("no",)


def test_features_are_asked_for_at_a_head_dim_and_a_dtype_that_are_taken() -> None:
    row = of(min_head_dim=200, head_dim_multiple=50, dtypes=("float32",))
    assert set(row.marks.values()) == {"yes"}
    assert row.dtypes == ("float32",)


@pytest.mark.parametrize(
    ("facts", "said"),
    [({}, "yes"), ({"backward": False}, "no"), ({"repeats_backward": False}, "once")],
)
def test_backward(facts: dict[str, Any], said: str) -> None:
    assert of(**facts).backward == said


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        ({"min_compute_capability": (8, 0)}, "8.0+"),
        ({"min_compute_capability": (7, 5), "max_compute_capability": (9, 0)}, "7.5..9.0"),
        ({"min_compute_capability": (9, 0), "max_compute_capability": (9, 0)}, "9.0"),
        ({"max_compute_capability": (9, 0)}, "..9.0"),
        ({"devices": ("cpu",)}, "none"),
    ],
)
def test_the_gpus_that_it_runs_on(facts: dict[str, Any], said: str) -> None:
    assert of(**facts).capability == said


def test_what_is_not_installed_is_shown_as_if_it_were() -> None:
    row = of(requires=Requirement("no_such_module", "pip install it"))
    assert row.here == "no_such_module is not installed"
    assert set(row.marks.values()) == {"yes"}


@pytest.mark.parametrize(
    "facts",
    [
        {"devices": ("cuda",)},
        {"devices": ("cuda",), "min_compute_capability": (9, 0)},
        {"devices": ("cuda",), "min_compute_capability": (7, 0), "max_compute_capability": (7, 0)},
    ],
)
def test_what_cannot_run_here_is_shown_as_where_it_can(facts: dict[str, Any]) -> None:
    row = of(CPU, **facts)
    assert row.here == "needs a CUDA GPU"
    assert set(row.marks.values()) == {"yes"}


def test_a_dtype_that_the_device_lacks_is_not_there() -> None:
    assert of(T4).dtypes == ("float16", "float32")
    assert of(CPU, cuda_dtypes=("float16",)).dtypes == ("float16", "bfloat16", "float32")
    assert of(H100, cuda_dtypes=("float16",)).dtypes == ("float16",)


def test_what_refuses_everything_has_an_empty_row() -> None:
    row = of(refuses=lambda load, device: "is broken")
    assert (row.dtypes, row.head_dims, row.ragged, row.limits) == ((), (), None, ())
    assert set(row.marks.values()) == {"no"}


def test_every_implementation_has_a_row_on_every_kind_of_device() -> None:
    names = [item.name for item in impls.catalog()]
    for device in (CPU, T4, H100):
        rows = matrix(impls.catalog(), device)
        assert [row.name for row in rows] == names
        assert all(row.dtypes and row.head_dims for row in rows)
