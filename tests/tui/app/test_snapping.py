"""Where only recorded shapes can be shown, a parameter steps to the next recorded one."""

from __future__ import annotations

from dataclasses import replace

from profiler.workload import Attention
from tui.app.choice import Choice
from tui.app.snapping import snapped

CHOICE = Choice(
    batch=1,
    seq=1024,
    heads=16,
    head_dim=128,
    dtype="bfloat16",
    causal=True,
    implementations=("pytorch", "flash2"),
    baseline="pytorch",
)


def shape(**changes: object) -> Attention:
    return replace(CHOICE, **changes).workload()  # type: ignore[arg-type]


LENGTHS = [shape(seq=seq) for seq in (512, 1024, 4096, 16384)]


def test_a_recorded_shape_is_taken_as_it_is() -> None:
    wanted = replace(CHOICE, seq=512)
    assert snapped(CHOICE, wanted, LENGTHS) is wanted


def test_a_step_goes_on_to_the_next_value_there_is() -> None:
    found = snapped(CHOICE, replace(CHOICE, seq=2048), LENGTHS)
    assert found == replace(CHOICE, seq=4096)


def test_a_step_back_goes_to_the_next_smaller_one() -> None:
    before = replace(CHOICE, seq=4096)
    assert snapped(before, replace(before, seq=2048), LENGTHS) == CHOICE


def test_beyond_the_last_recorded_value_there_is_nothing() -> None:
    before = replace(CHOICE, seq=16384)
    assert snapped(before, replace(before, seq=32768), LENGTHS) is None


def test_a_parameter_of_one_recorded_value_cannot_be_turned() -> None:
    assert snapped(CHOICE, replace(CHOICE, heads=32), LENGTHS) is None
    assert snapped(CHOICE, replace(CHOICE, causal=False), LENGTHS) is None


def test_what_leads_to_the_same_shape_is_no_turn() -> None:
    wanted = CHOICE.with_implementations(["flash2"])
    assert snapped(CHOICE, wanted, [shape(seq=512)]) is wanted
    assert snapped(CHOICE, replace(CHOICE, passes=("fwd",)), []) == replace(CHOICE, passes=("fwd",))


def test_where_no_shape_differs_in_that_alone_the_most_alike_is_taken() -> None:
    other = shape(seq=4096, heads=8)
    further = shape(seq=2048, heads=8, batch=2)
    found = snapped(CHOICE, replace(CHOICE, seq=2048), [shape(), further, other])
    assert found is not None
    assert found.workload() == other


def test_a_typed_value_leads_to_the_nearest_beyond_where_one_was() -> None:
    assert snapped(CHOICE, replace(CHOICE, seq=9000), LENGTHS) == replace(CHOICE, seq=4096)


def test_a_choice_at_another_shape_keeps_what_is_measured_of_it() -> None:
    moved = CHOICE.at(shape(seq=512, heads=8, kv_heads=2, window=128, dtype="float16", causal=False))
    assert moved == replace(CHOICE, seq=512, heads=8, kv_heads=2, window=128, dtype="float16", causal=False)
    assert moved.at(shape()).kv_heads is None
