"""Going on with a recorded session: whether this machine can, and the engine that is to, until it does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from profiler.engine.session_run import device_problem
from profiler.machine.environment import Device, DeviceError
from profiler.results import wording
from profiler.results.rows import is_imported
from profiler.session.recording import Recording
from tui.app.desk import Desk
from tui.app.pictures.sessions import short_device

DeviceHere = Callable[[], Device]
"""The device that an engine started here measures on; it may raise DeviceError."""


@dataclass
class GoingOn:
    """An engine that was started to go on with a session and has not said yet that it does.

    `screen` is where that is to be seen, `asked` the recording that it was asked from.
    """

    desk: Desk
    screen: str
    asked: Desk


def cannot_go_on(recording: Recording, here: DeviceHere) -> str:
    """Why what a recording lacks cannot be measured here, in a few words; "" where it can be."""
    try:
        device = here()
    except DeviceError as error:
        return str(error)
    if not device_problem(recording, device):
        return ""
    if is_imported(recording) or recording.header is None:
        return "nothing is added to what was imported"
    environment = recording.header.environment
    name = short_device(wording.device_name(environment)) if environment.gpu else "a CPU"
    return f"that takes {name}, not {short_device(device.info.name)}"
