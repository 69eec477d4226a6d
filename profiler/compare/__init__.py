"""Sessions beside each other: what became faster, slower or wrong, and what differed around them."""

from __future__ import annotations

from profiler.compare.comparison import Change, Comparison, Line, NothingShared, compare
from profiler.compare.matching import Case, Side
from profiler.compare.verdict import MARGIN, Verdict

__all__ = ["MARGIN", "Case", "Change", "Comparison", "Line", "NothingShared", "Side", "Verdict", "compare"]
