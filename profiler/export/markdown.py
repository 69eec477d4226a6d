"""The Markdown report: what ran where, a table per pass, how the device went, and the warnings last.

Made to be pasted into a pull request: tables are aligned in the source too, and text from
the session is escaped so that it can be neither markup nor HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from profiler.events import Environment
from profiler.readings import while_measuring
from profiler.recording import Recording
from profiler.rows import Row, rows
from profiler.units import (
    TEXT_PARAMETERS,
    ShapeColumns,
    byte_count,
    count,
    margin,
    mib,
    ms,
    plain_text,
    ratio,
    shape_columns,
    tflops,
)
from profiler.wording import (
    MEANINGS,
    device_name,
    ending,
    error_ratio,
    fastest,
    marks,
    name_with_backend,
    remarks,
    status_word,
)
from profiler.workload import PASS_LABELS, PASSES, Pass

_NOTHING = "-"


def render(recording: Recording) -> str:
    """The whole report, ending with a newline."""
    all_rows = rows(recording)
    sections = [
        _title(recording),
        _interruption(recording),
        _summary(recording, all_rows),
        _environment(recording),
        *_pass_tables(all_rows),
        _telemetry(recording),
        _explanations(all_rows),
        _warnings(recording),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def escape(text: str) -> str:
    """Text from a session as Markdown that shows as itself, in a table cell too."""
    text = plain_text(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~$])", r"\\\1", text)
    # An underscore inside a word is no emphasis: flash_attn stays readable in the source.
    return re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)


def code(text: str) -> str:
    """Text from a session as a code span, in a table cell too."""
    text = plain_text(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{padding}{text.replace('|', chr(92) + '|')}{padding}{fence}"


@dataclass(frozen=True)
class _Column:
    """A column of a table: its cells are Markdown already; None is nothing."""

    title: str
    cells: list[str | None]
    right: bool = True


def _table(columns: Sequence[_Column]) -> str:
    """The columns as a Markdown table that is aligned in the source; columns without a cell are left out."""
    padded = []
    for column in columns:
        if column.cells and not any(column.cells):
            continue
        cells = [column.title, *(cell or (_NOTHING if column.right else "") for cell in column.cells)]
        width = max(3, *map(len, cells))
        cells = [cell.rjust(width) if column.right else cell.ljust(width) for cell in cells]
        rule = "-" * (width - 1) + ":" if column.right else "-" * width
        padded.append([cells[0], rule, *cells[1:]])
    return "\n".join(f"| {' | '.join(line)} |" for line in zip(*padded, strict=True))


def _title(recording: Recording) -> str:
    header, plan = recording.header, recording.plan
    subject = f"{escape(plan.label)}: attention" if plan and plan.label else "Attention"
    return f"# {subject} on {escape(device_name(header.environment if header else None))}"


def _interruption(recording: Recording) -> str | None:
    how = ending(recording)
    return f"> **{escape(how)}** The figures are those measured until then." if how else None


def _summary(recording: Recording, all_rows: list[Row]) -> str | None:
    """What was compared, over which shapes, against what."""
    if not all_rows:
        return "Nothing was measured."
    shapes = shape_columns(row.workload for row in all_rows)
    names = ", ".join(code(name) for name in dict.fromkeys(row.implementation for row in all_rows))
    lines = [f"Implementations: {names}"]
    lines += [f"Baseline: {code(recording.baseline)}"] if _compares(all_rows) and recording.baseline else []
    lines += [f"Shape: {escape(shapes.caption())}"] if shapes.constant else []
    lines += [f"Varied: {', '.join(shapes.varying)}"] if shapes.varying else []
    return "\n".join(f"- {line}" for line in lines)


def _compares(all_rows: list[Row]) -> bool:
    return len({row.implementation for row in all_rows}) > 1


def _environment(recording: Recording) -> str | None:
    header = recording.header
    if header is None:
        return None
    environment = header.environment
    facts = {
        **_device_facts(environment),
        "torch": escape(environment.packages.get("torch", "")),
        "CUDA": escape(environment.cuda or ""),
        "cuDNN": escape(environment.cudnn or ""),
        "packages": escape(_packages(environment)),
        "system": escape(", ".join(filter(None, (environment.os, _python(environment))))),
        "command": code(header.command) if header.command else "",
        "started": escape(header.started),
        "git commit": code(environment.git_commit) if environment.git_commit else "",
        "attnprof": escape(header.attnprof),
    }
    facts = {name: fact for name, fact in facts.items() if fact}
    columns = [_Column("", list(facts), right=False), _Column("", list(facts.values()), right=False)]
    return f"## Environment\n\n{_table(columns)}"


def _python(environment: Environment) -> str:
    return f"Python {environment.python}" if environment.python else ""


def _packages(environment: Environment) -> str:
    return ", ".join(f"{name} {version}" for name, version in environment.packages.items() if name != "torch")


def _device_facts(environment: Environment) -> dict[str, str]:
    gpu = environment.gpu
    memory = byte_count(environment.memory_bytes) if environment.memory_bytes else ""
    cores = count(environment.cpu_count, "core") if environment.cpu_count else ""
    cpu = {"CPU": escape(", ".join(filter(None, (environment.cpu, cores, memory))))}
    if gpu is None:
        return cpu
    parts = [
        gpu.name,
        byte_count(gpu.memory_bytes) if gpu.memory_bytes else "",
        f"{gpu.sm_count} SMs" if gpu.sm_count else "",
        "compute capability {}.{}".format(*gpu.compute_capability) if gpu.compute_capability else "",
    ]
    limits = [
        f"SM clock up to {gpu.max_sm_mhz} MHz" if gpu.max_sm_mhz else "",
        f"memory clock up to {gpu.max_memory_mhz} MHz" if gpu.max_memory_mhz else "",
        f"power limit {gpu.power_limit_w:.0f} W" if gpu.power_limit_w else "",
    ]
    return {
        "GPU": escape(", ".join(filter(None, parts))),
        "limits": escape(", ".join(filter(None, limits))),
        "driver": escape(gpu.driver or ""),
        **cpu,
    }


def _pass_tables(all_rows: list[Row]) -> Iterable[str]:
    shapes = shape_columns(row.workload for row in all_rows)
    best = fastest(all_rows)
    for which in PASSES:
        if of_pass := [row for row in all_rows if row.which == which]:
            title = PASS_LABELS[which].capitalize()
            yield f"## {title}\n\n{_table(_columns(of_pass, shapes, best))}"


def _columns(of_pass: list[Row], shapes: ShapeColumns, best: set[tuple[int, Pass]]) -> list[_Column]:
    parameters = list(zip(*(shapes.cells(row.workload) for row in of_pass), strict=True))
    return [
        *(
            _Column(name, list(values), right=name not in TEXT_PARAMETERS)
            for name, values in zip(shapes.varying, parameters, strict=True)
        ),
        _Column("implementation", [escape(name_with_backend(row)) for row in of_pass], right=False),
        _Column("time (ms)", [_time(row, (row.case, row.which) in best) for row in of_pass]),
        _Column("wall (ms)", [ms(row.wall_ms.median) if row.wall_ms else None for row in of_pass]),
        _Column("TFLOP/s", [tflops(row.tflops) if row.tflops is not None else None for row in of_pass]),
        _Column("memory (MiB)", [mib(row.memory.working_bytes) if row.memory else None for row in of_pass]),
        _Column("saved (MiB)", [_saved(row) for row in of_pass]),
        _Column("speedup", [_speedup(row) if _compares(of_pass) else None for row in of_pass]),
        _Column("error", [error_ratio(row) or None for row in of_pass]),
        _Column("remarks", [escape("; ".join(remarks(row))) or None for row in of_pass], right=False),
    ]


def _time(row: Row, is_fastest: bool) -> str:
    """The median with its interval's wider side; the word for why not, if there is none."""
    if row.device_ms is None:
        return status_word(row)
    median = ms(row.device_ms.median)
    return f"{f'**{median}**' if is_fastest else median} {margin(row.device_ms.margin)}".rstrip()


