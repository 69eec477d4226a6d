"""The Bench measures at once what is turned to, then in full what one rests on, and nothing twice."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import msgspec
import pytest

from profiler.events import Ending
from tui.app.bench_driver import BenchDriver, Stage
from tui.app.choice import Choice, full_plan, quick_plan

CHOICE = Choice(
    batch=4,
    seq=1024,
    heads=16,
    head_dim=64,
    dtype="float16",
    implementations=("pytorch", "flash2"),
    baseline="pytorch",
)
LONGER = replace(CHOICE, seq=2048)
REST_S = 1.0
SOON_S = 0.5  # longer than any coalescing, shorter than a rest


@dataclass
class Desk:
    """A driver, the orders it gave, and a clock to turn."""

    refine_after_s: float | None = REST_S
    now_s: float = 100.0
    orders: list[tuple[Choice, Stage]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.driver = BenchDriver(
            lambda choice, stage: self.orders.append((choice, stage)), self.refine_after_s
        )

    def want(self, choice: Choice, *, anew: bool = False) -> None:
        self.driver.want(choice, self.now_s, anew=anew)
        self.driver.tick(self.now_s)

    def pass_time(self, seconds: float) -> None:
        """As the app does: tick after tick, of 20 ms."""
        for _ in range(round(seconds / 0.02)):
            self.now_s += 0.02
            self.driver.tick(self.now_s)

    def end(self, choice: Choice, stage: Stage, ending: Ending = "completed") -> None:
        make = quick_plan if stage == "quick" else full_plan
        self.driver.ended(make(choice, "cuda:0"), ending, self.now_s)

    def measure(self, choice: Choice) -> None:
        """Rest on a choice until all is known of it."""
        self.want(choice)
        self.end(choice, "quick")
        self.pass_time(REST_S + SOON_S)
        self.end(choice, "full")
        self.orders.clear()


def test_the_first_choice_is_measured_at_once_and_quickly() -> None:
    desk = Desk()
    desk.want(CHOICE)
    assert desk.orders == [(CHOICE, "quick")]
    assert desk.driver.stage == "quick"


def test_of_keys_that_repeat_the_first_is_measured_at_once_and_the_last_soon() -> None:
    desk = Desk()
    turned = [replace(CHOICE, batch=batch) for batch in range(1, 6)]
    for choice in turned:
        desk.want(choice)
        desk.now_s += 0.02
    assert desk.orders == [(turned[0], "quick")]
    desk.pass_time(SOON_S)
    assert desk.orders == [(turned[0], "quick"), (turned[-1], "quick")]


def test_a_key_that_is_held_down_still_shows_shapes_on_the_way() -> None:
    desk = Desk()
    for batch in range(1, 51):  # one second of a key that repeats every 20 ms
        desk.want(replace(CHOICE, batch=batch))
        desk.pass_time(0.02)
    assert 5 < len(desk.orders) < 12
    assert [choice.batch for choice, _ in desk.orders] == sorted(choice.batch for choice, _ in desk.orders)


def test_what_one_rests_on_is_measured_in_full_and_then_left_alone() -> None:
    desk = Desk()
    desk.want(CHOICE)
    desk.end(CHOICE, "quick")
    assert desk.driver.stage is None
    desk.pass_time(REST_S - 0.1)
    assert len(desk.orders) == 1
    desk.pass_time(0.2)
    assert desk.orders[1:] == [(CHOICE, "full")]
    desk.end(CHOICE, "full")
    desk.pass_time(10 * REST_S)
    assert len(desk.orders) == 2
    assert desk.driver.seen(CHOICE) == "full"


def test_the_rest_begins_when_the_quick_numbers_are_there() -> None:
    desk = Desk()
    desk.want(CHOICE)
    desk.pass_time(3 * REST_S)
    assert desk.orders == [(CHOICE, "quick")]
    desk.end(CHOICE, "quick")
    desk.pass_time(REST_S + 0.1)
    assert desk.orders[1:] == [(CHOICE, "full")]


def test_turning_on_before_the_rest_is_over_measures_the_next_shape_instead() -> None:
    desk = Desk()
    desk.want(CHOICE)
    desk.end(CHOICE, "quick")
    desk.pass_time(SOON_S)
    desk.want(LONGER)
    desk.pass_time(10 * REST_S)
    assert desk.orders == [(CHOICE, "quick"), (LONGER, "quick")]


def test_the_end_of_a_shape_that_was_left_does_not_refine_it() -> None:
    desk = Desk()
    desk.want(CHOICE)
    desk.now_s += SOON_S
    desk.want(LONGER)
    desk.end(CHOICE, "quick")
    assert desk.driver.stage == "quick"
    desk.pass_time(10 * REST_S)
    assert (CHOICE, "full") not in desk.orders


def test_what_is_known_in_full_is_not_measured_again() -> None:
    desk = Desk()
    desk.measure(CHOICE)
    desk.measure(LONGER)
    desk.want(CHOICE)
    assert desk.driver.stage is None
    desk.pass_time(10 * REST_S)
    assert desk.orders == []


def test_what_had_a_quick_look_goes_straight_to_the_full_one() -> None:
    desk = Desk()
    desk.want(CHOICE)
    desk.end(CHOICE, "quick")
    desk.want(LONGER)
    desk.pass_time(SOON_S)
    desk.end(LONGER, "quick")
    desk.orders.clear()
    desk.want(CHOICE)
    assert (desk.driver.seen(CHOICE), desk.orders) == ("quick", [])
    desk.pass_time(REST_S + SOON_S)
    assert desk.orders == [(CHOICE, "full")]


@pytest.mark.parametrize(
    "wanted",
    [
        replace(CHOICE, implementations=("pytorch",)),
        replace(CHOICE, passes=("fwd",)),
        replace(CHOICE, baseline="flash2"),
        replace(CHOICE, keeps="emb_dim"),
    ],
    ids=["fewer implementations", "fewer passes", "another baseline", "what turning keeps"],
)
def test_what_was_measured_holds_what_asks_for_no_other_calls(wanted: Choice) -> None:
    desk = Desk()
    desk.measure(CHOICE)
    desk.want(wanted)
    desk.pass_time(10 * REST_S)
    assert desk.orders == []


@pytest.mark.parametrize(
    "wanted",
    [
        replace(CHOICE, implementations=("pytorch", "flash2", "sdpa")),
        replace(CHOICE, causal=True),
        replace(CHOICE, dtype="bfloat16"),
    ],
    ids=["one implementation more", "causal", "another dtype"],
)
def test_what_asks_for_other_calls_is_measured(wanted: Choice) -> None:
    desk = Desk()
    desk.measure(CHOICE)
    desk.want(wanted)
    assert desk.orders == [(wanted, "quick")]


def test_another_baseline_does_not_begin_anew_what_is_under_way() -> None:
    desk = Desk()
    desk.want(CHOICE)
    desk.want(replace(CHOICE, baseline="flash2"))
    desk.pass_time(SOON_S)
    assert desk.orders == [(CHOICE, "quick")]
    assert desk.driver.stage == "quick"


def test_anew_measures_whatever_is_known() -> None:
    desk = Desk()
    desk.measure(CHOICE)
    desk.want(CHOICE, anew=True)
    assert desk.orders == [(CHOICE, "quick")]
    desk.end(CHOICE, "quick")
    desk.pass_time(REST_S + SOON_S)
    assert desk.orders[1:] == [(CHOICE, "full")]


def test_anew_begins_again_what_is_under_way() -> None:
    desk = Desk()
    desk.want(CHOICE)
    desk.now_s += SOON_S
    desk.want(CHOICE, anew=True)
    assert desk.orders == [(CHOICE, "quick"), (CHOICE, "quick")]


@pytest.mark.parametrize("ending", ["interrupted", "failed"])
def test_a_plan_that_did_not_come_to_its_end_is_not_known(ending: Ending) -> None:
    desk = Desk()
    desk.want(CHOICE)
    desk.want(LONGER)
    desk.end(CHOICE, "quick", ending)
    assert desk.driver.seen(CHOICE) is None
    desk.pass_time(SOON_S)
    desk.want(CHOICE)
    desk.pass_time(SOON_S)
    assert desk.orders == [(CHOICE, "quick"), (LONGER, "quick"), (CHOICE, "quick")]


def test_every_shape_of_a_sweep_is_known_after_it() -> None:
    desk = Desk()
    shapes = (CHOICE.workload(), LONGER.workload())
    sweep = msgspec.structs.replace(full_plan(CHOICE, "cuda:0"), workloads=shapes)
    desk.driver.ended(sweep, "completed", desk.now_s)
    assert (desk.driver.seen(CHOICE), desk.driver.seen(LONGER)) == ("full", "full")
    desk.want(LONGER)
    desk.pass_time(10 * REST_S)
    assert desk.orders == []


def test_without_refining_there_is_the_quick_look_alone() -> None:
    desk = Desk(refine_after_s=None)
    desk.want(CHOICE)
    desk.end(CHOICE, "quick")
    desk.pass_time(10 * REST_S)
    desk.want(LONGER)
    desk.end(LONGER, "quick")
    desk.want(CHOICE)
    desk.pass_time(10 * REST_S)
    assert desk.orders == [(CHOICE, "quick"), (LONGER, "quick")]


def test_where_no_implementation_is_checked_there_is_nothing_to_measure() -> None:
    desk = Desk()
    desk.want(CHOICE.with_implementations(()))
    desk.pass_time(10 * REST_S)
    assert desk.orders == []


def test_nothing_is_due_once_it_was_left_until_something_is_wanted() -> None:
    desk = Desk()
    desk.want(CHOICE)
    desk.end(CHOICE, "quick")
    desk.driver.leave()
    desk.pass_time(10 * REST_S)
    assert (desk.orders, desk.driver.stage) == ([(CHOICE, "quick")], None)
    desk.want(CHOICE)
    desk.pass_time(REST_S + SOON_S)
    assert desk.orders[1:] == [(CHOICE, "full")]
