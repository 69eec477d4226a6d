"""The section that says which implementation to take, in a line for each way the choice goes."""

from __future__ import annotations

from profiler.advice import all_courses, course_line
from profiler.export.markdown.text import escape, section
from profiler.session.recording import Recording
from profiler.units import count

_MOST_LINES = 12

_MEANING = (
    "The fastest that finished and is not wrong, and how much faster it is. *Or* joins what is within 1 % of "
    "it, *not told apart* is what the rounds do not show to be over 1 % slower (of fewer than six rounds, "
    "10 %); *at 2 of 9* counts shapes and passes. Nothing is known between two values of an axis."
)


def which_to_take(recording: Recording) -> str | None:
    """What to choose, by pass and shape; None where there was nothing to choose from."""
    found = all_courses(recording)
    if not found:
        return None
    lines = [f"- {course_line(course, _name, escape)}" for course in found[:_MOST_LINES]]
    if len(found) > _MOST_LINES:
        lines.append(f"- and {count(len(found) - _MOST_LINES, 'further line')}: `attnprof best` has all")
    return section("Which to take", "\n".join(lines), _MEANING)


def _name(implementation: str) -> str:
    return f"**{escape(implementation)}**"
