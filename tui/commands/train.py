"""`attnprof train`: train GPT-2 on each implementation, show each result as it lands, save the session."""

from __future__ import annotations

from typing import Any

import click

from profiler.training.model import MODEL_NAMES, MODES, OPTIMIZERS
from profiler.training.presets import TRAINING_PRESETS
from tui.options.completion import complete_implementations, complete_list, complete_presets
from tui.options.groups import SectionedCommand, section
from tui.options.run import SIZES, SIZES_ARE, machine_options, output_options

_SHORT_NAMES = [name.removeprefix("gpt2-") for name in MODEL_NAMES]

_what = section("What to train")
_model = section("Model")
_how = section("Training")
_pace = section("How long")


@click.command("train", cls=SectionedCommand, epilog=SIZES_ARE)
@_what(
    "--model",
    metavar="NAMES",
    shell_complete=complete_list(_SHORT_NAMES),
    help=f"GPT-2 {', '.join(_SHORT_NAMES)}, or LAYERSxHEADSxWIDTH of your own; a list too. "
    "Default: small, on the CPU 2x4x128.",
)
@_what("--context", metavar=SIZES, help="Tokens of a sequence. Default: 1024, on the CPU 128.")
@_what(
    "--impl",
    multiple=True,
    metavar="NAMES",
    shell_complete=complete_implementations,
    help="Attention by these, by name or alias; a comma list, or given again; FILE.py:FUNCTION is a function "
    "of your own. Default: those of pytorch, sdpa-flash and flash2 that run here.",
)
@_what(
    "--preset",
    metavar="NAME",
    shell_complete=complete_presets({name: preset.question for name, preset in TRAINING_PRESETS.items()}),
    help=f"A published study, row by row: {', '.join(TRAINING_PRESETS)}. --model and --context keep of its "
    "rows those that they name; --impl takes the place of its implementations.",
)
@_what("--baseline", metavar="NAME", help="What speedups refer to. Default: pytorch.")
@_what("--seed", type=int, default=0, metavar="N", help="For parameters, tokens and the order of rounds.")
@_model("--kv-heads", metavar=SIZES, help="Key/value heads, if fewer than heads (GQA, MQA).")
@_model("--vocab", metavar="SIZE", help="Tokens that there are (default 16384).")
@_model("--bias", is_flag=True, help="Linear layers and layer norms have a bias.")
@_model("--dropout", metavar="P", help="Of attention, both residual branches and the embedding (default 0).")
@_how(
    "--mode",
    metavar="MODES",
    shell_complete=complete_list(MODES),
    help=f"Of {', '.join(MODES)}: as it is; torch.compile; in one graph or not at all; with CUDA graphs. "
    "Default: eager.",
)
@_how(
    "--batch",
    metavar="auto|N",
    help="Sequences a step; auto finds the most that fit, for each implementation by itself. "
    "Default: auto, on the CPU 8.",
)
@_how(
    "--dtype",
    metavar="TYPES",
    help="Mixed precision in fp16 or bf16, or fp32. Default: fp16, on the CPU fp32.",
)
@_how(
    "--optimizer",
    metavar="NAMES",
    shell_complete=complete_list(OPTIMIZERS),
    help=f"Of {', '.join(OPTIMIZERS)} (the last needs bitsandbytes). Default: {OPTIMIZERS[0]}.",
)
@_pace("--steps", type=int, metavar="N", help="Steps in all (default 125) ...")
@_pace("--last", type=int, metavar="N", help="... of which the last N are measured (default 25), in rounds.")
@_pace(
    "--precision",
    metavar="SHARE",
    help="Fewer, if every median step is known to this sooner, such as 1% (default: all steps).",
)
@_pace(
    "--quick",
    is_flag=True,
    help="20 steps, the last 10 measured, and throughput and memory alone "
    "(no agreement, attention's share or GPU ceilings).",
)
@_pace(
    "--timeout",
    "timeout_s",
    type=float,
    default=900.0,
    metavar="S",
    help="A case that gives no sign of life for S seconds is ended (default 900).",
)
@machine_options
@output_options
@click.pass_context
def command(ctx: click.Context, /, device_name: str, **typed: Any) -> None:
    """Train GPT-2 on each implementation of attention: batch, tokens/s, speedup, what a step is made of.

    \b
    attnprof train --model small,medium --context 256..4k --mode eager,compile
    attnprof train --preset gpt2-compile --memory-limit 12GiB -o gpt2.md
    """
    from tui.headless.measuring import measure
    from tui.options.asked import AskedTraining
    from tui.options.training_planning import make_training_plan

    measure(ctx, device_name, typed, lambda asked, device: make_training_plan(AskedTraining(**asked), device))
