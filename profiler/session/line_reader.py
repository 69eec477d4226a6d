"""Reads a file line by line in blocks: one that is still being written, too, and lines of any length."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO

_BLOCK_BYTES = 128 * 2**10  # decoded in a millisecond or two, so that who reads along need not wait
_LONGEST_LINE_BYTES = 16 * 2**20  # a plan of ten thousand shapes has an eighth of that


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading; a link is followed.

    Raises:
        OSError: it cannot be opened, or is a folder, a pipe or a device: reading one may never end.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe without a writer would be waited for
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    raise OSError(errno.EINVAL, "it is a pipe or a device, not a file")


class LineReader:
    """Hands out the lines of a file from where it stands; what has no newline yet waits for the rest.

    Of a line longer than 16 MiB only so much is kept, for no event is.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._pieces: list[bytes] = []
        self._held_bytes = 0

    @property
    def torn(self) -> bytes:
        """What stands after the last newline that was read."""
        return b"".join(self._pieces)

    def read(self) -> list[bytes]:
        """The next whole lines, without their newlines; none where the file ends, for now."""
        while data := self._file.read(_BLOCK_BYTES):
            *lines, rest = data.split(b"\n")
            if lines:
                lines[0] = self.torn + lines[0] if self._pieces else lines[0]
                self._pieces, self._held_bytes = [], 0
            self._hold(rest)
            if lines:
                return lines
        return []

    def _hold(self, piece: bytes) -> None:
        if piece and self._held_bytes < _LONGEST_LINE_BYTES:
            self._pieces.append(piece)
            self._held_bytes += len(piece)
