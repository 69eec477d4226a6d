"""The words of a comparison, the same in the terminal, in reports and in the app."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from profiler.compare.comparison import Change, Comparison, Line, Regression
from profiler.compare.matching import TIMES_WORDS, Case, Side, Unlike
from profiler.compare.verdict import VERDICTS, Verdict
from profiler.events import LEAST_SAMPLES, Estimate
from profiler.training.columns import TrainingColumns, training_columns
from profiler.training.model import Training
from profiler.training.wording import tokens_per_s
from profiler.units import ShapeColumns, byte_count, count, ms, percent, plain_text, ratio, shape_columns
from profiler.workload import PASS_LABELS

MOST_LISTED = 6
"""So many cases are named one by one; of more it is told how many there are of each implementation."""

PARTIAL = "?"
"""Behind a figure of a session that ended before the result."""


def titles(comparison: Comparison) -> list[tuple[str, str]]:
    """Each session's letter, and its name with whether it is the base."""
    return [
        (letter, f"{plain_text(name)} (the base)" if letter == comparison.letters[0] else plain_text(name))
        for letter, name in zip(comparison.letters, comparison.names, strict=True)
    ]


def margin_words(margin: float) -> str:
    """A share as it was typed: "2 %"."""
    return f"{100 * margin:g} %"


def speedup(value: Estimate | None) -> tuple[str, str]:
    """The ratio, and its interval: ("1.052x", "1.046-1.058"); "" where there is none.

    Both ends, for they may be far from alike: with few samples one side is often the wider by far.
    """
    if value is None:
        return "", ""
    if value.count < LEAST_SAMPLES:
        return near_one(value.median), ""
    return near_one(value.median), f"{near_one(value.low)[:-1]}-{near_one(value.high)[:-1]}"


def speedup_in_a_line(value: Estimate | None) -> str:
    """The same with the interval behind it: "1.052x (1.046-1.058)"."""
    shown, interval = speedup(value)
    return f"{shown} ({interval})" if interval else shown


def near_one(value: float) -> str:
    """A ratio; where it is near 1, as that of two sessions mostly is, to a thousandth: "0.996x"."""
    return f"{value:.3f}x" if 0.1 <= value < 9.9995 else ratio(value)


def time(side: Side | None) -> str:
    """What a session has of a case: ms of a call or of a step, or the word for why there is none."""
    if side is None:
        return ""
    if side.standing == "failed" or side.time_ms is None:
        return side.word
    return _marked(ms(side.time_ms.median), side)


def throughput(side: Side | None) -> str:
    """The same of a training, in tokens/s."""
    if side is None:
        return ""
    if side.standing == "failed" or side.tokens_per_s is None:
        return side.word
    return _marked(tokens_per_s(side.tokens_per_s), side)


def _marked(figure: str, side: Side) -> str:
    return f"{figure}{PARTIAL}" if side.is_partial else figure


def has_partial(lines: Iterable[Line]) -> bool:
    """Whether some figure has the mark."""
    return any(side is not None and side.is_partial for line in lines for side in line.sides)


def memory(line: Line, session: int) -> str:
    """How the peak memory differs from the base's: "=", "+14.3"; "" where one of them is not known."""
    change, other = line.changes[session - 1], line.sides[session]
    if change is None or change.memory_ratio is None or other is None:
        return ""
    if other.memory_bytes == line.base.memory_bytes:
        return "="
    return signed_percent(change.memory_ratio)


def signed_percent(part: float) -> str:
    """A ratio as what is more or less than 1, in percent: "+14.3", "-0.02"."""
    value = 100 * (part - 1)
    digits = percent(abs(value)) if abs(value) >= 0.1 else f"{abs(value):.2g}"
    return f"{'-' if value < 0 else '+'}{digits}"


@dataclass(frozen=True)
class Naming:
    """Names cases by what tells them apart."""

    shapes: ShapeColumns
    trainings: TrainingColumns
    has_passes: bool
    """Whether there are several passes, so that each is named."""

    @classmethod
    def of(cls, cases: Iterable[Case]) -> Naming:
        known = list(cases)
        return cls(
            shape_columns(case.subject for case in known if not isinstance(case.subject, Training)),
            training_columns(case.subject for case in known if isinstance(case.subject, Training)),
            len({case.which for case in known if case.which}) > 1,
        )

    def name(self, case: Case) -> str:
        """Such as "seq 4096, flash2, backward"."""
        subject = case.subject
        if isinstance(subject, Training):
            where = self.trainings.describe(subject)
        else:
            where = self.shapes.describe(subject)
        which = PASS_LABELS[case.which] if case.which and self.has_passes else ""
        return ", ".join(filter(None, (where, plain_text(case.implementation), which)))


