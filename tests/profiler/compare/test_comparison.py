"""Which cases of two sessions are set beside each other, and what is told of them."""

from __future__ import annotations

import msgspec
import pytest

from profiler.compare import Case, Comparison, NothingShared, compare
from profiler.compare import wording as words
from profiler.compare.asked import NotThere, wanted
from profiler.events import Environment, Estimate, Finished, Imported, Planned, Result
from profiler.session.recording import Recording
from profiler.workload import PASSES, Pass
from tests.compare_examples import MEMORY, recorded, session, study
from tests.examples import attention, cases, checked, header, measured, plan, samples


def compared(*recordings: Recording, **options: object) -> Comparison:
    named = [(f"run-{number}", recording) for number, recording in enumerate(recordings)]
    return compare(named, **options)  # type: ignore[arg-type]


def verdicts(found: Comparison, session: int = 1) -> dict[str, str]:
    return {
        line.case.implementation: change.verdict
        for line in found.lines
        if (change := line.changes[session - 1])
    }


def test_a_speedup_is_the_bases_time_over_the_others() -> None:
    found = compared(recorded({"flash2": 1.0}), recorded({"flash2": 1.25}))
    (line,) = found.lines
    assert line.changes[0] is not None and line.changes[0].speedup is not None
    assert line.changes[0].speedup.median == pytest.approx(1.25)
    assert verdicts(found) == {"flash2": "faster"}


def test_cases_are_matched_by_shape_implementation_and_pass() -> None:
    long = attention(seq=4096)
    base = recorded({"pytorch": 1.0, "flash2": 2.0}, passes=("fwd", "bwd"))
    other = recorded({"flash2": 2.0}, shapes=(attention(), long), passes=("fwd", "fwd_bwd"))
    found = compared(base, other)
    assert [line.case for line in found.lines] == [Case(attention(), "flash2", "fwd")]
    assert dict(found.unmatched) == {
        Case(attention(), "pytorch", "fwd"): (0,),
        Case(attention(), "pytorch", "bwd"): (0,),
        Case(attention(), "flash2", "bwd"): (0,),
        Case(attention(), "flash2", "fwd_bwd"): (1,),
        Case(long, "flash2", "fwd"): (1,),
        Case(long, "flash2", "fwd_bwd"): (1,),
    }


def test_a_shape_that_was_measured_twice_stands_as_it_was_last() -> None:
    again = plan([attention()], ["flash2"], ["fwd"])
    (case,) = cases(msgspec.structs.replace(again, first_case=1))
    base = session({"flash2": 1.0})
    twice = [*base[:-1], Planned(plan=msgspec.structs.replace(again, first_case=1)), *checked(case)]
    twice += [*measured(case, ["fwd"], speed=2.0), Finished(at_s=20.0, ending="completed")]
    assert verdicts(compared(Recording.of(base), Recording.of(twice))) == {"flash2": "faster"}


def test_what_a_session_was_cut_short_in_is_without_a_counterpart() -> None:
    whole = session({"pytorch": 1.0, "flash2": 2.0})
    cut = [event for event in whole if getattr(event, "case", None) != 1]
    found = compared(Recording.of(whole), Recording.of(cut))
    assert list(verdicts(found)) == ["pytorch"]
    assert found.missing(1) == [Case(attention(), "flash2", "fwd")]


def test_samples_without_a_result_are_compared_too() -> None:
    whole = plan([attention()], ["flash2"], ["fwd"])
    (case,) = cases(whole)
    events = [session({"flash2": 1.0})[0], Planned(plan=whole), *checked(case), samples(case, "fwd", count=8)]
    assert verdicts(compared(recorded({"flash2": 1.0}), Recording.of(events))) == {"flash2": "same"}


def test_lost_and_gained_are_told_with_what_became_of_them() -> None:
    names = {"pytorch": 1.0, "flash2": 2.0, "flash3": 3.0, "flex": 1.0}
    base = recorded(names, oom=("flash2", "flex"))
    found = compared(base, recorded(names, oom=("flex",), wrong=("flash3",)))
    assert verdicts(found) == {"pytorch": "same", "flash2": "gained", "flash3": "lost", "flex": "neither"}
    assert list(words.failures(found)) == [
        "gained in B: flash2: OOM (64.0 GiB asked for), now right",
        "lost in B: flash3: right, now wrong (dq off by 0.31, limit 0.0012)",
    ]
    (change,) = next(line.changes for line in found.lines if line.case.implementation == "flash3")
    assert change is not None and change.speedup is None


