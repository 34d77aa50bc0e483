"""Writing files so that a reader finds the old or the new one, whole, whatever happens in between."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vinn_core.errors import VinnError, WorkspaceError

_LEFTOVER_AFTER_S = 600.0
"""A temporary file or folder older than this was left behind by a process that died: none takes so long to write."""

_OLD = ".old"
"""How the name of a folder ends while it is being replaced."""

_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EINVAL)
"""How file systems without hard links refuse one."""


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


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a temporary file beside `path`, then put it in its place.

    Raises OSError; `path` is then unchanged.
    """
    temporary = _temporary_beside(path)
    try:
        write(temporary)
        _flush(temporary)
        temporary.replace(path)
        _flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def replace_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all. Raises OSError."""
    replace_file(path, lambda temporary: temporary.write_bytes(data))


def replace_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all. Raises OSError."""
    replace_file(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_new(data: bytes, candidates: Iterator[Path]) -> Path:
    """Write `data`, whole or not at all, under the first free name of `candidates`; returns that name.

    Never overwrites: several processes may do this at once, and the file system decides who gets which name.
    `candidates` never ends and stays in one folder. Raises OSError; nothing is left behind then.
    """
    path = next(candidates)
    temporary = _temporary_beside(path)
    try:
        temporary.write_bytes(data)
        _flush(temporary)
        while not _give_name(temporary, path):
            path = next(candidates)
        _flush_folder(path.parent)
        return path
    finally:
        temporary.unlink(missing_ok=True)


def write_new_folder(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill a temporary folder beside `path`, then give it its name. Never replaces what is there.

    Raises OSError, FileExistsError when the name is taken; nothing is left behind then.
    """
    temporary = _temporary_beside(path)
    temporary.mkdir()
    try:
        write(temporary)
        _flush_all(temporary)
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
        temporary.rename(path)  # refused by the system when a full folder of that name has appeared since
        _flush_folder(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def replace_folder(folder: Path, write: Callable[[Path], object]) -> None:
    """Have `write` fill an empty folder beside `folder`, then put it in its place, flushed to the disk.

    Cut short at any point, `finish_replacing` brings a whole one back: the old one or the new one.

    Raises OSError; what was there is then unchanged.
    """
    fresh, old = folder.with_name(f".{folder.name}.new"), _old(folder)
    finish_replacing(folder)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        write(fresh)
        _flush_all(fresh)
        while not _take_place(folder, fresh, old):
            pass
        _flush_folder(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def finish_replacing(folder: Path) -> None:
    """Bring the old folder back if replacing it was cut short between the two renames. Raises OSError."""
    if _old(folder).exists() and not folder.exists():
        try:
            _old(folder).rename(folder)
        except OSError:
            if not folder.exists():  # else somebody else was quicker, or it has been replaced after all
                raise


def restore_replaced(parent: Path) -> None:
    """`finish_replacing` for every folder in `parent`."""
    for old in parent.glob(f".*{_OLD}"):
        finish_replacing(parent / old.name[1 : -len(_OLD)])


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files and folders that a killed process left in `folder`. Raises OSError."""
    for path in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > _LEFTOVER_AFTER_S:
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()


def _temporary_beside(path: Path) -> Path:
    """A name that no other thread or process uses."""
    return path.with_name(f".{path.name}.{os.urandom(4).hex()}.tmp")


def _give_name(temporary: Path, path: Path) -> bool:
    """False when `path` is taken."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _rename_to_new(temporary, path)
    return True


def _rename_to_new(temporary: Path, path: Path) -> bool:
    """For file systems without hard links: an empty file takes the name, then the full one replaces it."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    try:
        temporary.replace(path)
    except OSError:
        path.unlink()
        raise
    return True


def _flush(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _flush_all(folder: Path) -> None:
    """Every file in `folder`, and the folders that name them."""
    for path in folder.rglob("*"):
        (_flush_folder if path.is_dir() else _flush)(path)
    _flush_folder(folder)


def _flush_folder(path: Path) -> None:
    """Make a new name survive a power cut, where folders can be flushed at all."""
    if os.name == "nt":
        return
    with suppress(OSError):
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _old(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}{_OLD}")


def _take_place(folder: Path, fresh: Path, old: Path) -> bool:
    """Move `folder`, if there is one, to `old` and `fresh` to `folder`.

    False when another process has brought `old` back in between, taking the replacement for one that was cut short.
    """
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        if folder.exists():
            return False
        finish_replacing(folder)
        raise
    return True
