"""JSON in the shape that the attention labs' own script writes, so that their plotting scripts read it.

A session of one shape and one implementation is one object with the labs' keys; attnprof's
fuller result stands under one further key, "attnprof". Any other session is a list of such
objects, each with its parameters under the names of the labs' options; trainings, which the labs
know nothing of, are objects of that list too (profiler.export.training_json).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec

from profiler.export.json import row_object, session_object
from profiler.export.training_json import training_results
from profiler.results.rows import Row, Status, rows_by_case
from profiler.session.case_record import CaseRecord
from profiler.session.recording import Recording
from profiler.workload import Pass

_PASS_KEYS: dict[Pass, str] = {"fwd": "forward", "bwd": "backward", "fwd_bwd": "forward_backward"}

_FURTHER = ("dropout", "softcap", "decode", "lengths")


def parts(recording: Recording) -> Iterator[str]:
    """The labs' object, or the list of them, as JSON with two spaces of indentation, as they are made."""
    recording = recording.latest()
    planned = recording.plan.count if recording.plan else len(recording.cases)
    trainings = training_results(recording)
    results = _results(recording)
    if planned == len(recording.cases) == 1 and not trainings:
        for _, result in results:
            yield f"{_indented(result)}\n"
        return
    objects = chain((_parameters(case) | result for case, result in results), trainings)
    between = "["
    for each in objects:
        yield between + f"\n{_indented(each)}".replace("\n", "\n  ")
        between = ","
    yield "[]\n" if between == "[" else "\n]\n"


def _results(recording: Recording) -> Iterator[tuple[CaseRecord, dict[str, Any]]]:
    """Each case, in order, with what it came to, and the session as it was measured in it.

    Of several plans each may measure in its own way.
    """
    plans = dict(enumerate(recording.plans))
    sessions: dict[int, dict[str, Any]] = {}
    for case, passes in rows_by_case(recording):
        number = case.plan_number
        if number not in sessions:
            sessions[number] = session_object(recording, plans.get(number))
        yield case, _result(case, passes, sessions[number])


def _indented(content: object) -> str:
    return msgspec.json.format(msgspec.json.encode(content), indent=2).decode()


def _parameters(case: CaseRecord) -> dict[str, Any]:
    """The case by the names of the labs' options, and the further ones that tell cases apart.

    What the labs know nothing of stands there only where a shape has it.
    """
    shape = case.workload
    further = {"seq_q": shape.seq_q} if shape.seq_q != shape.seq_k else {}
    further |= {name: value for name in _FURTHER if (value := getattr(shape, name))}
    return {
        "impl": case.implementation,
        "batch_size": shape.batch,
        "seq_len": shape.seq_k,
        "num_heads": shape.heads,
        "emb_dim": shape.emb_dim,
        "causal": shape.causal,
        "dtype": shape.dtype,
        **further,
    }


def _result(case: CaseRecord, passes: list[Row], session: dict[str, Any]) -> dict[str, Any]:
    """The labs' keys, null where nothing was measured. Times are medians of device time, in seconds."""
    by_pass = {row.which: row for row in passes}
    peaks = [row.memory.absolute_bytes for row in passes if row.memory]
    return {
        **{key: _time_and_rate(by_pass.get(which)) for which, key in _PASS_KEYS.items()},
        "peak_memory_usage(MB)": max(peaks) / 2**20 if peaks else None,  # the labs' MB are MiB
        "attnprof": {
            **session,
            "status": _status(passes),
            "parameters": {"implementation": case.implementation, **msgspec.structs.asdict(case.workload)},
            "passes": [row_object(row) for row in passes],
        },
    }


def _time_and_rate(row: Row | None) -> dict[str, float | None]:
    return {
        "time(s)": row.device_ms.median / 1000 if row and row.device_ms else None,
        "FLOPS(TFLOPs/s)": row.tflops if row else None,
    }


def _status(passes: list[Row]) -> Status:
    """The case's: "ok" if every pass is, else the first that is not."""
    return next((row.status for row in passes if row.status != "ok"), "ok")
