"""The engine: works through a plan with a worker, saves every event, and tells a listener.

It loads no torch and no Textual. Everything it does is one asyncio task; the worker is a
child process, telemetry a thread. A worker that dies or hangs costs the case that it was
at; a new one goes on with the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

import impls
from profiler import catalog, environment, telemetry, version
from profiler.environment import Device
from profiler.events import (
    SCHEMA,
    Catalog,
    Ceilings,
    Ending,
    Event,
    Failure,
    FailureKind,
    Finished,
    Gpu,
    Log,
    Planned,
    Result,
    SessionStarted,
    Telemetry,
)
from profiler.nvml import Nvml, NvmlError
from profiler.plan import Case, Plan
from profiler.protocol import (
    MeasureCeilings,
    MeasureShape,
    NotReady,
    Ready,
    ShapeDone,
    Visiting,
    WorkerMessage,
)
from profiler.session import SessionError, SessionWriter
from profiler.worker_process import COMMAND, WorkerError, WorkerProcess
from profiler.workload import Attention, Pass

Listener = Callable[[Event], None]

# Loading torch from a cold network disk takes a minute; it is no case's fault.
START_TIMEOUT_S = 180.0


class Engine:
    """One run of one plan on one device, written to a new session file in `folder`.

    `listen` hears every event after it has been saved. `command` is what the user typed.
    """

    def __init__(
        self,
        plan: Plan,
        device: Device,
        *,
        folder: Path,
        command: str,
        listen: Listener,
        worker_command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._plan = plan
        self._device = device
        self._command = command
        self._listen = listen
        self._worker_command = worker_command
        self._started = datetime.now(UTC)
        self._began_s = time.monotonic()
        self._writer = SessionWriter.create(folder, self._started, device.info.name, plan.label)
        self._has_header = False
        self._worker: WorkerProcess | None = None
        self._sampler: telemetry.Sampler | None = None
        self._nvml: Nvml | None = None
        self._answered: dict[int, set[Pass]] = {}
        self._settled: set[int] = set()
        self._counts = {Result: 0, Failure: 0}
        self._task: asyncio.Task[object] | None = None
        self._stop_reason: str | None = None

    @property
    def path(self) -> Path:
        """The session file."""
        return self._writer.path

    def stop(self, reason: str) -> None:
        """End the run within a second; run() then returns with the session closed as interrupted."""
        if self._stop_reason is None:
            self._stop_reason = reason
            if self._task is not None:
                self._task.cancel()

    async def run(self) -> Finished:
        """Measure the whole plan. Returns the session's last event, whatever ended it.

        Raises:
            SessionError: the session can no longer be written; what was saved before is whole.
        """
        self._task = asyncio.current_task()
        try:
            ending, reason = await self._run_plan()
            self._task = None  # from here on there is nothing to stop
            try:
                await self._end_worker()
            except asyncio.CancelledError:  # stopped in the last moment of the plan
                await self._end_worker(by_force=True)
            finished = Finished(
                ending=ending,
                reason=reason,
                results=self._counts[Result],
                failures=self._counts[Failure],
            )
            self._emit(finished)
            return finished
        finally:
            await self._end_worker(by_force=True)
            self._writer.close()
            _remove_if_empty(self._log)

    async def _run_plan(self) -> tuple[Ending, str]:
        try:
            if self._stop_reason is not None:
                raise asyncio.CancelledError
            worker = await self._start_worker()
            if self._plan.takes.ceilings:
                await self._measure_ceilings(worker)
            for workload, cases in self._plan.shapes():
                await self._measure_shape(workload, cases)
        except asyncio.CancelledError:
            if self._stop_reason is None or self._task is None:
                raise
            self._task.uncancel()
            self._open(None)
            return "interrupted", self._stop_reason
        except WorkerError as error:
            self._open(None)
            self._emit(Log(level="error", message=str(error)))
            return "failed", str(error)
        return "completed", ""

    async def _measure_ceilings(self, worker: WorkerProcess) -> None:
        """What the device does at best, once a session; a run goes on without it."""
        dtypes = tuple(dict.fromkeys(workload.dtype for workload in self._plan.workloads))
        worker.send(MeasureCeilings(dtypes=dtypes))
        message: WorkerMessage | None = None
        while not isinstance(message, Ceilings):
            try:
                message = await worker.receive(self._plan.timeout_s)
            except TimeoutError:
                why = f"the worker gave no sign of life for {self._plan.timeout_s:g} s (--timeout)"
                await self._end_worker(by_force=True)
                break
            if message is None:
                why = await worker.cause_of_death()
                await self._end_worker()
                break
            if isinstance(message, Event):
                self._emit(message)
        else:
            return
        self._emit(Log(level="warning", message=f"the ceilings were not measured: {why}"))

    async def _measure_shape(self, workload: Attention, cases: Sequence[Case]) -> None:
        for case in cases:
            if reason := impls.find(case.implementation).supports(workload, self._device.info):
                self._fail(case, "unsupported", reason)
        # Every turn settles a case: the one that the worker was lost at, or one that it answered before.
        while waiting := [case for case in cases if case.number not in self._settled]:
            worker = self._worker or await self._start_worker()
            await self._drive(worker, workload, waiting)

    async def _drive(self, worker: WorkerProcess, workload: Attention, cases: list[Case]) -> None:
        """Have `worker` measure the cases, until it is done or lost."""
        by_number = {case.number: case for case in cases}
        at = cases[0].number
        plan = self._plan
        worker.send(
            MeasureShape(
                workload=workload,
                cases=tuple(cases),
                passes=plan.passes,
                stopping=plan.stopping,
                takes=plan.takes,
                seed=plan.seed,
            )
        )
        while True:
            try:
                message = await worker.receive(plan.timeout_s)
            except TimeoutError:
                await self._end_worker(by_force=True)
                why = f"gave no sign of life for {plan.timeout_s:g} s (--timeout) and was ended"
                self._lose(by_number[at], "timeout", why)
                return
            match message:
                case None:
                    cause = await worker.cause_of_death()
                    await self._end_worker()
                    self._lose(by_number[at], "crashed", cause)
                    return
                case ShapeDone():
                    for case in cases:
                        if case.number not in self._settled:
                            self._fail(case, "error", "the worker gave no answer")
                    return
                case Visiting():
                    at = message.case
                case Ready() | NotReady():
                    pass  # said once, and heard by _start_worker
                case _:
                    at = getattr(message, "case", at)  # a Log belongs to no case
                    self._emit(message)

    async def _start_worker(self) -> WorkerProcess:
        """A worker that is ready, with telemetry of it.

        Raises:
            WorkerError: torch or the device could not be opened.
        """
        worker = await WorkerProcess.start(
            self._worker_command, self._device.name, self._plan.memory_limit_bytes, self._log
        )
        self._worker = worker
        try:
            message = await worker.receive(START_TIMEOUT_S)
        except TimeoutError:
            raise WorkerError(f"torch did not load within {START_TIMEOUT_S:g} s") from None
        if isinstance(message, NotReady):
            raise WorkerError(f"{self._device.name} cannot be used: {message.message}")
        if message is None:
            raise WorkerError(await worker.cause_of_death())
        if not isinstance(message, Ready):
            raise WorkerError("the worker did not begin by saying that it is ready")
        self._open(message)
        self._start_telemetry(message)
        return worker

    async def _end_worker(self, *, by_force: bool = False) -> None:
        if self._sampler is not None:
            self._sampler.stop()
            self._sampler = None
        if self._worker is not None:
            await (self._worker.kill() if by_force else self._worker.close())
            self._worker = None

    def _open(self, ready: Ready | None) -> None:
        """Begin the session, if it has not begun: environment, catalog, plan."""
        if self._has_header:
            return
        self._has_header = True
        self._emit(
            SessionStarted(
                schema=SCHEMA,
                attnprof=version.VERSION,
                started=self._started.isoformat(timespec="seconds"),
                command=self._command,
                environment=environment.describe(
                    self._device.name,
                    _gpu(self._device.gpu, ready),
                    cuda=ready.cuda if ready else None,
                    cudnn=ready.cudnn if ready else None,
                    ask_git=ready is not None,  # when the run is being ended, nothing may take long
                ),
            )
        )
        self._emit(Catalog(implementations=catalog.entries(self._device.info)))
        self._emit(Planned(plan=self._plan))
        if self._device.note:
            self._emit(Log(level="warning", message=self._device.note))
        for note in ready.notes if ready else ():
            self._emit(Log(level="warning", message=note))

    def _start_telemetry(self, ready: Ready) -> None:
        source = telemetry.cpu_source(ready.pid)
        if ready.gpu_uuid is not None:
            try:
                self._nvml = self._nvml or Nvml.open()
            except NvmlError as error:
                self._emit(Log(level="warning", message=f"no telemetry: {error}"))
                return
            device = self._nvml.find(ready.gpu_uuid)
            if device is None:
                self._emit(Log(level="warning", message="no telemetry: NVML does not list this GPU"))
                return
            source = telemetry.gpu_source(device, ready.pid)
        loop = asyncio.get_running_loop()

        def hand_over(event: Telemetry | Log) -> None:
            loop.call_soon_threadsafe(self._emit_reading, event)

        self._sampler = telemetry.Sampler(source, hand_over)
        self._sampler.start()

    def _emit_reading(self, event: Telemetry | Log) -> None:
        if self._sampler is None:  # ended while this one waited for its turn
            return
        try:
            self._emit(event)
        except SessionError as error:
            self.stop(str(error))

    def _lose(self, case: Case, kind: FailureKind, why: str) -> None:
        """The worker was lost at this case: its failure, unless it had its results already."""
        if case.number not in self._settled:
            self._fail(case, kind, why)
        else:  # what is taken after the rounds is no reason to doubt them
            message = (
                f"after the rounds, at {case.implementation}: {why}; graphs, kernels and energy "
                "of this shape are missing from here on"
            )
            self._emit(Log(level="warning", message=message))

    def _fail(self, case: Case, kind: FailureKind, message: str) -> None:
        self._emit(
            Failure(
                case=case.number,
                workload=case.workload,
                implementation=case.implementation,
                kind=kind,
                message=message,
            )
        )

    def _emit(self, event: Event) -> None:
        """Save, then tell. What a person waited for is on the disk before it is shown."""
        event = msgspec.structs.replace(event, at_s=round(time.monotonic() - self._began_s, 3))
        if isinstance(event, Result | Failure):
            self._counts[type(event)] += 1
            self._settle(event)
        self._writer.append(event, durable=isinstance(event, Result | Failure | Finished))
        self._listen(event)

    def _settle(self, event: Result | Failure) -> None:
        """Note what the event answers; a case is settled when each of its passes has been answered."""
        answered = self._answered.setdefault(event.case, set())
        answered |= set(self._plan.passes) if event.which is None else {event.which}
        if answered >= set(self._plan.passes):
            self._settled.add(event.case)

    @property
    def _log(self) -> Path:
        return self._writer.path.with_suffix(".log")


def _gpu(gpu: Gpu | None, ready: Ready | None) -> Gpu | None:
    """What NVML knew beforehand, with what torch adds."""
    if ready is None or ready.compute_capability is None:
        return gpu
    known = gpu or Gpu(name=ready.device_name)
    if known.name != ready.device_name:  # a MIG slice: NVML names the GPU that it is part of
        known = msgspec.structs.replace(known, name=ready.device_name, memory_bytes=ready.memory_bytes)
    return msgspec.structs.replace(
        known,
        uuid=known.uuid or ready.gpu_uuid,
        compute_capability=ready.compute_capability,
        memory_bytes=known.memory_bytes or ready.memory_bytes,
        sm_count=ready.sm_count,
        l2_bytes=ready.l2_bytes,
        event_pair_ms=ready.event_pair_ms,
    )


def _remove_if_empty(log: Path) -> None:
    try:
        if log.stat().st_size == 0:
            log.unlink()
    except OSError:
        pass
