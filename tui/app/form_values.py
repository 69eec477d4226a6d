"""What the texts of a form may be besides sizes, and the options' refusals in the form's words."""

from __future__ import annotations

import re

from profiler.plans.plan import PlanError

SWITCHES = {"yes": True, "y": True, "on": True, "no": False, "n": False, "off": False}


def switches(text: str, name: str) -> tuple[bool, ...]:
    """A list of yes and no.

    Raises:
        PlanError: something in it is neither.
    """
    parts = [part.strip().lower() for part in text.split(",")] if text else []
    found: dict[bool, None] = {}
    for part in parts:
        if part not in SWITCHES:
            raise PlanError(f"{name} takes yes, no or both (no,yes), not '{part}'")
        found[SWITCHES[part]] = None
    return tuple(found)


def switched_on(text: str, name: str) -> bool:
    """A switch that is one of the two.

    Raises:
        PlanError: it is neither yes nor no.
    """
    if text and text.strip().lower() not in SWITCHES:
        raise PlanError(f"{name} takes yes or no, not '{text.strip()}'")
    return SWITCHES.get(text.strip().lower(), False)


def as_in_form(message: str) -> str:
    """A message about options, about the fields of the form instead: "--head-dim" is its "head dim"."""
    return re.sub(r"--([a-z]+(?:-[a-z]+)*)", lambda match: match[1].replace("-", " "), message)
