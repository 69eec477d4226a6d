"""docs/formats.md says what is so: its columns are the CSV's, its keys the JSON's, and its snippets run."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from profiler.export import export
from profiler.results.rows import Row, rows
from profiler.session.reader import read_session
from profiler.session.recording import Recording
from tests.examples import hopper, lab6, single
from tests.training_examples import study

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
SWEEP = "20261122T102112Z-h100-80gb-hbm3-sweep.jsonl"
LAB6 = "20261122T061947Z-h100-80gb-hbm3-lab6.jsonl"

IS_OF: dict[str, Callable[[str], object]] = {
    "text": str,
    "texts": str,
    "int": int,
    "float": float,
    "bool": {"true": True, "false": False}.__getitem__,
}


def section(title: str) -> str:
    """The part of the document under a heading, up to the next of its rank or a higher one."""
    rank = title.index(" ")
    return re.split(
        rf"^#{{1,{rank}}} ", DOCUMENT.partition(f"\n{title}\n")[2], maxsplit=1, flags=re.MULTILINE
    )[0]


def table(title: str) -> dict[str, str]:
    """The columns of a table with their types."""
    lines = re.findall(r"^\| `(\w+)` \| (\w+) \|", section(title), flags=re.MULTILINE)
    return dict(lines)


def records(recording: Recording) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(export(recording, "csv"))))


@pytest.fixture(scope="module")
def sweep() -> Recording:
    return Recording.of(read_session(ROOT / "sessions" / SWEEP).events)


@pytest.mark.parametrize(
    ("title", "recording"),
    [("### A pass of a case", hopper()), ("### A pass of a case", lab6()), ("### A training", study())],
    ids=["hopper", "lab6", "training"],
)
def test_the_columns_of_the_csv_are_documented_in_their_order_and_of_their_type(
    title: str, recording: Recording
) -> None:
    found = records(recording)
    documented = table(title)
    assert list(found[0]) == list(documented)
    for record in found:
        for name, cell in record.items():
            if cell:
                IS_OF[documented[name]](cell)


def test_every_status_of_a_row_is_documented() -> None:
    told = section("### A pass of a case")
    assert {row.status for row in rows(lab6())} - set(re.findall(r"`(\w+)`", told)) == set()


def keys(value: object) -> Iterator[str]:
    """Every key of an object, and of those in it that are attnprof's own words."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield name
            if name not in ("environment", "errors", "plain_errors", "limits", "conditions", "graph_breaks"):
                yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


@pytest.mark.parametrize("recording", [single(), hopper(), study()], ids=["single", "hopper", "training"])
def test_the_keys_of_the_json_are_documented(recording: Recording) -> None:
    own = set(re.findall(r"`([^`]+)`", section("## JSON")))
    as_in_the_csv = {*table("### A pass of a case"), *table("### A training")}
    events = (ROOT / "sessions" / "README.md").read_text(encoding="utf-8")
    as_in_the_events = set(re.findall(r"`(\w+)`", events))
    dtypes_and_batches = {"bfloat16", "float16", "float32", *map(str, range(1024))}
    found = set(keys(json.loads(export(recording, "json"))))
    assert found - own - as_in_the_csv - as_in_the_events - dtypes_and_batches == set()


def snippets() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", DOCUMENT, flags=re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, sweep: Recording) -> dict[str, Any]:
    """What the document's snippets leave behind, run one after the other where two sessions and a CSV are.

    One of the sessions is cut in the middle of its last line, as a run that was killed leaves it.
    """
    pytest.importorskip("pandas")
    pytest.importorskip("duckdb")
    folder = tmp_path_factory.mktemp("formats")
    (folder / "sessions").mkdir()
    for name, cut in ((SWEEP, 20), (LAB6, 0)):
        content = (ROOT / "sessions" / name).read_bytes()
        (folder / "sessions" / name).write_bytes(content[: len(content) - cut])
    (folder / "results.csv").write_text(export(sweep, "csv"), encoding="utf-8")
    left: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for snippet in snippets():
            exec(compile(snippet, "docs/formats.md", "exec"), left)
        for name in ("fastest", "best", "ratios", "clocks"):
            left[name] = left[name].fetchall()
    return left


@pytest.fixture(scope="module")
def measured(sweep: Recording) -> dict[tuple[str, int, str], Row]:
    return {(row.implementation, row.workload.seq_q, row.which): row for row in rows(sweep)}


def median_ms(row: Row) -> float:
    assert row.device_ms is not None
    return row.device_ms.median


def test_the_csv_in_pandas_has_the_speedups(ran: dict[str, Any], measured: dict[Any, Row]) -> None:
    speedup = measured["flash2", 4096, "fwd_bwd"].speedup
    assert speedup and ran["speedups"].loc[4096, "flash2"] == speedup.median


def test_the_csv_in_duckdb_has_the_fastest(ran: dict[str, Any], measured: dict[Any, Row]) -> None:
    of_shape = [measured[key] for key in measured if key[1:] == (4096, "fwd")]
    best = [row for row in of_shape if row.is_fastest]
    told = next(found for found in ran["fastest"] if found[:2] == (4096, "fwd"))
    assert set(told[2].split(", ")) == {row.implementation for row in best}
    assert told[3] == min(map(median_ms, best))


def test_a_session_in_pandas_has_the_medians(ran: dict[str, Any], measured: dict[Any, Row]) -> None:
    assert ran["medians"].shape == (5, 7)
    for (implementation, seq, which), row in measured.items():
        if which == "fwd":
            assert ran["medians"].loc[seq, implementation] == median_ms(row)


def test_a_session_in_pandas_has_the_clock_by_the_second(ran: dict[str, Any], sweep: Recording) -> None:
    seconds = {int(reading.at_s) for reading in sweep.telemetry}
    assert set(ran["by_second"].index) == seconds
    assert ran["by_second"].between(200, 1980).all()


def test_a_folder_in_pandas_has_the_results_of_all_its_sessions(
    ran: dict[str, Any], measured: dict[Any, Row]
) -> None:
    counts = ran["everything"]["session"].value_counts()
    assert counts[Path(SWEEP).stem] == len(measured)
    assert len(counts) == 2


def test_a_session_in_duckdb_has_the_best(ran: dict[str, Any], measured: dict[Any, Row]) -> None:
    assert len(ran["best"]) == 15
    for seq, which, implementation, ms, _ in ran["best"]:
        of_shape = [measured[key] for key in measured if key[1:] == (seq, which)]
        assert ms == min(map(median_ms, of_shape)) == median_ms(measured[implementation, seq, which])


def test_samples_in_duckdb_make_the_speedups_of_the_report(
    ran: dict[str, Any], measured: dict[Any, Row]
) -> None:
    assert len(ran["ratios"]) == 35
    for seq, implementation, rounds, speedup in ran["ratios"]:
        if implementation != "pytorch":
            told = measured[implementation, seq, "fwd_bwd"].speedup
            assert told is not None
            assert (rounds, speedup) == (told.count, pytest.approx(told.median))


def test_a_folder_in_duckdb_has_the_clock_of_all_its_sessions(ran: dict[str, Any], sweep: Recording) -> None:
    assert {session for session, *_ in ran["clocks"]} == {SWEEP, LAB6}
    assert sum(session == SWEEP for session, *_ in ran["clocks"]) == len(
        {int(reading.at_s) for reading in sweep.telemetry}
    )
    assert all(mhz > 200 and watts > 50 for _, _, mhz, watts in ran["clocks"])
