"""Takes over results that others hold: the labs' benchmark_result.json, and attnprof's own JSON exports.

A file becomes the events of a session, marked as imported. What it does not say stays unknown: there
are no samples in such a file, so nothing that needs rounds (speedups, the fastest) is told of it.
"""

from profiler.importing.asked import AskedShapes
from profiler.importing.refusal import ImportRefused
from profiler.importing.session import imported_events

__all__ = ["AskedShapes", "ImportRefused", "imported_events"]
