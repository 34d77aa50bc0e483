"""Recorded episodes on disk: robomimic's HDF5 layout, one file an episode, each written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from vinn_core.episode import Episode, EpisodeInfo, Source
from vinn_core.errors import DatasetError
from vinn_core.files import disk_errors, publish_new, replace_file
from vinn_core.workspace import Workspace

FORMAT_VERSION = 1
_DEMO = "data/demo_0"
_ARRAYS = {
    "ee_positions": "obs/robot0_eef_pos",
    "ee_quaternions": "obs/robot0_eef_quat",
    "gripper_openings": "obs/robot0_gripper_qpos",
    "times": "obs/timestamp",
    "actions": "actions",
    "executed_actions": "executed_actions",
    "states": "states",
}
_IMAGE_SUFFIX = "_image"
_TRASH = ".trash"


@dataclass(frozen=True)
class EpisodeSummary:
    """What a list of episodes shows.

    Attributes:
        number: episode number, the file's name. length: frames. duration_s: length over the control rate [s].
        fingerprint: sha256 over frames, actions, states and facts; the outcome, which a person may overrule, left out.
        The rest as in EpisodeInfo.
    """

    number: int
    path: Path
    length: int
    duration_s: float
    task: str
    look: str
    seed: int
    source: Source
    success: bool | None
    operator: str
    created: str
    cameras: tuple[str, ...]
    fingerprint: str


def save_episode(folder: Path, episode: Episode) -> int:
    """Write `episode` into `folder` under the next free number, whole or not at all; returns the number.

    Safe with other processes saving at the same time. Numbers of deleted episodes in the trash are not used again.

    Raises:
        WorkspaceError: the disk is full or refuses; nothing is left behind.
    """
    temporary = folder / f".saving-{os.getpid()}-{os.urandom(4).hex()}.hdf5"
    with disk_errors("saving the episode"):
        try:
            _write(temporary, episode)
            first = max((int(path.stem) for path in _all_episode_files(folder)), default=0) + 1
            return int(publish_new(temporary, (folder / f"{number:06d}.hdf5" for number in count(first))).stem)
        finally:
            temporary.unlink(missing_ok=True)


def load_episode(path: Path) -> Episode:
    """Read an episode, equal bit for bit to the one saved. Raises DatasetError when the file is damaged or foreign."""
    with _reading(path) as demo:
        arrays = {name: np.asarray(_member(demo, key)[()]) for name, key in _ARRAYS.items()}
        images = {camera: np.asarray(demo[f"obs/{camera}{_IMAGE_SUFFIX}"][()]) for camera in _cameras(demo)}
        return Episode(info=_info(demo), images=images, **arrays)


def load_frames(path: Path, camera: str) -> NDArray[np.uint8]:
    """All frames of one camera, (T, H, W, 3) uint8. Raises DatasetError when file or camera is missing or damaged."""
    with _reading(path) as demo:
        return np.asarray(_frames(demo, path, camera)[()])


def load_frame(path: Path, camera: str, step: int) -> NDArray[np.uint8]:
    """One frame, (H, W, 3) uint8; `step` is 0-based, negative counts from the end. Raises DatasetError."""
    with _reading(path) as demo:
        return np.asarray(_frames(demo, path, camera)[step])


def read_summary(path: Path) -> EpisodeSummary:
    """The facts of an episode without its frames. Raises DatasetError when the file is damaged or foreign."""
    with _reading(path) as demo:
        info = _info(demo)
        length = int(_member(demo, "actions").shape[0])
        for key in _ARRAYS.values():
            if _member(demo, key).shape[0] != length:
                raise KeyError(f"{key} has another length than actions")
        return EpisodeSummary(
            number=int(path.stem) if path.stem.isdigit() else 0,
            path=path,
            length=length,
            duration_s=length / info.control_hz,
            task=info.task,
            look=info.look,
            seed=info.seed,
            source=info.source,
            success=info.success,
            operator=info.operator,
            created=info.created,
            cameras=_cameras(demo),
            fingerprint=str(demo.attrs["fingerprint"]),
        )


class Dataset:
    """The episodes of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.episodes_folder
        self._master = workspace.path / "dataset.hdf5"

    def summaries(self) -> list[EpisodeSummary]:
        """All whole episodes in the order of their numbers; damaged files are left out, see `damaged`."""
        return self._scan()[0]

    def damaged(self) -> list[tuple[Path, str]]:
        """Files in the episodes folder that cannot be read, each with a sentence that says why."""
        return self._scan()[1]

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
        episode = load_episode(path)  # a damaged file is not touched

        def write(temporary: Path) -> None:
            temporary.write_bytes(path.read_bytes())
            with h5py.File(temporary, "r+") as file:
                file[_DEMO].attrs["success"] = _success_code(success)
                file[f"{_DEMO}/rewards"][-1] = float(success is True)

        assert len(episode) > 0
        with disk_errors(f"changing episode {number}"):
            replace_file(path, write)

    def delete(self, numbers: list[int]) -> None:
        """Move episodes to the trash, from where `restore` brings them back. Raises DatasetError, WorkspaceError."""
        with disk_errors("deleting episodes"):
            (self._folder / _TRASH).mkdir(exist_ok=True)
            for number in numbers:
                path = self._path(number)
                path.replace(self._folder / _TRASH / path.name)
        self.rewrite_master()

    def restore(self, numbers: list[int]) -> None:
        """Undo `delete`. Raises DatasetError when an episode is not in the trash."""
        with disk_errors("restoring episodes"):
            for number in numbers:
                path = self._folder / _TRASH / f"{number:06d}.hdf5"
                if not path.exists():
                    raise DatasetError(f"episode {number} is no longer in the trash and cannot be brought back.")
                path.replace(self._folder / path.name)
        self.rewrite_master()

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
        summaries = self.summaries()

        def write(temporary: Path) -> None:
            with h5py.File(temporary, "w") as file:
                data = file.create_group("data")
                data.attrs["total"] = sum(summary.length for summary in summaries)
                data.attrs["env_args"] = _env_args(summaries[0].task if summaries else "")
                for summary in summaries:
                    data[f"demo_{summary.number}"] = h5py.ExternalLink(f"episodes/{summary.path.name}", _DEMO)

        with disk_errors("updating dataset.hdf5"):
            replace_file(self._master, write)

    def _path(self, number: int) -> Path:
        path = self._folder / f"{number:06d}.hdf5"
        if not path.exists():
            present = [int(p.stem) for p in _episode_files(self._folder)]
            known = f"there are {min(present)} to {max(present)}" if present else "there are no episodes yet"
            raise DatasetError(f"no episode {number} in {self._folder.parent.name}; {known}.")
        return path

    def _scan(self) -> tuple[list[EpisodeSummary], list[tuple[Path, str]]]:
        summaries: list[EpisodeSummary] = []
        damaged: list[tuple[Path, str]] = []
        for path in sorted(self._folder.glob("[!.]*.hdf5")):
            try:
                if not path.stem.isdigit():
                    raise DatasetError(
                        f"{path.name} is not an episode of this program (episodes are named 000001.hdf5 and so on); "
                        "move it out of the folder."
                    )
                summaries.append(read_summary(path))
            except DatasetError as error:
                damaged.append((path, str(error)))
        return summaries, damaged


