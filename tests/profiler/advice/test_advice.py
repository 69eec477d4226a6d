"""Which implementation to take: of one shape, along an axis, of trainings, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import pytest

from profiler.advice import (
    PassPick,
    all_courses,
    course_line,
    courses,
    picks,
    training_courses,
    training_picks,
)
from profiler.events import Event, Imported, Memory, Planned, TrainingPlanned
from profiler.session.recording import Recording
from profiler.workload import Attention, Pass
from tests.examples import (
    attention,
    cases,
    checked,
    failed,
    header,
    lab6,
    lab6_events,
    measured,
    plan,
    samples,
)
from tests.training_examples import (
    study,
    study_events,
    trained,
    training,
    training_cases,
    training_plan,
    wavering,
)

Speeds = Mapping[str, float | None]
"""How fast each implementation is; None where it runs out of memory."""


def swept(by_shape: Mapping[Attention, Speeds], passes: Sequence[Pass] = ("fwd",)) -> Recording:
    names = list(dict.fromkeys(name for speeds in by_shape.values() for name in speeds))
    whole = plan(list(by_shape), names, passes)
    events: list[Event] = [Planned(plan=whole)]
    for case in cases(whole):
        speed = by_shape[case.workload][case.implementation]
        if speed is None:
            events.append(failed(case, "oom", "out of memory"))
        else:
            events += [
                *checked(case),
                *measured(case, passes, speed=speed, memory=memory(case.implementation)),
            ]
    return Recording.of(events)


def memory(name: str) -> Memory:
    return Memory(working_bytes=(4 if name == "hungry" else 1) * 2**20, absolute_bytes=2**25)


def along(**of_seq: Speeds) -> Recording:
    return swept({attention(seq=int(seq.removeprefix("s"))): speeds for seq, speeds in of_seq.items()})


def lines(recording: Recording) -> list[str]:
    return [course_line(course) for course in all_courses(recording)]


def pick_of(recording: Recording) -> PassPick:
    (pick,) = picks(recording)
    return pick


def test_the_fastest_is_told_with_how_much_faster_it_is_than_the_next_and_the_baseline() -> None:
    pick = pick_of(along(s512={"pytorch": 1, "flash2": 2, "sdpa": 3}))
    assert pick.names == ("sdpa",)
    assert pick.next is not None
    assert pick.next.implementation == "flash2"
    assert pick.over_next is not None
    assert pick.over_next.median == pytest.approx(1.5)
    assert pick.over_next.low <= 1.5 <= pick.over_next.high
    assert pick.over_next.count == 10
    assert pick.over_baseline is not None
    assert pick.over_baseline.median == pytest.approx(3)


def test_the_baseline_is_not_compared_with_itself() -> None:
    pick = pick_of(along(s512={"pytorch": 2, "flash2": 1}))
    assert (pick.names, pick.over_baseline) == (("pytorch",), None)


def test_a_wrong_result_is_never_taken_however_fast() -> None:
    of_512 = [pick for pick in picks(lab6()) if pick.workload.seq_k == 512]
    assert {pick.names for pick in of_512} == {("sdpa",)}
    assert {("sdpa-cudnn", "wrong")} <= {each for pick in of_512 for each in pick.failed}


def test_what_is_shown_to_be_within_a_hundredth_is_an_equal_and_what_may_be_is_not_told_apart() -> None:
    pick = pick_of(along(s512={"pytorch": 1, "flash2": 2, "sdpa": 2.01, "flash3": 2.1}))
    assert pick.names == ("flash3",)
    pick = pick_of(along(s512={"pytorch": 1, "flash2": 2, "sdpa": 2.01}))
    assert [choice.implementation for choice in pick.fastest] == ["sdpa", "flash2"]
    assert pick.next is not None
    assert pick.next.implementation == "pytorch"
    loose = along(s512={"pytorch": 1, "flash2": 2, "sdpa": 2.01})
    record = next(case for case in loose.cases.values() if case.implementation == "flash2").passes["fwd"]
    record.device_ms[:4] = [1.03 * each for each in record.device_ms[:4]]
    assert lines(loose) == ["forward: sdpa (flash2 not told apart, 2.01x ±0.01 over pytorch)"]


def few(count: int, by_shape: Mapping[Attention, Mapping[str, float]]) -> Recording:
    """Of `count` rounds, which is too few to converge."""
    whole = plan(list(by_shape), list(next(iter(by_shape.values()))), ["fwd"])
    events: list[Event] = [Planned(plan=whole)]
    for case in cases(whole):
        speed = by_shape[case.workload][case.implementation]
        taken = measured(case, ["fwd"], speed=speed, converged=False)
        events += [*checked(case), samples(case, "fwd", speed, count), *taken[1:]]
    return Recording.of(events)


def test_of_few_rounds_a_small_difference_tells_nothing_and_opens_no_stretch() -> None:
    first, other = {"pytorch": 1, "flash2": 2, "flash3": 1.9}, {"pytorch": 1, "flash2": 1.9, "flash3": 2}
    (line,) = lines(
        few(2, {attention(seq=512): first, attention(seq=1024): first, attention(seq=2048): other})
    )
    assert line == (
        "forward: flash2 for seq 512 to 2k "
        "(flash3 not told apart, 1.90x to 2.00x over pytorch, 2 rounds: no interval)"
    )
    (line,) = lines(few(1, {attention(): {"pytorch": 1, "flash2": 1.2}}))
    assert line == "forward: flash2 (1.20x over pytorch, 1 round: no interval)"


def test_a_shape_that_is_good_for_either_choice_goes_where_its_fastest_is_chosen() -> None:
    recording = few(
        2,
        {
            attention(seq=512): {"pytorch": 1.5, "flash2": 1},
            attention(seq=1024): {"pytorch": 1, "flash2": 1.05},
            attention(seq=2048): {"pytorch": 1, "flash2": 1.5},
        },
    )
    (course,) = courses(picks(recording))
    assert [(each.names, each.places) for each in course.stretches] == [
        (("pytorch",), ("512",)),
        (("flash2",), ("1024", "2048")),
    ]


def test_one_kernel_by_two_names_is_taken_as_equal() -> None:
    whole = plan([attention()], ["pytorch", "sdpa", "sdpa-cudnn"], ["fwd"])
    events: list[Event] = [Planned(plan=whole)]
    for case, speed in zip(cases(whole), (1, 2, 2.1), strict=True):
        events += [
            *checked(case, backend=None if speed == 1 else "cudnn"),
            *measured(case, ["fwd"], speed=speed),
        ]
    (line,) = lines(Recording.of(events))
    assert line == "forward: sdpa-cudnn or sdpa (2.10x ±0.01 over pytorch)"


def test_what_equals_the_choice_at_most_of_the_shapes_is_named_and_is_no_next() -> None:
    tie = {"pytorch": 1, "flash2": 2, "sdpa": 2.001}
    recording = along(s512=tie, s1024=tie, s2048={"pytorch": 1, "flash2": 2, "sdpa": 1.8})
    assert lines(recording) == [
        "forward: flash2 for seq 512 to 2k (sdpa as good at 2 of 3, 2.00x over pytorch)"
    ]


def test_a_least_that_is_no_difference_is_not_told_as_one() -> None:
    recording = along(
        s512={"pytorch": 1, "flash2": 2, "sdpa": 2.001},
        s1024={"pytorch": 1, "flash2": 2, "sdpa": 1.5},
    )
    assert lines(recording) == [
        "forward: flash2 for seq 512 to 1k (up to 1.33x over sdpa, 2.00x over pytorch)"
    ]


def test_launch_bound_is_told_with_what_is_faster_called_from_python() -> None:
    whole = plan([attention()], ["pytorch", "flash2", "flash3"], ["fwd"])
    events: list[Event] = [Planned(plan=whole)]
    for case, speed, wall in zip(cases(whole), (1, 2, 2.2), (1.1, 1.1, 2), strict=True):
        events += [*checked(case), *measured(case, ["fwd"], speed=speed, wall=wall)]
    (line,) = lines(Recording.of(events))
    assert line == (
        "forward: flash3 (1.10x ±0.01 over flash2, 2.20x ±0.01 over pytorch, "
        "launch-bound: flash2 is faster called from Python)"
    )


def test_what_did_not_converge_or_was_not_checked_is_told_so() -> None:
    whole = plan([attention()], ["pytorch", "flash2"], ["fwd"])
    base, other = cases(whole)
    events: list[Event] = [Planned(plan=whole), *checked(base), *measured(base, ["fwd"])]
    events += [checked(other)[0], *measured(other, ["fwd"], speed=2, converged=False)]
    assert lines(Recording.of(events)) == [
        "forward: flash2 (2.00x ±0.01 over pytorch, not converged, not checked)"
    ]


def test_what_was_imported_is_not_advised_on() -> None:
    of = Imported(files=("benchmark_result.json",))
    events: list[Event] = [msgspec.structs.replace(header(), imported=of), *lab6_events()[1:]]
    assert picks(Recording.of(events)) == []
    trained = [msgspec.structs.replace(header(), imported=of), *study_events()[1:]]
    assert training_picks(Recording.of(trained)) == []


def test_the_memory_is_told_against_the_leanest_where_it_is_more() -> None:
    (line,) = lines(along(s512={"pytorch": 1, "hungry": 2}))
    assert line == "forward: hungry (2.00x ±0.01 over pytorch, 4.00x the memory of pytorch)"
    (line,) = lines(along(s512={"pytorch": 1, "flash2": 2}))
    assert line == "forward: flash2 (2.00x ±0.01 over pytorch)"


def test_neighbours_with_the_same_answer_are_one_stretch_and_the_crossover_lies_between_two() -> None:
    slow, fast = {"pytorch": 2, "flash2": 1, "sdpa": 0.5}, {"pytorch": 1, "flash2": 2, "sdpa": 0.5}
    recording = along(s512=slow, s1024=slow, s2048=fast, s4096=fast)
    (course,) = courses(picks(recording))
    assert [(each.names, each.first, each.last) for each in course.stretches] == [
        (("pytorch",), "512", "1024"),
        (("flash2",), "2048", "4096"),
    ]
    assert course_line(course) == (
        "forward: pytorch for seq 512 to 1k (2.00x over flash2); flash2 for 2k to 4k (2.00x over pytorch)"
    )


def test_a_stretch_goes_on_as_long_as_one_choice_is_good_all_along() -> None:
    """Which of two equals is a hair faster here or there is no crossover."""
    recording = along(
        s512={"pytorch": 1, "flash2": 2, "sdpa": 2.01},
        s1024={"pytorch": 1, "flash2": 2.01, "sdpa": 2},
        s2048={"pytorch": 1, "flash2": 2, "sdpa": 1},
    )
    (course,) = courses(picks(recording))
    assert [each.names for each in course.stretches] == [("flash2",)]


def test_shapes_are_ordered_by_their_size_not_by_when_they_were_measured() -> None:
    slow, fast = {"pytorch": 2, "flash2": 1}, {"pytorch": 1, "flash2": 2}
    (course,) = courses(picks(along(s4096=fast, s512=slow, s2048=fast)))
    assert [(each.first, each.last) for each in course.stretches] == [("512", "512"), ("2048", "4096")]


def test_passes_and_shapes_with_the_same_answer_are_one_line() -> None:
    speeds = {"pytorch": 1, "flash2": 2}
    shapes = [attention(seq=seq, causal=causal) for seq in (512, 1024) for causal in (False, True)]
    (line,) = lines(swept(dict.fromkeys(shapes, speeds), ("fwd", "bwd")))
    assert line == "every pass: flash2 for seq 512 to 1k (2.00x over pytorch)"


def test_a_size_that_goes_with_the_axis_makes_no_lines_of_its_own_but_a_dtype_does() -> None:
    speeds = {"pytorch": 1, "flash2": 2}
    shapes = [attention(seq=seq, batch=8192 // seq) for seq in (512, 1024)]
    assert len(lines(swept(dict.fromkeys(shapes, speeds)))) == 1
    by_dtype = {
        attention(seq=512, dtype="float16"): {"pytorch": 1, "flash2": 2},
        attention(seq=1024, dtype="bfloat16"): {"pytorch": 2, "flash2": 1},
    }
    assert [line.split(":")[0] for line in lines(swept(by_dtype))] == [
        "forward, float16",
        "forward, bfloat16",
    ]


def test_where_nothing_else_came_through_the_line_says_why() -> None:
    (line,) = lines(along(s512={"pytorch": None, "flash2": 2}))
    assert line == "forward: flash2 (nothing else finished right: pytorch OOM)"


def test_where_only_some_had_company_the_line_says_where() -> None:
    both, alone = {"pytorch": 1, "flash2": 2}, {"pytorch": None, "flash2": 2}
    assert lines(along(s512=both, s1024=alone, s2048=alone)) == [
        "forward: flash2 for seq 512 to 2k "
        "(2.00x ±0.01 over pytorch, nothing else finished right at 1k and 2k: pytorch OOM)"
    ]
    missing = {"pytorch": None, "flash2": 2, "sdpa": 1}
    assert lines(along(s512={"pytorch": 0.5, "flash2": 2, "sdpa": 1}, s1024=missing)) == [
        "forward: flash2 for seq 512 to 1k (2.00x over sdpa, 4.00x ±0.01 over pytorch where it finished)"
    ]


def test_a_pass_with_a_ratio_and_one_without_are_two_lines() -> None:
    whole = plan([attention()], ["pytorch", "flash2"], ["fwd", "bwd"])
    base, other = cases(whole)
    events: list[Event] = [Planned(plan=whole), *checked(base), *measured(base, ["fwd"])]
    events += [failed(base, "oom", "out of memory", which="bwd"), *checked(other)]
    assert lines(Recording.of([*events, *measured(other, ["fwd", "bwd"], speed=2)])) == [
        "forward: flash2 (2.00x ±0.01 over pytorch)",
        "backward: flash2 (nothing else finished right: pytorch OOM)",
    ]


def test_where_nothing_came_through_there_is_nothing_to_take() -> None:
    (line,) = lines(along(s512={"pytorch": 1, "flash2": 2}, s1024={"pytorch": None, "flash2": None}))
    assert line == (
        "forward: flash2 at seq 512 (2.00x ±0.01 over pytorch); "
        "nothing finished at 1k (pytorch and flash2 OOM)"
    )


def test_there_is_no_advice_where_there_was_no_choice() -> None:
    assert lines(along(s512={"flash2": 1}, s1024={"flash2": 1})) == []
    assert lines(Recording()) == []


def test_a_case_that_is_still_being_measured_is_no_choice_yet() -> None:
    whole = plan([attention()], ["pytorch", "flash2"], ["fwd"])
    base, other = cases(whole)
    events: list[Event] = [Planned(plan=whole), *checked(base), *measured(base, ["fwd"]), *checked(other)]
    pick = pick_of(Recording.of([*events, samples(other, "fwd", speed=4, count=3)]))
    assert pick.names == ("pytorch",)


def test_names_from_a_session_are_written_as_the_caller_wants_them() -> None:
    recording = along(s512={"pytorch": 1, "[red]x": 2})
    (course,) = all_courses(recording)
    assert course_line(course, lambda name: f"<{name}>") == "forward: <[red]x> (2.00x ±0.01 over pytorch)"
    assert "\x1b" not in lines(along(s512={"pytorch": 1, "\x1b[31mx": 2}))[0]


def test_trainings_are_advised_on_by_tokens_per_second_along_the_context() -> None:
    found = training_picks(study())
    by_context = {pick.training.context: pick for pick in found}
    assert by_context[256].names[0] == "sdpa-flash"
    assert by_context[4096].names == ("flash2",)
    assert by_context[4096].failed == (("pytorch", "oom"),)
    over = by_context[4096].over_next
    assert over is not None
    assert over.median == pytest.approx(53_791 / 37_697, rel=0.02)
    (course,) = training_courses(found)
    assert course_line(course) == (
        "training: sdpa-flash at context 256 (1.02x ±0.01 over flash2); "
        "flash2 for 1k to 4k (up to 1.43x over sdpa-flash)"
    )


def trained_at(by_context: Mapping[int, Mapping[str, float]], *unsteady: str) -> Recording:
    """Trainings at these tokens/s; the rounds of the unsteady tell little."""
    whole = training_plan([training(context=each) for each in by_context], list(by_context[min(by_context)]))
    events: list[Event] = [TrainingPlanned(plan=whole)]
    for case in training_cases(whole):
        made = trained(case, batch=4, tokens_per_s=by_context[case.training.context][case.implementation])
        events += wavering(made) if case.implementation in unsteady else made
    return Recording.of(events)


def test_trainings_that_tie_all_along_have_no_fastest() -> None:
    """Not even where one leads: neither what the next run, nor what tokens/s would say otherwise."""
    of_256 = {"pytorch": 30_000.0, "sdpa-flash": 60_000.0, "flash2": 45_000.0}
    of_512 = {"pytorch": 30_000.0, "sdpa-flash": 55_000.0, "flash2": 50_000.0}
    recording = trained_at({256: of_256, 512: of_512}, "flash2")
    assert [pick.names[0] for pick in training_picks(recording)] == ["sdpa-flash", "flash2"]
    assert lines(recording) == [
        "training: sdpa-flash and flash2 not told apart for context 256 to 512 (1.83x to 2.08x over pytorch)"
    ]


def test_a_training_that_ties_is_not_joined_to_one_with_a_fastest() -> None:
    """What is chosen at one context is never told as the fastest of another, whose table names another."""
    near, apart = {"pytorch": 50_000.0, "flash2": 42_000.0}, {"pytorch": 50_000.0, "flash2": 90_000.0}
    assert lines(trained_at({16: near, 32: apart}, "flash2")) == [
        "training: pytorch and flash2 not told apart at context 16; flash2 at 32 (2.25x ±0.45 over pytorch)"
    ]


def test_a_line_of_many_grounds_keeps_those_that_tell_most() -> None:
    """What has no room is told by the tables: here how it compares with the baseline, and its memory."""
    names = {"flash2": 2.0, "sdpa": 1.99, "sdpa-flash": 1.98, "xformers": 1.5}
    long = {"pytorch" + 9 * "-named": 1.0, "hungry": 2.1, **names}
    (line,) = lines(few(2, {attention(): long}))
    assert line == (
        "forward: hungry (flash2, sdpa and sdpa-flash not told apart, 1.40x over xformers, "
        "2 rounds: no interval)"
    )
    (line,) = lines(few(2, {attention(): {"pytorch": 1.0, "hungry": 2.1, **names}}))
    assert line.endswith("1.40x over xformers, 2.10x over pytorch, 2 rounds: no interval)")


@pytest.mark.parametrize("count", [4, 9])
def test_a_line_is_no_longer_than_two_of_a_terminal_but_for_where_the_choice_changes(count: int) -> None:
    shapes = {
        attention(seq=512 * 2**at): {"pytorch": 1.0, "flash2": 2.0 + at % 2, "sdpa": 2.5}
        for at in range(count)
    }
    (line,) = lines(swept(shapes))
    bare = f"forward: {'; '.join(part.partition(' (')[0] for part in line.partition(': ')[2].split('; '))}"
    assert len(line) <= max(156, len(bare))


def test_trainings_are_ordered_by_their_rounds_as_their_ratios_are() -> None:
    """One late step, which the mean of all holds, is not the implementation's."""
    whole = training_plan([training()], ["pytorch", "flash2"])
    base, other = training_cases(whole)
    late = [*trained(other, batch=4, tokens_per_s=52_000)]
    late[-1] = msgspec.structs.replace(late[-1], tokens_per_s=49_000)
    events: list[Event] = [TrainingPlanned(plan=whole), *trained(base, batch=4, tokens_per_s=50_000), *late]
    (pick,) = training_picks(Recording.of(events))
    assert pick.names[0] == "flash2"
    assert pick.over_baseline is not None
    assert pick.over_baseline.median == pytest.approx(1.04)
