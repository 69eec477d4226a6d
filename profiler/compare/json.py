"""A comparison as JSON: every case with what each session has of it and what changed, whole."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from profiler.compare.comparison import Change, Comparison, Line
from profiler.compare.matching import Case, Side
from profiler.export.json import fields
from profiler.training.model import Training


def render(comparison: Comparison) -> str:
    """The whole comparison; null where nothing is known."""
    return json.dumps(comparison_object(comparison), indent=2, allow_nan=False) + "\n"


def comparison_object(comparison: Comparison) -> dict[str, Any]:
    """The sessions by their letters, what differs around them, the cases, and what has no counterpart."""
    letters = comparison.letters
    around = comparison.surroundings
    return {
        "sessions": dict(zip(letters, comparison.names, strict=True)),
        "endings": dict(zip(letters, comparison.endings, strict=True)),
        "base": letters[0],
        "margin": comparison.margin,
        "differences": {
            difference.name: dict(zip(letters, (value or None for value in difference.values), strict=True))
            for difference in around.differences
        },
        "same": dict(around.same),
        "cases": [_line(comparison, line) for line in comparison.lines],
        "unmatched": [
            {**case_object(case), "sessions": [letters[index] for index in having]}
            for case, having in comparison.unmatched.items()
        ],
    }


def case_object(case: Case) -> dict[str, Any]:
    """What was matched: the shape's or the training's parameters, the implementation, and the pass."""
    parameters = msgspec.to_builtins(case.subject)
    kind = "training" if isinstance(case.subject, Training) else "attention"
    return {"kind": kind, "implementation": case.implementation, "pass": case.which, **parameters}


def side_object(side: Side) -> dict[str, Any]:
    """What one session has; of a training the time is of a step."""
    return {
        "status": side.word,
        "detail": side.detail or None,
        "time_ms": fields(side.time_ms),
        "batch": side.batch,
        "tokens_per_s": side.tokens_per_s,
        "memory_bytes": side.memory_bytes,
        "absolute_bytes": side.absolute_bytes,
        "sm_mhz": side.sm_mhz.median if side.sm_mhz else None,
        "mega_cycles": side.mega_cycles,
        "converged": side.converged,
        "conditions": list(side.conditions),
        "times": side.times,
        "launches_hidden": side.launches_hidden,
    }


def _line(comparison: Comparison, line: Line) -> dict[str, Any]:
    letters = comparison.letters
    return {
        **case_object(line.case),
        "measured": {
            letter: side_object(side) for letter, side in zip(letters, line.sides, strict=True) if side
        },
        "changes": {
            letter: _change(change)
            for letter, change in zip(letters[1:], line.changes, strict=True)
            if change
        },
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "verdict": change.verdict,
        "speedup": fields(change.speedup),
        "speedup_in_cycles": change.cycles,
        "memory_ratio": change.memory_ratio,
        "unlike": change.unlike,
    }
