"""What the rounds of a shape were taken under."""

from __future__ import annotations

import pytest

from profiler.events import Event, Telemetry
from profiler.machine.nvml import throttle_names
from profiler.results.conditions import ANOTHER_PROCESS, Conditions, conditions
from profiler.results.wording import MEANINGS
from profiler.session.recording import Recording
from profiler.workload import Attention
from tests.examples import attention, cases, checked, failed, measured, plan, samples, telemetry

SHAPE = attention()
FIRST, SECOND = cases(plan([SHAPE], ["pytorch", "flash2"]))
# The rounds begin with the second's check at 1.1 s and end with the results at 2.0 s.
MEASURED = [*checked(FIRST, at_s=0.5), *checked(SECOND, at_s=1.0), *measured(FIRST), *measured(SECOND)]


def of(*readings: Telemetry, events: list[Event] = MEASURED) -> Conditions:
    return of_shape(Recording.of([*readings, *events]), SHAPE)


def of_shape(recording: Recording, shape: Attention) -> Conditions:
    return conditions(recording.telemetry, recording.only(shape).cases.values())


def shares(*readings: Telemetry) -> dict[str, float]:
    return dict(of(*readings).shares)


def test_a_reason_has_the_share_of_readings_that_give_it() -> None:
    assert shares(
        telemetry(1.2, throttle=("power cap",)), telemetry(1.3, throttle=("power cap",)), telemetry(1.4)
    ) == {"power cap": pytest.approx(2 / 3)}


@pytest.mark.parametrize(("at_s", "counts"), [(1.05, False), (1.15, True), (2.05, True), (2.15, False)])
def test_only_readings_of_the_rounds_count_and_those_that_lag_behind_them(at_s: float, counts: bool) -> None:
    reading = telemetry(at_s, throttle=("power cap",))
    assert bool(shares(telemetry(1.5), reading)) == counts


@pytest.mark.parametrize(("others", "counts"), [(9, True), (10, False)])
def test_a_reason_in_less_than_a_tenth_of_the_readings_is_left_out(others: int, counts: bool) -> None:
    quiet = [telemetry(1.3 + index / 100) for index in range(others)]
    assert bool(shares(telemetry(1.2, throttle=("power cap",)), *quiet)) == counts


def test_thermal_slowdown_is_one_whether_software_or_hardware_ordered_it() -> None:
    software, hardware = throttle_names(0x20), throttle_names(0x40)
    assert shares(
        telemetry(1.2, throttle=software + hardware), telemetry(1.3, throttle=hardware), telemetry(1.4)
    ) == {"thermal slowdown": pytest.approx(2 / 3)}


def test_the_most_frequent_stands_first() -> None:
    power = telemetry(1.2, throttle=("power cap",))
    both = telemetry(1.3, throttle=("power cap", "sync boost"))
    assert list(shares(both, power)) == ["power cap", "sync boost"]


def test_another_process_is_a_condition_and_none_is_not() -> None:
    assert shares(telemetry(1.2, other_processes=2)) == {ANOTHER_PROCESS: 1.0}
    assert shares(telemetry(1.2, other_processes=0)) == {}


def test_the_clock_is_nvmls_median_during_the_rounds() -> None:
    clocks = [(1.0, 345), (1.2, 1980), (1.3, 1410), (1.4, 1400), (3.0, 345)]
    found = of(*(telemetry(at_s, sm_mhz=mhz) for at_s, mhz in clocks))
    assert found.sm_mhz == 1410


def test_without_clocks_there_is_none() -> None:
    found = of(telemetry(1.5))
    assert found.sm_mhz is None


def test_a_shape_without_readings_or_samples_has_no_conditions() -> None:
    assert of() == Conditions()
    assert of(telemetry(1.2), events=[*checked(FIRST), failed(FIRST, "oom", "too big")]) == Conditions()


def test_a_case_that_failed_in_its_first_calls_does_not_move_the_beginning() -> None:
    events = [*checked(FIRST, at_s=1.0), *measured(FIRST), *checked(SECOND, at_s=5.0)]
    assert of(telemetry(1.5, throttle=("power cap",)), events=events).shares == {"power cap": 1.0}


def test_the_conditions_of_a_live_shape_are_those_up_to_its_latest_samples() -> None:
    events = [*checked(FIRST, at_s=1.0), samples(FIRST, "fwd", at_s=1.5)]
    found = of(telemetry(1.4, throttle=("power cap",)), telemetry(2.0), events=events)
    assert found == Conditions(shares={"power cap": 1.0})


def test_each_shape_has_its_own() -> None:
    short, long = cases(plan([attention(seq=256), attention(seq=512)], ["pytorch"]))
    events = [*checked(short), *measured(short), *checked(long, at_s=3.0), *measured(long, at_s=4.0)]
    readings = [telemetry(1.5), telemetry(3.5, throttle=("power cap",))]
    recording = Recording.of([*events, *readings])
    assert of_shape(recording, short.workload).shares == {}
    assert of_shape(recording, long.workload).shares == {"power cap": 1.0}


def test_every_condition_that_nvml_names_has_its_meaning() -> None:
    every_bit = telemetry(1.5, throttle=throttle_names(0x7FE), other_processes=1)
    assert set(shares(every_bit)) <= set(MEANINGS)
    assert len(shares(every_bit)) == 10  # ten reasons, two of them thermal, and the other process
