"""From what was typed to a plan: presets, names, and the refusals that need no torch."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

import impls
from profiler.machine.environment import Device
from profiler.plans.plan import Plan, PlanError, Stopping, Takes
from profiler.plans.presets import PRESETS, Preset
from profiler.workload import PASS_NAMES, PASSES, Pass
from tui.options.asked import SHAPE_OPTIONS, Asked, given
from tui.options.shapes import workloads_of
from tui.options.values import fraction, memory_limit, positive, seed, split_names

# What answers while a person turns a knob: about a second a shape.
QUICK_STOPPING = Stopping(precision=0.03, budget_s=1.0, warm_up_s=0.0)
QUICK_TAKES = Takes(accuracy=False, graphs=False, ceilings=False)


def make_plan(asked: Asked, device: Device) -> Plan:
    """The plan that the options describe, on `device`.

    Raises:
        PlanError: they describe none; the message is one sentence.
        UnknownImplementation: likewise.
    """
    preset = _preset(asked)
    workloads = preset.workloads if preset else workloads_of(asked, device)
    for dtype in dict.fromkeys(workload.dtype for workload in workloads):
        if lacks := device.info.lacks(dtype):
            raise PlanError(lacks)
    names, baseline = with_baseline(
        _implementations(asked, preset, device), preset.baseline if preset else None, asked.baseline
    )
    return Plan(
        workloads=workloads,
        implementations=names,
        passes=_passes(asked),
        baseline=baseline,
        stopping=_stopping(asked, preset),
        takes=_takes(asked, device),
        memory_limit_bytes=memory_limit(asked.memory_limit, device),
        seed=seed(asked.seed),
        device=device.name,
        timeout_s=positive(asked.timeout_s, "--timeout"),
        label=asked.label if asked.label is not None else asked.preset or "",
    )


def _preset(asked: Asked) -> Preset | None:
    if asked.preset is None:
        return None
    if asked.preset not in PRESETS:
        raise PlanError(f"there is no preset '{asked.preset}'; there are {', '.join(PRESETS)}")
    if shape := given(asked, SHAPE_OPTIONS):
        raise PlanError(f"the preset {asked.preset} brings its own shapes; drop it, or drop {shape[0]}")
    return PRESETS[asked.preset]


def _implementations(asked: Asked, preset: Preset | None, device: Device) -> tuple[str, ...]:
    """Those asked for; else the preset's; else all that can run on the device."""
    if asked.impl:
        return named_implementations(asked.impl)
    if preset:
        return preset.implementations
    return tuple(item.name for item in impls.catalog() if item.unavailable(device.info) is None)


def named_implementations(texts: Iterable[str]) -> tuple[str, ...]:
    """The implementations in the lists of --impl, each once, by their own names.

    Raises:
        PlanError: a list has an empty name.
        UnknownImplementation: there is none of that name.
    """
    return tuple(dict.fromkeys(impls.find(name).name for name in split_names(texts)))


def with_baseline(
    names: tuple[str, ...], default: str | None, asked: str | None
) -> tuple[tuple[str, ...], str]:
    """The implementations and the one that speedups refer to: what was asked for, which joins them, or
    `default` if it is among them, else plain PyTorch, else the first.

    Raises:
        UnknownImplementation: there is none of the name that was asked for.
    """
    baseline = default
    if asked is not None:
        baseline = impls.find(asked).name
        if baseline not in names:
            names = (baseline, *names)  # a comparison with it was asked for
    if baseline is None or baseline not in names:
        baseline = "pytorch" if "pytorch" in names else names[0]
    return names, baseline


def _passes(asked: Asked) -> tuple[Pass, ...]:
    """Those asked for, else all there are."""
    if not asked.decode:
        return PASSES if asked.passes is None else parse_passes(asked.passes)
    if asked.passes is not None and parse_passes(asked.passes) != ("fwd",):
        raise PlanError(
            "--decode only reads its cache, so there is a forward pass alone; drop it, or drop --pass"
        )
    return ("fwd",)


def parse_passes(text: str) -> tuple[Pass, ...]:
    """A list of passes by any of their names: "backward,fwd" is fwd, bwd.

    Raises:
        PlanError: one is not known.
    """
    chosen: set[Pass] = set()
    for part in text.split(","):
        name = PASS_NAMES.get(part.strip().lower())
        if name is None:
            raise PlanError(f"there is no pass '{part.strip()}'; there are {', '.join(PASSES)}")
        chosen.add(name)
    return tuple(name for name in PASSES if name in chosen)


def _stopping(asked: Asked, preset: Preset | None) -> Stopping:
    """That of --quick or the preset, with what was typed in the place of its own."""
    stopping = QUICK_STOPPING if asked.quick else preset.stopping if preset else Stopping()
    adaptive = asked.precision is not None or asked.budget_s is not None
    if asked.repeats is not None:
        if adaptive:
            raise PlanError("give --repeats for an exact count, or --precision and --budget, not both")
        if asked.repeats < 1:
            raise PlanError(f"--repeats must be at least 1, not {asked.repeats}")
    if asked.repeats is not None or adaptive:
        stopping = msgspec.structs.replace(stopping, repeats=asked.repeats)
    if asked.precision is not None:
        stopping = msgspec.structs.replace(stopping, precision=fraction(asked.precision))
    if asked.budget_s is not None:
        stopping = msgspec.structs.replace(stopping, budget_s=positive(asked.budget_s, "--budget"))
    return msgspec.structs.replace(stopping, cooldown_s=_cooldown(asked.cooldown_s, asked.timeout_s))


def _cooldown(seconds: float, timeout_s: float) -> float:
    if not 0 <= seconds < float("inf"):
        raise PlanError(f"--cooldown must be a number of seconds from 0 on, not {seconds:g}")
    if seconds >= timeout_s > 0:
        raise PlanError(
            f"--cooldown must be below --timeout ({timeout_s:g} s), not {seconds:g}: "
            "a case that gives no sign of life for so long is ended; rest shorter, or raise --timeout"
        )
    return seconds


def _takes(asked: Asked, device: Device) -> Takes:
    extras = [name for name in ("energy", "kernels") if getattr(asked, name)]
    if asked.quick:
        if extras:
            options = " and ".join(f"--{name}" for name in extras)
            raise PlanError(f"--quick has no time for {options}: drop --quick, or drop {options}")
        return QUICK_TAKES
    if asked.energy and device.info.kind != "cuda":
        raise PlanError("--energy reads the energy counter of a GPU, and the CPU has none: drop --energy")
    return Takes(energy=asked.energy, kernels=asked.kernels)
