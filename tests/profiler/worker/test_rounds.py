"""The schedule of rounds, with subjects whose times are made up and a clock that they move."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from profiler.plans.stopping import Repeats, Rule
from profiler.worker.rounds import WALL_ROUNDS, Series, Subject, run_rounds, warm_up
from profiler.worker.timer import Timing
from profiler.workload import Pass


class Clock:
    """Seconds that pass only while a subject is visited."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Fake:
    """A subject whose n-th visit of rounds measures n ms, after a warm-up at a steady 1 ms."""

    case: int
    clock: Clock
    diary: list[int]
    takes_s: float = 0.05
    passes: tuple[Pass, ...] = ("fwd", "bwd")
    fails_in_warm_up: bool = False
    fails_in_round: int | None = None
    warm: bool = False
    rounds: int = 0
    visits: int = 0
    walls: list[bool] = field(default_factory=list)

    def visit(self, *, wall: bool) -> dict[Pass, Timing]:
        self.clock.now_s += self.takes_s
        self.visits += 1
        if not self.warm:
            if self.fails_in_warm_up:
                raise ValueError("no warm-up")
            return dict.fromkeys(self.passes, Timing(1.0))
        self.rounds += 1
        self.diary.append(self.case)
        self.walls.append(wall)
        if self.rounds == self.fails_in_round:
            raise ValueError(f"round {self.rounds}")
        return {
            which: Timing(float(self.rounds), 100.0 * self.rounds if wall else None, hidden=self.rounds != 2)
            for which in self.passes
        }


class Listener:
    """A reporter that keeps what it is told, as the session does: only the samples that are new."""

    def __init__(self) -> None:
        self.visited: list[int] = []
        self.device_ms: dict[tuple[int, Pass], list[float]] = {}
        self.told: list[tuple[str, int]] = []
        self.errors: dict[int, str] = {}

    def visiting(self, case: int) -> None:
        self.visited.append(case)

    def measured(self, case: int, which: Pass, series: Series) -> None:
        self.device_ms.setdefault((case, which), []).extend(series.device_ms[series.reported :])
        self.told.append(("measured", case))

    def failed(self, case: int, error: Exception) -> None:
        self.errors[case] = str(error)
        self.told.append(("failed", case))


