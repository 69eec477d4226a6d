"""Trainings as plain JSON objects, with every figure and its interval."""

from __future__ import annotations

from typing import Any

import msgspec

from profiler.export.json import fields, session_object
from profiler.session.recording import Recording
from profiler.training.rows import TrainingRow, training_rows


def training_results(recording: Recording) -> list[dict[str, Any]]:
    """An object a case: what it is by the names of the options, its throughput, and all the rest behind."""
    plans = recording.training_plans
    records = recording.trainings
    found = []
    for row in training_rows(recording):
        record = records.get(row.case)
        plan = plans[record.plan_number] if record and record.plan_number < len(plans) else None
        training = row.training
        found.append(
            {
                "impl": row.implementation,
                "model": training.model.name,
                "context": training.context,
                "batch_size": row.batch,
                "dtype": training.dtype,
                "optimizer": training.optimizer,
                "mode": training.mode,
                "tokens_per_s": row.tokens_per_s,
                "attnprof": {
                    **session_object(recording, plan or recording.training_plan),
                    "status": row.status,
                    "training": training_object(row),
                },
            }
        )
    return found


def training_object(row: TrainingRow) -> dict[str, Any]:
    """A row by itself: the model and how it is trained, then all that is known; null where nothing is."""
    return {
        "implementation": row.implementation,
        "backend": row.backend,
        "model": msgspec.structs.asdict(row.training.model),
        "parameters": row.training.parameters,
        "context": row.training.context,
        "dtype": row.training.dtype,
        "optimizer": row.training.optimizer,
        "mode": row.training.mode,
        "status": row.status,
        "batch": row.batch,
        "batches_tried": {str(batch): fits for batch, fits in row.tried.items()},
        "tokens_per_s": row.tokens_per_s,
        "speedup": fields(row.speedup),
        "is_baseline": row.is_baseline,
        "step_ms": fields(row.step_ms),
        "forward_ms": row.parts.forward_ms if row.parts else None,
        "backward_ms": row.parts.backward_ms if row.parts else None,
        "optimizer_ms": row.parts.optimizer_ms if row.parts else None,
        "attention_percent": row.attention_percent,
        "gpu_busy_percent": row.gpu_busy_percent,
        "mfu_percent": row.mfu_percent,
        "percent_of_measured_peak": row.of_measured_percent,
        "peak_bytes": row.peak_bytes,
        "reserved_bytes": row.reserved_bytes,
        "process_bytes": row.process_bytes,
        "sm_mhz": row.sm_mhz,
        "power_w": row.power_w,
        "joules_per_token": row.joules_per_token,
        "conditions": dict(row.throttle),
        "first_step_ms": row.first_step_ms,
        "compile_ms": row.compile_ms,
        "graph_breaks": None if row.graph_breaks is None else dict(row.graph_breaks),
        "agreement": fields(row.agreement),
        "converged": row.converged,
        "skipped_steps": row.skipped_steps,
        "notes": list(row.notes),
        "failure": None
        if row.failure is None
        else {
            "kind": row.failure.kind,
            "message": row.failure.message,
            "requested_bytes": row.failure.requested_bytes,
        },
    }
