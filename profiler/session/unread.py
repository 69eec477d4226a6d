"""What of a session cannot be read, in words: each thing once, with all the places it was met at."""

from __future__ import annotations

import msgspec

from profiler.units import count, listed, plain_text

# What decoding bytes that are no event can raise: RecursionError for JSON nested too deep, ValueError
# for integers of thousands of digits.
UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError)

_LONGEST_QUOTE = 100
_MOST_PROBLEMS = 20  # kinds of them; those of one kind are told together


class Notices:
    """What was noticed, and at which numbers; `place` is what is numbered, a "line" or a "case"."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._noticed: dict[str, dict[int, None]] = {}

    def note(self, what: str, number: int) -> None:
        """Notice something; twice at one place is as good as once."""
        self._noticed.setdefault(what, {})[number] = None

    def told(self) -> list[str]:
        """All of it in words, grouped by what it is: "lines 3 and 7: not a whole event, left out"."""
        grouped = [f"{self._places(list(numbers))}: {what}" for what, numbers in self._noticed.items()]
        if (further := len(grouped) - _MOST_PROBLEMS) > 0:
            grouped[_MOST_PROBLEMS:] = [f"and {count(further, 'further problem')} of other kinds"]
        return grouped

    def _places(self, numbers: list[int]) -> str:
        return f"{self._place}{'s' if len(numbers) > 1 else ''} {listed(list(map(str, numbers)))}"


def unread(kind: str, error: Exception) -> str:
    """What is said of an event of a known kind with fields that are none of its own."""
    return f"a '{kind}' that cannot be read ({clause(error)}), left out"


def clause(error: Exception) -> str:
    """Why something could not be decoded, within a sentence."""
    return quoted(str(error)).rstrip(".")


def quoted(text: str) -> str:
    """Foreign text as a message has it: plain, and not without end."""
    plain = plain_text(text[: 4 * _LONGEST_QUOTE])
    return plain if len(plain) <= _LONGEST_QUOTE else f"{plain[:_LONGEST_QUOTE]}..."