def _episode_files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.glob("*.hdf5") if path.stem.isdigit())


def _all_episode_files(folder: Path) -> Iterator[Path]:
    yield from _episode_files(folder)
    yield from _episode_files(folder / _TRASH)


def _write(path: Path, episode: Episode) -> None:
    info, length = episode.info, len(episode)
    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["total"] = length
        data.attrs["env_args"] = _env_args(info.task)
        demo = file.create_group(_DEMO)
        demo.attrs.update(
            num_samples=length,
            model_file=info.model_xml,
            task=info.task,
            look=info.look,
            seed=info.seed,
            control_hz=info.control_hz,
            success=_success_code(info.success),
            source=str(info.source),
            operator=info.operator,
            created=info.created,
            format_version=FORMAT_VERSION,
            fingerprint=_fingerprint(episode),
        )
        for name, key in _ARRAYS.items():
            demo.create_dataset(key, data=getattr(episode, name))
        for camera, frames in episode.images.items():
            demo.create_dataset(
                f"obs/{camera}{_IMAGE_SUFFIX}",
                data=frames,
                chunks=(1, *frames.shape[1:]),
                compression="gzip",
                compression_opts=2,
            )
        rewards, dones = np.zeros(length), np.zeros(length, dtype=np.int64)
        rewards[-1:], dones[-1:] = float(info.success is True), 1
        demo.create_dataset("rewards", data=rewards)
        demo.create_dataset("dones", data=dones)


