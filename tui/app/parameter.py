"""What a parameter is, and how sizes and switches are turned and typed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from impls.contract import DeviceInfo
from profiler.plans import grid
from profiler.plans.plan import PlanError
from profiler.units import yes_no
from tui.app import ladder
from tui.app.choice import Choice

_SWITCH_WORDS = {
    **dict.fromkeys(("yes", "y", "on", "true"), True),
    **dict.fromkeys(("no", "n", "off", "false"), False),
}


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
    and is flipped rather than typed. `listed` tells whether it is one of a choice's at all.
    """

    id: str
    label: str
    help: str
    show: Callable[[Choice], str]
    move: Callable[[Choice, Step], Choice]
    read: Callable[[Choice, str, DeviceInfo | None], Choice]
    follows: Callable[[Choice], bool] = lambda choice: False
    switch: bool = False
    listed: Callable[[Choice], bool] = lambda choice: True

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


def read_size(text: str, label: str, least: int = 1, or_else: str = "") -> int:
    """A size as it is typed; `or_else` says what may be typed beside it.

    Raises:
        PlanError: it is none.
    """
    return grid.parse_size(text, label, least, takes=f"a size such as 512 or 4k{or_else}")


def next_size(size: int, step: Step, label: str, unit: Callable[[int], int]) -> int:
    """The next power of two, or in fine steps the next multiple of what `unit` says of the size.

    Raises:
        PlanError: there is none below.
    """
    following = (
        ladder.multiple(size, step.direction, unit) if step.fine else ladder.power(size, step.direction)
    )
    if following < 1:
        raise PlanError(f"{label} is {size}, the least there is")
    return following


def size(
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
        move=lambda choice, step: put(choice, next_size(get(choice), step, label, unit)),
        read=lambda choice, text, device: put(choice, read_size(text, label)),
        follows=follows,
    )


def switch(
    name: str,
    explained: str,
    get: Callable[[Choice], bool],
    put: Callable[[Choice, bool], Choice],
) -> Parameter:
    """A parameter that is yes or no."""

    def read(choice: Choice, text: str, device: DeviceInfo | None) -> Choice:
        on = text == name or _SWITCH_WORDS.get(text, False)
        if not on and text not in (f"not {name}", *_SWITCH_WORDS):
            raise PlanError(f"{name} takes yes or no, not '{text}'")
        return put(choice, on)

    return Parameter(
        id=name,
        label=name,
        help=explained,
        show=lambda choice: yes_no(get(choice)),
        move=lambda choice, step: put(choice, not get(choice)),
        read=read,
        switch=True,
    )
