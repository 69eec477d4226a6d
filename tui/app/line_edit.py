"""A line of text as it is being typed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from profiler.units import plain_text

LONGEST = 160
"""Characters; a list of every implementation has fewer."""


@dataclass(frozen=True)
class LineEdit:
    """A text and its cursor, 0 to its length. What is typed first replaces a `fresh` one."""

    text: str
    cursor: int
    fresh: bool = False

    @classmethod
    def of(cls, text: str) -> LineEdit:
        """A line to begin with, wholly selected."""
        return cls(text, len(text), fresh=True)

    def typed(self, text: str) -> LineEdit:
        """With that text, a character or what was pasted, at the cursor."""
        text = plain_text(text) if len(text) > 1 else text
        before, after = ("", "") if self.fresh else (self.text[: self.cursor], self.text[self.cursor :])
        whole = (before + text + after)[:LONGEST]
        return LineEdit(whole, min(len(before + text), len(whole)))

    def pressed(self, key: str) -> LineEdit | None:
        """After a key that moves or deletes, by Textual's name for it; None if it is none of those."""
        if key in ("left", "right", "home", "end", "ctrl+a", "ctrl+e"):
            return replace(self, cursor=self._moved(key), fresh=False)
        if key == "ctrl+u" or (self.fresh and key in ("backspace", "delete")):
            return LineEdit("", 0)
        if key == "backspace":
            start = max(self.cursor - 1, 0)
            return LineEdit(self.text[:start] + self.text[self.cursor :], start)
        if key == "delete":
            return LineEdit(self.text[: self.cursor] + self.text[self.cursor + 1 :], self.cursor)
        return None

    def _moved(self, key: str) -> int:
        if key in ("home", "ctrl+a"):
            return 0
        if key in ("end", "ctrl+e"):
            return len(self.text)
        return min(max(self.cursor + (1 if key == "right" else -1), 0), len(self.text))
