"""Files are replaced whole or not at all, and names are given out once."""

from __future__ import annotations

import errno
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from vinn_core import files
from vinn_core.errors import DatasetError, WorkspaceError
from vinn_core.files import (
    disk_errors,
    remove_leftovers,
    replace_bytes,
    replace_file,
    replace_folder,
    replace_text,
    restore_replaced,
    write_new,
    write_new_folder,
)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def _numbered(folder: Path) -> Iterator[Path]:
    return (folder / f"{number}.txt" for number in itertools.count(1))


def test_a_file_is_made_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    replace_text(file, "Zoë")
    assert file.read_text(encoding="utf-8") == "Zoë"
    replace_bytes(file, b"\x00\xff")
    assert file.read_bytes() == b"\x00\xff"
    assert _names(tmp_path) == ["a.txt"]


def test_the_old_file_stays_while_the_new_one_is_half_written(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def write(temporary: Path) -> None:
        temporary.write_text("hal")
        assert file.read_text() == "old"
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        replace_file(file, write)
    assert file.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_what_cannot_be_flushed_does_not_replace_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.txt"
    file.write_text("old")

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="Input/output"):
        replace_text(file, "new")
    assert file.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_new_files_get_the_first_free_name_and_overwrite_none(tmp_path: Path) -> None:
    (tmp_path / "2.txt").write_text("taken")
    written = [write_new(data, _numbered(tmp_path)).name for data in (b"a", b"b")]
    assert written == ["1.txt", "3.txt"]
    assert [(tmp_path / f"{number}.txt").read_text() for number in (1, 2, 3)] == ["a", "taken", "b"]
    assert _names(tmp_path) == ["1.txt", "2.txt", "3.txt"]


def test_a_new_file_that_does_not_fit_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, data: bytes) -> int:
        path.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_new(b"a", _numbered(tmp_path))
    assert _names(tmp_path) == []


def test_without_hard_links_a_failed_rename_gives_the_name_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    def no_renames(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "link", no_links)
    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", no_renames)
        with pytest.raises(OSError, match="Input/output"):
            write_new(b"a", _numbered(tmp_path))
        assert _names(tmp_path) == []
    assert write_new(b"a", _numbered(tmp_path)).name == "1.txt"


def test_only_temporary_files_that_nobody_writes_any_more_are_removed(tmp_path: Path) -> None:
    for name in (".old.tmp", ".young.tmp", "old.tmp", ".old.txt"):
        (tmp_path / name).touch()
        if "old" in name:
            os.utime(tmp_path / name, (0, 0))
    remove_leftovers(tmp_path)
    assert _names(tmp_path) == [".old.txt", ".young.tmp", "old.tmp"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "whole"

    def write(folder: Path) -> None:
        (folder / "a.txt").write_text("all of it")
        assert not target.exists()

    def fail(folder: Path) -> None:
        write(folder)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        write_new_folder(target, fail)
    assert _names(tmp_path) == []
    write_new_folder(target, write)
    assert (target / "a.txt").read_text() == "all of it"


def test_a_folder_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    target = tmp_path / "taken"

    def write(folder: Path) -> None:
        target.mkdir(exist_ok=True)  # by another process meanwhile

    with pytest.raises(FileExistsError):
        write_new_folder(target, write)
    assert _names(tmp_path) == ["taken"]


class Flushed:
    """What has been flushed to the disk, and what was there under which name then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[Path] = []
        fsync = os.fsync

        def note(descriptor: int) -> None:
            self.paths.append(Path(f"/proc/self/fd/{descriptor}").readlink())
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", note)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_a_replaced_folder_survives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file, the folder that names them, and, after the rename, the folder that names that."""
    flushed = Flushed(monkeypatch)

    def write(fresh: Path) -> None:
        (fresh / "inner").mkdir()
        (fresh / "a.txt").write_text("new")
        (fresh / "inner" / "b.txt").write_text("new")

    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("old")
    replace_folder(tmp_path / "folder", write)
    assert {path.name for path in (tmp_path / "folder").iterdir()} == {"a.txt", "inner"}
    fresh = flushed.paths[0].parent
    while fresh.parent != tmp_path:
        fresh = fresh.parent
    assert {fresh, fresh / "inner", fresh / "a.txt", fresh / "inner" / "b.txt"} == set(flushed.paths[:-1])
    assert flushed.paths[-1] == tmp_path
    assert _names(tmp_path) == ["folder"]


def test_what_does_not_fit_leaves_the_old_folder(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("old")

    def write(fresh: Path) -> None:
        (fresh / "a.txt").write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(OSError, match="No space left"):
        replace_folder(tmp_path / "folder", write)
    assert (tmp_path / "folder" / "a.txt").read_text() == "old"
    assert _names(tmp_path) == ["folder"]


def test_a_reader_that_restores_a_folder_under_way_does_not_stop_its_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("old")
    rename, restored = Path.rename, []

    def rename_while_somebody_reads(path: Path, target: Path) -> Path:
        if path.name.endswith(".new") and not restored:
            restored.append(path)
            restore_replaced(tmp_path)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", rename_while_somebody_reads)
    replace_folder(tmp_path / "folder", lambda fresh: (fresh / "a.txt").write_text("new"))
    assert restored
    assert (tmp_path / "folder" / "a.txt").read_text() == "new"
    assert _names(tmp_path) == ["folder"]


def test_what_cannot_take_the_place_leaves_the_old_folder_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text("old")
    rename = Path.rename

    def refuse_the_second(path: Path, target: Path) -> Path:
        if path.name.endswith(".new"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse_the_second)
    with pytest.raises(PermissionError):
        replace_folder(tmp_path / "folder", lambda fresh: (fresh / "a.txt").write_text("new"))
    assert (tmp_path / "folder" / "a.txt").read_text() == "old"
    assert _names(tmp_path) == ["folder"]


def test_two_readers_may_restore_a_folder_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".folder.old").mkdir()
    rename = Path.rename

    def somebody_is_quicker(path: Path, target: Path) -> Path:
        rename(path, target)
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", somebody_is_quicker)
    restore_replaced(tmp_path)
    assert _names(tmp_path) == ["folder"]


def test_a_folder_left_by_a_killed_process_is_removed(tmp_path: Path) -> None:
    for name in (".old.1.tmp", ".young.2.tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "half").touch()
    os.utime(tmp_path / ".old.1.tmp", (0, 0))
    remove_leftovers(tmp_path)
    assert _names(tmp_path) == [".young.2.tmp"]


def test_temporary_files_of_different_writers_have_different_names(tmp_path: Path) -> None:
    seen: list[str] = []
    for _ in range(20):
        replace_file(tmp_path / "a", lambda temporary: (seen.append(temporary.name), temporary.touch()))
    assert len(set(seen)) == 20


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_as_one(number: int) -> None:
    with (
        pytest.raises(
            DatasetError, match=r"^The disk is full while saving the episode\. Free some space and try again"
        ),
        disk_errors("saving the episode", DatasetError),
    ):
        raise OSError(number, os.strerror(number))


def test_other_troubles_of_the_disk_are_named() -> None:
    with (
        pytest.raises(WorkspaceError, match="While saving: Permission denied. Check the folder"),
        disk_errors("saving"),
    ):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), "/root/x")


def test_folders_that_cannot_be_flushed_do_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(files.os, "open", refuse)
    replace_text(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
