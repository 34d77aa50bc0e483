"""Recorded episodes on disk: one file an episode, each written whole or not at all; listed, judged, deleted, linked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from itertools import count
from pathlib import Path

import h5py
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from vinn_core.episodes.episode import Episode
from vinn_core.episodes.file import (
    DEMO,
    EpisodeSummary,
    contents,
    encode_episode,
    encode_with_success,
    env_args,
    episode_file_name,
    episode_number,
    load_episode,
    load_frame,
    load_frames,
    load_motion,
    new_hdf5,
    read_summary,
)
from vinn_core.errors import DatasetError
from vinn_core.files import disk_errors, replace_bytes, write_new
from vinn_core.workspace import Workspace

__all__ = [
    "Dataset",
    "EpisodeSummary",
    "load_episode",
    "load_frame",
    "load_frames",
    "load_motion",
    "read_summary",
    "save_episode",
]

_TRASH = ".trash"
_LONGEST_REWRITE_S = 60.0


def save_episode(folder: Path, episode: Episode) -> int:
    """Write `episode` into `folder` under the next free number, whole or not at all; returns the number.

    Safe with other processes saving at the same time. Numbers of deleted episodes in the trash are not used again.

    Raises:
        DatasetError: the episode is empty.
        WorkspaceError: the disk is full or refuses; nothing is left behind.
    """
    data = encode_episode(episode)
    with disk_errors("saving the episode"):
        taken = (episode_number(path) or 0 for path in (*_episode_files(folder), *_episode_files(folder / _TRASH)))
        first = max(taken, default=0) + 1
        return int(write_new(data, (folder / episode_file_name(number) for number in count(first))).stem)


class Dataset:
    """The episodes of a workspace. May be used by several threads and processes at once."""

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.episodes_folder
        self._master = workspace.path / "dataset.hdf5"

    def summaries(self) -> list[EpisodeSummary]:
        """All whole episodes in the order of their numbers; damaged files are left out, see `damaged`."""
        return [found for _, found in self._scan() if isinstance(found, EpisodeSummary)]

    def damaged(self) -> list[tuple[Path, str]]:
        """Files in the episodes folder that cannot be read, each with a sentence that says why."""
        return [(path, found) for path, found in self._scan() if isinstance(found, str)]

    def load(self, number: int) -> Episode:
        """Episode `number`. Raises DatasetError when there is none or it is damaged."""
        return load_episode(self._path(number))

    def thumbnail(self, number: int, camera: str) -> NDArray[np.uint8]:
        """(H, W, 3) uint8, the middle frame of `camera`. Raises DatasetError."""
        path = self._path(number)
        return load_frame(path, camera, read_summary(path).length // 2)

    def set_success(self, number: int, success: bool | None) -> None:
        """Note the person's judgement. Raises DatasetError, or WorkspaceError when it cannot be written."""
        path = self._path(number)
        with disk_errors(f"changing episode {number}"):
            replace_bytes(path, encode_with_success(path, success))

    def delete(self, numbers: list[int]) -> None:
        """Move episodes to the trash, from where `restore` brings them back.

        Raises:
            DatasetError: there is no such episode; none is moved then. WorkspaceError: the disk refuses.
        """
        paths = [self._path(number) for number in numbers]
        with disk_errors("deleting episodes"):
            (self._folder / _TRASH).mkdir(exist_ok=True)
            for path in paths:
                path.replace(self._folder / _TRASH / path.name)
        self.rewrite_master()

    def restore(self, numbers: list[int]) -> None:
        """Undo `delete`. Raises DatasetError when an episode is not in the trash; none is moved then."""
        paths = [self._folder / _TRASH / episode_file_name(number) for number in numbers]
        for number, path in zip(numbers, paths, strict=True):
            if not path.exists():
                raise DatasetError(f"episode {number} is no longer in the trash and cannot be brought back.")
        with disk_errors("restoring episodes"):
            for path in paths:
                path.replace(self._folder / path.name)
        self.rewrite_master()

    def trashed(self) -> list[int]:
        """Numbers of the episodes in the trash, ascending."""
        return sorted(episode_number(path) or 0 for path in _episode_files(self._folder / _TRASH))

    def empty_trash(self) -> None:
        """Delete for good what `delete` moved away."""
        with disk_errors("emptying the trash"):
            for path in (self._folder / _TRASH).glob("*.hdf5"):
                path.unlink()

    def fingerprint(self) -> str:
        """sha256 over the numbers and fingerprints of all episodes."""
        facts = [(summary.number, summary.fingerprint) for summary in self.summaries()]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def rewrite_master(self) -> None:
        """Make dataset.hdf5 link to all whole episodes, as `data/demo_<number>`, for robomimic's tools."""
        # Listed and written under a lock: else a slower process could put an older list in place of a newer one.
        lock = FileLock(self._folder / ".master.lock", timeout=_LONGEST_REWRITE_S)
        with disk_errors("updating dataset.hdf5"), lock, new_hdf5() as file:
            summaries = self.summaries()
            data = file.create_group("data")
            data.attrs["total"] = sum(summary.length for summary in summaries)
            data.attrs["env_args"] = env_args(summaries[0].task if summaries else "")
            for summary in summaries:
                data[f"demo_{summary.number}"] = h5py.ExternalLink(f"episodes/{summary.path.name}", DEMO)
            replace_bytes(self._master, contents(file))

    def _path(self, number: int) -> Path:
        path = self._folder / episode_file_name(number)
        if not path.exists():
            present = [episode_number(present) or 0 for present in _episode_files(self._folder)]
            known = f"there are {min(present)} to {max(present)}" if present else "there are no episodes yet"
            raise DatasetError(f"no episode {number} in {self._folder.parent.name}; {known}.")
        return path

    def _scan(self) -> Iterator[tuple[Path, EpisodeSummary | str]]:
        """The files in the episodes folder, each with its summary or a sentence that says what is wrong with it."""
        for path in sorted(self._folder.glob("[!.]*.hdf5"), key=lambda path: (episode_number(path) or 0, path.name)):
            try:
                stat = path.stat()
                yield path, _examine(path, (stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
            except DatasetError as error:
                if path.exists():
                    yield path, str(error)
            except FileNotFoundError:  # deleted meanwhile
                continue


@lru_cache(maxsize=16384)
def _examine(path: Path, version: tuple[int, ...]) -> EpisodeSummary:
    """As `read_summary`, but opens a file only once: `version` changes whenever the file does. Raises DatasetError."""
    if episode_number(path) is None:
        raise DatasetError(
            f"{path.name} is not an episode of this program (episodes are named 000001.hdf5 and so on); "
            "move it out of the folder."
        )
    return read_summary(path)


def _episode_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*.hdf5") if episode_number(path) is not None)
