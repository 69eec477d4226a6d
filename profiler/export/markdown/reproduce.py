"""The section on how to measure the same again: the command, and what it has to meet there."""

from __future__ import annotations

import re

from profiler.engine.work import AnyPlan
from profiler.export.markdown.text import code, code_block, escape, section
from profiler.session.recording import Recording
from profiler.units import plain_text

_MEASURES = re.compile(r"attnprof (run|train)\b")


def reproduce(recording: Recording) -> str | None:
    """The command that was typed, the commit it ran at, the seed; None where another program measured."""
    header = recording.header
    if header is None or header.imported:
        return None
    command = plain_text(header.command)
    measures = _MEASURES.match(command)
    return section(
        "How to measure this again",
        code_block(command, "sh") if measures else _in_the_app(command),
        " ".join(filter(None, (_with(recording), _commit(recording), _seeds(recording)))),
        "What each figure means, how it is taken and when it misleads is in attnprof's "
        "docs/measurement.md. Times depend on the GPU, its clocks and its limits, the driver and the "
        "versions under Environment: where they differ, so may the figures.",
    )


def _in_the_app(command: str) -> str:
    typed = f" ({code(command)})" if command else ""
    return (
        f"This was measured in the app{typed}: `attnprof open` with the session's file shows it there, and "
        "the details of each case have the command that measures it."
    )


def _with(recording: Recording) -> str:
    header = recording.header
    if header is None:
        return ""
    torch = header.environment.packages.get("torch")
    versions = f"attnprof {header.attnprof}" + (f" and torch {torch}" if torch else "")
    return f"It ran with {escape(versions)}."


def _commit(recording: Recording) -> str:
    """Of the folder it was started in: that of a kernel under work."""
    commit = recording.header.environment.git_commit if recording.header else None
    if not commit:
        return ""
    name, changed, _ = commit.partition("+changes")
    also = ", with changes that were not committed" if changed else ""
    return f"The folder it was started in was at commit {code(name)}{also}."


def _seeds(recording: Recording) -> str:
    plans: list[AnyPlan] = [*recording.plans, *recording.training_plans]
    seeds = list(dict.fromkeys(str(plan.seed) for plan in plans))
    return f"{'Seed' if len(seeds) == 1 else 'Seeds'}: {', '.join(seeds)}." if seeds else ""