def test_a_failure_that_is_another_now_is_told_and_the_same_one_is_not() -> None:
    base = recorded({"pytorch": 1.0, "flash2": 1.0}, oom=("pytorch", "flash2"))
    other = recorded({"pytorch": 1.0, "flash2": 1.0}, oom=("pytorch",), wrong=("flash2",))
    assert [line.partition(":")[2] for line in words.failures(compared(base, other))] == [
        " flash2: OOM (64.0 GiB asked for), now wrong (dq off by 0.31, limit 0.0012)"
    ]


def test_cycles_stand_beside_where_the_clocks_differed() -> None:
    # The same work in the same cycles, at a clock a tenth lower.
    found = compared(recorded({"flash2": 1.0}, sm_mhz=1800.0), recorded({"flash2": 0.9}, sm_mhz=1620.0))
    (change,) = found.lines[0].changes
    assert change is not None and change.verdict == "slower"
    assert change.cycles == pytest.approx(1.0, abs=0.01)
    assert words.has_cycles(found)


def test_there_are_no_cycles_where_the_clocks_did_not_differ() -> None:
    found = compared(recorded({"flash2": 1.0}, sm_mhz=1800.0), recorded({"flash2": 0.9}, sm_mhz=1810.0))
    assert not words.has_cycles(found)


def test_there_are_no_cycles_of_a_few_samples() -> None:
    def few(speed: float, sm_mhz: float) -> Recording:
        whole = plan([attention()], ["flash2"], ["fwd"])
        (case,) = cases(whole)
        taken = samples(case, "fwd", speed, count=5, sm_mhz=sm_mhz)
        return Recording.of([header(), Planned(plan=whole), *checked(case), taken])

    assert not words.has_cycles(compared(few(1.0, 1800.0), few(0.9, 1620.0)))


def imported(ms: float = 1.0) -> Recording:
    """Of the labs' script: one mean wall time."""
    whole = plan([attention()], ["flash2"], ["fwd"])
    own = msgspec.structs.replace(
        header(), imported=Imported(files=("r.json",)), environment=Environment(device="unknown device")
    )
    once = Estimate(median=ms, low=ms, high=ms, count=1)
    result = Result(
        case=0,
        workload=attention(),
        implementation="flash2",
        which="fwd",
        device_ms=once,
        tflops=100.0,
        launch_hidden=False,
    )
    return Recording.of([own, Planned(plan=whole), result, Finished(ending="completed")])


def test_a_mean_wall_time_and_a_device_time_have_no_ratio() -> None:
    found = compared(recorded({"flash2": 1.0}), imported())
    (change,) = found.lines[0].changes
    assert change is not None and (change.speedup, change.verdict) == (None, "can't tell")
    assert list(words.unlike(found)) == ["no speedups in B: A has median device times, B has mean wall times"]
    assert words.summaries(found) == ["B against A: 1 case: 1 can't tell (each for unlike times)"]
    assert list(words.lacking(found, 0.05)) == list(words.unlike(found))
    assert not list(words.unlike(compared(imported(), imported())))


def test_a_time_with_launches_in_it_has_no_ratio_to_one_without() -> None:
    names = {"pytorch": 1.0, "flash2": 1.0}
    shown = [
        msgspec.structs.replace(event, launch_hidden=False)
        if isinstance(event, Result) and event.implementation == "flash2"
        else event
        for event in session(names)
    ]
    found = compared(recorded(names), Recording.of(shown))
    assert verdicts(found) == {"pytorch": "same", "flash2": "can't tell"}
    assert list(words.unlike(found)) == ["no speedups where launches were not hidden in B alone: flash2"]
    (turned,) = words.unlike(compared(Recording.of(shown), recorded(names)))
    assert turned == "no speedups where launches were not hidden in A alone: flash2"
    assert verdicts(compared(Recording.of(shown), Recording.of(shown)))["flash2"] == "same"


def test_memory_is_told_once_where_it_is_the_same_and_in_percent_where_it_grew() -> None:
    base = recorded({"pytorch": 1.0, "flash2": 1.0})
    assert words.memory_words(compared(base, base)) == "peak memory is the same to the byte in all of them"
    more = msgspec.structs.replace(MEMORY, working_bytes=96 * 2**20)
    found = compared(base, recorded({"pytorch": 1.0, "flash2": 1.0}, memory=more))
    assert words.memory_words(found) == ""
    assert words.memory(found.lines[0], 1) == "+14"


