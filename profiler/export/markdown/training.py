"""The sections about trainings: the study's tables, what a step is made of, agreement, graph breaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from profiler.events import Agreement
from profiler.export.markdown.text import Column, code, escape, folded, section, table
from profiler.results.wording import NOT_CONVERGED, ratio_and_margin
from profiler.session.recording import Recording
from profiler.training.columns import TEXT_PARAMETERS, training_columns
from profiler.training.rows import TrainingRow, training_rows
from profiler.training.study import StudyCell, StudyTable, study_tables
from profiler.training.wording import (
    NOT_TOLD_APART_MEANS,
    THROUGHPUT_AND_SPEEDUP,
    TRAINING_COLUMN_MEANINGS,
    TRAINING_MEANINGS,
    UNSUPPORTED,
    difference_words,
    gradient_ratio,
    loss,
    seconds,
    study_title,
    study_word,
    tokens_per_s,
    training_name,
    training_remarks,
    training_status_word,
)
from profiler.units import byte_count, figure, margin, mib, ms, percent

_HAS: dict[str, Callable[[TrainingRow], bool]] = {
    "batch": lambda row: row.batch is not None,
    "tokens/s": lambda row: row.tokens_per_s is not None,
    "speedup": lambda row: row.speedup is not None,
    "difference": lambda row: row.tokens_per_s is not None,
    "step": lambda row: row.step_ms is not None,
    "forward, backward, optimizer": lambda row: row.parts is not None,
    "attention": lambda row: row.attention_percent is not None,
    "GPU busy": lambda row: row.gpu_busy_percent is not None,
    "memory": lambda row: row.peak_bytes is not None,
    "reserved": lambda row: row.reserved_bytes is not None,
    "process": lambda row: row.process_bytes is not None,
    "MFU": lambda row: row.mfu_percent is not None or row.of_measured_percent is not None,
    "of measured": lambda row: row.of_measured_percent is not None,
    "SM": lambda row: row.sm_mhz is not None,
    "power": lambda row: row.power_w is not None,
    "compile": lambda row: row.compile_ms is not None,
    "loss": lambda row: row.agreement is not None,
    "gradient": lambda row: row.agreement is not None,
}
"""Whether a row has something in the column."""


class TrainingReport:
    """The parts of the report about a recording's trainings; each is empty where there are none."""

    def __init__(self, recording: Recording, *, aligned: bool) -> None:
        self._recording = recording
        self._aligned = aligned
        self._rows = training_rows(recording)
        self._columns = training_columns(row.training for row in self._rows)
        self._tables = study_tables(self._rows, self._recording.trainings)

    def summary(self) -> str | None:
        """What was trained, with which implementations, for how long, against what."""
        plan = self._recording.training_plan
        if plan is None or not self._rows:
            return None
        names = dict.fromkeys(row.implementation for row in self._rows)
        baseline = self._recording.training_baseline
        stopping = plan.stopping
        lines = [
            f"Trained with: {', '.join(map(code, names))}",
            f"Baseline: {code(baseline)}" if baseline and len(names) > 1 else "",
            f"Training: {escape(self._columns.caption())}" if self._columns.constant else "",
            f"Varied: {', '.join(self._columns.varying)}" if self._columns.varying else "",
            "Batch: the largest that fits, by each for itself"
            if plan.batch is None
            else f"Batch: {plan.batch}",
            f"Steps: {stopping.steps}, the last {stopping.last} measured"
            + (f", or until {100 * stopping.precision:g} %" if stopping.precision else ""),
            f"Memory limit: {byte_count(plan.memory_limit_bytes)}" if plan.memory_limit_bytes else "",
        ]
        return "\n".join(f"- {line}" for line in lines if line)

    def tables(self) -> Iterator[str]:
        """The study's tables, one a section, and what is to be said of what has no figures there."""
        for each in self._tables:
            yield section(
                f"Training: {escape(study_title(each))}",
                table(_study_columns(each), aligned=self._aligned),
                _below(each),
            )
        if remarks := list(self._remarks()):
            yield section("Remarks on training", "\n".join(f"- {remark}" for remark in remarks))

    def details(self) -> Iterator[str]:
        """What a step is made of, memory, clocks, compilation, agreement; folded."""
        measured = [row for row in self._rows if row.step_ms]
        compiled = [row for row in self._rows if row.compile_ms is not None]
        # Of a row that was checked and never measured there is nothing that agreement would vouch for.
        checked = [row for row in self._rows if row.agreement and (row.step_ms or row.status != "partial")]
        for title, some, columns in (
            ("What a step is made of", measured, _step_columns),
            ("Training: memory, clocks and power", measured, _device_columns),
            ("Training: compilation", compiled, _compilation),
            ("Training: agreement of the first step", checked, _agreement_columns),
        ):
            held = columns(some)
            if any(any(column.cells) for column in held):
                yield folded(title, table([*self._of_each(some), *held], aligned=self._aligned))
        if broken := [row for row in self._rows if row.graph_breaks]:
            yield section("Graph breaks in training", "\n".join(map(self._breaks, broken)))

    def explanations(self) -> str | None:
        """A line for each column and mark of these sections."""
        if not any(row.tokens_per_s for row in self._rows):
            return None
        used = {
            UNSUPPORTED if row.status == "unsupported" else training_status_word(row) for row in self._rows
        }
        if any(row.status == "ok" and not row.converged for row in self._rows):
            used.add(NOT_CONVERGED)
        words = [
            *(
                (name, text)
                for name, text in TRAINING_COLUMN_MEANINGS.items()
                if any(map(_HAS[name], self._rows))
            ),
            *((word, text) for word, text in TRAINING_MEANINGS.items() if word in used),
        ]
        lines = (f"- **{word}**: {meaning}" for word, meaning in words)
        return section("What the words about training mean", "\n".join(lines))

    def _of_each(self, some: Sequence[TrainingRow]) -> list[Column]:
        """What tells rows apart: what varies in their trainings, and the implementation."""
        parameters = zip(*(self._columns.cells(row.training) for row in some), strict=True)
        return [
            *(
                Column(name, list(map(escape, values)), right=name not in TEXT_PARAMETERS)
                for name, values in zip(self._columns.varying, parameters, strict=False)
            ),
            Column("implementation", [escape(training_name(row)) for row in some], right=False),
        ]

    def _subject(self, row: TrainingRow) -> str:
        where = escape(self._columns.describe(row.training))
        return ", ".join(filter(None, (code(training_name(row)), where)))

    def _remarks(self) -> Iterator[str]:
        for row in self._rows:
            if said := training_remarks(row, breaks=False):
                yield f"{self._subject(row)}: {escape('; '.join(said))}"

    def _breaks(self, row: TrainingRow) -> str:
        reasons = (f"{code(reason)} ({number} x)" for reason, number in (row.graph_breaks or {}).items())
        return f"- {self._subject(row)}: {', '.join(reasons)}"


