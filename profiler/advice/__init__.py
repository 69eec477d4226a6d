"""Which implementation to take: the fastest that is right, by how much, at what cost, up to where."""

from profiler.advice.courses import Course, Stretch, courses
from profiler.advice.picks import Choice, PassPick, Pick, picks
from profiler.advice.training_picks import TrainingPick, training_courses, training_picks
from profiler.advice.words import course_line
from profiler.session.recording import Recording

__all__ = [
    "Choice",
    "Course",
    "PassPick",
    "Pick",
    "Stretch",
    "TrainingPick",
    "all_courses",
    "course_line",
    "courses",
    "picks",
    "training_courses",
    "training_picks",
]


def all_courses(recording: Recording) -> list[Course]:
    """The advice of a session: of its shapes, then of its trainings; none where there was no choice."""
    found = [*courses(picks(recording)), *training_courses(training_picks(recording))]
    return [course for course in found if course.is_choice]