@contextmanager
def _reading(path: Path) -> Iterator[h5py.Group]:
    """The demonstration in the file; whatever h5py says of a damaged file becomes one sentence."""
    if not path.exists():
        raise DatasetError(f"{path.name} is missing from {path.parent}.")
    try:
        with h5py.File(path, "r") as file:
            demo = file.get(_DEMO)
            if not isinstance(demo, h5py.Group) or "format_version" not in demo.attrs:
                raise DatasetError(
                    f"{path.name} is an HDF5 file of another program; import it, or move it out of the folder."
                )
            version = int(demo.attrs["format_version"])
            if version > FORMAT_VERSION:
                raise DatasetError(
                    f"{path.name} has format {version}, newer than this program reads; update the program."
                )
            yield demo
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        raise DatasetError(
            f"{path.name} is damaged ({str(error).splitlines()[0][:120]}); delete it or restore it from a copy."
        ) from error


def _member(demo: h5py.Group, key: str) -> h5py.Dataset:
    member = demo.get(key)
    if not isinstance(member, h5py.Dataset):
        raise KeyError(f"{key} is missing")
    return member


def _cameras(demo: h5py.Group) -> tuple[str, ...]:
    return tuple(sorted(name.removesuffix(_IMAGE_SUFFIX) for name in demo["obs"] if name.endswith(_IMAGE_SUFFIX)))


def _frames(demo: h5py.Group, path: Path, camera: str) -> h5py.Dataset:
    if camera not in _cameras(demo):
        raise DatasetError(
            f"no camera '{camera}' in {path.name}; it has: {', '.join(_cameras(demo))}. "
            "Choose one of these, or record with that camera."
        )
    return _member(demo, f"obs/{camera}{_IMAGE_SUFFIX}")


def _info(demo: h5py.Group) -> EpisodeInfo:
    attrs = demo.attrs
    return EpisodeInfo(
        task=str(attrs["task"]),
        look=str(attrs["look"]),
        seed=int(attrs["seed"]),
        control_hz=float(attrs["control_hz"]),
        source=Source(str(attrs["source"])),
        success={0: False, 1: True}.get(int(attrs["success"])),
        operator=str(attrs["operator"]),
        created=str(attrs["created"]),
        model_xml=str(attrs["model_file"]),
    )


def _success_code(success: bool | None) -> int:
    """1, 0, or -1 when nobody knows."""
    return -1 if success is None else int(success)


def _env_args(task: str) -> str:
    """What robomimic wants to know of the environment."""
    return json.dumps({"env_name": task, "type": 1, "env_version": str(FORMAT_VERSION), "env_kwargs": {}})


def _fingerprint(episode: Episode) -> str:
    info = episode.info
    digest = hashlib.sha256(f"{info.task}|{info.look}|{info.seed}|{info.control_hz}|{info.source}".encode())
    for name in _ARRAYS:
        digest.update(np.ascontiguousarray(getattr(episode, name)).tobytes())
    for camera in sorted(episode.images):
        digest.update(camera.encode())
        digest.update(np.ascontiguousarray(episode.images[camera]).tobytes())
    return digest.hexdigest()
