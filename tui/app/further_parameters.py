"""What a shape may have besides its sizes: queries of their own number, decoding, dropout and more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from impls.contract import DeviceInfo
from profiler.plans.plan import PlanError
from tui.app import ladder
from tui.app.choice import Choice
from tui.app.parameter import Parameter, Step, next_size, read_size, switch

# As models have them: GPT-2 drops a tenth, Gemma 2 caps at 50 (arXiv:2408.00118), Grok-1 at 30.
_DROPOUTS = (0.05, 0.1, 0.2, 0.3, 0.5)
_SOFTCAPS = (10.0, 15.0, 20.0, 30.0, 50.0, 100.0)
_OFF = ("off", "none", "no")


def _read_queries(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    if text in ("seq", "as seq", "none"):
        return replace(choice, seq_q=None)
    return choice.with_queries(read_size(text, "seq q", or_else=", or seq for as many as usual"))


def _optional_number(
    name: str,
    explained: str,
    usual: tuple[float, ...],
    get: Callable[[Choice], float | None],
    put: Callable[[Choice, float | None], Choice],
) -> Parameter:
    """A number or off; it steps through the usual ones."""

    def show(choice: Choice) -> str:
        value = get(choice)
        return f"{value:.12g}" if value else "off"

    def move(choice: Choice, step: Step) -> Choice:
        value = get(choice) or 0.0
        if step.direction > 0:
            more = [number for number in usual if number > value]
            if not more:
                raise PlanError(f"{name} is {show(choice)}; more can be typed")
            return put(choice, more[0])
        if not value:
            raise PlanError(f"{name} is off already")
        return put(choice, max((number for number in usual if number < value), default=None))

    def read(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
        if text in _OFF:
            return put(choice, None)
        try:
            number = float(text)
        except ValueError:
            raise PlanError(f"{name} takes a number such as {usual[1]:g}, or off, not '{text}'") from None
        return put(choice, number)

    return Parameter(id=name, label=name, help=explained, show=show, move=move, read=read)


def _range(choice: Choice) -> str:
    lengths = choice.lengths or (choice.seq,)
    return f"{min(lengths)}..{max(lengths)}"


def _move_lengths(choice: Choice, step: Step) -> Choice:
    raise PlanError("the lengths are the recorded ones; off makes them all as the longest")


def _read_lengths(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
    if text in _OFF:
        return replace(choice, lengths=None)
    if text != _range(choice):
        raise PlanError(f"lengths takes off here, for sequences all {choice.seq} long, not '{text}'")
    return choice


FURTHER: tuple[Parameter, ...] = (
    Parameter(
        id="seq_q",
        label="seq q",
        help="queries, which are the last tokens of a sequence",
        show=lambda choice: str(choice.queries),
        move=lambda choice, step: choice.with_queries(
            next_size(choice.queries, step, "seq q", ladder.by_tiles)
        ),
        read=_read_queries,
        follows=lambda choice: choice.seq_q is None,
    ),
    switch(
        "decode",
        "keys and values are a cache that is only read: forward alone",
        lambda choice: choice.decode,
        Choice.with_decode,
    ),
    _optional_number(
        "dropout",
        "probability that a weight is dropped, or off",
        _DROPOUTS,
        lambda choice: choice.dropout,
        lambda choice, number: replace(choice, dropout=number or 0.0),
    ),
    _optional_number(
        "softcap",
        "c of c x tanh(score / c), which bounds the scores, or off",
        _SOFTCAPS,
        lambda choice: choice.softcap,
        lambda choice, number: replace(choice, softcap=number),
    ),
    Parameter(
        id="lengths",
        label="lengths",
        help="as they were recorded; turning seq or batch makes them alike",
        show=_range,
        move=_move_lengths,
        read=_read_lengths,
        listed=lambda choice: choice.lengths is not None,
    ),
)
"""In the order of the list, below the others."""
