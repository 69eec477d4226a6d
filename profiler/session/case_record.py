"""One case of a session as it stands: its events folded into one record, which a recording holds."""

from __future__ import annotations

from dataclasses import dataclass, field

from profiler.events import (
    LEAST_SAMPLES,
    CaseChecked,
    CaseStarted,
    Energy,
    Failure,
    Kernels,
    Replayed,
    Result,
    Samples,
)
from profiler.session.deferred import OfCase, event_of
from profiler.session.unread import Notices
from profiler.workload import Attention, Pass


@dataclass
class PassRecord:
    """Samples of one pass of one case, by round, its result, and what was taken after the rounds.

    `sm_mhz` stands beside `device_ms`, None where a clock is not known; it may end sooner.
    `last_s` is when the latest samples came, or the result.
    """

    device_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    sm_mhz: list[float | None] = field(default_factory=list)
    result: Result | None = None
    replayed: Replayed | None = None
    energy: Energy | None = None
    kernels: Kernels | None = None
    last_s: float = 0.0

    def add(self, event: Samples | Replayed | Energy | Kernels) -> None:
        """Samples of further rounds, or what was taken after them."""
        match event:
            case Samples():
                self._add_samples(event)
            case Replayed():
                self.replayed = event
            case Energy():
                self.energy = event
            case Kernels():
                self.kernels = event

    def _add_samples(self, event: Samples) -> None:
        if event.sm_mhz:
            # Rounds before these may have come without clocks, and these with fewer clocks than times.
            self.sm_mhz.extend([None] * (len(self.device_ms) - len(self.sm_mhz)))
            self.sm_mhz.extend(event.sm_mhz[: len(event.device_ms)])
        self.device_ms.extend(event.device_ms)
        self.wall_ms.extend(event.wall_ms)
        self.last_s = max(self.last_s, event.at_s)

    def forget_samples(self) -> None:
        """Let go of the samples; a result stays."""
        self.device_ms, self.wall_ms, self.sm_mhz = [], [], []

    def finish(self, result: Result) -> None:
        """The result of the rounds."""
        self.result = result
        self.last_s = max(self.last_s, result.at_s)


@dataclass
class CaseRecord:
    """All that is known of one case."""

    number: int
    workload: Attention
    implementation: str
    plan_number: int = 0
    """Which of the session's plans it belongs to."""
    failures: list[Failure] = field(default_factory=list)
    ended: bool = False
    """Whether nothing more of it will be measured, done or not."""
    notices: Notices = field(default_factory=lambda: Notices("case"), repr=False, compare=False)
    """Where it is told what cannot be read of the lines that it decodes."""
    _heard: int = 0
    _check: CaseChecked | None = None
    _passes: dict[Pass, PassRecord] = field(default_factory=dict)
    _waiting: list[bytes] = field(default_factory=list)
    """Lines of a large session, decoded once somebody asks for what they tell."""
    _has_result_waiting: bool = False
    _decoded: list[bytes] = field(default_factory=list)
    """Such lines of which somebody has asked; where nothing else was told, they can wait again."""
    _is_all_deferred: bool = True

    @property
    def check(self) -> CaseChecked | None:
        """What its first calls told."""
        if self._waiting:
            self._catch_up()
        return self._check

    @property
    def passes(self) -> dict[Pass, PassRecord]:
        """What was measured, by pass."""
        if self._waiting:
            self._catch_up()
        return self._passes

    @property
    def heard(self) -> int:
        """How many events came for it: another number means that there is something new."""
        return self._heard + len(self._waiting)

    @property
    def done(self) -> bool:
        if self.failures or self._has_result_waiting:
            return True
        return any(record.result for record in self.passes.values())

    @property
    def has_enough(self) -> bool:
        """Whether it can be shown in the place of an earlier measurement."""
        return self.done or (
            bool(self.passes)
            and all(len(record.device_ms) >= LEAST_SAMPLES for record in self.passes.values())
        )

    @property
    def was_cut(self) -> bool:
        """Whether its measurement was ended before it came to anything."""
        return self.ended and not self.done

    @property
    def has_something(self) -> bool:
        """Whether there is a number, or a reason for none."""
        return self.done or any(record.device_ms for record in self.passes.values())

    def failure_of(self, which: Pass) -> Failure | None:
        """What kept this pass, or the whole case, from a result."""
        return next((failure for failure in self.failures if failure.which in (None, which)), None)

    def add(self, event: OfCase | Failure) -> None:
        """What is told of the case once it has begun."""
        if self._waiting:  # what came before counts before
            self._catch_up()
        self._heard += 1
        if isinstance(event, Failure):
            self.failures.append(event)
        else:
            self._is_all_deferred = False
            self._fold(event)

    def defer(self, line: bytes, is_result: bool) -> None:
        """The same, to be decoded when it is asked for."""
        self._waiting.append(line)
        if is_result:
            self._has_result_waiting = True

    def let_go(self) -> None:
        """Nobody needs what it holds for now: what can be decoded again is given up."""
        if self._decoded and self._is_all_deferred:
            self._has_result_waiting = self.done
            self._waiting, self._decoded = self._decoded + self._waiting, []
            self._heard -= len(self._waiting)
            self._check, self._passes = None, {}

    def is_of(self, event: CaseStarted | Result | Failure) -> bool:
        """Whether that event tells of what this case measures."""
        return self.implementation == event.implementation and self.workload == event.workload

    def _fold(self, event: OfCase) -> None:
        match event:
            case CaseChecked():
                self._check = event
            case Result():
                self._pass_of(event.which).finish(event)
            case _:
                self._pass_of(event.which).add(event)

    def _pass_of(self, which: Pass) -> PassRecord:
        """The record of a pass, made if there is none yet."""
        if (record := self._passes.get(which)) is None:
            record = self._passes[which] = PassRecord()
        return record

    def _catch_up(self) -> None:
        lines, self._waiting, self._has_result_waiting = self._waiting, [], False
        self._heard += len(lines)
        self._decoded += lines
        for line in lines:
            event = event_of(line, self.number, self.notices)
            if event is not None and (not isinstance(event, Result) or self.is_of(event)):
                self._fold(event)
