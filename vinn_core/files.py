"""Writing files so that a reader finds the old or the new one, whole, whatever happens in between."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from vinn_core.errors import VinnError, WorkspaceError


@contextmanager
def disk_errors(doing: str, kind: type[VinnError] = WorkspaceError) -> Iterator[None]:
    """Turns the disk's errors into one clear sentence; `doing` completes "While ...", such as "saving the episode"."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise kind(
                f"The disk is full while {doing}. Free some space and try again; nothing old was lost."
            ) from error
        raise kind(f"While {doing}: {error.strerror or error}. Check the folder and try again.") from error


def replace_file(path: Path, write: Callable[[Path], None]) -> None:
    """Have `write` fill a temporary file beside `path`, then put it in its place. Raises OSError; `path` is then unchanged."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all. Raises OSError."""
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8") and None)


def publish_new(temporary: Path, candidates: Iterator[Path]) -> Path:
    """Give the finished `temporary` file the first free name of `candidates`, never overwriting; returns that name.

    Several processes may do this at once: the file system decides who gets which name.
    """
    _flush(temporary)
    for path in candidates:
        try:
            os.link(temporary, path)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.EXDEV):
                raise
            if not _rename_to_new(temporary, path):  # a file system without hard links
                continue
            return path
        temporary.unlink()
        return path
    raise AssertionError("candidates never end")


def _rename_to_new(temporary: Path, path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    temporary.replace(path)
    return True


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
