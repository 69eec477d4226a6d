"""`attnprof run`: measure, show each result as it lands, save the session, write the export."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from profiler.presets import PRESETS
from tui.errors import Refusal
from tui.option_groups import SectionedCommand, section
from tui.output import complain, put

if TYPE_CHECKING:
    from collections.abc import Iterable

    from profiler.environment import Device
    from profiler.events import Event, Finished
    from profiler.recording import Recording
    from tui.progress import Progress

_SIZES = "SIZES"
EXIT_FAILED = 1
_SIGNALLED = 128


def _complete_implementations(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names and Python files, of a list the last; once a name is typed with its plus, its variants."""
    import impls
    from impls.compiled import MODES

    before, comma, last = incomplete.rpartition(",")
    names = {item.name: item.summary for item in impls.catalog()}
    base = next((item for item in impls.catalog() if item.name == last.rpartition("+")[0]), None)
    if base is not None:
        names = {f"{base.name}+{variant}": base.summary for variant in (*base.variants, *MODES)}
    names |= dict.fromkeys(_python_files(last) if last else (), "a file of your own")
    return [
        CompletionItem(f"{before}{comma}{name}", help=summary)
        for name, summary in names.items()
        if name.startswith(last)
    ]


def _python_files(beginning: str) -> list[str]:
    """Those whose path, as it is typed, begins so."""
    folder, slash, start = beginning.rpartition("/")
    found = (file.name for file in Path(f"{folder}{slash}").glob("*.py") if file.name.startswith(start))
    return sorted(f"{folder}{slash}{name}" for name in found)


