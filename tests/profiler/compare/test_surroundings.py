"""What is told to differ around sessions."""

from __future__ import annotations

import msgspec

from profiler.compare import compare
from profiler.compare import wording as words
from profiler.compare.surroundings import Surroundings
from profiler.events import Ceilings, Continued, Environment, Imported, MatmulRate, Planned, Result, Telemetry
from profiler.session.recording import Recording
from tests.compare_examples import recorded, session
from tests.examples import attention, held


def around(*recordings: Recording) -> Surroundings:
    return compare([(str(place), recording) for place, recording in enumerate(recordings)]).surroundings


def told(*recordings: Recording) -> dict[str, tuple[str, ...]]:
    return {difference.name: difference.values for difference in around(*recordings).differences}


def test_what_is_the_same_is_told_in_a_line_and_nothing_of_it_as_a_difference() -> None:
    same = recorded({"flash2": 1.0})
    assert told(same, same) == {}
    line = words.same_words(compare([("a", same), ("b", same)]))
    assert line.startswith("NVIDIA H100 80GB HBM3, driver 570.86.15, torch 2.13.0, CUDA 13.0")


def test_versions_and_the_gpu_differ_by_what_each_session_has() -> None:
    base = recorded({"flash2": 1.0})
    other = recorded(
        {"flash2": 1.0}, gpu_name="NVIDIA H200", cuda="13.1", packages={"torch": "2.14.0", "triton": "3.7.0"}
    )
    assert told(base, other) == {
        "GPU": ("NVIDIA H100 80GB HBM3", "NVIDIA H200"),
        "torch": ("2.13.0", "2.14.0"),
        "CUDA": ("13.0", "13.1"),
        "flash-attn": ("2.8.3", ""),
        "triton": ("", "3.7.0"),
    }


def test_settings_of_measurement_and_the_memory_limit_differ() -> None:
    events = session({"flash2": 1.0})
    hasty = [
        Planned(
            plan=msgspec.structs.replace(
                event.plan, stopping=msgspec.structs.replace(event.plan.stopping, repeats=5)
            )
        )
        if isinstance(event, Planned)
        else event
        for event in events
    ]
    assert told(Recording.of(events), held(hasty, 12 * 2**30)) == {
        "memory limit": ("none", "12.0 GiB"),
        "rounds": ("until ±1 % or 10 s", "5"),
    }


def test_ceilings_and_clocks_differ_only_by_more_than_they_wander() -> None:
    def with_rate(tflops: float, sm_mhz: float) -> Recording:
        events = session({"flash2": 1.0}, sm_mhz=sm_mhz)
        rate = Ceilings(matmul={"float16": MatmulRate(tflops=tflops, size=8192)})
        return Recording.of([*events[:2], rate, *events[2:]])

    assert told(with_rate(700.0, 1800.0), with_rate(704.0, 1810.0)) == {}
    assert told(with_rate(700.0, 1800.0), with_rate(750.0, 1600.0)) == {
        "SM clock, median of the cases": ("1800 MHz", "1600 MHz"),
        "matmul float16": ("700 TFLOP/s", "750 TFLOP/s"),
    }


def test_a_ceiling_that_only_one_session_took_is_no_difference() -> None:
    events = session({"flash2": 1.0})
    taken = [*events[:2], Ceilings(matmul={"float16": MatmulRate(tflops=700.0, size=8192)}), *events[2:]]
    assert told(Recording.of(events), Recording.of(taken)) == {}


def test_clocks_are_of_the_cases_that_all_sessions_have() -> None:
    both, first = (attention(), attention(seq=4096)), (attention(),)

    def at(short_mhz: float, long_mhz: float) -> Recording:
        short, long = (session({"flash2": 1.0}, shapes=both, sm_mhz=mhz) for mhz in (short_mhz, long_mhz))
        return Recording.of(
            one if getattr(one, "case", 0) == 0 else other for one, other in zip(short, long, strict=True)
        )

    # Where they were hot, at the long shape, is not measured in the third.
    third = recorded({"flash2": 1.0}, shapes=first, sm_mhz=1800.0)
    assert told(at(1800.0, 1500.0), at(1800.0, 1500.0), third) == {}
    assert told(at(1800.0, 1500.0), at(1800.0, 1500.0), recorded({"flash2": 1.0}, sm_mhz=1600.0)) == {
        "SM clock, median of the cases": ("1800 MHz", "1800 MHz", "1600 MHz")
    }


def test_times_with_launches_in_them_are_told_first() -> None:
    events = session({"flash2": 1.0}, cuda="13.1")
    shown = [
        msgspec.structs.replace(event, launch_hidden=False) if isinstance(event, Result) else event
        for event in events
    ]
    assert list(told(recorded({"flash2": 1.0}), Recording.of(shown)).items())[:1] == [
        ("times", ("median device times", "median device times, launches not hidden in 1 of 1 case"))
    ]


def test_what_is_not_known_of_an_imported_session_is_one_line() -> None:
    own = recorded({"flash2": 1.0})
    assert own.header is not None
    header = msgspec.structs.replace(
        own.header, imported=Imported(files=("r.json",)), environment=Environment(device="unknown device")
    )
    labs = Recording.of([header, *session({"flash2": 1.0})[1:]])
    expected = {
        "times": ("median device times", "mean wall times"),
        "GPU": ("NVIDIA H100 80GB HBM3", "unknown device"),
    }
    assert told(own, labs) == expected
    assert around(own, labs).same == {}


def test_what_held_clocks_back_differs_by_the_shapes_that_it_met() -> None:
    events = session({"flash2": 1.0})
    locked = [Telemetry(at_s=1.0 + place / 10, throttle=("clocks set by the user",)) for place in range(11)]
    found = told(Recording.of(events), Recording.of([*events[:-1], *locked, events[-1]]))
    assert found == {"clocks set by the user": ("", "1 of 1 shape")}


def test_a_session_that_was_gone_on_with_under_another_torch_names_both() -> None:
    events = session({"flash2": 1.0})
    packages = {"torch": "2.14.0", "flash-attn": "2.8.3"}
    header = Recording.of(events).header
    assert header is not None
    later = Continued(
        attnprof=header.attnprof,
        started=header.started,
        command=header.command,
        environment=msgspec.structs.replace(header.environment, packages=packages),
    )
    assert told(Recording.of(events), Recording.of([*events, later])) == {
        "torch": ("2.13.0", "2.13.0, then 2.14.0")
    }
