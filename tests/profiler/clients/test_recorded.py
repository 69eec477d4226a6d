"""A session file opened in place of an engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from profiler.clients import telling
from profiler.clients.client import EngineClient, EngineError
from profiler.clients.recorded import RecordedSession
from profiler.engine.control import Hello, Stop
from profiler.events import SCHEMA, Catalog, Event, Log, SessionStarted
from profiler.results.rows import rows
from profiler.session import line_reader
from profiler.session.deferred import Batch
from profiler.session.recording import Recording
from tests.examples import header, hopper_events, lab6_events
from tests.profiler.clients.hearing import hear_out


def written(folder: Path, *events: Event, torn: bytes = b"") -> Path:
    path = folder / "x.jsonl"
    path.write_bytes(b"".join(msgspec.json.encode(event) + b"\n" for event in events) + torn)
    return path


def test_all_is_told_in_order_after_a_hello_from_the_header_and_the_catalog(tmp_path: Path) -> None:
    events = lab6_events()
    path = written(tmp_path, *events)
    session: EngineClient = RecordedSession(path)
    hello, *told = asyncio.run(hear_out(session)).heard
    assert told == events
    assert isinstance(hello, Hello)
    assert (hello.kind, hello.name, hello.device_name) == ("cuda", "cuda:0", "NVIDIA H100 80GB HBM3")
    assert (hello.path, hello.gpu) == (str(path), header().environment.gpu)
    assert [entry.name for entry in hello.catalog] == ["pytorch"]


def test_a_large_session_is_told_in_batches_and_adds_up_to_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, *lab6_events())
    monkeypatch.setattr(telling, "is_large", lambda file: True)
    monkeypatch.setattr(line_reader, "_BLOCK_BYTES", 2000)
    ear = asyncio.run(hear_out(RecordedSession(path)))
    assert ear.all_of(Batch)
    recording = Recording()
    for message in ear.heard[1:]:
        assert isinstance(message, Event | Batch)
        recording.add(message)
    assert repr(rows(recording)) == repr(rows(Recording.of(lab6_events())))
    assert recording.last_s == Recording.of(lab6_events()).last_s


def test_a_session_without_a_catalog_is_greeted_all_the_same(tmp_path: Path) -> None:
    events = hopper_events()
    assert not any(isinstance(event, Catalog) for event in events)
    hello, *told = asyncio.run(hear_out(RecordedSession(written(tmp_path, *events)))).heard
    assert isinstance(hello, Hello)
    assert hello.catalog == ()
    assert told == events


def test_a_session_of_nothing_but_a_header_is_told(tmp_path: Path) -> None:
    heard = asyncio.run(hear_out(RecordedSession(written(tmp_path, header())))).heard
    assert [type(message) for message in heard] == [Hello, SessionStarted]


def test_what_cannot_be_read_is_said_last_once_a_kind(tmp_path: Path) -> None:
    path = written(tmp_path, header(), Log(level="info", message="hello"), torn=b'{"type":"weather"}\n' * 2)
    path.write_bytes(path.read_bytes() + b'{"type":"lo')
    ear = asyncio.run(hear_out(RecordedSession(path)))
    assert [log.message for log in ear.all_of(Log)] == [
        "hello",
        "lines 3 and 4: unknown event 'weather', left out",
        "line 5: cut short (the run was killed while writing, or is still going), left out",
    ]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"notes\n", "no attnprof session"),
        (msgspec.json.encode({"type": "session", "schema": [SCHEMA[0] + 1, 0]}), "update attnprof"),
    ],
)
def test_what_is_no_session_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    with pytest.raises(EngineError, match=why):
        asyncio.run(hear_out(RecordedSession(path)))
    with pytest.raises(EngineError, match="cannot be read"):
        asyncio.run(hear_out(RecordedSession(tmp_path / "none.jsonl")))


def test_the_loop_has_its_turns_while_a_long_session_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, header(), *[Log(level="info", message="hello")] * 100_000)

    async def scenario() -> int:
        telling = asyncio.create_task(hear_out(RecordedSession(path)))
        turns = 0
        while not telling.done():
            await asyncio.sleep(0)
            turns += 1
        assert len((await telling).all_of(Log)) == 100_000
        return turns

    assert asyncio.run(scenario()) > 3


def test_it_takes_no_commands(tmp_path: Path) -> None:
    session = RecordedSession(written(tmp_path, *lab6_events()))
    assert not session.takes_commands
    session.send(Stop())
    ear = asyncio.run(hear_out(session))
    assert Recording.of(ear.heard[1:]).finished is not None  # type: ignore[arg-type]
    asyncio.run(session.close())