def _complete_presets(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return [
        CompletionItem(name, help=preset.question)
        for name, preset in PRESETS.items()
        if name.startswith(incomplete)
    ]


_what = section("What to measure")
_shape = section("Shapes")
_pace = section("How long")
_machine = section("Device")
_output = section("Output")


@click.command(
    "run",
    cls=SectionedCommand,
    epilog="SIZES is one size, a list or a doubling range: 512, 256,512,1k, 1k..16k (k is 1024). "
    "Lists multiply into a sweep.",
)
@_what(
    "--impl",
    multiple=True,
    metavar="NAMES",
    shell_complete=_complete_implementations,
    help="Implementations, by name or alias; a comma list, or given again. NAME+compile is one under "
    "torch.compile, FILE.py:FUNCTION a function of your own. Default: all that run here.",
)
@_what(
    "--preset",
    metavar="NAME",
    shell_complete=_complete_presets,
    help=f"A ready-made experiment: {', '.join(PRESETS)}.",
)
@_what("--pass", "passes", metavar="PASSES", help="Of fwd, bwd, fwd_bwd. Default: all there are.")
@_what("--baseline", metavar="NAME", help="What speedups refer to. Default: pytorch.")
@_what("--energy", is_flag=True, help="Also energy and power: over a second a pass.")
@_what("--kernels", is_flag=True, help="Also the GPU kernels of a call, with times.")
@_what("--seed", type=int, default=0, metavar="N", help="For inputs and for the order of rounds.")
@_shape("--batch", "--batch-size", "batch", metavar=_SIZES, help="Batch size.")
@_shape("--seq", "--seq-len", "seq", metavar=_SIZES, help="Sequence length.")
@_shape("--seq-q", metavar=_SIZES, help="Queries, where they are not as many as the keys of --seq.")
@_shape(
    "--seq-dist",
    metavar="LENGTHS",
    help="Sequences of unlike lengths instead: uniform:128..4096 draws them by --seed, "
    "list:512,1024,77 has one each.",
)
@_shape(
    "--decode",
    is_flag=True,
    help="The keys and values are a cache that is only read: forward alone, --seq-q 1 unless given.",
)
@_shape("--heads", "--num-heads", "heads", metavar=_SIZES, help="Query heads.")
@_shape("--kv-heads", metavar=_SIZES, help="Key/value heads, if fewer (GQA, MQA).")
@_shape("--head-dim", metavar=_SIZES, help="Size of one head.")
@_shape("--emb-dim", metavar=_SIZES, help="Instead of --head-dim: heads x head dim.")
@_shape("--dtype", metavar="TYPES", help="fp16, bf16, fp32; a list too.")
@_shape(
    "--causal/--no-causal",
    "causal",
    multiple=True,
    help="Each query sees the keys up to its own place. Give both flags to measure both.",
)
@_shape(
    "--window",
    metavar=_SIZES,
    help="Keys up to that many places back are seen (and ahead, unless causal), or none for all.",
)
@_shape("--dropout", metavar="P", help="Probability that a weight is dropped (default 0).")
@_shape("--softcap", metavar="C", help="Scores are bounded as C x tanh(score / C).")
@_pace("--precision", metavar="SHARE", help="Until every median is known to this (default 1%) ...")
@_pace(
    "--budget",
    "budget_s",
    type=float,
    metavar="S",
    help="... or S seconds a shape are spent (default 10), cooldowns apart.",
)
@_pace("--repeats", type=int, metavar="N", help="Or exactly N rounds a shape, a sample each.")
@_pace(
    "--quick",
    is_flag=True,
    help="About a second a shape: 3% or 1 s, and times and memory alone "
    "(no accuracy, CUDA graphs or GPU ceilings).",
)
@_pace(
    "--cooldown",
    "cooldown_s",
    type=float,
    default=0.0,
    metavar="S",
    help="Rest S seconds before each round (default 0).",
)
@_pace(
    "--timeout",
    "timeout_s",
    type=float,
    default=120.0,
    metavar="S",
    help="A case that gives no sign of life for S seconds is ended (default 120).",
)
@_machine("--device", "device_name", default="auto", metavar="NAME", help="auto, cpu, cuda or cuda:N.")
@_machine(
    "--memory-limit",
    metavar="SIZE",
    help="Run out of memory where a device of SIZE would: 12GiB, 512MiB, ...",
)
@_machine(
    "--lock-clocks",
    is_flag=True,
    help="Measure nothing: print how an administrator locks the GPU's clocks.",
)
@_output(
    "--resume",
    metavar="SESSION",
    help="Go on with an interrupted session: what it lacks, as it was asked for then.",
)
@_output("--label", metavar="TEXT", help="Becomes part of the session's name.")
@_output("--sessions", metavar="DIR", help="Where to save sessions. Default: ./sessions.")
@_output("--output", "-o", metavar="FILE", help="Also export there when done; - is stdout.")
@_output("--format", "format_name", metavar="FORMAT", help="md, csv or json. Default: by FILE's suffix.")
@_output("--quiet", "-q", is_flag=True, help="Print nothing but the session's path.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    device_name: str,
    lock_clocks: bool,
    output: str | None,
    format_name: str | None,
    sessions: str | None,
    quiet: bool,
    resume: str | None,
    **asked: Any,
) -> None:
    """Measure implementations over one shape or a sweep, and save the session."""
    from impls import UnknownImplementation
    from profiler import export, session
    from profiler.engine import Engine
    from profiler.environment import DeviceError, resolve_device
    from profiler.events import Finished
    from profiler.plan import PlanError
    from profiler.session_run import Session
    from tui import running
    from tui.asked import Asked
    from tui.planning import make_plan
    from tui.progress import progress_for

    try:
        device = resolve_device(device_name)
        if lock_clocks:
            put(_lock_clocks(device))
            return
        _check_output(output, format_name)
        format_ = export.format_of(output, format_name) if output else None
        folder = session.sessions_folder(sessions)
        session.check_writable(folder)
        before: list[Event] = []
        if resume is None:
            plan = make_plan(Asked(**asked), device)
            writing = Session.create(folder, device, plan.label)
        else:
            _check_alone(ctx, asked)
            path = session.find_session(resume, folder)
            writing, before, plan = Session.resume(path, device)
    except (PlanError, UnknownImplementation, DeviceError, session.SessionError, ValueError) as error:
        raise Refusal(str(error)) from None

    progress = progress_for(plan, device, quiet=quiet or output == "-")
    for event in before:
        progress.recording.add(event)
    engine = Engine(
        device,
        writing,
        command=_typed(),
        listen=progress.hear,
        memory_limit_bytes=plan.memory_limit_bytes,
    )
    progress.begin()
    try:
        finished, status = running.run(engine, plan, progress)
    except session.SessionError as error:
        finished, status = Finished(ending="failed", reason=str(error)), EXIT_FAILED
    progress.end()
    if output and format_ and not _write(output, export.export(progress.recording, format_)):
        output, status = None, status or EXIT_FAILED
    _report(finished, engine.path, output, progress, quiet=quiet)
    progress.leave(patient=status < _SIGNALLED)
    sys.exit(status or _verdict(progress.recording))


def _check_alone(ctx: click.Context, asked: Iterable[str]) -> None:
    """Refuse options that would change what the session was asked for."""
    typed = [name for name in asked if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    if typed:
        option = "pass" if typed[0] == "passes" else typed[0].removesuffix("_s").replace("_", "-")
        raise ValueError(
            f"--resume goes on as the session was asked for: drop --{option}, or start a run of its own"
        )


def _lock_clocks(device: Device) -> str:
    """What an administrator types to lock the clocks of the device, for the terminal.

    Raises:
        DeviceError: it has none that could be locked.
    """
    from profiler import clock_lock
    from profiler.environment import DeviceError
    from profiler.nvml import Nvml, NvmlError

    if device.gpu is None:
        why = f" ({device.note})" if device.note else ""
        raise DeviceError(f"--lock-clocks is about a GPU's clocks, and this run would be on the CPU{why}")
    try:
        nvml = Nvml.open()
    except NvmlError as error:
        raise DeviceError(f"--lock-clocks needs NVML to know the GPU's clocks: {error}") from None
    try:
        found = nvml.find(device.gpu.uuid or "")
        if found is None:
            raise DeviceError(f"NVML does not know which of its GPUs {device.name} is: see nvidia-smi -L")
        return clock_lock.commands(found)
    finally:
        nvml.close()


def _typed() -> str:
    """The command line without the path that the program happens to have."""
    return shlex.join(["attnprof", *sys.argv[1:]])


def _check_output(output: str | None, format_name: str | None) -> None:
    """Refuse before anything is measured what could not be written afterwards."""
    if output is None and format_name is not None:
        raise ValueError("--format says how to write --output: add --output FILE, or --output - for stdout")
    if output == "":
        raise ValueError("--output is empty: give a file's name, or - for stdout")
    if output and output != "-":
        path = Path(output)
        if path.is_dir():
            raise ValueError(f"--output {output} is a folder; give a file's name")
        if not path.absolute().parent.is_dir():
            raise ValueError(f"--output {output} cannot be written: its folder does not exist")


def _write(output: str, text: str) -> bool:
    """Whether it could be written; if not, why not is said."""
    if output == "-":
        written = put(text)
        if not written:
            complain("Error: the export could not be written to stdout; the session is saved")
        return written
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        complain(f"Error: {output} could not be written: {error.strerror}; the session is saved")
        return False
    return True


def _report(finished: Finished, path: Path, output: str | None, progress: Progress, *, quiet: bool) -> None:
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    if finished.ending != "completed":
        complain(f"{finished.ending}: {finished.reason}")
    if output == "-":  # with the export on stdout, what is said about it must not be mixed in
        complain(str(shown) if quiet else f"saved {shown}")
        return
    if quiet:
        progress.say(str(shown))
        return
    if output:
        progress.say(f"wrote {output}")
    progress.say(f"saved {shown}")


def _verdict(recording: Recording) -> int:
    """0 if everything that can run here did and is right; running out of memory is an answer too."""
    from profiler.rows import rows

    statuses = {row.status for row in rows(recording)}
    if statuses & {"error", "crashed", "timeout", "wrong", "nan"}:
        return EXIT_FAILED
    return 0 if statuses & {"ok", "oom"} else EXIT_FAILED
