"""`attnprof run`: measure, show each result as it lands, save the session, write the export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from profiler.plans.presets import PRESETS
from tui.errors import Refusal
from tui.options.completion import complete_implementations, complete_presets
from tui.options.groups import SectionedCommand, section
from tui.options.run import SIZES, SIZES_ARE, machine_options, output_options
from tui.output import put

if TYPE_CHECKING:
    from profiler.machine.environment import Device

_what = section("What to measure")
_shape = section("Shapes")
_pace = section("How long")
_machine = section("Device")


@click.command(
    "run",
    cls=SectionedCommand,
    epilog=SIZES_ARE,
)
@_what(
    "--impl",
    multiple=True,
    metavar="NAMES",
    shell_complete=complete_implementations,
    help="Implementations, by name or alias; a comma list, or given again. NAME+compile is one under "
    "torch.compile, FILE.py:FUNCTION a function of your own. Default: all that run here.",
)
@_what(
    "--preset",
    metavar="NAME",
    shell_complete=complete_presets({name: preset.question for name, preset in PRESETS.items()}),
    help=f"A ready-made experiment: {', '.join(PRESETS)}.",
)
@_what("--pass", "passes", metavar="PASSES", help="Of fwd, bwd, fwd_bwd. Default: all there are.")
@_what("--baseline", metavar="NAME", help="What speedups refer to. Default: pytorch.")
@_what("--energy", is_flag=True, help="Also energy and power: over a second a pass.")
@_what("--kernels", is_flag=True, help="Also the GPU kernels of a call, with times.")
@_what("--seed", type=int, default=0, metavar="N", help="For inputs and for the order of rounds.")
@_shape("--batch", "--batch-size", "batch", metavar=SIZES, help="Batch size.")
@_shape("--seq", "--seq-len", "seq", metavar=SIZES, help="Sequence length.")
@_shape("--seq-q", metavar=SIZES, help="Queries, where they are not as many as the keys of --seq.")
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
@_shape("--heads", "--num-heads", "heads", metavar=SIZES, help="Query heads.")
@_shape("--kv-heads", metavar=SIZES, help="Key/value heads, if fewer (GQA, MQA).")
@_shape("--head-dim", metavar=SIZES, help="Size of one head.")
@_shape("--emb-dim", metavar=SIZES, help="Instead of --head-dim: heads x head dim.")
@_shape("--dtype", metavar="TYPES", help="fp16, bf16, fp32; a list too.")
@_shape(
    "--causal/--no-causal",
    "causal",
    multiple=True,
    help="Each query sees the keys up to its own place. Give both flags to measure both.",
)
@_shape(
    "--window",
    metavar=SIZES,
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
@machine_options
@_machine(
    "--lock-clocks",
    is_flag=True,
    help="Measure nothing: print how an administrator locks the GPU's clocks.",
)
@output_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    device_name: str,
    lock_clocks: bool,
    **typed: Any,
) -> None:
    """Measure implementations over one shape or a sweep, and save the session."""
    from tui.headless.measuring import measure
    from tui.options.asked import Asked
    from tui.options.planning import make_plan

    if lock_clocks:
        put(_lock_clocks(device_name))
    else:
        measure(ctx, device_name, typed, lambda asked, device: make_plan(Asked(**asked), device))


def _lock_clocks(device_name: str) -> str:
    """What an administrator types to lock the clocks of the device, for the terminal.

    Raises:
        Refusal: it has none that could be locked.
    """
    from profiler.machine.environment import DeviceError, resolve_device

    try:
        return _lock_commands(resolve_device(device_name))
    except DeviceError as error:
        raise Refusal(str(error)) from None


def _lock_commands(device: Device) -> str:
    from profiler.machine import clock_lock
    from profiler.machine.environment import DeviceError
    from profiler.machine.nvml import Nvml, NvmlError

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
