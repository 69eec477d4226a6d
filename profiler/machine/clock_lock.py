"""What an administrator types to lock a GPU's clock, and to undo it. attnprof itself changes no setting."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from profiler.machine.nvml import NvmlDevice

# A rule of thumb: an H100 of 1980 MHz held 1110 to 1455 MHz (0.56 to 0.73 of it) at its power limit.
_HELD_SHARE = 0.7
_PLACEHOLDER = "MHZ"


def commands(device: NvmlDevice) -> str:
    """Plain text for a terminal: both commands, which clock is chosen and why.

    Where NVML does not tell the clocks, MHZ stands in the command for a person to fill in.
    """
    clocks = device.sm_clocks_mhz()
    which = device.uuid or str(device.index)
    mhz = str(choose(clocks)) if clocks else _PLACEHOLDER
    parts = [_text("attnprof changes no settings of a GPU: an administrator does.")]
    if device.settings().persistence is False:
        parts += [
            _text(
                "Persistence mode is off: a lock would be lost whenever no program uses the GPU. First type:"
            ),
            _command(which, "--persistence-mode=1"),
        ]
    parts += [
        _text(f"To lock the SM clock of {_name(device)}:"),
        _command(which, f"--lock-gpu-clocks={mhz},{mhz}"),
        _text("To undo it:"),
        _command(which, "--reset-gpu-clocks"),
        _text(_why(clocks)),
        _text(
            "A session's own clocks tell better than this: run your shapes, look at the SM clock in "
            "`attnprof show`, and take a clock a little below the lowest that is seen there. If the clock "
            "still falls once it is locked, lock a lower one."
        ),
    ]
    return "\n\n".join(parts) + "\n"


def choose(clocks: Sequence[int]) -> int:
    """Of the clocks that can be locked (not empty), in MHz: the highest up to 0.7 of the highest."""
    most = _HELD_SHARE * max(clocks)
    return max((clock for clock in clocks if clock <= most), default=min(clocks))


def _why(clocks: Sequence[int]) -> str:
    rule = (
        f"{_HELD_SHARE:g} is a rule of thumb: an H100 with a highest clock of 1980 MHz came down to 1110 to "
        "1455 MHz in long matmuls, for its power limit."
    )
    if not clocks:
        return (
            "NVML does not tell which clocks this GPU can be locked at. Put a number in place of both "
            f"{_PLACEHOLDER}, such as {_HELD_SHARE:g} times the highest clock of this GPU in MHz. {rule}"
        )
    return (
        f"{choose(clocks)} MHz is the nearest clock up to {_HELD_SHARE:g} times this GPU's highest, "
        f"{max(clocks)} MHz. A lock holds only as far as the power limit allows. {rule}"
    )


def _name(device: NvmlDevice) -> str:
    return f"GPU {device.index} ({device.gpu().name})"


def _command(which: str, option: str) -> str:
    return f"    sudo nvidia-smi -i {which} {option}"


def _text(sentences: str) -> str:
    return textwrap.fill(sentences, width=80, break_long_words=False, break_on_hyphens=False)