def summaries(comparison: Comparison) -> list[str]:
    """What came of it, a line for each session beside the base: "B: 24 cases: 2 slower, 21 same, 1 lost"."""
    return [_summary(comparison, index) for index in range(1, len(comparison.names))]


def _summary(comparison: Comparison, session: int) -> str:
    changes = [change for line in comparison.lines if (change := line.changes[session - 1])]
    found = Counter(change.verdict for change in changes)
    parts = [f"{found[verdict]} {_VERDICT_WORDS[verdict]}" for verdict in VERDICTS if found[verdict]]
    if reasons := _why_not(change for change in changes if change.verdict == "can't tell"):
        parts = [f"{part} ({reasons})" if "can't tell" in part else part for part in parts]
    told = ", ".join(parts) or "none"
    if len(parts) == 1 and len(changes) > 1:
        told = f"all {told.partition(' ')[2]}"
    if partial := len(comparison.partial(session)):
        told += f"; {partial} in part"
    which = f"{comparison.letters[session]} against {comparison.letters[0]}"
    return f"{which}: {count(len(changes), 'case')}: {told}"


def _why_not(changes: Iterable[Change]) -> str:
    """Why nothing can be told, where it is not for the width of the interval."""
    found = list(changes)
    few = sum(change.speedup is not None and change.speedup.count < LEAST_SAMPLES for change in found)
    apart = sum(change.unlike is not None for change in found)
    why = [(few, "too few samples"), (apart, "unlike times")]
    return ", ".join(
        f"{'each' if number == len(found) else number} for {reason}" for number, reason in why if number
    )


_VERDICT_WORDS: dict[Verdict, str] = {
    **{verdict: verdict for verdict in VERDICTS},
    "same": "the same",
    "neither": "right in neither",
}


def failures(comparison: Comparison) -> Iterator[str]:
    """What is right in one session and not in another, or fails otherwise than it did."""
    naming = Naming.of(line.case for line in comparison.lines)
    for index in range(1, len(comparison.names)):
        for line in comparison.lines:
            change, other = line.changes[index - 1], line.sides[index]
            if change is None or other is None or change.verdict not in ("lost", "gained", "neither"):
                continue
            if change.verdict == "neither" and line.base.word == other.word:
                continue
            before, now = _became(line.base), _became(other)
            verdict = f"{_VERDICT_WORDS[change.verdict]} in {comparison.letters[index]}"
            if change.verdict == "neither":
                verdict = _VERDICT_WORDS["neither"]
            yield f"{verdict}: {naming.name(line.case)}: {before}, now {now}"


def unlike(comparison: Comparison) -> Iterator[str]:
    """What has no speedup because its times are not of the same quantity."""
    for index in range(1, len(comparison.names)):
        letter = comparison.letters[index]
        by_reason: dict[tuple[Unlike, bool], list[Line]] = {}
        for line in comparison.lines:
            if (change := line.changes[index - 1]) and change.unlike:
                key = change.unlike, bool(line.base.launches_hidden)
                by_reason.setdefault(key, []).append(line)
        for (reason, hidden_in_base), lines in by_reason.items():
            if reason == "times":
                kinds = [
                    f"{comparison.letters[place]} has {TIMES_WORDS[side.times]}"
                    for place in (0, index)
                    if (side := lines[0].sides[place]) and side.times
                ]
                yield f"no speedups in {letter}: {', '.join(kinds)}"
            else:
                shown_in = letter if hidden_in_base else comparison.letters[0]
                cases = listed([line.case for line in lines])
                yield f"no speedups where launches were not hidden in {shown_in} alone: {cases}"


def _became(side: Side) -> str:
    if side.standing == "right":
        return "right"
    return f"{side.word} ({side.detail})" if side.detail else side.word


def unmatched(comparison: Comparison) -> Iterator[str]:
    """What could not be compared, by the sessions that have it: one by one where there are few."""
    by_sessions: dict[tuple[int, ...], list[Case]] = {}
    for case, having in comparison.unmatched.items():
        by_sessions.setdefault(having, []).append(case)
    for index in range(1, len(comparison.names)):
        absent = [line.case for line in comparison.lines if line.sides[index] is None]
        if absent:
            yield f"not in {comparison.letters[index]}: {listed(absent)}"
    for having, cases in sorted(by_sessions.items()):
        letters = " and ".join(comparison.letters[index] for index in having)
        yield f"only in {letters}: {listed(cases)}"


