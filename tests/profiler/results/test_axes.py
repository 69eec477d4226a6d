"""The parameters that vary in a sweep, as the axes of charts."""

from __future__ import annotations

import pytest

from profiler.plans.presets import PRESETS
from profiler.results.axes import axes_of, short_size
from profiler.workload import Attention
from tests.examples import attention

GRID = [attention(seq=seq, heads=heads) for heads in (8, 16) for seq in (512, 1024, 2048)]


def test_axes_are_the_parameters_that_vary() -> None:
    axes = axes_of(GRID)
    assert {axis.name: axis.values for axis in axes.axes} == {
        "seq": ("512", "1024", "2048"),
        "heads": ("8", "16"),
    }
    assert axes.longest() == ("seq", "heads")


def test_a_parameter_that_another_settles_is_no_axis() -> None:
    axes = axes_of(PRESETS["fa3-paper"].workloads)
    assert axes.names == ("seq", "heads", "causal")
    assert axes["seq"].together == ("batch",)
    assert axes["heads"].along == {"16": "head dim 128", "32": "head dim 64"}


def test_values_stand_in_ascending_order_and_words_as_they_came() -> None:
    shapes = [attention(seq=seq, causal=causal) for causal in (True, False) for seq in (4096, 512, 1024)]
    axes = axes_of(shapes)
    assert axes["seq"].values == ("512", "1024", "4096")
    assert axes["causal"].values == ("yes", "no")
    assert not axes["causal"].is_numeric
    assert axes["causal"].ticks() == ((0.0, "causal"), (1.0, "full"))


def test_no_window_stands_behind_the_windows() -> None:
    axes = axes_of([attention(window=None), attention(window=256), attention(window=64)])
    assert axes["window"].values == ("64", "256", "none")


def test_one_shape_has_no_axes() -> None:
    assert axes_of([attention()]).axes == ()


@pytest.mark.parametrize(
    ("changes", "name", "labels"),
    [
        ({"decode": True, "seq_q": 16, "seq_k": 1024}, "decode", ("no decode", "decode")),
        ({"dropout": 0.1}, "dropout", ("none", "0.1")),
        ({"softcap": 50.0}, "softcap", ("50", "none")),
        ({"batch": 2, "lengths": (1024, 8)}, "lengths", ("equal", "8..1024 (1,032 tokens)")),
    ],
)
def test_what_only_some_shapes_have_can_be_an_axis(
    changes: dict[str, object], name: str, labels: tuple[str, ...]
) -> None:
    without = {key: changes[key] for key in ("batch", "seq_q", "seq_k") if key in changes}
    axes = axes_of([attention(**without), attention(**changes)])
    assert [axis.name for axis in axes.axes] == [name]
    assert tuple(label for _, label in axes[name].ticks()) == labels


@pytest.mark.parametrize(
    ("value", "written"),
    [("512", "512"), ("1024", "1k"), ("16384", "16k"), ("1536", "1536"), ("none", "none")],
)
def test_lengths_are_written_as_the_field_does(value: str, written: str) -> None:
    assert short_size(value) == written


def test_every_shape_has_a_place() -> None:
    shapes: tuple[Attention, ...] = PRESETS["lab6"].workloads
    axes = axes_of(shapes)
    assert len({tuple(axes.at(shape).items()) for shape in shapes}) == len(shapes)