def _study_columns(each: StudyTable) -> list[Column]:
    columns = [Column("context", [str(row.context) for row in each.rows])]
    for name in each.implementations:
        cells = [row.cells.get(name, StudyCell("pending")) for row in each.rows]
        columns.append(
            Column(f"{escape(name)}: batch", [str(cell.batch) if cell.batch else None for cell in cells])
        )
        columns.append(Column("tokens/s", list(map(_throughput, cells))))
        if name != each.baseline:
            columns.append(Column("speedup", [_joined(ratio_and_margin(cell.speedup)) for cell in cells]))
    if each.compared is not None:
        one, other = map(escape, each.compared)
        differences, percents = zip(*map(difference_words, each.rows), strict=True)
        columns.append(Column(f"{one} - {other} (tokens/s)", [said or None for said in differences]))
        columns.append(Column("(%)", [said or None for said in percents]))
    return columns


def _below(each: StudyTable) -> str | None:
    """What a reader needs to know of a study table's figures."""
    is_unsure = any(row.is_told_apart is False for row in each.rows)
    said = [f"{NOT_TOLD_APART_MEANS}."] if is_unsure else []
    if any(cell.speedup for row in each.rows for cell in row.cells.values()):
        said.append(f"{THROUGHPUT_AND_SPEEDUP}.")
    return " ".join(said) or None


