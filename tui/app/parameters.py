"""The parameters of a shape as a person turns them: how each is shown, stepped through and typed.

A step leads to the next valid value in its direction, or says why there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from impls.contract import DeviceInfo
from profiler import grid
from profiler.plan import PlanError
from profiler.units import yes_no
from profiler.workload import BYTES_PER_ELEMENT, PASSES, Pass
from tui.app import ladder
from tui.app.choice import Choice
from tui.app.head_counts import step_heads, step_kv_heads, with_heads, with_kv_heads
from tui.planning import parse_passes

_LEAST_WINDOW_STEP = 64
_SWITCH_WORDS = {
    **dict.fromkeys(("yes", "y", "on", "true", "causal"), True),
    **dict.fromkeys(("no", "n", "off", "false", "not causal"), False),
}
_PASS_SETS: tuple[tuple[Pass, ...], ...] = (PASSES, ("fwd",), ("bwd",), ("fwd_bwd",), ("fwd", "bwd"))


@dataclass(frozen=True)
class Step:
    """`direction` is +1 or -1; a `fine` one is small; a `device`, if known, rules some values out."""

    direction: int
    fine: bool = False
    device: DeviceInfo | None = None


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter: its names, and the functions behind `text`, `step` and `parse`.

    `follows` tells whether its value merely follows from other parameters'; a `switch` has two values,
    and is flipped rather than typed.
    """

    id: str
    label: str
    help: str
    show: Callable[[Choice], str]
    move: Callable[[Choice, Step], Choice]
    read: Callable[[Choice, str, DeviceInfo | None], Choice]
    follows: Callable[[Choice], bool] = lambda choice: False
    switch: bool = False

    def text(self, choice: Choice) -> str:
        """Its value, such as "2048"; in brackets where it follows from others'."""
        return f"({self.show(choice)})" if self.follows(choice) else self.show(choice)

    def step(
        self, choice: Choice, direction: int, fine: bool = False, device: DeviceInfo | None = None
    ) -> Choice:
        """The next valid value up (+1) or down (-1): twice or half of it, or a little more or less.

        Raises:
            PlanError: there is none; the message says why.
        """
        return self.move(choice, Step(direction, fine, device))

    def parse(self, choice: Choice, text: str, device: DeviceInfo | None = None) -> Choice:
        """The choice with this parameter as it was typed.

        Raises:
            PlanError: that cannot be; the message is a sentence that says what can.
        """
        return self.read(choice, text.strip(" ()").lower(), device)


def side_effect(before: Choice, after: Choice) -> str:
    """What changed beside the parameter that was turned, in a clause; "" if nothing did."""
    if before.heads != after.heads and before.kv_heads != after.kv_heads:
        return f"kv heads went along to {after.kv_heads}"
    return ""


def _read_size(text: str, label: str, least: int = 1, or_else: str = "") -> int:
    return grid.parse_size(text, label, least, takes=f"a size such as 512 or 4k{or_else}")


def _next_size(size: int, step: Step, label: str, unit: Callable[[int], int]) -> int:
    following = (
        ladder.multiple(size, step.direction, unit) if step.fine else ladder.power(size, step.direction)
    )
    if following < 1:
        raise PlanError(f"{label} is {size}, the least there is")
    return following


def _size(
    label: str,
    explained: str,
    unit: Callable[[int], int],
    get: Callable[[Choice], int],
    put: Callable[[Choice, int], Choice],
    follows: Callable[[Choice], bool] = lambda choice: False,
) -> Parameter:
    """A size that may be any whole number from 1 on; its fine steps are `unit` wide."""
    return Parameter(
        id=label.replace(" ", "_"),
        label=label,
        help=explained,
        show=lambda choice: str(get(choice)),
        move=lambda choice, step: put(choice, _next_size(get(choice), step, label, unit)),
        read=lambda choice, text, device: put(choice, _read_size(text, label)),
        follows=follows,
    )