class Bench:
    """Subjects on one clock, and the rounds run over them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.diary: list[int] = []
        self.heard = Listener()
        self.rules_made_at_s: list[float] = []
        self.rests = 0
        self.cools_down = False

    def rest(self) -> bool:
        self.rests += 1
        return self.cools_down

    def subject(
        self,
        case: int,
        *,
        takes_s: float = 0.05,
        fails_in_warm_up: bool = False,
        fails_in_round: int | None = None,
    ) -> Fake:
        return Fake(
            case,
            self.clock,
            self.diary,
            takes_s=takes_s,
            fails_in_warm_up=fails_in_warm_up,
            fails_in_round=fails_in_round,
        )

    def run(
        self, subjects: Sequence[Fake], *, rounds: int = 10, seed: int = 0, warm_up_s: float = 0.1
    ) -> dict[int, dict[Pass, Series]]:
        def begin() -> Rule:
            self.rules_made_at_s.append(self.clock())
            for subject in subjects:
                subject.warm = True
            return Repeats(rounds)

        order = random.Random(seed)
        return run_rounds(
            subjects,
            warm_up_s=warm_up_s,
            rest=self.rest,
            rule=begin,
            order=order,
            clock=self.clock,
            reporter=self.heard,
        )


@pytest.fixture
def bench() -> Bench:
    return Bench()


def by_round(diary: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(diary[first : first + size]) for first in range(0, len(diary), size)]


def test_every_subject_is_visited_once_a_round(bench: Bench) -> None:
    bench.run([bench.subject(case) for case in range(5)], rounds=12)
    assert [sorted(visited) for visited in by_round(bench.diary, 5)] == [[0, 1, 2, 3, 4]] * 12


def test_the_order_of_each_round_is_fresh_and_fair(bench: Bench) -> None:
    bench.run([bench.subject(case) for case in range(3)], rounds=600)
    orders = by_round(bench.diary, 3)
    counts = {order: orders.count(order) for order in set(orders)}
    assert len(counts) == 6
    assert all(count > 50 for count in counts.values())  # 100 expected; seeded, so this cannot flicker


def test_a_seed_brings_the_same_order_again_and_another_seed_another() -> None:
    diaries = []
    for seed in (1, 1, 2):
        bench = Bench()
        bench.run([bench.subject(case) for case in range(6)], seed=seed)
        diaries.append(bench.diary)
    assert diaries[0] == diaries[1] != diaries[2]


def test_all_series_are_as_long_as_there_were_rounds(bench: Bench) -> None:
    measured = bench.run([bench.subject(case) for case in range(3)], rounds=7)
    assert set(measured) == {0, 1, 2}
    for passes in measured.values():
        assert set(passes) == {"fwd", "bwd"}
        for series in passes.values():
            assert series.device_ms == [1, 2, 3, 4, 5, 6, 7]
            assert series.hidden == 6  # all but the second


def test_wall_time_is_sampled_in_the_first_rounds_only(bench: Bench) -> None:
    subject = bench.subject(0)
    measured = bench.run([subject], rounds=WALL_ROUNDS + 5)
    assert subject.walls == [True] * WALL_ROUNDS + [False] * 5
    assert measured[0]["fwd"].wall_ms == [100.0 * round_ for round_ in range(1, WALL_ROUNDS + 1)]
    assert len(measured[0]["fwd"].device_ms) == WALL_ROUNDS + 5


@pytest.mark.parametrize("takes_s", [0.001, 0.05, 0.7])
def test_every_sample_is_reported_exactly_once(bench: Bench, takes_s: float) -> None:
    measured = bench.run([bench.subject(case, takes_s=takes_s) for case in range(2)], rounds=40)
    assert bench.heard.device_ms == {
        (case, which): series.device_ms
        for case, passes in measured.items()
        for which, series in passes.items()
    }


def test_samples_are_reported_twice_a_second_and_at_the_end(bench: Bench) -> None:
    bench.run([bench.subject(0, takes_s=0.0625)], rounds=20)
    assert bench.heard.told == [("measured", 0)] * 2 * 3  # two passes, after 8, 16 and 20 rounds


def test_who_is_visited_is_told_before_each_visit(bench: Bench) -> None:
    bench.run([bench.subject(case) for case in range(3)], rounds=4)
    assert bench.heard.visited == [0, 1, 2, *bench.diary]


def test_a_subject_that_raises_in_warm_up_is_reported_and_left_out(bench: Bench) -> None:
    measured = bench.run([bench.subject(0), bench.subject(1, fails_in_warm_up=True), bench.subject(2)])
    assert bench.heard.errors == {1: "no warm-up"}
    assert set(measured) == {0, 2}
    assert 1 not in bench.diary


def test_a_subject_that_raises_in_a_round_keeps_what_was_measured_of_it(bench: Bench) -> None:
    measured = bench.run([bench.subject(case, fails_in_round=3 if case == 1 else None) for case in range(3)])
    assert set(measured) == {0, 2}
    assert bench.heard.errors == {1: "round 3"}
    assert bench.heard.device_ms[1, "fwd"] == bench.heard.device_ms[1, "bwd"] == [1, 2]
    assert bench.heard.told.index(("measured", 1)) < bench.heard.told.index(("failed", 1))
    assert bench.diary.count(1) == 3
    assert all(len(measured[case]["fwd"].device_ms) == 10 for case in (0, 2))


def test_rounds_end_when_nobody_is_left(bench: Bench) -> None:
    subjects = [bench.subject(0, fails_in_round=2), bench.subject(1, fails_in_round=5)]
    assert bench.run(subjects, rounds=1_000_000) == {}
    assert bench.heard.errors == {0: "round 2", 1: "round 5"}


def test_without_subjects_there_is_nothing_to_do(bench: Bench) -> None:
    assert bench.run([]) == {}


def test_the_rules_budget_begins_after_the_warm_up(bench: Bench) -> None:
    bench.run([bench.subject(0, takes_s=3.0), bench.subject(1, takes_s=0.5)])
    assert bench.rules_made_at_s == [3.0 + 2 * 0.5]


def test_the_subjects_warm_the_device_up_together(bench: Bench) -> None:
    """A tenth of a second in all, with visits of a 64th: four each, but six are needed to settle."""
    for count in (1, 2):
        bench.rules_made_at_s.clear()
        began_s = bench.clock()
        bench.run([bench.subject(case, takes_s=1 / 64) for case in range(count)])
        assert bench.rules_made_at_s == [began_s + {1: 7, 2: 12}[count] / 64]


def test_the_device_rests_before_every_round(bench: Bench) -> None:
    bench.run([bench.subject(0), bench.subject(1)], rounds=7)
    assert bench.rests == 7


def test_the_first_visit_after_a_rest_does_not_count(bench: Bench) -> None:
    bench.cools_down = True
    measured = bench.run([bench.subject(0), bench.subject(1)], rounds=5)
    assert [len(measured[case]["fwd"].device_ms) for case in (0, 1)] == [5, 5]
    rounds = [bench.diary[3 * index : 3 * index + 3] for index in range(5)]
    assert all(first == second != third for first, second, third in rounds)


def warmed(totals: Sequence[float], *, takes_s: float, least_s: float = 0.1) -> int:
    """How many visits the warm-up makes, when they measure `totals` and then the last of them."""
    clock = Clock()

    class Warming:
        case = 0
        visits = 0

        def visit(self, *, wall: bool) -> dict[Pass, Timing]:
            assert not wall
            clock.now_s += takes_s
            total = totals[min(self.visits, len(totals) - 1)]
            self.visits += 1
            return {"fwd": Timing(total / 4), "bwd": Timing(total * 3 / 4)}

    subject = Warming()
    checked: Subject = subject
    warm_up(checked, least_s, 10 * least_s, clock)
    return subject.visits


def test_a_steady_call_is_warmed_up_for_a_tenth_of_a_second() -> None:
    assert warmed([1.0], takes_s=1 / 64) == 7  # the first count of 1/64 s that reaches 0.1 s


def test_someone_in_a_hurry_warms_up_only_until_it_settles() -> None:
    assert warmed([1.0], takes_s=1 / 64, least_s=0.02) == 6


def test_a_call_too_slow_to_settle_is_warmed_up_for_a_second() -> None:
    assert warmed([1.0], takes_s=0.25) == 4
    assert warmed([1.0], takes_s=5.0) == 1


def test_a_call_that_speeds_up_is_warmed_up_until_it_settles() -> None:
    speeding_up = [10.0, 8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.5, 1.0]
    visits = warmed(speeding_up, takes_s=1 / 32)
    assert len(speeding_up) < visits < 20


def test_a_call_that_never_settles_is_warmed_up_for_a_second_at_most() -> None:
    assert warmed([2.0**-visit for visit in range(100)], takes_s=1 / 32) == 32


def test_without_a_warm_up_each_subject_is_sampled_and_told_of_as_it_comes(bench: Bench) -> None:
    subjects = [bench.subject(case) for case in range(3)]
    for subject in subjects:
        subject.warm = True
    told_by_case = []

    def coming() -> Iterator[Fake]:
        for subject in subjects:
            told_by_case.append([case for _, case in bench.heard.told])
            yield subject

    order = random.Random(0)
    measured = run_rounds(
        coming(),
        warm_up_s=0.0,
        rest=bench.rest,
        rule=lambda: Repeats(4),
        order=order,
        clock=bench.clock,
        reporter=bench.heard,
    )
    assert told_by_case == [[], [0, 0], [0, 0, 1, 1]]
    assert bench.diary[:3] == [0, 1, 2]
    assert all(series.device_ms == [1, 2, 3, 4] for passes in measured.values() for series in passes.values())
    assert bench.heard.device_ms == {
        (case, which): [1, 2, 3, 4] for case in range(3) for which in ("fwd", "bwd")
    }


def test_without_a_warm_up_a_subject_that_raises_at_once_is_left_out(bench: Bench) -> None:
    broken = bench.subject(1, fails_in_round=1)
    broken.warm = True
    subjects = [bench.subject(0), broken]
    subjects[0].warm = True
    measured = bench.run(subjects, rounds=3, warm_up_s=0.0)
    assert bench.heard.errors == {1: "round 1"}
    assert set(measured) == {0}
