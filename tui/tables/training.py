"""What a training session is shown as: the study's tables, what a step is made of, and the remarks.

Pure functions of a recording, so the live display of a run and the view of a saved session are the same.
Nothing here needs colour to be understood.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from profiler.results import wording
from profiler.session.recording import Recording
from profiler.training.columns import TEXT_PARAMETERS, TrainingColumns, training_columns
from profiler.training.model import Training
from profiler.training.rows import Parts, TrainingRow, training_rows
from profiler.training.study import study_tables
from profiler.training.wording import (
    gradient_ratio,
    loss,
    seconds,
    tokens_per_s,
    training_name,
    training_remarks,
    training_status_word,
)
from profiler.units import byte_count, count, figure, margin, mib, ms, percent, plain_text, three_digits
from tui.tables.columns import INTERVAL, MUTED, Column, fit, parameter_columns
from tui.tables.results import filled, not_shown
from tui.tables.study import study_table

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

_LONGEST_NAME = 28
_GIB = 2**30


def training_view(
    recording: Recording,
    *,
    width: int | None,
    some_rows: Sequence[TrainingRow] | None = None,
    in_order: Sequence[TrainingRow] | None = None,
) -> Iterator[RenderableType]:
    """All there is to show of a recording's trainings, or of some rows, one part after the other.

    `in_order` are the same rows as they are to be sorted: what a step is made of goes by that, those of one
    row of training together. The study's tables have their own order, whose last two are compared.
    """
    rows = training_rows(recording) if some_rows is None else some_rows
    from rich.text import Text

    yield from study_views(recording, rows, width=width)
    if any(row.step_ms or row.compile_ms for row in rows):
        yield details_table(_together(in_order or rows), width=width)
    if told := list(remark_lines(rows)):
        yield Text("\n".join(told))


def study_views(
    recording: Recording, rows: Sequence[TrainingRow], *, width: int | None
) -> Iterator[RenderableType]:
    """The study's tables; the first says what the run was held to."""
    note = wording.held_to(recording.training_plan)
    for table in study_tables(rows, recording.trainings):
        yield study_table(table, width=width, note=note)
        note = ""


def details_table(rows: Sequence[TrainingRow], *, width: int | None) -> RenderableType:
    """A line for each row that made steps: their parts, memory, rates, clocks, compilation, loss."""
    made = [row for row in rows if row.step_ms or row.compile_ms is not None]
    columns = training_columns(row.training for row in rows)
    possible = [column for column in _columns(made, columns) if any(_has(cell) for cell in column.cells)]
    shown, gap = fit(possible, width)
    below = [_legend(shown), *not_shown(possible, shown)]
    caption = "\n".join(filter(None, ("What a step is made of", columns.caption())))
    groups = [row.training for row in made] if _has_groups(made) else ()
    return filled(shown, caption, [*filter(None, below)], gap, width, groups)


def remark_lines(rows: Sequence[TrainingRow]) -> Iterator[str]:
    """What there is to say of the rows beside their figures, each thing once, with who it is about."""
    columns = training_columns(row.training for row in rows)
    about: dict[str, list[TrainingRow]] = {}
    for row in rows:
        for remark in training_remarks(row):
            about.setdefault(remark, []).append(row)
    for remark, of_rows in about.items():
        yield f"{'; '.join(_whose(of_rows, columns))}: {remark}"
    under: dict[str, dict[int, float]] = {}
    for row in rows:
        for name, share in row.throttle.items():
            under.setdefault(name, {})[row.case] = share
    for name, shares in under.items():
        whose = count(len(shares), "case") if len(shares) < len(rows) else "all cases"
        said = f"{wording.condition(name, shares.values())}: {whose}"
        yield "; ".join(filter(None, (said, wording.condition_effect(name))))


def training_line(row: TrainingRow, columns: TrainingColumns) -> str:
    """One finished row as a line for a pipe: which (what varies in `columns`), who, and how fast."""
    parts = [columns.describe(row.training), training_name(row)]
    if row.batch is not None and row.tokens_per_s is not None:
        parts += [f"batch {row.batch}", f"{tokens_per_s(row.tokens_per_s)} tokens/s"]
    if row.step_ms:
        parts.append(f"{ms(row.step_ms.median)} ms a step {margin(row.step_ms.margin)}".rstrip())
    if row.peak_bytes is not None:
        parts.append(byte_count(row.peak_bytes))
    if row.mfu_percent is not None:
        parts.append(f"MFU {percent(row.mfu_percent)} %")
    parts.append(" ".join(filter(None, wording.ratio_and_margin(row.speedup))))
    remarks = training_remarks(row)
    if not remarks and row.status != "ok":
        remarks = [training_status_word(row)]
    return "  ".join(filter(None, (*parts, "; ".join(remarks))))


def _whose(rows: Sequence[TrainingRow], columns: TrainingColumns) -> Iterator[str]:
    """The rows by their implementation: "pytorch at context 2048, 3072"."""
    by_name: dict[str, list[TrainingRow]] = {}
    for row in rows:
        by_name.setdefault(training_name(row), []).append(row)
    for name, of_name in by_name.items():
        where = [columns.describe(row.training) for row in of_name]
        if len(where) > 2:
            where = [f"{where[0]} and {len(where) - 1} more"]
        yield f"{name} at {' and '.join(where)}" if any(where) else name


