"""How the cases of a plan are numbered, and how many there may be."""

from __future__ import annotations

import msgspec
import pytest

from profiler.plans.plan import Plan, PlanError, Stopping
from tests.shapes import attention

NAMES = ("pytorch", "sdpa", "flash2")
SHAPES = (attention(seq=16), attention(seq=32))


def test_cases_are_numbered_shape_by_shape_in_the_order_of_the_implementations() -> None:
    plan = Plan(workloads=SHAPES, implementations=NAMES)
    listed = [
        (case.number, case.workload.seq_k, case.implementation)
        for _, cases in plan.shapes()
        for case in cases
    ]
    assert listed == [
        (0, 16, "pytorch"),
        (1, 16, "sdpa"),
        (2, 16, "flash2"),
        (3, 32, "pytorch"),
        (4, 32, "sdpa"),
        (5, 32, "flash2"),
    ]
    assert plan.count == len(listed)


def test_the_cases_of_a_shape_come_with_it() -> None:
    for workload, cases in Plan(workloads=SHAPES, implementations=NAMES).shapes():
        assert {case.workload for case in cases} == {workload}


def test_ten_thousand_cases_are_possible_and_more_are_not() -> None:
    shapes = tuple(attention(seq=seq) for seq in range(1, 5001))
    assert Plan(workloads=shapes, implementations=NAMES[:2]).count == 10_000
    with pytest.raises(PlanError) as refused:
        Plan(workloads=shapes, implementations=NAMES)
    assert str(refused.value) == (
        "that makes 15,000 cases (shapes x implementations); at most 10,000 are possible, "
        "so give shorter lists"
    )


def test_a_plan_survives_the_way_through_a_session_file() -> None:
    plan = Plan(
        workloads=(attention(causal=True, window=4, seq=16, seq_q=8),),
        implementations=NAMES,
        passes=("fwd", "fwd_bwd"),
        baseline="sdpa",
        stopping=Stopping(repeats=7),
        seed=3,
        device="cuda:1",
        timeout_s=9.5,
        label="lab6",
    )
    assert msgspec.json.decode(msgspec.json.encode(plan), type=Plan) == plan


def test_a_shape_that_decodes_has_only_the_forward_of_a_plans_passes() -> None:
    decode = attention(seq=64, seq_q=1, decode=True)
    both = Plan(workloads=(decode, attention()), implementations=NAMES)
    assert both.passes_of(decode) == ("fwd",)
    assert both.passes_of(attention()) == ("fwd", "bwd", "fwd_bwd")


def test_a_plan_without_a_forward_pass_cannot_have_a_shape_that_decodes() -> None:
    with pytest.raises(PlanError) as refused:
        Plan(
            workloads=(attention(seq=64, seq_q=1, decode=True),),
            implementations=NAMES,
            passes=("bwd", "fwd_bwd"),
        )
    assert str(refused.value) == "decoding has a forward pass alone, and asked for is bwd, fwd_bwd"
