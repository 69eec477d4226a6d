"""Rows and sessions as plain JSON objects, with every figure and its interval."""

from __future__ import annotations

from typing import Any

import msgspec

from profiler.recording import Recording
from profiler.rows import Row


def row_object(row: Row) -> dict[str, Any]:
    """A row by itself: the shape's parameters, then all that is known; null where nothing was measured."""
    return {
        "implementation": row.implementation,
        "backend": row.backend,
        "pass": row.which,
        **msgspec.structs.asdict(row.workload),
        "status": row.status,
        "device_ms": _fields(row.device_ms),
        "wall_ms": _fields(row.wall_ms),
        "tflops": row.tflops,
        "speedup": _fields(row.speedup),
        "is_baseline": row.is_baseline,
        "memory": _fields(row.memory),
        "accuracy": _fields(row.accuracy),
        "first_call_ms": row.first_call_ms,
        "converged": row.converged,
        "launch_hidden": row.launch_hidden,
        "launch_bound": row.launch_bound,
        "notes": list(row.notes),
        "failure": None
        if row.failure is None
        else {
            "kind": row.failure.kind,
            "message": row.failure.message,
            "requested_bytes": row.failure.requested_bytes,
            "largest_batch": row.failure.largest_batch,
        },
    }


def session_object(recording: Recording) -> dict[str, Any]:
    """What a session ran on and how: null where the session does not say."""
    header, plan, finished = recording.header, recording.plan, recording.finished
    return {
        "version": header.attnprof if header else None,
        "started": header.started if header else None,
        "command": header.command if header else None,
        "ending": finished.ending if finished else None,
        "baseline": recording.baseline,
        "seed": plan.seed if plan else None,
        "stopping": _fields(plan.stopping if plan else None),
        "environment": msgspec.to_builtins(header.environment) if header else None,
    }


def _fields(value: msgspec.Struct | None) -> dict[str, Any] | None:
    """All fields of a struct, those at their defaults too: readers of JSON like every key to be there."""
    return None if value is None else msgspec.structs.asdict(value)