def _saved(row: Row) -> str | None:
    return mib(row.memory.saved_bytes) if row.memory and row.memory.saved_bytes is not None else None


def _speedup(row: Row) -> str | None:
    if row.is_baseline:
        return "baseline" if row.device_ms else None
    return ratio(row.speedup.median) if row.speedup else None


def _telemetry(recording: Recording) -> str | None:
    summary = while_measuring(recording)
    if not summary.spans:
        return None
    columns = [
        _Column("reading", [span.name for span in summary.spans], right=False),
        _Column("lowest", [f"{span.low:.0f}" for span in summary.spans]),
        _Column("median", [f"{span.median:.0f}" for span in summary.spans]),
        _Column("highest", [f"{span.high:.0f}" for span in summary.spans]),
    ]
    shares = [f"{escape(reason)} in {share:.0%} of readings" for reason, share in summary.throttle.items()]
    held = f"Held back by: {', '.join(shares)}." if shares else "Nothing held the clocks back."
    # The CPU has no throttle reasons to read: silence there says nothing.
    known = summary.throttle or any(reading.sm_mhz is not None for reading in recording.telemetry)
    parts = ["## The device while measuring", _table(columns), held if known else ""]
    return "\n\n".join(filter(None, parts))


def _explanations(all_rows: list[Row]) -> str | None:
    """What the columns hold, and the meaning of each mark that was used."""
    if not any(row.device_ms for row in all_rows):
        return None
    used = {mark for row in all_rows for mark in marks(row)}
    lines = [
        "time: median device time of one call, with the wider side of its 95 % interval; bold is the fastest",
    ]
    if any(row.wall_ms for row in all_rows):
        lines.append("wall: median host time of one call with synchronisation, what an eager caller pays")
    if any(row.memory for row in all_rows):
        lines += ["memory: peak above the inputs", "saved: what is held between forward and backward"]
    if any(row.speedup for row in all_rows):
        lines.append("speedup: median over the rounds of the baseline's time by this one's")
    if any(row.accuracy for row in all_rows):
        lines.append("error: worst error against a reference, over that of plain PyTorch in the same dtype")
    lines += [f"{mark}: {meaning}" for mark, meaning in MEANINGS.items() if mark in used]
    return "## What the words mean\n\n" + "\n".join(f"- {_defined(line)}" for line in lines)


def _defined(line: str) -> str:
    word, _, meaning = line.partition(": ")
    return f"**{word}**: {meaning}"


def _warnings(recording: Recording) -> str | None:
    messages = dict.fromkeys(
        (log.level, escape(log.message)) for log in recording.logs if log.level != "info"
    )
    if not messages:
        return None
    return "## Warnings\n\n" + "\n".join(f"- {level}: {message}" for level, message in messages)
