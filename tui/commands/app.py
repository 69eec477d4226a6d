"""`attnprof` alone: the app, on this machine's GPU, on another engine, or as a demonstration."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from profiler.session.file import SessionError
from tui.errors import Refusal
from tui.launch import ENGINE, check_terminal, child_engine, launch, settings_with

# In an installation it stands in this package (pyproject.toml puts it there), in a checkout among the
# recorded sessions.
_INSTALLED = "demonstration.jsonl"
_RECORDED = "20261122T111000Z-h100-80gb-hbm3-demo.jsonl"


def open_app(
    *,
    device_name: str,
    impl: Sequence[str],
    sessions: str | None,
    engine: str | None,
    demo: bool,
    theme: str | None,
    ascii_only: bool,
    no_mouse: bool,
) -> int:
    """Run the app; its exit status.

    Raises:
        Refusal: there is no terminal, or something that was asked for cannot be.
    """
    check_terminal()
    names = _names(impl, is_elsewhere=engine is not None)
    if demo and names:
        raise Refusal("--demo plays the implementations that were recorded: drop it, or drop --impl")
    settings = settings_with(ascii_only=ascii_only, mouse=not no_mouse, theme=theme, sessions=sessions)
    if demo:
        from profiler.clients.demo import DemoEngine

        try:
            player = DemoEngine(demonstration())
        except SessionError as error:
            raise Refusal(str(error)) from None
        return launch(player, settings, "demo")
    words = shlex.split(engine) if engine else ENGINE
    if not words:
        raise Refusal('--engine is empty: give a command, such as "ssh HOST attnprof engine"')
    engine_for = partial(child_engine, words, device_name, settings.sessions)
    return launch(engine_for(), settings, "live", engine_for, names)


def _names(typed: Sequence[str], *, is_elsewhere: bool) -> tuple[str, ...]:
    """The implementations that were asked for; files are not looked for where the engine is elsewhere.

    Raises:
        Refusal: there is no such implementation.
    """
    if not typed:
        return ()
    import impls
    from impls import own
    from profiler.plans.plan import PlanError
    from tui.options.values import split_names

    try:
        names = split_names(typed)
        return tuple(name if is_elsewhere and own.is_path(name) else impls.find(name).name for name in names)
    except (PlanError, impls.UnknownImplementation) as error:
        raise Refusal(str(error)) from None


def demonstration() -> Path:
    """The session that --demo plays.

    Raises:
        Refusal: this installation lacks it.
    """
    package = Path(__file__).parents[1]
    for path in (package / _INSTALLED, package.parent / "sessions" / _RECORDED):
        if path.is_file():
            return path
    raise Refusal("this installation has no demonstration: install attnprof anew")