def _together(rows: Sequence[TrainingRow]) -> list[TrainingRow]:
    """In their order, but for those of one row of training, which are together where its first one stands."""
    by_training: dict[Training, list[TrainingRow]] = {}
    for row in rows:
        by_training.setdefault(row.training, []).append(row)
    return [row for of_one in by_training.values() for row in of_one]


def _has_groups(rows: Sequence[TrainingRow]) -> bool:
    """Whether some row of training has more than one line."""
    return len({row.training for row in rows}) < len(rows)


def _has(cell: Text) -> bool:
    return bool(cell.plain.strip("-"))


def _columns(rows: Sequence[TrainingRow], columns: TrainingColumns) -> list[Column]:
    from rich.text import Text

    def numbers(title: str, rank: int, value: Callable[[TrainingRow], str | None]) -> Column:
        cells = [value(row) for row in rows]
        texts = [Text(cell or "-", style="" if cell else MUTED) for cell in cells]
        return Column(title, title, texts, rank)

    names = [Text(_short(training_name(row))) for row in rows]
    is_large = max((row.peak_bytes or 0 for row in rows), default=0) >= _GIB
    unit, memory = ("GiB", _gib) if is_large else ("MiB", mib)
    return [
        *parameter_columns(
            columns.varying, [row.training for row in rows], columns.cells, words=TEXT_PARAMETERS
        ),
        Column("implementation", "\nimplementation", names, 0, kind="words", most=_LONGEST_NAME),
        numbers("\nbatch", 0, lambda row: str(row.batch) if row.batch else None),
        numbers("step\nms", 0, lambda row: ms(row.step_ms.median) if row.step_ms else None),
        numbers(f"\n{INTERVAL}", 8, lambda row: margin(row.step_ms.margin) if row.step_ms else None),
        numbers("forward\nms", 1, _part(lambda parts: parts.forward_ms)),
        numbers("backward\nms", 1, _part(lambda parts: parts.backward_ms)),
        numbers("optimizer\nms", 1, _part(lambda parts: parts.optimizer_ms)),
        numbers("attention\n%", 2, lambda row: _number(row.attention_percent, percent)),
        numbers("GPU busy\n%", 5, lambda row: _number(row.gpu_busy_percent, percent)),
        numbers(f"memory\n{unit}", 3, lambda row: _number(row.peak_bytes, memory)),
        numbers(f"reserved\n{unit}", 12, lambda row: _number(row.reserved_bytes, memory)),
        numbers(f"process\n{unit}", 13, lambda row: _number(row.process_bytes, memory)),
        numbers("MFU\n%", 4, lambda row: _number(row.mfu_percent, percent)),
        numbers("of measured\n%", 11, lambda row: _number(row.of_measured_percent, percent)),
        numbers("SM\nMHz", 7, lambda row: _number(row.sm_mhz, "{:.0f}".format)),
        numbers("power\nW", 9, lambda row: _number(row.power_w, "{:.0f}".format)),
        numbers("energy\nmJ/token", 6, lambda row: _number(row.joules_per_token, _mj)),
        numbers("compile\ns", 5, lambda row: _number(row.compile_ms, seconds)),
        numbers("breaks", 5, lambda row: None if row.graph_breaks is None else _breaks(row)),
        numbers("\nloss", 10, lambda row: loss(row.agreement.loss) if row.agreement else None),
        numbers("\ngradient", 9, lambda row: gradient_ratio(row.agreement) or None),
    ]


def _part(value: Callable[[Parts], float]) -> Callable[[TrainingRow], str | None]:
    return lambda row: ms(value(row.parts)) if row.parts else None


def _number(value: float | None, text: Callable[[float], str]) -> str | None:
    return None if value is None else text(value)


def _gib(value: float) -> str:
    return three_digits(value / _GIB)


def _mj(joules: float) -> str:
    return figure(1000 * joules)


def _breaks(row: TrainingRow) -> str:
    return str(sum((row.graph_breaks or {}).values()))


def _short(name: str) -> str:
    """Of a long path the end, where its file is."""
    return f"…{name[1 - _LONGEST_NAME :]}" if len(name) > _LONGEST_NAME and "/" in name else plain_text(name)


def _legend(shown: Iterable[Column]) -> str:
    """What a reader needs to know of the columns that are shown."""
    names = {column.name for column in shown}
    said = {
        INTERVAL: f"{INTERVAL} the wider side of the 95 % interval",
        "attention": "attention: share of the time of all kernels (on the CPU, operators)",
        "GPU busy": "GPU busy: kernels' time in a step's",
        "MFU": "MFU: (6 N + 12 L W C) tokens/s of the data sheet's rate",
        "of measured": "of measured: MFU by the session's matmul rate",
        "SM": "SM and power by NVML",
        "gradient": "gradient: its error over plain PyTorch's",
        "loss": "loss of the first step",
    }
    return "; ".join(meaning for name, meaning in said.items() if name in names)


def whole(recording: Recording) -> str:
    """The same as plain text, its lines as long as they are."""
    from tui.tables.plain import as_text

    return "\n\n".join(as_text(part) for part in training_view(recording, width=None))
