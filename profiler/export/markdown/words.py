"""What the columns of the report hold, and the meaning of each mark that was used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from profiler.export.markdown.text import section
from profiler.results.column_meanings import COLUMN_MEANINGS
from profiler.results.rows import Row
from profiler.results.wording import MEANINGS, NVML_CLOCK, TIE, marks
from profiler.session.recording import Recording

_HAS: dict[str, Callable[[Row], bool]] = {
    "time": lambda row: True,
    "wall": lambda row: row.wall_ms is not None,
    "graph": lambda row: row.graph_ms is not None,
    "peak": lambda row: row.roofline.percent_of_measured_peak is not None,
    "data sheet": lambda row: row.roofline.percent_of_datasheet_peak is not None,
    "FLOP/byte": lambda row: row.roofline.flop_per_byte is not None,
    "copy bandwidth": lambda row: row.roofline.percent_of_copy_bandwidth is not None,
    "data sheet bandwidth": lambda row: row.roofline.percent_of_datasheet_bandwidth is not None,
    "bound": lambda row: row.roofline.bound is not None,
    "memory": lambda row: row.memory is not None,
    "saved": lambda row: row.memory is not None,
    "absolute": lambda row: row.memory is not None,
    "reserved": lambda row: row.memory is not None and row.memory.reserved_bytes is not None,
    "process": lambda row: row.memory is not None and row.memory.process_bytes is not None,
    "speedup": lambda row: row.speedup is not None,
    TIE: lambda row: row.is_tie,
    "SM (MHz)": lambda row: row.sm_mhz is not None,
    "Mcycles": lambda row: row.mega_cycles is not None,
    "energy": lambda row: row.energy is not None,
    "error": lambda row: row.accuracy is not None,
    "first forward, first backward": lambda row: bool(row.first_calls_ms),
}
"""Whether a row has something in the column."""

_WITHOUT_CEILINGS = "launch where launch-bound; the rest needs ceilings, which this session has not"
_NVML_CLOCK = "not recorded by the GPU's own counters: NVML's, which lags by 0.1 s and averages over calls"


def explanations(recording: Recording, all_rows: Sequence[Row]) -> str | None:
    """A line for each word that the report has; None where nothing was measured."""
    if not any(row.device_ms for row in all_rows):
        return None
    used = {mark for row in all_rows for mark in (*marks(row), *row.conditions)}
    words = [
        *_columns(recording, all_rows),
        *((mark, text) for mark, text in MEANINGS.items() if mark in used),
    ]
    return section("What the words mean", "\n".join(f"- **{word}**: {meaning}" for word, meaning in words))


def _columns(recording: Recording, all_rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    """Of each column that has something in it, in the order of their meanings."""
    clock_of_nvml = any(row.sm_mhz is None and row.nvml_sm_mhz is not None for row in all_rows)
    for name, meaning in COLUMN_MEANINGS.items():
        if any(map(_HAS[name], all_rows)):
            known = name != "bound" or recording.ceilings is not None
            yield name, meaning if known else _WITHOUT_CEILINGS
        if name == "SM (MHz)" and clock_of_nvml:
            yield f"\\{NVML_CLOCK}", _NVML_CLOCK
