"""The parameters of a shape as a person turns them: how each is shown, stepped through and typed.

A step leads to the next valid value in its direction, or says why there is none.
"""

from __future__ import annotations

from dataclasses import replace

from impls.contract import DeviceInfo
from profiler.plans import grid
from profiler.plans.plan import PlanError
from profiler.workload import BYTES_PER_ELEMENT, PASSES, Pass
from tui.app import ladder
from tui.app.choice import Choice
from tui.app.further_parameters import FURTHER
from tui.app.head_counts import step_heads, step_kv_heads, with_heads, with_kv_heads
from tui.app.parameter import Parameter, Step, next_size, read_size, size, switch
from tui.options.planning import parse_passes

_LEAST_WINDOW_STEP = 64
_FORWARD_ALONE = "decoding only reads its cache: there is a forward pass alone"
_PASS_SETS: tuple[tuple[Pass, ...], ...] = (PASSES, ("fwd",), ("bwd",), ("fwd_bwd",), ("fwd", "bwd"))


def side_effect(before: Choice, after: Choice) -> str:
    """What changed beside the parameter that was turned, in clauses; "" if nothing did."""
    clauses = []
    if before.heads != after.heads and before.kv_heads != after.kv_heads:
        clauses.append(f"kv heads went along to {after.kv_heads}")
    if before.decode != after.decode:
        clauses.append(f"seq q went along to {after.queries}")
        if before.dropout != after.dropout:
            clauses.append("dropout is off: decoding has none")
    if before.lengths is not None and after.lengths is None:
        clauses.append(f"the sequences are all {after.seq} long now")
    return "; ".join(clauses)


def _read_kv_heads(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    if text in ("heads", "as heads", "none"):
        return replace(choice, kv_heads=None)
    return with_kv_heads(choice, read_size(text, "kv heads", or_else=", or heads for as many"))


def _move_emb_dim(choice: Choice, step: Step) -> Choice:
    """By way of the head dim, so that the heads always share it evenly."""
    return replace(
        choice,
        head_dim=next_size(choice.head_dim, step, "head dim", ladder.by_eights),
        keeps="emb_dim",
    )


def _read_emb_dim(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    emb_dim = read_size(text, "emb dim")
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
    return replace(choice, window=read_size(text, "window", least=0, or_else=", or off"))


def _move_passes(choice: Choice, step: Step) -> Choice:
    if choice.decode:
        raise PlanError(_FORWARD_ALONE)
    place = _PASS_SETS.index(choice.passes) if choice.passes in _PASS_SETS else 0
    return replace(choice, passes=_PASS_SETS[(place + step.direction) % len(_PASS_SETS)])


def _read_passes(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    passes = PASSES if text == "all" else parse_passes(text)
    if not choice.decode:
        return replace(choice, passes=passes)
    if passes != ("fwd",):
        raise PlanError(_FORWARD_ALONE)
    return choice


PARAMETERS: tuple[Parameter, ...] = (
    size(
        "batch",
        "sequences at once",
        ladder.by_ones,
        lambda choice: choice.batch,
        Choice.with_batch,
    ),
    size(
        "seq",
        "length of the keys, and of the queries unless seq q differs",
        ladder.by_tiles,
        lambda choice: choice.seq,
        Choice.with_seq,
    ),
    Parameter(
        id="heads",
        label="heads",
        help="query heads; as they change, the dim that is not in brackets stays",
        show=lambda choice: str(choice.heads),
        move=lambda choice, step: step_heads(choice, step.direction, step.fine),
        read=lambda choice, text, device: with_heads(choice, read_size(text, "heads")),
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
    size(
        "head dim",
        "size of one head; setting it keeps it as heads change",
        ladder.by_eights,
        lambda choice: choice.head_dim,
        lambda choice, width: replace(choice, head_dim=width, keeps="head_dim"),
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
    switch(
        "causal",
        "each query sees the keys up to its own place",
        lambda choice: choice.causal,
        lambda choice, on: replace(choice, causal=on),
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
        show=lambda choice: "all" if choice.measured_passes == PASSES else ", ".join(choice.measured_passes),
        move=_move_passes,
        read=_read_passes,
        follows=lambda choice: choice.decode,
    ),
    *FURTHER,
)
"""In the order of the list."""


def listed(choice: Choice) -> tuple[Parameter, ...]:
    """The parameters that a choice has."""
    return tuple(parameter for parameter in PARAMETERS if parameter.listed(choice))
