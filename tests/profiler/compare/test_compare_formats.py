"""A comparison as Markdown and JSON."""

from __future__ import annotations

import json

import msgspec
import pytest

from profiler.compare import Comparison, compare
from profiler.compare.formats import FORMATS, UnknownFormat, format_of, render
from profiler.session.recording import Recording
from tests.compare_examples import MEMORY, recorded, session, study
from tests.examples import attention


def changed() -> Comparison:
    """flash2 is slower and takes more memory, flash3 is out of memory, flex is in A alone."""
    more = msgspec.structs.replace(MEMORY, working_bytes=105 * 2**20)
    base = recorded({"pytorch": 1.0, "flash2": 2.0, "flash3": 3.0, "flex": 1.0}, passes=("fwd", "bwd"))
    other = recorded(
        {"pytorch": 1.0, "flash2": 1.5, "flash3": 3.0}, passes=("fwd", "bwd"), memory=more, oom=("flash3",)
    )
    return compare([("before", base), ("after", other)])


def test_markdown_has_what_changed_ahead_of_all_cases() -> None:
    text = render(changed(), "md")
    assert "- **B against A: 6 cases: 2 slower, 2 the same, 2 lost**" in text
    before, _, folded = text.partition("<summary>All 6 cases</summary>")
    assert "| `flash2`       | 0.5000 | 0.6667 | 0.750x (0.749-0.751) | slower  |        +25 |" in before
    assert "`pytorch`" not in before and "`pytorch`" in folded
    assert "lost in B: flash3, forward: right, now OOM (64.0 GiB asked for)" in before
    assert "- only in A: flex, forward; flex, backward" in folded


def test_markdown_of_no_change_has_no_such_section() -> None:
    same = recorded({"flash2": 1.0})
    text = render(compare([("a", same), ("b", same)]), "md")
    assert "## What changed" not in text
    assert "Nothing that the sessions tell of." in text


def test_markdown_of_training_has_both_batches() -> None:
    base, other = (Recording.of(study({"flash2": 60_000.0}, batch=batch)) for batch in (8, 16))
    text = render(compare([("a", base), ("b", other)]), "md")
    assert "| `flash2`       | 60,000 |       8 | 60,000 |      16 |" in text


def test_markdown_has_words_on_the_left_and_numbers_on_the_right() -> None:
    shapes = [attention(seq=seq, causal=causal) for seq in (512, 1024) for causal in (False, True)]
    same = recorded({"flash2": 1.0}, shapes=shapes)
    text = render(compare([("a", same), ("b", same)]), "md")
    assert "|  seq | causal | implementation |" in text and "| ---: | ------ | --------------" in text


def test_markdown_and_json_tell_how_a_session_ended() -> None:
    events = session({"flash2": 1.0})
    found = compare([("a", Recording.of(events)), ("b", Recording.of(events[:-2]))])
    text = render(found, "md")
    assert "- B: `b`. This session was not closed: it is still running, or it was killed." in text
    assert "1.000? |" in text and "- **?**: the session ended before the result" in text
    read = json.loads(render(found, "json"))
    assert (read["endings"]["A"], read["cases"][0]["measured"]["B"]["status"]) == (None, "running")


def test_names_from_a_session_are_no_markup() -> None:
    odd = recorded({"<b>|x|": 1.0}, cuda="[13](http://x)")
    text = render(compare([("a|b", odd), ("c", recorded({"<b>|x|": 1.0}))]), "md")
    assert "`<b>\\|x\\|`" in text and "\\[13\\]" in text and "`a\\|b`" in text


def test_json_has_every_case_with_both_sides_and_the_change() -> None:
    found = json.loads(render(changed(), "json"))
    assert found["sessions"] == {"A": "before", "B": "after"}
    flash2 = next(
        case for case in found["cases"] if (case["implementation"], case["pass"]) == ("flash2", "fwd")
    )
    assert flash2["seq_q"] == 1024
    assert flash2["measured"]["B"]["memory_bytes"] == 105 * 2**20
    assert flash2["changes"]["B"]["verdict"] == "slower"
    assert flash2["changes"]["B"]["speedup"]["median"] == pytest.approx(0.75)
    assert [(case["implementation"], case["sessions"]) for case in found["unmatched"]] == [
        ("flex", ["A"])
    ] * 2


def test_the_format_is_the_one_named_or_the_files() -> None:
    assert format_of("x.JSON", None) == "json"
    assert format_of("x.json", "md") == "md"
    assert format_of("-", None) is None
    assert {format_of(f"x.{name}", None) for name in FORMATS} == set(FORMATS)


@pytest.mark.parametrize(("path", "named"), [("x.html", None), (None, "html")])
def test_a_format_that_there_is_not_is_refused(path: str | None, named: str | None) -> None:
    with pytest.raises(UnknownFormat, match="md"):
        format_of(path, named)