def _throughput(cell: StudyCell) -> str | None:
    """Tokens/s, or the word for what kept it from a figure."""
    return study_word(cell) or None if cell.tokens_per_s is None else tokens_per_s(cell.tokens_per_s)


def _joined(words: tuple[str, str]) -> str | None:
    return " ".join(filter(None, words)) or None


def _cells(values: Sequence[float | None], text: Callable[[float], str]) -> list[str | None]:
    return [None if value is None else text(value) for value in values]


def _step_columns(some: Sequence[TrainingRow]) -> list[Column]:
    return [
        Column("step (ms)", [_step(row) for row in some]),
        Column("steps", [str(row.step_ms.count) if row.step_ms else None for row in some]),
        Column("forward (ms)", _cells([row.parts.forward_ms if row.parts else None for row in some], ms)),
        Column("backward (ms)", _cells([row.parts.backward_ms if row.parts else None for row in some], ms)),
        Column("optimizer (ms)", _cells([row.parts.optimizer_ms if row.parts else None for row in some], ms)),
        Column("attention (%)", _cells([row.attention_percent for row in some], percent)),
        Column("GPU busy (%)", _cells([row.gpu_busy_percent for row in some], percent)),
        Column("MFU (%)", _cells([row.mfu_percent for row in some], percent)),
        Column("of measured (%)", _cells([row.of_measured_percent for row in some], percent)),
    ]


def _step(row: TrainingRow) -> str | None:
    return f"{ms(row.step_ms.median)} {margin(row.step_ms.margin)}".rstrip() if row.step_ms else None


def _device_columns(some: Sequence[TrainingRow]) -> list[Column]:
    joules = [row.joules_per_token for row in some]
    return [
        Column("memory (MiB)", _cells([row.peak_bytes for row in some], mib)),
        Column("reserved (MiB)", _cells([row.reserved_bytes for row in some], mib)),
        Column("process (MiB)", _cells([row.process_bytes for row in some], mib)),
        Column("SM (MHz)", _cells([row.sm_mhz for row in some], "{:.0f}".format)),
        Column("power (W)", _cells([row.power_w for row in some], "{:.0f}".format)),
        Column("mJ per token", _cells([each and 1000 * each for each in joules], figure)),
        Column("held back by", [_conditions(row) for row in some], right=False),
    ]


def _conditions(row: TrainingRow) -> str | None:
    """What its steps were made under, with the share of readings."""
    return ", ".join(f"{escape(name)} ({share:.0%})" for name, share in row.throttle.items()) or None


def _compilation(some: Sequence[TrainingRow]) -> list[Column]:
    return [
        Column("compile (s)", _cells([row.compile_ms for row in some], seconds)),
        Column("first step (s)", _cells([row.first_step_ms for row in some], seconds)),
        Column("graph breaks", [_number_of_breaks(row) for row in some]),
    ]


def _number_of_breaks(row: TrainingRow) -> str | None:
    return None if row.graph_breaks is None else str(sum(row.graph_breaks.values()))


def _agreement_columns(some: Sequence[TrainingRow]) -> list[Column]:
    found = [row.agreement for row in some if row.agreement]
    return [
        Column("loss", [loss(each.loss) for each in found]),
        Column("plain loss", [loss(each.plain_loss) for each in found]),
        Column("float32 loss", [loss(each.reference_loss) for each in found]),
        Column("limit", [f"{each.loss_limit:.2g}" for each in found]),
        Column("gradient error", [_gradient(each) for each in found]),
        Column("of plain's", [gradient_ratio(each) or None for each in found]),
        Column("gradient limit", [f"{each.gradient_limit:.2g}" for each in found]),
        Column("verdict", [each.verdict for each in found], right=False),
    ]


def _gradient(each: Agreement) -> str:
    return "not finite" if each.gradient_error is None else f"{each.gradient_error:.2g}"
