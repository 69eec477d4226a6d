"""Cells are tried in processes that may die or hang, and the others are tried all the same."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.features_pool import Child, ChildLost, Order, Pool, Report
from benchmarks.features_protocol import Task, Tried
from tests.shapes import attention

FAKE = (sys.executable, str(Path(__file__).with_name("fake_child.py")), "cpu")
FAULTY = (sys.executable, str(Path(__file__).with_name("faulty_child.py")), "cpu")
RIGHT = Report(Tried("right"))
DIES, HANGS, LOSES = 3, 4, 5  # head dims: see fake_child.py


def orders(*head_dims: int, kind: str = "", most_crashes: int = 99) -> list[Order]:
    return [
        Order(number, Task("some", attention(head_dim=head_dim)), kind, most_crashes)
        for number, head_dim in enumerate(head_dims)
    ]


def reports_of(*jobs: Sequence[Order], children: int = 1, limit_s: float = 30.0) -> list[Report]:
    """What became of each order, job after job."""
    told: dict[int, Report] = {}
    pool = Pool(FAKE, lambda order, report: told.__setitem__(id(order), report), limit_s)
    pool.work_through(jobs, children)
    return [told[id(order)] for job in jobs for order in job]


def test_what_a_child_says_of_each_cell_is_told() -> None:
    wrong, raised = (
        Tried("wrong", "out off by 0.5 (limit 0.01)"),
        Tried("raised", "RuntimeError: no such kernel"),
    )
    assert reports_of(orders(64, 2, 1, 64)) == [RIGHT, Report(wrong), Report(raised), RIGHT]


def test_a_child_that_dies_is_replaced_and_its_last_words_are_kept() -> None:
    before, died, after = reports_of(orders(64, DIES, 64))
    assert (before, after) == (RIGHT, RIGHT)
    assert died == Report(lost="SIGABRT: terminate called after throwing")


def test_a_child_that_hangs_is_ended_and_replaced() -> None:
    hung, after = reports_of(orders(HANGS, 64), limit_s=2.0)
    assert hung.lost.startswith("no answer in")
    assert after == RIGHT


def test_a_child_that_has_lost_its_device_is_replaced() -> None:
    assert reports_of(orders(LOSES, 64)) == [Report(lost="an illegal memory access"), RIGHT]


def test_what_has_crashed_often_enough_is_left_alone_but_nothing_else_is() -> None:
    refused = orders(DIES, LOSES, DIES, kind="takes head dims from 8 on", most_crashes=2)
    others = orders(64, kind="has no window", most_crashes=2)
    first, second, third, other = reports_of([*refused, *others])
    assert first.lost
    assert second.lost
    assert third == Report(skipped="crashed 2 times before")
    assert other == RIGHT


def test_jobs_are_shared_among_children() -> None:
    assert reports_of(orders(64, 2), orders(DIES, 64), orders(64), children=3)[3:] == [RIGHT, RIGHT]


def test_nothing_is_begun_after_the_time_is_up() -> None:
    told: list[Report] = []
    pool = Pool(
        FAKE, lambda order, report: told.append(report), 30.0, until_s=50, clock=lambda: 100.0 * len(told)
    )
    pool.work_through([orders(64, 64)], 1)
    assert told == [RIGHT, Report(skipped="the time was up")]


def test_a_device_that_cannot_be_opened_is_an_error_with_the_reason() -> None:
    told: list[Report] = []
    pool = Pool((*FAKE[:2], "broken"), lambda order, report: told.append(report), 30.0)
    with pytest.raises(ChildLost, match="no child could be started: exit code 1: CUDA is not to be had"):
        pool.work_through([orders(64, 64)], 1)
    assert [bool(report.skipped) for report in told] == [True, True]


def test_an_error_where_results_are_told_is_not_lost_in_a_thread() -> None:
    def told(order: Order, report: Report) -> None:
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="the disk is full"):
        Pool(FAKE, told, 30.0).work_through([orders(64), orders(64)], 2)


def test_a_real_child_tries_a_cell_and_dies_of_another() -> None:
    small = attention(seq=17, heads=2, head_dim=8)
    child = Child(FAULTY)
    try:
        child.open()
        assert child.ready.device_name == "CPU"
        assert child.attempt(Task("wrong", small), 60.0).outcome == "wrong"
        with pytest.raises(ChildLost, match="SIGSEGV"):
            child.attempt(Task("segfaults", small), 60.0)
    finally:
        child.close()


def test_an_interrupted_pool_ends_its_children_at_once() -> None:
    told: list[Report] = []

    def interrupt(order: Order, report: Report) -> None:
        told.append(report)
        if len(told) == 1:
            raise KeyboardInterrupt

    pool = Pool(FAKE, interrupt, 600.0)
    with pytest.raises(KeyboardInterrupt):
        pool.work_through([orders(HANGS), orders(64)], 2)
    assert told[1:] == [Report(skipped="interrupted")]