def test_trainings_are_compared_by_the_time_of_a_token_whatever_their_batch() -> None:
    base = Recording.of(study({"pytorch": 40_000.0, "flash2": 60_000.0, "flex": 10_000.0}, batch=8))
    other = Recording.of(study({"pytorch": 40_000.0, "flash2": 50_000.0, "flex": None}, batch=16))
    found = compared(base, other)
    assert verdicts(found) == {"pytorch": "same", "flash2": "slower", "flex": "lost"}
    slower = found.lines[1].changes[0]
    assert slower is not None and slower.speedup is not None
    assert slower.speedup.median == pytest.approx(5 / 6)
    assert len(found.of_training) == 3 and not found.of_attention


def test_a_third_session_is_compared_with_the_first() -> None:
    found = compared(*(recorded({"flash2": speed}) for speed in (1.0, 1.5, 0.5)))
    assert (verdicts(found, 1), verdicts(found, 2)) == ({"flash2": "faster"}, {"flash2": "slower"})
    assert words.summaries(found) == [
        "B against A: 1 case: 1 faster",
        "C against A: 1 case: 1 slower",
    ]


def test_what_one_of_three_has_not_is_compared_with_the_other() -> None:
    both = {"pytorch": 1.0, "flash2": 1.0}
    found = compared(recorded(both), recorded({"pytorch": 1.0}), recorded(both))
    assert found.lines[1].sides[1] is None and found.lines[1].changes[0] is None
    assert list(words.unmatched(found)) == ["not in B: flash2"]


def test_regressions_are_told_with_both_figures() -> None:
    shapes = (attention(), attention(seq=4096))
    found = compared(
        recorded({"pytorch": 1.0, "flash2": 2.0}, shapes=shapes, passes=PASSES),
        recorded({"pytorch": 1.0, "flash2": 1.6}, shapes=shapes, passes=PASSES, oom=("pytorch",)),
    )
    told = list(words.regressions(found, found.regressions(0.05)))
    assert len(told) == 12
    assert told[0] == "B: seq 1024, pytorch, forward: was right, now OOM (64.0 GiB asked for)"
    assert told[3] == "B: seq 1024, flash2, forward: 0.5000 to 0.6250 ms, 0.800x (0.799-0.801)"
    assert len(found.regressions(0.30)) == 6  # what is lost, whatever is allowed


def test_a_regression_of_a_training_names_both_batches() -> None:
    base, other = (
        Recording.of(study({"flash2": tokens}, batch=batch))
        for tokens, batch in ((60_000.0, 64), (30_000.0, 6))
    )
    found = compared(base, other)
    (told,) = words.regressions(found, found.regressions(0.05))
    assert told.startswith("B: flash2: 60,000 to 30,000 tokens/s, batch 64 to 6, 0.500x (")


def test_too_few_samples_are_named_in_the_summary() -> None:
    few = plan([attention()], ["flash2"], ["fwd"])
    (case,) = cases(few)
    events = [session({"flash2": 1.0})[0], Planned(plan=few), *checked(case), samples(case, "fwd", count=3)]
    found = compared(recorded({"flash2": 1.0}), Recording.of(events))
    assert words.summaries(found) == [
        "B against A: 1 case: 1 can't tell (each for too few samples); 1 in part"
    ]


def test_many_without_a_counterpart_are_counted_by_implementation() -> None:
    shapes = [attention(seq=2**power) for power in range(8, 13)]
    found = compared(
        recorded({"pytorch": 1.0, "flash2": 1.0}, shapes=shapes),
        recorded({"pytorch": 1.0}, shapes=shapes[:1]),
    )
    assert list(words.unmatched(found)) == ["only in A: 9 cases: flash2 5, pytorch 4"]


def test_nothing_shared_is_refused_with_what_each_has() -> None:
    with pytest.raises(
        NothingShared, match=r"A has 1 case of flash2 at batch 32.*; B has 1 case of flash2 at"
    ):
        compared(recorded({"flash2": 1.0}), recorded({"flash2": 1.0}, shapes=(attention(batch=16),)))


def test_rows_can_be_chosen_by_pass_and_by_implementation_or_its_alias() -> None:
    both = recorded({"pytorch": 1.0, "flash2": 1.0}, passes=PASSES)
    found = compared(both, both, wanted=wanted([both], frozenset[Pass]({"bwd"}), ["Flash2"]))
    assert [line.case for line in found.lines] == [Case(attention(), "flash2", "bwd")]


def test_an_implementation_that_no_session_has_is_refused() -> None:
    with pytest.raises(NotThere, match="no session has 'flash4'; there are pytorch"):
        wanted([recorded({"pytorch": 1.0})], None, ["flash4"])
