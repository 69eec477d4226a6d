"""Session files: where they are, what they are called, and how one is written as events happen.

The format is documented in sessions/README.md; profiler.session.reader reads it.
"""

from __future__ import annotations

import os
import re
import tempfile
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import msgspec

from profiler.events import Event
from profiler.session import lock as session_lock
from profiler.session.line_reader import open_file
from profiler.units import listed, plain_text

FOLDER_VARIABLE = "ATTNPROF_SESSIONS"
SUFFIX = ".jsonl"

_STAMP = "%Y%m%dT%H%M%SZ"
_STAMPED = re.compile(r"^\d{8}T\d{6}Z")
_SLUG_LENGTH = 40
_COPIED_BYTES = 2**20


class SessionError(Exception):
    """A session cannot be found, read or written; the message is one sentence for the user."""


def sessions_folder(option: str | None) -> Path:
    """The folder of session files: what --sessions says, else $ATTNPROF_SESSIONS, else ./sessions."""
    return Path(option or os.environ.get(FOLDER_VARIABLE) or "sessions")


def check_writable(folder: Path) -> None:
    """Make `folder` if there is none, and write a file there and remove it.

    Only a real write tells: os.access() lies to root and about read-only mounts.

    Raises:
        SessionError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".attnprof-") as trial:
            trial.write(b"\n")
            trial.flush()
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> SessionError:
    not_a_folder = isinstance(error, FileExistsError | NotADirectoryError)
    reason = "it is, or lies under, a file" if not_a_folder else error.strerror or str(error)
    return SessionError(
        f"sessions cannot be saved in '{plain_text(str(folder))}' ({reason}): "
        f"name a folder you can write with --sessions DIR or {FOLDER_VARIABLE}"
    )


def _slug(text: str) -> str:
    """`text` as a safe part of a file name: lower-case ASCII letters and digits with single hyphens."""
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower())[:_SLUG_LENGTH].strip("-")


def session_name(started: datetime, device_name: str, label: str) -> str:
    """The name of a session file without its suffix, e.g. 20261122T043206Z-h100-80gb-hbm3-lab6."""
    device = _slug(re.sub(r"\bnvidia\b", "", device_name, flags=re.IGNORECASE))
    stamp = started.astimezone(UTC).strftime(_STAMP)
    return "-".join(part for part in (stamp, device, _slug(label)) if part)


def create_unique(folder: Path, stem: str, suffix: str) -> tuple[Path, int]:
    """A new file in `folder`, open for appending; a name that is taken gets -2, -3, ...

    Raises:
        OSError: it cannot be made.
    """
    path, number = folder / f"{stem}{suffix}", 1
    while True:
        with suppress(FileExistsError):
            return path, os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        number += 1
        path = folder / f"{stem}-{number}{suffix}"


class SessionWriter:
    """Appends events to a session file, a line each, so that what is written is there if we die.

    It holds the file's lock (profiler.session.lock) until it is closed. Not for use from several
    threads. Closing twice is fine.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        self._encoder = msgspec.json.Encoder()
        self._mid_line = False  # an append failed part-way

    @classmethod
    def create(cls, folder: Path, started: datetime, device_name: str, label: str = "") -> SessionWriter:
        """Open a new file in `folder` (made if need be); a name that is taken gets -2, -3, ...

        Raises:
            SessionError: the file cannot be made.
        """
        return cls.create_named(folder, session_name(started, device_name, label))

    @classmethod
    def create_named(cls, folder: Path, stem: str) -> SessionWriter:
        """The same under a name that is known.

        Raises:
            SessionError: the file cannot be made.
        """
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path, descriptor = create_unique(folder, stem, SUFFIX)
        except OSError as error:
            raise _unwritable(folder, error) from error
        session_lock.hold(descriptor)
        sync_folder(folder)
        return cls(path, descriptor)

    @classmethod
    def reopen(cls, path: Path) -> SessionWriter:
        """Open a session file that is there, to write on after its last line, be that whole or torn.

        Raises:
            SessionError: it cannot be opened for writing, or another process is writing it.
        """
        name = plain_text(str(path))
        try:
            open_file(path).close()  # a pipe or a device is no session, and is left alone
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
        except OSError as error:
            raise SessionError(f"'{name}' cannot be written ({error.strerror or error})") from error
        if not session_lock.try_hold(descriptor):
            os.close(descriptor)
            raise SessionError(f"'{name}' is still being written by a run: wait until that has ended")
        writer = cls(path, descriptor)
        size = os.fstat(descriptor).st_size
        writer._mid_line = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        return writer

    def append(self, event: Event, durable: bool = False) -> None:
        """Write one event; `durable` also waits until it is on the disk.

        Raises:
            SessionError: it cannot be written (disk full). The writer can still be used and closed.
        """
        self.append_line(self._encoder.encode(event))
        if durable:
            self.sync()

    def append_line(self, line: bytes) -> None:
        """Write one event that is encoded already, given without its newline.

        Raises:
            SessionError: as append.
        """
        line += b"\n"
        if self._mid_line:
            line = b"\n" + line  # keep this event whole though the one before it is torn
        left = memoryview(line)
        try:
            while left:  # a disk that fills up takes a part, and refuses the rest with the reason
                left = left[self._file.write(left) :]
            self._mid_line = False
        except OSError as error:
            self._mid_line = self._mid_line or 0 < len(left) < len(line)
            raise self._unsaved(error) from error

    def sync(self) -> None:
        """Wait until what was written is on the disk.

        Raises:
            SessionError: the disk refused it.
        """
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._unsaved(error) from error

    def why_unsafe(self) -> str | None:
        """Why what is written will not be found, though the disk takes it; None if it will."""
        try:
            is_there = os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except OSError:
            is_there = False
        return None if is_there else f"the session file '{plain_text(str(self.path))}' has been removed"

    def copy_to(self, other: SessionWriter) -> None:
        """Write the whole lines of the file to another.

        Raises:
            SessionError: this cannot be read, or the other cannot be written.
        """
        place, torn = 0, b""
        while True:
            try:
                data = os.pread(self._file.fileno(), _COPIED_BYTES, place)
            except OSError as error:
                raise self._unsaved(error) from error
            if not data:
                return
            place += len(data)
            whole, newline, torn = (torn + data).rpartition(b"\n")
            other._write(whole + newline)

    def discard(self) -> None:
        """Close the file, and take it away again."""
        with suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)

    @property
    def is_closed(self) -> bool:
        return self._file.closed

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise self._unsaved(error) from error

    def close(self) -> None:
        """Put everything on the disk and close the file.

        Raises:
            SessionError: the disk refused what was written before; the file is closed all the same.
        """
        if self._file.closed:
            return
        try:
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            with suppress(OSError):
                self._file.close()
            raise self._unsaved(error) from error

    def _unsaved(self, error: OSError) -> SessionError:
        return SessionError(
            f"the session cannot be saved to '{plain_text(str(self.path))}' ({error.strerror or error}): "
            "free some space, or name another folder with --sessions DIR"
        )

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def sync_folder(folder: Path) -> None:
    """Put a new name of a file on the disk too; some network file systems cannot, and need not."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def find_session(text: str, folder: Path) -> Path:
    """The session file meant by `text`: a path, a unique part of a name in `folder`, or "last".

    A name that ends with the text, as it does with its label, goes before those that have it elsewhere.

    Raises:
        SessionError: none is meant, or several are; the message names what is possible.
    """
    sessions = _newest_first(folder)
    if text == "last":
        if not sessions:
            raise SessionError(
                f"there are no sessions in '{plain_text(str(folder))}': `attnprof run` makes one"
            )
        return sessions[0]
    with suppress(OSError, ValueError):  # text that cannot be a path may still be part of a name
        if text and Path(text).is_file():
            return Path(text)
    exact = [path for path in sessions if text in (path.name, path.stem)]
    part = text.casefold()
    labelled = [path for path in sessions if part and path.stem.casefold().endswith(f"-{part}")]
    found = exact or labelled or [path for path in sessions if part and part in path.name.casefold()]
    if len(found) == 1:
        return found[0]
    wanted, place = plain_text(text), plain_text(str(folder))
    if found:
        raise SessionError(
            f"'{wanted}' is part of {len(found)} names in '{place}', type more of one: {_names(found)}"
        )
    possible = f"it has {_names(sessions)}" if sessions else "it has no sessions: `attnprof run` makes one"
    raise SessionError(f"there is no session '{wanted}' in '{place}'; {possible}")


def _names(paths: list[Path]) -> str:
    return listed([plain_text(path.stem) for path in paths])


def _newest_first(folder: Path) -> list[Path]:
    """The session files in `folder`, by the time in the name, or of the last change where it has none.

    An empty one is a run that is still loading torch, or was killed before it had: no session yet.
    """

    def age(path: Path) -> tuple[str, float, str]:
        changed = path.stat().st_mtime
        stamp = _STAMPED.match(path.name)
        return (
            stamp[0] if stamp else datetime.fromtimestamp(changed, UTC).strftime(_STAMP),
            changed,
            path.stem,
        )

    try:
        files = [path for path in folder.iterdir() if path.suffix == SUFFIX and path.is_file()]
        return sorted((path for path in files if path.stat().st_size), key=age, reverse=True)
    except OSError:
        return []
