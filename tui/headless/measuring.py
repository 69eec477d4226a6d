"""A run from its plan to its exit status, for every command that measures: engine, display, export."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click
from click.core import ParameterSource

from profiler.units import plain_text
from tui.errors import Refusal
from tui.output import complain, put

if TYPE_CHECKING:
    from profiler.engine.session_run import Session
    from profiler.engine.work import AnyPlan
    from profiler.events import Event, Finished
    from profiler.export import Format
    from profiler.machine.environment import Device
    from profiler.session.recording import Recording
    from tui.headless.progress import Progress

EXIT_FAILED = 1
_SIGNALLED = 128
_BAD = {"error", "crashed", "timeout", "wrong", "nan", "diverged"}


@dataclass(frozen=True, kw_only=True)
class Saving:
    """Where a run leaves what it measured, as it was typed."""

    sessions: str | None
    output: str | None
    format_name: str | None
    quiet: bool
    resume: str | None

    def format(self) -> Format | None:
        """How the export is written; None where there is none.

        Raises:
            ValueError: it could not be written afterwards, so nothing is measured.
        """
        from profiler import export

        output = self.output
        if output is None and self.format_name is not None:
            raise ValueError(
                "--format says how to write --output: add --output FILE, or --output - for stdout"
            )
        if output == "":
            raise ValueError("--output is empty: give a file's name, or - for stdout")
        if output and output != "-":
            path = Path(output)
            if path.is_dir():
                raise ValueError(f"--output {output} is a folder; give a file's name")
            if not path.absolute().parent.is_dir():
                raise ValueError(f"--output {output} cannot be written: its folder does not exist")
        return export.format_of(output, self.format_name) if output else None


def measure(
    ctx: click.Context,
    device_name: str,
    typed: Mapping[str, Any],
    make_plan: Callable[[Mapping[str, Any], Device], AnyPlan],
) -> NoReturn:
    """Measure the plan that `make_plan` makes for the device, or what the session to resume lacks, and exit.

    `typed` are the options by their names in `ctx`: those of Saving, and all others that the plan is made of.

    Raises:
        Refusal: what was asked for cannot be done.
    """
    from impls import UnknownImplementation
    from profiler.engine.session_run import Session
    from profiler.machine.environment import DeviceError, resolve_device
    from profiler.plans.plan import PlanError
    from profiler.session import file as session

    saving = Saving(**{name: typed[name] for name in Saving.__dataclass_fields__})
    asked = {name: value for name, value in typed.items() if name not in Saving.__dataclass_fields__}
    try:
        device = resolve_device(device_name)
        format_ = saving.format()
        folder = session.sessions_folder(saving.sessions)
        session.check_writable(folder)
        before: list[Event] = []
        plan: AnyPlan
        if saving.resume is None:
            plan = make_plan(asked, device)
            writing = Session.create(folder, device, plan.label)
        else:
            _check_alone(ctx, asked)
            writing, before, plan = Session.resume(session.find_session(saving.resume, folder), device)
    except (PlanError, UnknownImplementation, DeviceError, session.SessionError, ValueError) as error:
        raise Refusal(str(error)) from None
    _measure(ctx.info_name or "", plan, device, writing, before, saving, format_)


def _measure(
    command: str,
    plan: AnyPlan,
    device: Device,
    writing: Session,
    before: list[Event],
    saving: Saving,
    format_: Format | None,
) -> NoReturn:
    """What comes once nothing can be refused any more."""
    from profiler.engine.engine import Engine
    from profiler.events import Finished
    from profiler.session import file as session
    from tui.headless import running

    output = saving.output
    progress = _progress(plan, device, quiet=saving.quiet or output == "-")
    progress.go_on_from(before)
    engine = Engine(
        device,
        writing,
        command=shlex.join(["attnprof", *sys.argv[1:]]),  # without the path that the program happens to have
        listen=progress.hear,
        memory_limit_bytes=plan.memory_limit_bytes,
    )
    progress.begin()
    meant = engine.path
    try:
        finished, status = running.run(engine, plan, progress)
    except session.SessionError as error:
        finished, status = Finished(ending="failed", reason=str(error)), EXIT_FAILED
    progress.end()
    if engine.path != meant:
        complain(f"the session could not be saved as {meant}: it is in {engine.path.absolute()}")
    if output and format_:
        output = _write(output, format_, progress.recording)
        status = status if output else status or EXIT_FAILED
    _report(finished, command, engine.path, output, progress, quiet=saving.quiet)
    progress.leave(patient=status < _SIGNALLED)
    sys.exit(status or _verdict(progress.recording))


def _progress(plan: AnyPlan, device: Device, *, quiet: bool) -> Progress:
    """What shows a run of that kind."""
    from profiler.training.plan import TrainingPlan
    from tui.headless.progress import progress_for
    from tui.headless.training_progress import training_progress_for

    if isinstance(plan, TrainingPlan):
        return training_progress_for(plan, device, quiet=quiet)
    return progress_for(plan, device, quiet=quiet)


def _check_alone(ctx: click.Context, asked: Collection[str]) -> None:
    """Refuse options that would change what the session was asked for."""
    for parameter in ctx.command.params:
        name = parameter.name or ""
        if name in asked and ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            raise ValueError(
                f"--resume goes on as the session was asked for: drop {parameter.opts[0]}, "
                "or start a run of its own"
            )


def _write(output: str, format_: Format, recording: Recording) -> str | None:
    """Write the export and its charts: what was written; None where it could not be, and why was said."""
    from profiler.export import report_for, usual_charts
    from tui.commands.export import written

    if output == "-":
        if not put(report_for(recording, format_, Path(), usual_charts(format_)).text):
            complain("Error: the export could not be written to stdout; the session is saved")
            return None
        return output
    path = Path(output)
    report = report_for(recording, format_, path, usual_charts(format_, path))
    try:
        report.write(path)
    except OSError as error:
        where = plain_text(str(error.filename or output))
        complain(f"Error: {where} could not be written: {error.strerror}; the session is saved")
        return None
    return written(report, path)


def _report(
    finished: Finished, command: str, path: Path, output: str | None, progress: Progress, *, quiet: bool
) -> None:
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    if finished.ending != "completed":
        complain(f"{finished.ending}: {finished.reason}")
        if finished.ending == "interrupted":
            complain(f"go on with it: attnprof {command} --resume {shown}")
    if output == "-":  # with the export on stdout, what is said about it must not be mixed in
        complain(str(shown) if quiet else f"saved {shown}")
        return
    if quiet:
        progress.say(str(shown))
        return
    if line := _advice(progress.recording):
        progress.say(line)
    if output:
        progress.say(f"wrote {output}")
    progress.say(f"saved {shown}")


def _advice(recording: Recording) -> str:
    """What to take, in a line; "" where there was nothing to choose from."""
    from profiler.advice import all_courses
    from tui.tables.best import closing_line

    return closing_line(all_courses(recording))


def _verdict(recording: Recording) -> int:
    """0 if everything that can run here did and is right; running out of memory is an answer too."""
    from profiler.results.rows import rows
    from profiler.training.rows import training_rows

    statuses: set[str] = {row.status for row in rows(recording)}
    statuses |= {row.status for row in training_rows(recording)}
    if statuses & _BAD:
        return EXIT_FAILED
    return 0 if statuses & {"ok", "oom"} else EXIT_FAILED