def listed(cases: Sequence[Case]) -> str:
    """Cases by their names, or where they are many how many each implementation has."""
    if len(cases) <= MOST_LISTED:
        naming = Naming.of(cases)
        return "; ".join(naming.name(case) for case in cases)
    numbers = Counter(plain_text(case.implementation) for case in cases)
    return f"{count(len(cases), 'case')}: " + ", ".join(
        f"{name} {number}" for name, number in numbers.items()
    )


def regressions(comparison: Comparison, found: Sequence[Regression]) -> Iterator[str]:
    """Each regression in a line: "B: seq 4096, flash2, forward: 1.230 to 1.450 ms, 0.850x (0.842-0.858)"."""
    naming = replace(Naming.of(line.case for line in comparison.lines), has_passes=True)
    for regression in found:
        line, index = regression.line, regression.session
        change, other = line.changes[index - 1], line.sides[index]
        if change is None or other is None:
            continue
        where = f"{comparison.letters[index]}: {naming.name(line.case)}"
        if change.verdict == "lost":
            yield f"{where}: was right, now {_became(other)}"
        elif line.case.which is None:
            said = f"{throughput(line.base)} to {throughput(other)} tokens/s"
            batches = f"batch {line.base.batch} to {other.batch}" if line.base.batch != other.batch else ""
            yield ", ".join(filter(None, (f"{where}: {said}", batches, speedup_in_a_line(change.speedup))))
        else:
            said = f"{time(line.base)} to {time(other)} ms"
            yield ", ".join(filter(None, (f"{where}: {said}", speedup_in_a_line(change.speedup))))


def growths(comparison: Comparison, found: Sequence[Regression]) -> Iterator[str]:
    """Each growth of memory in a line: "B: seq 4096, flash2, forward: 528 to 1,056 MiB, +100 %"."""
    naming = replace(Naming.of(line.case for line in comparison.lines), has_passes=True)
    for regression in found:
        before, now = (side.memory_bytes or 0 for side in regression.both)
        more = f", {signed_percent(now / before)} %" if before else ""
        where = f"{comparison.letters[regression.session]}: {naming.name(regression.line.case)}"
        yield f"{where}: {byte_count(before)} to {byte_count(now)}{more}"


def lacking(comparison: Comparison, beyond: float) -> Iterator[str]:
    """What the base has, and another session has not, only in part, or in times that tell nothing."""
    for index in range(1, len(comparison.names)):
        letter = comparison.letters[index]
        if missing := comparison.missing(index):
            yield f"missing in {letter}: {listed(missing)}"
        if partial := comparison.partial(index):
            yield f"only in part in {letter}, which ended before: {listed(partial)}"
        if comparison.tells_nothing(index, beyond):
            yield (
                f"nothing can be told of {letter}: no time is known well enough to see "
                f"{margin_words(beyond)}; measure longer, in {LEAST_SAMPLES} rounds at least"
            )
    yield from unlike(comparison)


def same_words(comparison: Comparison) -> str:
    """What does not differ around the sessions, in a line: the most telling of it, and how much more."""
    same = comparison.surroundings.same
    told = [f"{value}" if name in ("GPU", "device") else f"{name} {value}" for name, value in same.items()]
    first = [
        text
        for text, name in zip(told, same, strict=True)
        if name in ("GPU", "device", "driver", "torch", "CUDA", "attnprof", "rounds", "steps")
    ]
    rest = len(told) - len(first)
    return ", ".join([*first, *([f"{rest} more"] if rest else [])])


def has_cycles(comparison: Comparison) -> bool:
    """Whether some clocks differed, so that cycles are told beside times."""
    return any(change and change.cycles is not None for line in comparison.lines for change in line.changes)


def has_memory(lines: Iterable[Line]) -> bool:
    """Whether some memory differs, so that it has a column."""
    return any(
        side is not None
        and change is not None
        and change.memory_ratio is not None
        and side.memory_bytes != line.base.memory_bytes
        for line in lines
        for side, change in zip(line.sides[1:], line.changes, strict=True)
    )


def memory_words(comparison: Comparison) -> str:
    """What is to be said of memory where it has no column; "" where nothing is known of it."""
    known = sum(
        change is not None and change.memory_ratio is not None
        for line in comparison.lines
        for change in line.changes
    )
    if not known or has_memory(comparison.lines):
        return ""
    return (
        "peak memory is the same to the byte in all of them"
        if known > 1
        else "peak memory is the same to the byte"
    )
