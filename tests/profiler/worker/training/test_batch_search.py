"""The largest batch that fits, with memories that are made up."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from profiler.worker.training.batch_search import MOST, candidates, largest_batch

STATIC, ROOM = 1_500, 12_000
Memory = Callable[[int], float]


def linear(each: float) -> Memory:
    return lambda batch: STATIC + 250 + each * batch


def bent(each: float, floor: float) -> Memory:
    """At the end of backward all gradients are there, whatever the batch."""
    return lambda batch: STATIC + max(250 + each * batch, floor + each / 8 * batch)


def with_step(each: float, at: int, by: float) -> Memory:
    return lambda batch: linear(each)(batch) + (by if batch >= at else 0)


def noisy(each: float) -> Memory:
    return lambda batch: linear(each)(batch) * (1 + random.Random(batch).uniform(-0.005, 0.005))


def search(
    memory: Memory, *, waste: float = 0.0, room: int = ROOM, first: int | None = None
) -> tuple[int, list[int]]:
    """The batch that is found, and those that were tried; the allocator splinters `waste` of the memory."""
    tried: list[int] = []

    def fits(batch: int) -> int | None:
        tried.append(batch)
        peak = memory(batch)
        return int(peak) if peak * (1 + waste) <= room else None

    return largest_batch(fits, static_bytes=STATIC, room_bytes=room, first=first), tried


def largest(memory: Memory, waste: float = 0.0, room: int = ROOM) -> int:
    """By trying all."""
    return max((size for size in candidates() if memory(size) * (1 + waste) <= room), default=0)


def test_candidates_are_the_studys() -> None:
    assert candidates(40) == [1, 2, 3, 4, 5, 6, 7, 8, 16, 24, 32, 40]
    assert candidates(5) == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("each", [55, 90, 130, 160, 310, 640, 1_000, 1_300, 1_800, 2_600, 5_000, 9_000])
@pytest.mark.parametrize("waste", [0.0, 0.08])
@pytest.mark.parametrize("shape", [linear, noisy, lambda each: bent(each, 900)])
def test_the_largest_that_fits_is_found_in_few_tries(
    shape: Callable[[float], Memory], waste: float, each: float
) -> None:
    found, tried = search(shape(each), waste=waste)
    assert found == largest(shape(each), waste)
    assert len(tried) == len(set(tried))
    assert len(tried) <= (8 if waste else 6)


@pytest.mark.parametrize("each", [55, 90, 160, 310, 640, 1_000])
def test_three_tries_do_where_memory_is_a_line(each: float) -> None:
    assert len(search(linear(each))[1]) <= 3


@pytest.mark.parametrize("at", [16, 40, 64, 120])
@pytest.mark.parametrize("by", [200, 800, 1_500])
def test_a_step_in_memory_costs_tries_and_no_batch(at: int, by: float) -> None:
    found, tried = search(with_step(60, at, by))
    assert found == largest(with_step(60, at, by))
    assert len(tried) <= 8


def test_where_nothing_fits_one_alone_is_tried_last() -> None:
    assert search(linear(20_000)) == (0, [8, 1])


def test_where_one_fits_two_are_tried_too() -> None:
    found, tried = search(linear(6_000))
    assert found == 1
    assert 2 in tried


def test_what_always_fits_ends_at_the_most_there_is() -> None:
    found, tried = search(linear(0.01))
    assert found == MOST - MOST % 8
    assert len(tried) <= 8


def test_the_next_larger_was_tried_or_cannot_fit() -> None:
    for each in range(5, 3_000, 37):
        found, tried = search(linear(each), waste=0.03)
        larger = candidates()[candidates().index(found) + 1]
        assert larger in tried or linear(each)(larger) > ROOM


@pytest.mark.parametrize("each", [90, 310, 640, 1_300, 2_600, 5_000])
def test_a_first_guess_that_is_right_takes_two_tries(each: float) -> None:
    right = largest(linear(each))
    found, tried = search(linear(each), first=right)
    assert found == right
    assert tried == [right, candidates()[candidates().index(right) + 1]]


@pytest.mark.parametrize("each", [55, 160, 640, 1_300, 20_000])
@pytest.mark.parametrize("waste", [0.0, 0.08])
@pytest.mark.parametrize("first", [1, 5, 8, 24, 64, 200])
def test_a_first_guess_that_is_wrong_costs_few_tries(each: float, waste: float, first: int) -> None:
    found, tried = search(linear(each), waste=waste, first=first)
    assert found == largest(linear(each), waste)
    assert tried[0] == first
    assert len(tried) <= 9


def test_a_first_guess_that_leaves_much_room_is_left_far_behind() -> None:
    """As GPT-2 small at context 256 in 12 GiB: 72 fits with plain PyTorch's attention, 104 with flash."""
    found, tried = search(linear(95), first=72)
    assert found == 104
    assert tried == [72, 104]


@pytest.mark.parametrize("waste", [0.0, 0.006, 0.012])
def test_memory_that_splinters_by_a_step_or_two_costs_as_many_tries(waste: float) -> None:
    """As compiled GPT-2 small at context 1024 in 80 GiB: 80 plainly, 208 with flash where 216 is foretold."""
    found, tried = search(lambda batch: STATIC + 379 * batch, waste=waste, room=83_500, first=80)
    assert found == largest(lambda batch: STATIC + 379 * batch, waste, 83_500)
    assert tried[:2] == [80, 216]
    assert len(tried) <= 4


@pytest.mark.parametrize("waste", [0.1, 0.2, 0.3, 0.5])
def test_memory_that_splinters_much_is_halved(waste: float) -> None:
    """As on a CPU, where the room is over a thousand small batches."""
    found, tried = search(linear(10), waste=waste, room=16_000)
    assert found == largest(linear(10), waste, 16_000)
    assert len(tried) <= 14
