"""The Markdown of benchmarks/features.py, from the results of its cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.features_grid import describe, features_of
from benchmarks.features_results import Result, Status, kind_of_message, kind_of_reason
from profiler.export.markdown.text import Column, code, escape, folded, section, table
from profiler.features import FEATURES, Feature, Features, describe_head_dims
from profiler.units import count
from profiler.workload import SHORT_DTYPES

_MOST_SHAPES = 4
_LONGEST_MESSAGE = 160
_OF_CLAIMS: tuple[Status, ...] = ("passed", "declined", "failed", "crashed")
_OF_REFUSALS: tuple[Status, ...] = ("confirmed", "understated", "untried")  # the last of claims too
_ALWAYS_SHOWN = ("passed", "failed", "crashed")


@dataclass(frozen=True)
class Run:
    """What is reported on: `unavailable` are implementations with the reason why none of their cells were."""

    head: str
    results: Sequence[Result]
    features: Sequence[Features]
    unavailable: Mapping[str, str]


def render(run: Run) -> str:
    """The whole document."""
    parts = [
        "# What each implementation can do, and whether it is right",
        "Output of `python -m benchmarks.features`; its head says what is done.",
        run.head,
        verdict(run.results),
        _unavailable(run.unavailable),
        _summary(run.results),
        _failures(run.results),
        _understated(run.results),
        _matrix(run),
        _refusals(run.results),
        _untried(run.results),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def verdict(results: Sequence[Result]) -> str:
    """How many of the claims that were tried hold, in a sentence or two."""
    passed = sum(result.status == "passed" for result in results)
    bad = sum(result.is_bad for result in results)
    tried = f"{passed + bad:,} claimed {'cell' if passed + bad == 1 else 'cells'} tried"
    said = (
        f"Of {tried}, all passed: zero failed." if not bad else f"**Of {tried}, {bad:,} failed or crashed.**"
    )
    understated = sum(result.status == "understated" for result in results)
    if understated:
        said += f" {count(understated, 'cell')} that {'is' if understated == 1 else 'are'} refused ran right."
    return said if passed + bad else "No claimed cell was tried."


def _unavailable(unavailable: Mapping[str, str]) -> str | None:
    if not unavailable:
        return None
    reasons = (f"{code(name)} ({escape(reason)})" for name, reason in unavailable.items())
    return f"Not here: {', '.join(reasons)}."


def _summary(results: Sequence[Result]) -> str | None:
    if not results:
        return None
    names = list(dict.fromkeys(result.name for result in results))
    tally = Counter((result.name, result.status) for result in results)
    cells = Counter(result.name for result in results)
    refused = Counter(result.name for result in results if result.refused is not None)

    def column(status: Status) -> Column:
        always = status in _ALWAYS_SHOWN
        numbers = [tally[name, status] for name in names]
        return Column(status, [str(number) if number or always else None for number in numbers])

    return section(
        "Cells",
        "*passed*, *failed* and *crashed* are cells that an implementation claims; *declined* are those that "
        "it refused when it was prepared. *refused* are those that its rules refuse, which were tried all "
        "the same: *confirmed*, it could not; *understated*, it could.",
        table(
            [
                Column("implementation", [code(name) for name in names], right=False),
                Column("cells", [str(cells[name]) for name in names]),
                *(column(status) for status in _OF_CLAIMS),
                Column("refused", [str(refused[name]) for name in names]),
                *(column(status) for status in _OF_REFUSALS),
            ]
        ),
    )


def _grouped(
    results: Iterable[Result], key: Callable[[Result], tuple[str, ...]]
) -> dict[tuple[str, ...], list[Result]]:
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(key(result), []).append(result)
    return groups


def _shapes(results: Sequence[Result]) -> str:
    shown = ", ".join(describe(result.workload) for result in results[:_MOST_SHAPES])
    more = len(results) - _MOST_SHAPES
    return f"{shown} and {more} more" if more > 0 else shown


def _short(message: str) -> str:
    return message if len(message) <= _LONGEST_MESSAGE else f"{message[: _LONGEST_MESSAGE - 3].rstrip()}..."


def _failures(results: Sequence[Result]) -> str | None:
    bad = _grouped(
        (result for result in results if result.is_bad),
        lambda result: (result.name, result.status, kind_of_message(result.message)),
    )
    lines = [
        f"- {code(name)}, {count(len(some), 'cell')} {status}: {escape(some[0].message)}. {_shapes(some)}"
        for (name, status, _), some in bad.items()
    ]
    return section("Failures", "\n".join(lines)) if lines else None


def _understated(results: Sequence[Result]) -> str | None:
    understated = _grouped(
        (result for result in results if result.status == "understated"),
        lambda result: (result.name, kind_of_reason(result.refused or "")),
    )
    lines = [
        f"- {code(name)} {escape(reason)}: right in {count(len(some), 'cell')}. {_shapes(some)}"
        for (name, reason), some in understated.items()
    ]
    return section("Refused, but right when tried", "\n".join(lines)) if lines else None


def _refusals(results: Sequence[Result]) -> str | None:
    refused = _grouped(
        (result for result in results if result.refused is not None),
        lambda result: (result.name, kind_of_reason(result.refused or "")),
    )
    if not refused:
        return None
    groups = list(refused.values())

    def number(status: Status) -> list[str | None]:
        numbers = [sum(result.status == status for result in some) for some in groups]
        return [str(each) if each else None for each in numbers]

    columns = [
        Column("implementation", [code(name) for name, _ in refused], right=False),
        Column("reason", [escape(reason) for _, reason in refused], right=False),
        Column("cells", [str(len(some)) for some in groups]),
        *(Column(status, number(status)) for status in _OF_REFUSALS),
        Column("what happened when tried", [_happened(some) for some in groups], right=False),
    ]
    return folded("Every refusal, and what came of trying", table(columns, aligned=False))


def _happened(results: Sequence[Result]) -> str | None:
    """The most frequent of the messages, and how many others there are."""
    messages = [result.message for result in results if result.status == "confirmed"]
    kinds = Counter(map(kind_of_message, messages))
    if not kinds:
        return None
    ((kind, _),) = kinds.most_common(1)
    example = next(message for message in messages if kind_of_message(message) == kind)
    others = f" (and {count(len(kinds) - 1, 'other message')})" if len(kinds) > 1 else ""
    return escape(_short(example)) + others


def _untried(results: Sequence[Result]) -> str | None:
    untried = _grouped(
        (result for result in results if result.status == "untried"),
        lambda result: (result.name, result.message),
    )
    lines = [
        f"- {code(name)}, {count(len(some), 'cell')}: {escape(why)}" for (name, why), some in untried.items()
    ]
    return section("Not tried", "\n".join(lines)) if lines else None


def _matrix(run: Run) -> str | None:
    if not run.features:
        return None
    of_each = {
        row.name: [result for result in run.results if result.name == row.name] for row in run.features
    }
    columns = [Column("implementation", [code(row.name) for row in run.features], right=False)]
    titles = [title for title, _ in _claims(run.features[0], [])]
    rows = [[cell for _, cell in _claims(row, of_each[row.name])] for row in run.features]
    columns += [
        Column(title, cells, right=False)
        for title, cells in zip(titles, zip(*rows, strict=True), strict=True)
    ]
    columns.append(Column("compute capability", [row.capability for row in run.features], right=False))
    return section(
        "What is claimed, and what of it was verified",
        "In brackets: how many cells with that feature passed, and of how many if some did not. *some*: not "
        "together with everything else that is claimed; `attnprof list --features` says why.",
        table(columns),
    )


def _claims(row: Features, results: Sequence[Result]) -> Iterator[tuple[str, str]]:
    """The titles and cells of one row of the matrix."""

    def said(claim: str, has: Callable[[Result], bool]) -> str:
        return claim if claim in ("no", "none") else f"{claim} ({_verified(filter(has, results))})"

    for dtype, title in SHORT_DTYPES.items():
        yield title, said("yes" if dtype in row.dtypes else "no", _is_in(dtype))
    yield "head dims", said(describe_head_dims(row.head_dims), lambda result: result.about == "head dims")
    yield "backward", said(row.backward, lambda result: result.workload.has_backward)
    for feature in FEATURES:
        claim = row.ragged if feature == "ragged" and row.ragged else row.marks[feature]
        yield feature, said(claim, _needs(feature))


def _is_in(dtype: str) -> Callable[[Result], bool]:
    return lambda result: result.workload.dtype == dtype


def _needs(feature: Feature) -> Callable[[Result], bool]:
    return lambda result: feature in features_of(result.workload)


def _verified(results: Iterable[Result]) -> str:
    tried = [result for result in results if result.status in ("passed", "failed", "crashed")]
    passed = sum(result.status == "passed" for result in tried)
    if not tried:
        return "untried"
    return str(passed) if passed == len(tried) else f"{passed} of {len(tried)}"
