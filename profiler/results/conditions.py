"""What the rounds of a shape were taken under: what held the clocks back, and who else computed there.

All cases of a shape are measured in the same rounds, so conditions are a shape's, not a row's. Of a
training each case has its own: there a visit lasts for seconds.
"""

from __future__ import annotations

import statistics
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf

from profiler.events import Telemetry
from profiler.session.case_record import CaseRecord
from profiler.session.recording import Recording
from profiler.training.model import Training
from profiler.training.recording import TrainingRecord, visit_s

LEAST_SHARE = 0.1
"""What is seen in fewer of a shape's readings is left out: in so few rounds it cannot move a median far."""

ANOTHER_PROCESS = "another process on the GPU"

LAG_S = 0.1
"""NVML tells what was up to so long ago, so the readings just after the rounds are theirs."""

LEAST_POWER_READINGS = 10
"""The mean of fewer is no case's power: single readings of one differ by a fifth."""


@dataclass(frozen=True)
class Conditions:
    """What NVML said during the rounds of a shape.

    `shares` maps each condition to the share of readings that had it, the most frequent first:
    throttle reasons as profiler.machine.nvml names them, but thermal slowdown is one, whether software
    or hardware ordered it. `sm_mhz` is the median of NVML's SM clock, None where it has none.
    """

    shares: Mapping[str, float] = field(default_factory=dict)
    sm_mhz: float | None = None


def conditions(readings: list[Telemetry], cases: Iterable[CaseRecord]) -> Conditions:
    """The conditions of a shape with these cases; empty without samples, or readings during its rounds.

    Its rounds last from the latest check among its cases to their latest samples or result. The
    readings of a shape are found by bisection: this runs at each repaint of a table.
    """
    began_s = ended_s = -inf
    for case in cases:
        if case.check and any(record.device_ms or record.result for record in case.passes.values()):
            began_s = max(began_s, case.check.at_s)
            ended_s = max(ended_s, *(record.last_s for record in case.passes.values()))
    during = _between(readings, began_s, ended_s + LAG_S) if ended_s > -inf else []
    return sum_up(during) if during else Conditions()


@dataclass(frozen=True)
class TrainingConditions(Conditions):
    """The same during the measured steps of one case of a training.

    `power_w` is the mean power, None of fewer readings than LEAST_POWER_READINGS.
    """

    power_w: float | None = None


def training_conditions(recording: Recording) -> dict[int, TrainingConditions]:
    """The conditions of each case of training, by its number, that has readings.

    They are those during its own visits, a lag after each began. Where these are too short for that
    they are the whole row's, whose power is nobody's own.
    """
    found = {}
    rows: dict[tuple[int, Training], list[TrainingRecord]] = {}
    for record in recording.trainings.values():
        if record.measured:
            rows.setdefault((record.plan_number, record.training), []).append(record)
    for records in rows.values():
        began_s = min(record.first_s or 0.0 for record in records)
        ended_s = max(record.last_s or 0.0 for record in records)
        of_row = _between(recording.telemetry, began_s, ended_s + LAG_S)
        for record in records:
            if own := _own_readings(of_row, record):
                summed, power_w = sum_up(own), _mean_power(own)
            elif of_row:
                summed, power_w = sum_up(of_row), None
            else:
                continue
            found[record.number] = TrainingConditions(summed.shares, summed.sm_mhz, power_w)
    return found


def _own_readings(readings: list[Telemetry], record: TrainingRecord) -> list[Telemetry]:
    own = []
    for steps in record.measured:
        began_s, ended_s = visit_s(steps)
        own += _between(readings, began_s + LAG_S, ended_s)
    return own


def _mean_power(readings: Sequence[Telemetry]) -> float | None:
    known = [reading.power_w for reading in readings if reading.power_w is not None]
    return statistics.mean(known) if len(known) >= LEAST_POWER_READINGS else None


def _between(readings: list[Telemetry], first_s: float, last_s: float) -> list[Telemetry]:
    first = bisect_left(readings, first_s, key=lambda reading: reading.at_s)
    return readings[first : bisect_right(readings, last_s, lo=first, key=lambda reading: reading.at_s)]


def sum_up(readings: Sequence[Telemetry]) -> Conditions:
    """The conditions that these readings tell of; there is at least one."""
    seen = Counter(name for reading in readings for name in set(_names(reading)))
    clocks = [reading.sm_mhz for reading in readings if reading.sm_mhz is not None]
    return Conditions(
        shares={
            name: number / len(readings)
            for name, number in sorted(seen.items(), key=lambda item: (-item[1], item[0]))
            if number >= LEAST_SHARE * len(readings)
        },
        sm_mhz=statistics.median(clocks) if clocks else None,
    )


def _names(reading: Telemetry) -> Iterable[str]:
    yield from (reason.partition(" (")[0] for reason in reading.throttle)
    if reading.other_processes:
        yield ANOTHER_PROCESS
