"""An append-only file of records that survives a kill at any moment: what was written whole is read back.

HDF5 cannot promise that: a process killed while it updates an HDF5 file may leave nothing readable. So the episode
being recorded goes into a journal, and becomes an HDF5 file only when it is finished.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_HEAD = struct.Struct("<II")
"""Length and CRC-32 of the record that follows."""


class JournalWriter:
    """Appends records to a new file. Until closed, a lock beside the file shows that its writer is alive.

    May be closed by another thread than the one that made it.

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
            _give_back(self._lock)
            raise

    def append(self, record: bytes) -> None:
        """Write one record through to the operating system, where it outlives this process."""
        data = _HEAD.pack(len(record), zlib.crc32(record)) + record
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]

    def fileno(self) -> int:
        """Of the file, to be flushed."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the file and show that it is no longer being written; the file stays."""
        self._file.close()
        _give_back(self._lock)

    def remove(self) -> None:
        """Close and delete the file."""
        self._file.close()
        self.path.unlink(missing_ok=True)  # before the lock is given back: nobody may recover what is safe already
        _give_back(self._lock)


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


@contextmanager
def claimed(path: Path) -> Iterator[bool]:
    """Whether the journal is there and no living process is writing or recovering it; it is ours meanwhile."""
    lock = _lock_of(path)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield path.exists()
    finally:
        _give_back(lock)


def _lock_of(path: Path) -> FileLock:
    # By default a lock belongs to the thread that took it, and giving it back in another one does nothing.
    return FileLock(path.with_suffix(".lock"), timeout=0, thread_local=False)


def _give_back(lock: FileLock) -> None:
    lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)
