"""The list of fields for a person to look up: docs/query.md has it, and `attnprof show --fields`."""

from __future__ import annotations

from collections.abc import Iterator

from profiler.query.fields import Entry, Field, Vocabulary
from profiler.query.pass_fields import PASS_FIELDS
from profiler.query.training_fields import TRAINING_FIELDS


def field_lines(vocabulary: Vocabulary[Entry]) -> Iterator[tuple[str, str, str, str]]:
    """A field's name, what else it may be called, its type or unit, and what it means."""
    for field in vocabulary.fields:
        yield field.name, ", ".join(field.aliases), _type(field), field.meaning


def markdown() -> str:
    """Both kinds of rows as tables in Markdown."""
    return f"{_section(PASS_FIELDS)}\n{_section(TRAINING_FIELDS)}"


def _section(vocabulary: Vocabulary[Entry]) -> str:
    lines = [
        f"### Of {vocabulary.subject}",
        "",
        "| field | also | type or unit | meaning |",
        "|---|---|---|---|",
    ]
    for name, aliases, type_, meaning in field_lines(vocabulary):
        also = ", ".join(f"`{alias}`" for alias in aliases.split(", ") if alias)
        lines.append(f"| `{name}` | {also} | {type_} | {meaning} |")
    return "\n".join([*lines, ""])


def _type(field: Field[Entry]) -> str:
    if field.kind == "number":
        return field.unit or "number"
    return ", ".join(field.words) if field.kind == "word" else field.kind
