"""CSV: tidy, one row a pass of a case, or a training; units in the header, empty where nothing is known."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from profiler.export.json import row_object
from profiler.export.training_json import training_object
from profiler.recording import Recording
from profiler.rows import rows
from profiler.training_rows import training_rows
from profiler.units import plain_text
from profiler.wording import device_name
from profiler.work import AnyPlan

# Each column, and where it is found in a row's object (profiler.export.json), by the keys down to it;
# those without keys are put together here.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "started": (),
    "device": (),
    "memory_limit_bytes": (),
    "implementation": ("implementation",),
    "backend": ("backend",),
    "pass": ("pass",),
    "batch": ("batch",),
    "seq_q": ("seq_q",),
    "seq_k": ("seq_k",),
    "heads": ("heads",),
    "kv_heads": ("kv_heads",),
    "head_dim": ("head_dim",),
    "dtype": ("dtype",),
    "causal": ("causal",),
    "window": ("window",),
    "dropout": ("dropout",),
    "softcap": ("softcap",),
    "decode": ("decode",),
    "lengths": ("lengths",),
    "status": ("status",),
    "device_ms": ("device_ms", "median"),
    "device_ms_low": ("device_ms", "low"),
    "device_ms_high": ("device_ms", "high"),
    "samples": ("device_ms", "count"),
    "wall_ms": ("wall_ms", "median"),
    "wall_ms_low": ("wall_ms", "low"),
    "wall_ms_high": ("wall_ms", "high"),
    "graph_ms": ("graph_ms", "median"),
    "graph_ms_low": ("graph_ms", "low"),
    "graph_ms_high": ("graph_ms", "high"),
    "graph_reason": ("graph_reason",),
    "tflops": ("tflops",),
    "speedup": ("speedup", "median"),
    "speedup_low": ("speedup", "low"),
    "speedup_high": ("speedup", "high"),
    "tie": ("tie",),
    "is_baseline": ("is_baseline",),
    "is_fastest": ("is_fastest",),
    "sm_mhz": ("sm_mhz", "median"),
    "sm_mhz_low": ("sm_mhz", "low"),
    "sm_mhz_high": ("sm_mhz", "high"),
    "nvml_sm_mhz": ("nvml_sm_mhz",),
    "mega_cycles": ("mega_cycles",),
    "flop_per_byte": ("flop_per_byte",),
    "percent_of_measured_peak": ("percent_of_measured_peak",),
    "percent_of_datasheet_peak": ("percent_of_datasheet_peak",),
    "percent_of_copy_bandwidth": ("percent_of_copy_bandwidth",),
    "percent_of_datasheet_bandwidth": ("percent_of_datasheet_bandwidth",),
    "bound": ("bound",),
    "joules_per_call": ("energy", "joules_per_call"),
    "joules_per_token": ("energy", "joules_per_token"),
    "power_w": ("energy", "power_w"),
    "energy_call_ms": ("energy", "call_ms"),
    "energy_window_s": ("energy", "window_s"),
    "energy_sm_mhz": ("energy", "sm_mhz"),
    "working_bytes": ("memory", "working_bytes"),
    "saved_bytes": ("memory", "saved_bytes"),
    "absolute_bytes": ("memory", "absolute_bytes"),
    "reserved_bytes": ("memory", "reserved_bytes"),
    "process_bytes": ("memory", "process_bytes"),
    "verdict": ("accuracy", "verdict"),
    "error_ratio": ("accuracy", "ratio"),
    "error_out": ("accuracy", "errors", "out"),
    "error_dq": ("accuracy", "errors", "dq"),
    "error_dk": ("accuracy", "errors", "dk"),
    "error_dv": ("accuracy", "errors", "dv"),
    "heads_checked": ("accuracy", "heads_checked"),
    "heads_total": ("accuracy", "heads_total"),
    "queries_checked": ("accuracy", "queries_checked"),
    "first_call_ms": ("first_call_ms",),
    "converged": ("converged",),
    "launch_hidden": ("launch_hidden",),
    "launch_bound": ("launch_bound",),
    "conditions": ("conditions",),
    "condition_shares": (),
    "writes_inputs": ("writes_inputs",),
    "graph_breaks": (),
    "graph_break_reasons": ("graph_breaks",),
    "notes": ("notes",),
    "requested_bytes": ("failure", "requested_bytes"),
    "largest_batch": ("failure", "largest_batch"),
    "message": ("failure", "message"),
}

# The same of a training (profiler.export.training_json).
_TRAINING_COLUMNS: dict[str, tuple[str, ...]] = {
    "started": (),
    "device": (),
    "memory_limit_bytes": (),
    "model": ("model", "name"),
    "layers": ("model", "layers"),
    "heads": ("model", "heads"),
    "kv_heads": ("model", "kv_heads"),
    "width": ("model", "width"),
    "vocab": ("model", "vocab"),
    "bias": ("model", "bias"),
    "dropout": ("model", "dropout"),
    "parameters": ("parameters",),
    "context": ("context",),
    "dtype": ("dtype",),
    "optimizer": ("optimizer",),
    "mode": ("mode",),
    "implementation": ("implementation",),
    "backend": ("backend",),
    "status": ("status",),
    "batch": ("batch",),
    "tokens_per_s": ("tokens_per_s",),
    "speedup": ("speedup", "median"),
    "speedup_low": ("speedup", "low"),
    "speedup_high": ("speedup", "high"),
    "is_baseline": ("is_baseline",),
    "step_ms": ("step_ms", "median"),
    "step_ms_low": ("step_ms", "low"),
    "step_ms_high": ("step_ms", "high"),
    "steps": ("step_ms", "count"),
    "forward_ms": ("forward_ms",),
    "backward_ms": ("backward_ms",),
    "optimizer_ms": ("optimizer_ms",),
    "attention_percent": ("attention_percent",),
    "gpu_busy_percent": ("gpu_busy_percent",),
    "mfu_percent": ("mfu_percent",),
    "percent_of_measured_peak": ("percent_of_measured_peak",),
    "peak_bytes": ("peak_bytes",),
    "reserved_bytes": ("reserved_bytes",),
    "process_bytes": ("process_bytes",),
    "nvml_sm_mhz": ("sm_mhz",),
    "power_w": ("power_w",),
    "joules_per_token": ("joules_per_token",),
    "conditions": ("conditions",),
    "condition_shares": (),
    "first_step_ms": ("first_step_ms",),
    "compile_ms": ("compile_ms",),
    "graph_breaks": (),
    "graph_break_reasons": ("graph_breaks",),
    "verdict": ("agreement", "verdict"),
    "loss": ("agreement", "loss"),
    "plain_loss": ("agreement", "plain_loss"),
    "reference_loss": ("agreement", "reference_loss"),
    "loss_limit": ("agreement", "loss_limit"),
    "gradient_error": ("agreement", "gradient_error"),
    "plain_gradient_error": ("agreement", "plain_gradient_error"),
    "gradient_limit": ("agreement", "gradient_limit"),
    "converged": ("converged",),
    "skipped_steps": ("skipped_steps",),
    "notes": ("notes",),
    "requested_bytes": ("failure", "requested_bytes"),
    "message": ("failure", "message"),
}

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV injection).
_FORMULA_STARTS = ("=", "+", "-", "@")


def render(recording: Recording) -> str:
    """The rows of a recording as CSV with a header line. Booleans are true and false.

    Of a session with both kinds the columns of trainings follow those of passes that they do not share.
    """
    passes = [(row_object(row), _put_together(row.conditions, row.graph_breaks)) for row in rows(recording)]
    trainings = [
        (training_object(row), _put_together(row.throttle, row.graph_breaks))
        for row in training_rows(recording)
    ]
    columns = {**(_COLUMNS if passes or not trainings else {}), **(_TRAINING_COLUMNS if trainings else {})}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for some, plan, of_kind in (
        (passes, recording.plan, _COLUMNS),
        (trainings, recording.training_plan, _TRAINING_COLUMNS),
    ):
        session = _session(recording, plan)
        for values, put_together in some:
            own = session | put_together
            cells = {name: _dig(values, keys) if keys else own[name] for name, keys in of_kind.items()}
            writer.writerow(_cell(cells.get(name)) for name in columns)
    return text.getvalue()


def _session(recording: Recording, plan: AnyPlan | None) -> dict[str, object]:
    header = recording.header
    return {
        "started": header.started if header else None,
        "device": device_name(header.environment) if header else None,
        "memory_limit_bytes": plan.memory_limit_bytes if plan else None,
    }


def _put_together(
    conditions: Mapping[str, float], graph_breaks: Mapping[str, int] | None
) -> dict[str, object]:
    """Shares in the order of the conditions; graph breaks as a number, None where nothing was compiled."""
    return {
        "condition_shares": [f"{share:.3g}" for share in conditions.values()],
        "graph_breaks": None if graph_breaks is None else sum(graph_breaks.values()),
    }


def _dig(value: object, keys: tuple[str, ...]) -> object:
    for key in keys:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            text = plain_text(value)
            return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
        # Of a dict its keys: shares have a column of their own, counts are in the JSON.
        case list() | tuple() | dict():
            return _cell("; ".join(map(str, value)))
        case _:
            return str(value)
