"""The grid: every feature at its edges, in every dtype, and who claims which cell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import pytest

import impls
from benchmarks import features_grid as grid
from benchmarks.features_grid import BACKWARD, Cell
from impls.contract import DeviceInfo, Implementation, Variant, Workload
from profiler.features import Feature
from profiler.workload import Attention
from tests.shapes import attention

CPU = DeviceInfo("cpu", "CPU")


def _never(workload: Workload, device: str) -> Any:
    raise AssertionError("nothing here is run")


SOME = Implementation(
    name="some",
    label="",
    summary="",
    prepare=_never,
    dropout=True,
    softcap=True,
    decode=True,
    ragged="padded",
)


@pytest.fixture(scope="module")
def shapes() -> list[Attention]:
    return [cell.workload for cell in grid.full_grid()]


def test_every_feature_is_tried_causal_and_not_in_every_dtype(shapes: list[Attention]) -> None:
    tried = {(feature, shape.dtype, shape.causal) for shape in shapes for feature in grid.features_of(shape)}
    features = set(get_args(Feature)) - {"unequal causal"}
    dtypes = ("float16", "bfloat16", "float32")
    assert tried >= {
        (name, dtype, causal) for name in features for dtype in dtypes for causal in (False, True)
    }
    assert tried >= {("unequal causal", dtype, True) for dtype in dtypes}


def test_there_are_more_queries_than_keys_and_fewer_and_odd_numbers_of_both(shapes: list[Attention]) -> None:
    causal = [shape for shape in shapes if shape.causal]
    assert any(shape.seq_q < shape.seq_k for shape in causal)
    assert any(shape.seq_q > shape.seq_k for shape in causal)
    assert {1, 57, 127, 1000} <= {shape.seq_q for shape in causal if shape.seq_q == shape.seq_k}
    windows = [shape for shape in shapes if shape.window is not None]
    assert any(shape.seq_q < shape.seq_k for shape in windows)
    assert any(shape.seq_q > shape.seq_k for shape in windows)


def test_head_dims_are_tried_beyond_both_ends_of_what_kernels_take(shapes: list[Attention]) -> None:
    usual = {4, 8, 16, 32, 40, 64, 72, 80, 96, 128, 136, 160, 192, 256}
    assert usual < {shape.head_dim for shape in shapes}


def test_decoding_is_tried_with_a_long_cache_few_queries_and_grouped_heads(shapes: list[Attention]) -> None:
    decoding = [shape for shape in shapes if shape.decode]
    assert min(shape.seq_k for shape in decoding) >= 4096
    assert {(shape.seq_q, shape.heads // shape.kv_heads) for shape in decoding} == {
        (seq_q, group) for seq_q in (1, 4, 16) for group in (1, 4, 8)
    }


def test_no_cell_is_there_twice() -> None:
    assert len(set(grid.full_grid())) == len(grid.full_grid())


def test_the_smaller_grids_are_parts_of_the_full_one_and_leave_no_feature_out() -> None:
    full, reduced, sparse = set(grid.full_grid()), set(grid.reduced_grid()), set(grid.sparse_grid())
    assert sparse < reduced < full
    abouts = {cell.about for cell in full}
    assert {cell.about for cell in reduced} == {cell.about for cell in sparse} == abouts
    assert len(sparse) == len(abouts)


@pytest.mark.parametrize(
    ("facts", "cells"),
    [
        ({}, grid.full_grid()),
        ({"name": "some+deterministic"}, grid.full_grid()),
        ({"compiled": True}, grid.reduced_grid()),
        ({"name": "flash4"}, grid.reduced_grid()),
        ({"name": "flash4+deterministic"}, grid.sparse_grid()),
        ({"name": "some+compile", "compiled": True}, grid.sparse_grid()),
    ],
    ids=["plain", "variant", "compiled", "flash4", "a variant of flash4", "under torch.compile"],
)
def test_what_compiles_for_each_shape_is_tried_in_fewer(facts: dict[str, Any], cells: list[Cell]) -> None:
    assert grid.grid_of(replace(SOME, **facts)) == cells


@pytest.mark.parametrize(
    ("facts", "about", "reason"),
    [
        ({}, "lengths", None),
        ({}, BACKWARD, None),
        ({"window": False}, "window", "has no sliding window"),
        ({"window": False}, "lengths", None),
        ({"backward": False}, "lengths", None),
        ({"backward": False}, BACKWARD, "has no backward"),
        ({"repeats_backward": False}, BACKWARD, "has no second backward on a graph that is kept"),
    ],
)
def test_a_cell_is_refused_by_the_rules_or_for_want_of_a_backward(
    facts: dict[str, Any], about: str, reason: str | None
) -> None:
    cell = next(cell for cell in grid.sparse_grid() if cell.about == about)
    assert grid.refusal(replace(SOME, **facts), cell, CPU) == reason


def test_what_runs_here_is_tried_with_its_variants_and_some_of_it_compiled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    catalog = (
        replace(SOME, name="pytorch"),
        replace(SOME, name="varied", variants={"deterministic": Variant(_never)}),
        replace(SOME, name="elsewhere", devices=("cuda",), variants={"deterministic": Variant(_never)}),
    )
    monkeypatch.setattr(impls, "catalog", lambda: catalog)
    assert grid.names(CPU) == ["pytorch", "varied", "varied+deterministic", "pytorch+compile"]


@pytest.mark.parametrize(
    ("shape", "line"),
    [
        (attention(), "B2 H4 S64 D32 fp32"),
        (
            attention(seq_q=9, heads=8, kv_heads=2, dtype="bfloat16", causal=True, window=3),
            "B2 H8:2 S9:64 D32 bf16 causal window 3",
        ),
        (attention(dropout=0.25, softcap=2.0), "B2 H4 S64 D32 fp32 dropout 0.25 softcap 2"),
        (attention(seq_q=1, decode=True), "B2 H4 S1:64 D32 fp32 decode"),
        (attention(lengths=(5, 9)), "B2 H4 S9 D32 fp32 lengths 5/9"),
    ],
)
def test_a_shape_in_a_line(shape: Attention, line: str) -> None:
    assert grid.describe(shape) == line
