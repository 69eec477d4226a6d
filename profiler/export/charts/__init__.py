"""Charts of a recording: what they show is decided by pure functions, matplotlib is loaded only to draw."""

from __future__ import annotations

from profiler.export.charts.attention import attention_pictures
from profiler.export.charts.picture import Picture
from profiler.export.charts.training import training_pictures
from profiler.results.rows import rows
from profiler.results.wording import device_name
from profiler.session.recording import Recording
from profiler.training.rows import training_rows


def pictures(recording: Recording) -> tuple[Picture, ...]:
    """Every chart of the recording, those of attention shapes first; none where nothing was measured."""
    device = device_name(recording.header.environment if recording.header else None)
    return (
        *attention_pictures(rows(recording), recording.baseline, device),
        *training_pictures(training_rows(recording), device),
    )
