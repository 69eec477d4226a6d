"""A line of text as it is being typed."""

from __future__ import annotations

from tui.app.line_edit import LONGEST, LineEdit


def after(text: str, *keys: str) -> LineEdit:
    """The line once those keys were pressed: a name of a key, or a character to type."""
    line = LineEdit.of(text)
    for key in keys:
        line = line.typed(key) if len(key) == 1 else line.pressed(key) or line
    return line


def test_what_is_typed_first_replaces_the_old_value() -> None:
    assert after("1024", "5", "1", "2") == LineEdit("512", 3)


def test_the_old_value_is_edited_once_the_cursor_was_moved() -> None:
    assert after("1024", "home", "delete", "5").text == "5024"
    assert after("1024", "left", "backspace", "9").text == "1094"
    assert after("1024", "right", "k").text == "1024k"


def test_the_old_value_goes_at_once_with_a_deletion() -> None:
    for key in ("backspace", "delete", "ctrl+u"):
        assert after("1024", key) == LineEdit("", 0)


def test_the_cursor_stays_within_the_text() -> None:
    assert after("ab", "left", "left", "left", "left").cursor == 0
    assert after("ab", "end", "right").cursor == 2
    assert after("", "backspace", "delete") == LineEdit("", 0)


def test_other_keys_are_not_its_own() -> None:
    assert LineEdit.of("a").pressed("f1") is None


def test_what_is_pasted_is_harmless_and_of_a_bounded_length() -> None:
    assert LineEdit.of("").typed("\x1b[31m51\x072").text == "512"
    line = LineEdit.of("").typed("9" * 1000)
    assert (len(line.text), line.cursor) == (LONGEST, LONGEST)
