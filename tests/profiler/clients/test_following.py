"""A session file that is followed while another process writes it."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from profiler.clients.client import EngineClient, EngineError
from profiler.clients.following import Following
from profiler.engine.control import Hello, Stop
from profiler.events import Catalog, CatalogEntry, Continued, Event, Finished, Log, SessionStarted
from tests.examples import header
from tests.profiler.clients.hearing import Ear

SOON_S = 0.005
CATALOG = Catalog(implementations=(CatalogEntry(name="pytorch", label="PyTorch", summary="matmul, softmax"),))
FINISHED = Finished(ending="completed")


def line(event: Event) -> bytes:
    return msgspec.json.encode(event) + b"\n"


def log(message: str) -> Log:
    return Log(level="info", message=message)


def add(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def follow(path: Path, happens: Callable[[Ear], Awaitable[object]]) -> Ear:
    """All that is heard of the file while something happens to it, until it is followed no more."""

    async def scenario() -> Ear:
        ear = Ear()
        client: EngineClient = Following(path, look_every_s=SOON_S)
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            tasks.create_task(client.run(ear))
            await happens(ear)
        return ear

    return asyncio.run(scenario())


def test_what_is_there_is_told_then_what_comes_until_the_session_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(line(header()) + line(CATALOG) + line(log("before")))

    async def happens(ear: Ear) -> None:
        await ear.count(Log)
        add(path, line(log("after")) + line(log("at once")))
        await ear.count(Log, 3)
        add(path, line(FINISHED))

    hello, *told = follow(path, happens).heard
    assert told == [header(), CATALOG, log("before"), log("after"), log("at once"), FINISHED]
    assert isinstance(hello, Hello)
    assert hello.catalog == CATALOG.implementations


def test_a_line_waits_for_its_rest(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    whole = line(log("long"))
    path.write_bytes(line(header()) + line(CATALOG) + whole[:9])

    async def happens(ear: Ear) -> None:
        await ear.count(Catalog)
        for at in range(9, len(whole)):
            add(path, whole[at : at + 1])
            await asyncio.sleep(SOON_S)
        add(path, line(FINISHED))

    assert follow(path, happens).all_of(Log) == [log("long")]


def test_a_file_in_which_nothing_stands_yet_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.touch()

    async def happens(ear: Ear) -> None:
        await asyncio.sleep(3 * SOON_S)
        assert ear.heard == []
        add(path, line(header()))
        await ear.count(Hello)
        add(path, line(CATALOG) + line(FINISHED))

    assert [type(message) for message in follow(path, happens).heard] == [
        Hello,
        SessionStarted,
        Catalog,
        Finished,
    ]


def test_a_session_that_another_run_went_on_with_is_followed_to_its_last_end(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    environment = header().environment
    again = Continued(attnprof="0.1.0", started="2026-11-22T05:00:00Z", command="x", environment=environment)
    path.write_bytes(b"".join(map(line, (header(), CATALOG, FINISHED, again, log("more")))))

    async def happens(ear: Ear) -> None:
        await ear.count(Log)
        add(path, line(FINISHED))

    assert len(follow(path, happens).all_of(Finished)) == 2


def put_another_in_its_place(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes() * 2)
    other.replace(path)


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (lambda path: path.unlink(), "the session's file is gone"),
        (lambda path: path.write_bytes(b""), "the session's file was cut short"),
        (put_another_in_its_place, "another file stands in the place of the session's"),
    ],
)
def test_a_file_that_is_lost_is_said_and_ends_it(
    tmp_path: Path, loss: Callable[[Path], None], why: str
) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(line(header()) + line(CATALOG))

    async def happens(ear: Ear) -> None:
        await ear.count(Catalog)
        loss(path)

    last = follow(path, happens).heard[-1]
    assert isinstance(last, Log)
    assert (last.level, last.message) == ("warning", f"{why}: it is no longer followed")


def test_a_writer_that_ends_without_closing_its_session_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(line(header()) + line(CATALOG))
    writer = path.open("ab")
    fcntl.flock(writer, fcntl.LOCK_EX)

    async def happens(ear: Ear) -> None:
        await ear.count(Catalog)
        writer.write(line(log("last words")) + b'{"type":"lo')
        writer.close()

    ear = follow(path, happens)
    assert [entry.message.partition(":")[0] for entry in ear.all_of(Log)] == [
        "last words",
        "line 4",
        "the run that wrote the session ended without closing it",
    ]


def test_what_cannot_be_read_is_said_once_a_kind(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    weather = b'{"type":"weather"}\n'
    path.write_bytes(line(header()) + weather)

    async def happens(ear: Ear) -> None:
        await ear.count(Log)
        add(path, weather * 3 + line(FINISHED))

    messages = [entry.message for entry in follow(path, happens).all_of(Log)]
    assert messages == ["line 2: unknown event 'weather', left out"]


def test_it_takes_no_commands_and_ends_when_closed(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(line(header()) + line(CATALOG))

    async def scenario() -> None:
        ear, client = Ear(), Following(path)
        running = asyncio.create_task(client.run(ear))
        await ear.count(Catalog)
        client.send(Stop())
        await client.close()
        async with asyncio.timeout(20):
            await running

    assert not Following(path).takes_commands
    asyncio.run(scenario())


def test_what_is_no_session_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        asyncio.run(Following(tmp_path / "none.jsonl").run(Ear()))
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"notes\n")
    with pytest.raises(EngineError, match="no attnprof session"):
        asyncio.run(Following(path).run(Ear()))