def _read_kv_heads(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    if text in ("heads", "as heads", "none"):
        return replace(choice, kv_heads=None)
    return with_kv_heads(choice, _read_size(text, "kv heads", or_else=", or heads for as many"))


def _move_emb_dim(choice: Choice, step: Step) -> Choice:
    """By way of the head dim, so that the heads always share it evenly."""
    return replace(
        choice,
        head_dim=_next_size(choice.head_dim, step, "head dim", ladder.by_eights),
        keeps="emb_dim",
    )


def _read_emb_dim(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    emb_dim = _read_size(text, "emb dim")
    head_dim, rest = divmod(emb_dim, choice.heads)
    if rest or not head_dim:
        near = [size * choice.heads for size in (head_dim, head_dim + 1) if size]
        possible = f"{' or '.join(map(str, near))} {'is' if len(near) == 1 else 'are'} possible"
        raise PlanError(f"emb dim must be a multiple of heads ({choice.heads}): {possible}, not {emb_dim}")
    return replace(choice, head_dim=head_dim, keeps="emb_dim")


def _move_dtype(choice: Choice, step: Step) -> Choice:
    dtypes = [name for name in BYTES_PER_ELEMENT if step.device is None or not step.device.lacks(name)]
    place = dtypes.index(choice.dtype) if choice.dtype in dtypes else 0
    return replace(choice, dtype=dtypes[(place + step.direction) % len(dtypes)])


def _read_dtype(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    dtype, *more = grid.parse_dtypes(text)
    if more:
        raise PlanError("dtype takes one of fp16, bf16 and fp32 here; the sweep takes several")
    if device and (lacks := device.lacks(dtype)):
        raise PlanError(lacks)
    return replace(choice, dtype=dtype)


def _read_causal(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    if text not in _SWITCH_WORDS:
        raise PlanError(f"causal takes yes or no, not '{text}'")
    return replace(choice, causal=_SWITCH_WORDS[text])


def _move_window(choice: Choice, step: Step) -> Choice:
    if choice.window is None and step.direction < 0:
        raise PlanError("the window is off already: every key is seen")
    window = choice.window or 0
    if step.fine:
        following = ladder.multiple(window, step.direction, ladder.by_tiles) if window else 0
    else:
        following = ladder.power(window, step.direction)
    least = 1 if step.fine and window else _LEAST_WINDOW_STEP
    if step.direction < 0:
        return replace(choice, window=following if following >= least else None)
    following = max(following, least)
    if following >= choice.seq:
        raise PlanError(f"a window of {following} would see all of seq {choice.seq}, as it does when off")
    return replace(choice, window=following)


def _read_window(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    if text in ("off", "none", "no"):
        return replace(choice, window=None)
    return replace(choice, window=_read_size(text, "window", least=0, or_else=", or off"))


def _move_passes(choice: Choice, step: Step) -> Choice:
    place = _PASS_SETS.index(choice.passes) if choice.passes in _PASS_SETS else 0
    return replace(choice, passes=_PASS_SETS[(place + step.direction) % len(_PASS_SETS)])


def _read_passes(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    return replace(choice, passes=PASSES if text == "all" else parse_passes(text))


PARAMETERS: tuple[Parameter, ...] = (
    _size(
        "batch",
        "sequences at once",
        ladder.by_ones,
        lambda choice: choice.batch,
        lambda choice, size: replace(choice, batch=size),
    ),
    _size(
        "seq",
        "length of the queries and of the keys",
        ladder.by_tiles,
        lambda choice: choice.seq,
        lambda choice, size: replace(choice, seq=size),
    ),
    Parameter(
        id="heads",
        label="heads",
        help="query heads; as they change, the dim that is not in brackets stays",
        show=lambda choice: str(choice.heads),
        move=lambda choice, step: step_heads(choice, step.direction, step.fine),
        read=lambda choice, text, device: with_heads(choice, _read_size(text, "heads")),
    ),
    Parameter(
        id="kv_heads",
        label="kv heads",
        help="key/value heads; fewer than heads is grouped-query attention",
        show=lambda choice: str(choice.kv_heads or choice.heads),
        move=lambda choice, step: step_kv_heads(choice, step.direction, step.fine),
        read=_read_kv_heads,
        follows=lambda choice: choice.kv_heads is None,
    ),
    _size(
        "head dim",
        "size of one head; setting it keeps it as heads change",
        ladder.by_eights,
        lambda choice: choice.head_dim,
        lambda choice, size: replace(choice, head_dim=size, keeps="head_dim"),
        follows=lambda choice: choice.keeps != "head_dim",
    ),
    Parameter(
        id="emb_dim",
        label="emb dim",
        help="heads x head dim; setting it keeps it as heads change",
        show=lambda choice: str(choice.emb_dim),
        move=_move_emb_dim,
        read=_read_emb_dim,
        follows=lambda choice: choice.keeps != "emb_dim",
    ),
    Parameter(
        id="dtype",
        label="dtype",
        help="of queries, keys and values",
        show=lambda choice: choice.dtype,
        move=_move_dtype,
        read=_read_dtype,
    ),
    Parameter(
        id="causal",
        label="causal",
        help="each query sees the keys up to its own place",
        show=lambda choice: yes_no(choice.causal),
        move=lambda choice, step: replace(choice, causal=not choice.causal),
        read=_read_causal,
        switch=True,
    ),
    Parameter(
        id="window",
        label="window",
        help="keys that many places back are seen (and ahead, unless causal), or all",
        show=lambda choice: "off" if choice.window is None else str(choice.window),
        move=_move_window,
        read=_read_window,
    ),
    Parameter(
        id="passes",
        label="passes",
        help="what is measured: fwd, bwd, fwd_bwd, or all three",
        show=lambda choice: "all" if choice.passes == PASSES else ", ".join(choice.passes),
        move=_move_passes,
        read=_read_passes,
    ),
)
"""In the order of the list."""
