"""The engine: works through plans with a worker, saves every event, and tells a listener.

It loads no torch and no Textual. Everything it does is one asyncio task; the worker is a
child process, telemetry a thread. A worker that dies or hangs costs the case that it was
at; a new one goes on with the rest. Between two calls of a case, what runs can be cut short.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import Literal

import msgspec

from profiler.engine import catalog
from profiler.engine.protocol import (
    CutShort,
    MeasureCeilings,
    NotReady,
    Ready,
    ShapeDone,
    Visiting,
    WorkerMessage,
)
from profiler.engine.session_run import Session
from profiler.engine.work import FAILURES, RESULTS, AnyPlan, Work, dtypes_of, planned, works_of
from profiler.engine.worker_process import COMMAND, WorkerError, WorkerProcess
from profiler.events import (
    Catalog,
    Ceilings,
    Ending,
    Event,
    FailureKind,
    Finished,
    Gpu,
    Log,
    PlanEnded,
    Telemetry,
)
from profiler.machine import environment, telemetry
from profiler.machine.environment import Device
from profiler.machine.nvml import Nvml, NvmlError
from profiler.results.conditions import LAG_S
from profiler.session.file import SessionError

Listener = Callable[[Event], None]

Cut = Literal["shape", "plan"]
"""How much is cut short; a row of training is as a shape here."""

# A call that takes longer than this is not waited for: a new worker is there sooner.
_CUT_S = 4.0

_KEPT_MEANWHILE = (
    "Measuring goes on, and what comes is kept in memory: saving is tried again, at the end elsewhere too"
)

# Loading torch from a cold network disk takes a minute; it is no case's fault.
START_TIMEOUT_S = 180.0


class Engine:
    """One session on one device: its plans, written to `session`.

    `listen` hears every event after it has been saved. `command` is what the user typed.
    `memory_limit_bytes` is what the first worker is held to; a plan that says otherwise gets another.
    """

    def __init__(
        self,
        device: Device,
        session: Session,
        *,
        command: str,
        listen: Listener,
        memory_limit_bytes: int | None = None,
        worker_command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._device = device
        self._command = command
        self._listen = listen
        self._limit_bytes = memory_limit_bytes
        self._worker_command = worker_command
        self._session = session
        self._began_s = time.monotonic() - session.elapsed_s
        self._told_of_s = 0.0  # until then readings are of the plan that has ended
        self._has_header = False
        self._worker: WorkerProcess | None = None
        self._sampler: telemetry.Sampler | None = None
        self._nvml: Nvml | None = None
        self._plan: AnyPlan | None = None
        self._work: Work | None = None
        self._next_case = session.next_case
        self._known_ceilings = set(session.ceilings)
        self._described: set[str] = set()
        self._results, self._failures = 0, 0
        self._cut: Cut | None = None
        self._paused = False
        self._is_unsaved = False
        self._told = asyncio.Event()
        self._given_up: WorkerProcess | None = None
        self._task: asyncio.Task[object] | None = None
        self._stop_reason: str | None = None

    @property
    def path(self) -> Path:
        """The session file."""
        return self._session.path

    def cut_short(self, what: Cut) -> None:
        """Measure no more of the shape or of the whole plan that runs; nothing where none does."""
        if self._plan is None:
            return
        if self._cut != "plan":  # what ends the plan ends its shape too, whatever is asked after it
            self._cut = what
        self._told.set()
        if self._worker is not None:
            self._worker.send(CutShort())
            asyncio.get_running_loop().call_later(_CUT_S, self._give_up_on, self._worker, self._plan)

    @property
    def saving_problem(self) -> str | None:
        """Why what came last is in no file; None while all is well."""
        return self._session.problem

    def save_in(self, folder: Path) -> None:
        """Save the whole session in another folder from here on, or say why that cannot be."""
        log = self._log
        try:
            self._session.save_in(folder)
        except SessionError as error:
            self._emit(Log(level="error", message=str(error)))
        else:
            _remove_if_empty(log)
            self._emit(Log(level="info", message=f"the session is saved in {self.path}"))

    @property
    def is_measuring(self) -> bool:
        """Whether it is at a plan."""
        return self._plan is not None

    def pause(self) -> None:
        """Begin no further shape until resume()."""
        self._paused = True

    def resume(self) -> None:
        """Go on after pause()."""
        self._paused = False
        self._told.set()

    def stop(self, reason: str) -> None:
        """End the run within a second; run() then returns with the session closed as interrupted."""
        if self._stop_reason is None:
            self._stop_reason = reason
            if self._task is not None:
                self._task.cancel()

    async def run(self, plans: AsyncIterable[AnyPlan]) -> Finished:
        """Measure the plans as they come. Returns the session's last event, whatever ended it.

        Raises:
            SessionError: the session could be saved nowhere; what was saved before is whole.
        """
        self._task = asyncio.current_task()
        try:
            ending, reason = await self._run_plans(plans)
            self._task = None  # from here on there is nothing to stop
            try:
                await self._end_worker()
            except asyncio.CancelledError:  # stopped in the last moment of the plan
                await self._end_worker(by_force=True)
            finished = Finished(
                ending=ending,
                reason=reason,
                results=self._results,
                failures=self._failures,
            )
            self._emit(finished)
            return finished
        finally:
            await self._end_worker(by_force=True)
            log = self._log
            self._session.close()
            _remove_if_empty(log)

    async def _run_plans(self, plans: AsyncIterable[AnyPlan]) -> tuple[Ending, str]:
        failure = ""  # why the last plan could not be measured
        coming = aiter(plans)
        following = asyncio.ensure_future(anext(coming, None))
        try:
            if self._stop_reason is not None:
                raise asyncio.CancelledError
            await self._start_worker()  # while the first plan may still be thought about
            while (plan := await following) is not None:
                failure = await self._try_plan(plan)
                following = asyncio.ensure_future(anext(coming, None))
        except asyncio.CancelledError:
            if self._stop_reason is None or self._task is None:
                raise
            self._task.uncancel()
            self._open_unmeasured(following)
            return "interrupted", self._stop_reason
        except WorkerError as error:
            self._open_unmeasured(following)
            self._emit(Log(level="error", message=str(error)))
            return "failed", str(error)
        finally:
            following.cancel()
        return ("failed", failure) if failure else ("completed", "")

    async def _try_plan(self, plan: AnyPlan) -> str:
        """Run a plan; why it could not be, if no worker was to be had: the next may find one."""
        try:
            await self._run_plan(plan)
        except WorkerError as error:
            self._emit(Log(level="error", message=str(error)))
            await self._end_worker(by_force=True)
            self._end_plan("failed", str(error))
            return str(error)
        return ""

    def _open_unmeasured(self, following: asyncio.Future[AnyPlan | None]) -> None:
        """The session of a run that never came to measuring still says what was asked for."""
        if not self._has_header:
            self._open(None)
            if following.done() and not following.cancelled() and (plan := following.result()):
                self._emit(planned(plan))

    async def _run_plan(self, plan: AnyPlan) -> None:
        plan = msgspec.structs.replace(plan, first_case=self._next_case)
        self._next_case += plan.count
        self._plan, self._cut = plan, None
        self._describe(plan.implementations)
        self._emit(planned(plan))
        # One that died at rest is no fault of the case that comes next.
        is_dead = self._worker is not None and self._worker.has_ended
        if is_dead or plan.memory_limit_bytes != self._limit_bytes:
            await self._end_worker()
            self._limit_bytes = plan.memory_limit_bytes
        if plan.takes.ceilings:
            await self._measure_ceilings(plan)
        for work in works_of(plan):
            await self._until_resumed()
            if self._is_cut("plan"):
                break
            await self._measure(work, plan.timeout_s)
            if self._is_cut("shape"):
                self._cut = None
        self._end_plan("interrupted" if self._is_cut("plan") else "completed")

    def _describe(self, names: Iterable[str]) -> None:
        """Tell of the implementations that nobody lists: variants, and functions of a person's own."""
        new = [name for name in names if name not in self._described]
        self._described.update(new)
        if entries := catalog.named(new, self._device.info):
            self._emit(Catalog(implementations=entries))

    def _end_plan(self, ending: Ending, reason: str = "") -> None:
        self._plan, self._cut = None, None
        self._told_of_s = round(time.monotonic() - self._began_s + LAG_S, 3)
        self._emit(PlanEnded(ending=ending, reason=reason))

    def _is_cut(self, what: Cut) -> bool:
        return self._cut == what

    async def _until_resumed(self) -> None:
        while self._paused and not self._is_cut("plan"):
            self._told.clear()
            await self._told.wait()

    async def _measure_ceilings(self, plan: AnyPlan) -> None:
        """What the device does at best, once a session and dtype; a run goes on without it."""
        unknown = tuple(dtype for dtype in dtypes_of(plan) if dtype not in self._known_ceilings)
        if not unknown:
            return
        self._known_ceilings.update(unknown)
        worker = self._worker or await self._start_worker()
        worker.send(MeasureCeilings(dtypes=unknown))
        message: WorkerMessage | None = None
        while not isinstance(message, Ceilings):
            try:
                message = await worker.receive(plan.timeout_s)
            except TimeoutError:
                why = f"the worker gave no sign of life for {plan.timeout_s:g} s (--timeout)"
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
        if worker is self._given_up:  # cut short, not failed: the next plan asks again
            self._known_ceilings.difference_update(unknown)
            return
        self._emit(Log(level="warning", message=f"the ceilings were not measured: {why}"))

    async def _measure(self, work: Work, timeout_s: float) -> None:
        self._work = work
        for case in work.waiting:
            if reason := work.why_not(case, self._device.info):
                self._emit(work.failure(case, "unsupported", reason))
        # Every turn settles a case: the one that the worker was lost at, or one that it answered before.
        while work.waiting and self._cut is None:
            worker = self._worker or await self._start_worker()
            await self._drive(worker, work, timeout_s)
        self._work = None

    async def _drive(self, worker: WorkerProcess, work: Work, timeout_s: float) -> None:
        """Have `worker` measure what waits, until it is done or lost."""
        at = work.waiting[0]
        worker.send(work.request())
        while True:
            try:
                message = await worker.receive(timeout_s)
            except TimeoutError:
                await self._end_worker(by_force=True)
                why = f"gave no sign of life for {timeout_s:g} s (--timeout) and was ended"
                self._lose(work, at, "timeout", why)
                return
            match message:
                case None:
                    cause = await worker.cause_of_death()
                    await self._end_worker()
                    if worker is not self._given_up:  # it would have been that case's fault
                        self._lose(work, at, "crashed", cause)
                    return
                case ShapeDone() if self._cut is not None:
                    return
                case ShapeDone():
                    for case in work.waiting:
                        self._emit(work.failure(case, "error", "the worker gave no answer"))
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
            self._worker_command, self._device.name, self._limit_bytes, _writable(self._log)
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
        described = environment.describe(
            self._device.name,
            _gpu(self._device.gpu, ready),
            cuda=ready.cuda if ready else None,
            cudnn=ready.cudnn if ready else None,
            ask_git=ready is not None,  # when the run is being ended, nothing may take long
        )
        self._emit(self._session.opening(self._command, described))
        entries = catalog.entries(self._device.info)
        self._described.update(entry.name for entry in entries)
        self._emit(Catalog(implementations=entries))
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

    def _give_up_on(self, worker: WorkerProcess, plan: AnyPlan) -> None:
        """End a worker that did not heed being cut short: it is in a call that takes long, or hangs."""
        if self._worker is worker and self._plan is plan and self._cut is not None:
            self._given_up = worker
            worker.end_now()

    def _emit_reading(self, event: Telemetry | Log) -> None:
        if self._sampler is None:  # ended while this one waited for its turn
            return
        self._emit(event)

    def _lose(self, work: Work, case: int, kind: FailureKind, why: str) -> None:
        """The worker was lost at this case: its failure, unless it had its results already."""
        if case in work.waiting:
            self._emit(work.failure(case, kind, why))
        else:  # what is taken after the rounds is no reason to doubt them
            self._emit(Log(level="warning", message=work.loss(case, why)))

    def _emit(self, event: Event) -> None:
        """Save, then tell. What a person waited for is on the disk before it is shown."""
        event = msgspec.structs.replace(event, at_s=round(time.monotonic() - self._began_s, 3))
        self._results += isinstance(event, RESULTS)
        self._failures += isinstance(event, FAILURES)
        if self._work is not None:
            self._work.note(event)
        # What is read while nothing is measured is for the person at the screen; a file would only grow.
        if not isinstance(event, Telemetry) or self._plan is not None or event.at_s <= self._told_of_s:
            self._session.append(event, durable=isinstance(event, (*RESULTS, *FAILURES, Finished)))
        self._listen(event)
        self._tell_of_saving()

    def _tell_of_saving(self) -> None:
        """Say, once each time, that the session is not being saved, or that it is again."""
        problem = self._session.problem
        if (problem is not None) == self._is_unsaved:
            return
        self._is_unsaved = problem is not None
        if problem is None:
            self._emit(Log(level="info", message=f"the session is being saved again, to {self.path}"))
        else:
            self._emit(Log(level="error", message=f"{problem}. {_KEPT_MEANWHILE}"))

    @property
    def _log(self) -> Path:
        return self._session.path.with_suffix(".log")


async def only(plan: AnyPlan) -> AsyncIterator[AnyPlan]:
    """One plan, and then no more."""
    yield plan


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


def _writable(log: Path) -> Path:
    """The log, or where there is no place for it any more, nowhere: that ends no run."""
    try:
        log.open("ab").close()
    except OSError:
        return Path(os.devnull)
    return log


def _remove_if_empty(log: Path) -> None:
    try:
        if log.stat().st_size == 0:
            log.unlink()
    except OSError:
        pass
