"""Rows and sessions as plain JSON objects, with every figure and its interval."""

from __future__ import annotations

from typing import Any

import msgspec

from profiler.engine.work import AnyPlan
from profiler.results.rows import Row, datasheet_peaks
from profiler.session.recording import Recording
from profiler.training.plan import TrainingPlan


def row_object(row: Row) -> dict[str, Any]:
    """A row by itself: the shape's parameters, then all that is known; null where nothing was measured."""
    return {
        "implementation": row.implementation,
        "backend": row.backend,
        "pass": row.which,
        **msgspec.structs.asdict(row.workload),
        "status": row.status,
        "device_ms": fields(row.device_ms),
        "wall_ms": fields(row.wall_ms),
        "graph_ms": fields(row.graph_ms),
        "graph_reason": row.graph_reason,
        "tflops": row.tflops,
        "speedup": fields(row.speedup),
        "tie": row.is_tie,
        "is_baseline": row.is_baseline,
        "is_fastest": row.is_fastest,
        "sm_mhz": fields(row.sm_mhz),
        "nvml_sm_mhz": row.nvml_sm_mhz,
        "mega_cycles": row.mega_cycles,
        "flop_per_byte": row.roofline.flop_per_byte,
        "percent_of_measured_peak": row.roofline.percent_of_measured_peak,
        "percent_of_datasheet_peak": row.roofline.percent_of_datasheet_peak,
        "percent_of_copy_bandwidth": row.roofline.percent_of_copy_bandwidth,
        "percent_of_datasheet_bandwidth": row.roofline.percent_of_datasheet_bandwidth,
        "bound": row.roofline.bound,
        "energy": _energy(row),
        "memory": fields(row.memory),
        "accuracy": fields(row.accuracy),
        "first_call_ms": row.first_call_ms,
        "converged": row.converged,
        "launch_hidden": row.launch_hidden,
        "launch_bound": row.launch_bound,
        "conditions": dict(row.conditions),
        "writes_inputs": list(row.writes_inputs),
        "graph_breaks": None if row.graph_breaks is None else dict(row.graph_breaks),
        "kernels": _kernels(row),
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


def _energy(row: Row) -> dict[str, float | None] | None:
    if row.energy is None:
        return None
    return {
        "joules_per_call": row.energy.joules,
        "joules_per_token": row.joules_per_token,
        "power_w": row.energy.power_w,
        "window_s": row.energy.window_s,
        "call_ms": row.energy.call_ms,
        "sm_mhz": row.energy.sm_mhz,
    }


def _kernels(row: Row) -> dict[str, Any] | None:
    """Every kernel of one call under its whole name, longest first; on the CPU they are operators."""
    if row.kernels is None:
        return None
    return {
        "operators": row.kernels.operators,
        "span_us": row.kernels.span_us,
        "kernels": [fields(kernel) for kernel in row.kernels.kernels],
    }


def session_object(recording: Recording, plan: AnyPlan | None) -> dict[str, Any]:
    """What a session ran on, and how `plan`, one of its plans, measured: null where it does not say."""
    header, finished = recording.header, recording.finished
    imported = header.imported if header else None
    if imported is not None:
        plan = None  # nobody knows how it was measured
    return {
        "version": header.attnprof if header else None,
        "started": header.started if header else None,
        "command": header.command if header else None,
        "ending": finished.ending if finished else None,
        "baseline": recording.training_baseline if isinstance(plan, TrainingPlan) else recording.baseline,
        "seed": plan.seed if plan else None,
        "stopping": fields(plan.stopping if plan else None),
        "takes": fields(plan.takes if plan else None),
        "memory_limit_bytes": plan.memory_limit_bytes if plan else None,
        "ceilings": _ceilings(recording),
        "environment": msgspec.to_builtins(header.environment) if header else None,
        "imported": msgspec.to_builtins(imported),
    }


def _ceilings(recording: Recording) -> dict[str, Any] | None:
    """What was measured, and what the data sheet promises of the same."""
    measured, peaks = recording.ceilings, datasheet_peaks(recording)
    if measured is None and peaks is None:
        return None
    return {
        "matmul": {dtype: fields(rate) for dtype, rate in measured.matmul.items()} if measured else {},
        "copy": fields(measured.copy) if measured else None,
        "datasheet": None if peaks is None else {"tflops": dict(peaks.tflops), "gb_per_s": peaks.gb_per_s},
    }


def fields(value: msgspec.Struct | None) -> dict[str, Any] | None:
    """All fields of a struct, those at their defaults too: readers of JSON like every key to be there."""
    return None if value is None else msgspec.structs.asdict(value)
