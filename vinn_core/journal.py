"""An append-only file of records that survives a kill at any moment: what was written whole is read back, the rest dropped.

HDF5 cannot promise that: a process killed while it updates an HDF5 file may leave nothing readable. So the episode being
recorded goes into a journal, and becomes an HDF5 file only when it is finished.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

_HEAD = struct.Struct("<II")
"""Length and CRC-32 of the record that follows."""


class JournalWriter:
    """Appends records to a new file. While open, a lock beside the file shows that its writer is alive.

    Raises:
        OSError: the file cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = _lock_of(path)
        self._lock.acquire()
        try:
            self._file = path.open("xb", buffering=0)
        except OSError:
            self._lock.release()
            raise

    def append(self, record: bytes) -> None:
        """Write one record through to the operating system, where it outlives this process."""
        data = _HEAD.pack(len(record), zlib.crc32(record)) + record
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        """Close the file and show that it is no longer being written; the file stays."""
        self._file.close()
        self._lock.release()

    def remove(self) -> None:
        """Close and delete the file."""
        self.close()
        remove_journal(self.path)


def read_journal(path: Path) -> Iterator[bytes]:
    """The whole records of a journal, up to the first that is cut off or damaged. Raises OSError."""
    with path.open("rb") as file:
        while True:
            head = file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                return
            length, checksum = _HEAD.unpack(head)
            record = file.read(length)
            if len(record) < length or zlib.crc32(record) != checksum:
                return
            yield record


def is_abandoned(path: Path) -> bool:
    """Whether no living process is writing the journal."""
    lock = _lock_of(path)
    try:
        lock.acquire()
    except Timeout:
        return False
    lock.release()
    return True


def remove_journal(path: Path) -> None:
    """Delete a journal and its lock."""
    path.unlink(missing_ok=True)
    Path(_lock_of(path).lock_file).unlink(missing_ok=True)


def _lock_of(path: Path) -> FileLock:
    return FileLock(path.with_suffix(".lock"), timeout=0, is_singleton=False)
