"""One episode as an HDF5 file in robomimic's layout: written from memory in one piece, checked when read.

The HDF5 library never writes to the disk itself: when the disk is full, it leaves objects that it cannot close, and the
process crashes of them later. So a file is made in memory, and plain bytes are what may fail to be written.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.episode import ACTION_SIZE, Episode, EpisodeInfo, Source
from vinn_core.errors import DatasetError

FORMAT_VERSION = 1
DEMO = "data/demo_0"
_IMAGE_SUFFIX = "_image"
_COMPRESSION_LEVEL = 2
"""Of gzip. Level 4 is a fifth slower for 8 % smaller files, level 6 takes three times as long for 10 %."""


@dataclass(frozen=True)
class _Array:
    """An array of an Episode: its name in the file, its type, the shape of one row (None: any length)."""

    key: str
    dtype: type
    row: tuple[int | None, ...]

    def fits(self, shape: tuple[int, ...], length: int) -> bool:
        if self.key == _GRIPPER and shape == (length,):
            return True  # as other programs that speak robomimic's layout may write it
        wanted = (length, *self.row)
        return len(shape) == len(wanted) and all(w in (None, s) for w, s in zip(wanted, shape, strict=True))

    def read(self, demo: h5py.Group) -> NDArray[Any]:
        values = np.asarray(_member(demo, self.key)[()], self.dtype)
        return values.reshape(-1) if self.key == _GRIPPER else values


_GRIPPER = "obs/robot0_gripper_qpos"
"""(T, 1) in the file, because robomimic's networks take observations of at least one dimension; (T,) in an Episode."""
_ARRAYS = {
    "ee_positions": _Array("obs/robot0_eef_pos", np.float64, (3,)),
    "ee_quaternions": _Array("obs/robot0_eef_quat", np.float64, (4,)),
    "gripper_openings": _Array(_GRIPPER, np.float64, (1,)),
    "times": _Array("obs/timestamp", np.float64, ()),
    "actions": _Array("actions", np.float32, (ACTION_SIZE,)),
    "executed_actions": _Array("executed_actions", np.float32, (ACTION_SIZE,)),
    "states": _Array("states", np.float64, (None,)),
}


@dataclass(frozen=True)
class EpisodeSummary:
    """What a list of episodes shows.

    Attributes:
        number: episode number, the file's name.
        length: frames.
        duration_s: length over the control rate [s].
        fingerprint: sha256 over frames, actions, states and facts; the outcome, which a person may overrule, and the
            circumstances (operator, date) left out.
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

    @property
    def usable(self) -> bool:
        """Whether a policy learns from it: it is not marked as failed."""
        return self.success is not False


def episode_file_name(number: int) -> str:
    """ "000007.hdf5" of episode 7."""
    return f"{number:06d}.hdf5"


def episode_number(path: Path) -> int | None:
    """The number of the episode in `path`, None when this is not the name of an episode file."""
    return int(path.stem) if re.fullmatch(r"[0-9]{6,}\.hdf5", path.name) else None


def encode_episode(episode: Episode) -> bytes:
    """The contents of the file that holds `episode`. Raises DatasetError when the episode is empty."""
    info, length = episode.info, len(episode)
    if length == 0:
        raise DatasetError("the episode has no frames; record at least one control tick before saving.")
    with new_hdf5() as file:
        data = file.create_group("data")
        data.attrs["total"] = length
        data.attrs["env_args"] = env_args(info.task)
        demo = file.create_group(DEMO)
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
            fingerprint=fingerprint_of(episode),
        )
        for name, array in _ARRAYS.items():
            values = np.asarray(getattr(episode, name), array.dtype)
            demo.create_dataset(array.key, data=values[:, np.newaxis] if array.key == _GRIPPER else values)
        for camera, frames in episode.images.items():
            demo.create_dataset(
                f"obs/{camera}{_IMAGE_SUFFIX}",
                data=frames,
                chunks=(1, *frames.shape[1:]),
                compression="gzip",
                compression_opts=_COMPRESSION_LEVEL,
            )
        rewards, dones = np.zeros(length), np.zeros(length, dtype=np.int64)
        rewards[-1], dones[-1] = float(info.success is True), 1
        demo.create_dataset("rewards", data=rewards)
        demo.create_dataset("dones", data=dones)
        return contents(file)


def encode_with_success(path: Path, success: bool | None) -> bytes:
    """The contents of the episode file `path` with another outcome. Raises DatasetError when it is damaged."""
    read_summary(path)
    with h5py.File(path, "r+", driver="core", backing_store=False) as file:  # a copy in memory
        file[DEMO].attrs["success"] = _success_code(success)
        _member(file, f"{DEMO}/rewards")[-1] = float(success is True)
        return contents(file)


def load_episode(path: Path) -> Episode:
    """Read an episode, equal bit for bit to the one saved. Raises DatasetError when the file is damaged or foreign."""
    with _reading(path) as demo:
        _check(demo)
        arrays = {name: array.read(demo) for name, array in _ARRAYS.items()}
        images = {camera: np.asarray(_frames(demo, path, camera)[()]) for camera in _cameras(demo)}
        return Episode(info=_info(demo), images=images, **arrays)


def load_motion(path: Path) -> Episode:
    """As `load_episode`, but without images (`images` is empty), which take far longer to read than all else."""
    with _reading(path) as demo:
        _check(demo)
        return Episode(info=_info(demo), images={}, **{name: array.read(demo) for name, array in _ARRAYS.items()})


def load_frames(path: Path, camera: str) -> NDArray[np.uint8]:
    """All frames of one camera, (T, H, W, 3) uint8. Raises DatasetError when file or camera is missing or damaged."""
    with _reading(path) as demo:
        return np.asarray(_frames(demo, path, camera)[()])


def load_frame(path: Path, camera: str, step: int) -> NDArray[np.uint8]:
    """One frame, (H, W, 3) uint8; `step` is 0-based. Raises DatasetError when file, camera or step is missing."""
    with _reading(path) as demo:
        frames = _frames(demo, path, camera)
        if not 0 <= step < len(frames):
            raise DatasetError(f"no step {step} in {path.name}; it has steps 0 to {len(frames) - 1}.")
        return np.asarray(frames[step])


def read_summary(path: Path) -> EpisodeSummary:
    """The facts of an episode without its frames. Raises DatasetError when the file is damaged or foreign."""
    with _reading(path) as demo:
        info, length = _info(demo), _check(demo)
        return EpisodeSummary(
            number=episode_number(path) or 0,
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


def fingerprint_of(episode: Episode) -> str:
    """See `EpisodeSummary.fingerprint`."""
    info = episode.info
    facts = [info.task, info.look, int(info.seed), info.control_hz, str(info.source), info.model_xml]
    digest = hashlib.sha256(json.dumps(facts).encode())
    arrays: dict[str, NDArray[Any]] = {
        name: np.asarray(getattr(episode, name), array.dtype) for name, array in _ARRAYS.items()
    }
    arrays |= {f"{camera}{_IMAGE_SUFFIX}": episode.images[camera] for camera in sorted(episode.images)}
    for name, values in arrays.items():
        digest.update(f"{name}{values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def env_args(task: str) -> str:
    """What robomimic wants to know of the environment, as JSON."""
    return json.dumps({"env_name": task, "type": 1, "env_version": str(FORMAT_VERSION), "env_kwargs": {}})


def new_hdf5() -> h5py.File:
    """A new HDF5 file in memory; `contents` tells what to write to disk."""
    name = os.urandom(8).hex()  # HDF5 takes files of one name for the same file
    return h5py.File(name, "w", driver="core", backing_store=False)


def contents(file: h5py.File) -> bytes:
    """The bytes of an HDF5 file that is in memory."""
    file.flush()
    return file.id.get_file_image()


@contextmanager
def _reading(path: Path) -> Iterator[h5py.Group]:
    """The demonstration in the file; whatever HDF5 says of a damaged file becomes one sentence."""
    if not path.exists():
        raise DatasetError(f"{path.name} is missing from {path.parent}.")
    try:
        with h5py.File(path, "r", locking=False) as file:  # never changed in place, so nothing to lock out
            demo = file.get(DEMO)
            if not isinstance(demo, h5py.Group) or "format_version" not in demo.attrs:
                raise DatasetError(
                    f"{path.name} is an HDF5 file of another program; move it out of the episodes folder."
                )
            version = int(np.asarray(demo.attrs["format_version"]))
            if version > FORMAT_VERSION:
                raise DatasetError(
                    f"{path.name} has format {version}, newer than this program reads; update the program."
                )
            yield demo
    except (OSError, KeyError, ValueError, RuntimeError, TypeError) as error:
        if isinstance(error, OSError) and error.errno:  # the disk's fault: the file may be well
            raise DatasetError(
                f"{path.name} cannot be read ({os.strerror(error.errno)}); check the disk and the file's permissions."
            ) from error
        reason = str(error.args[0] if error.args else error).partition("\n")[0][:120]
        raise DatasetError(
            f"{path.name} is damaged or foreign ({reason}); move it out of the episodes folder, "
            "or restore it from a copy."
        ) from error


def _check(demo: h5py.Group) -> int:
    """The length of the demonstration. Raises KeyError, ValueError when arrays are missing or do not fit together."""
    length = len(_member(demo, "actions"))
    if length == 0:
        raise ValueError("it has no frames")
    for array in _ARRAYS.values():
        member = _member(demo, array.key)
        if not array.fits(member.shape, length):
            raise ValueError(f"{array.key} has the shape {member.shape}, which does not fit {length} frames")
    for camera in _cameras(demo):
        frames = _member(demo, f"obs/{camera}{_IMAGE_SUFFIX}")
        if frames.dtype != np.uint8 or len(frames.shape) != 4 or (len(frames), frames.shape[3]) != (length, 3):
            raise ValueError(f"the frames of camera {camera} are {frames.dtype} {frames.shape}")
    return length


def _member(demo: h5py.Group, key: str) -> h5py.Dataset:
    member = demo.get(key)
    if not isinstance(member, h5py.Dataset):
        raise KeyError(f"{key} is missing")
    return member


def _cameras(demo: h5py.Group) -> tuple[str, ...]:
    obs = demo.get("obs")
    if not isinstance(obs, h5py.Group):
        raise KeyError("obs is missing")
    names = (str(name) for name in obs)
    return tuple(sorted(name.removesuffix(_IMAGE_SUFFIX) for name in names if name.endswith(_IMAGE_SUFFIX)))


def _frames(demo: h5py.Group, path: Path, camera: str) -> h5py.Dataset:
    if camera not in _cameras(demo):
        raise DatasetError(
            f"no camera '{camera}' in {path.name}; it has: {', '.join(_cameras(demo)) or 'none'}. "
            "Choose one of these, or record with that camera."
        )
    return _member(demo, f"obs/{camera}{_IMAGE_SUFFIX}")


def _facts(demo: h5py.Group) -> dict[str, Any]:
    return dict(demo.attrs)


def _info(demo: h5py.Group) -> EpisodeInfo:
    facts = _facts(demo)
    return EpisodeInfo(
        task=str(facts["task"]),
        look=str(facts["look"]),
        seed=int(facts["seed"]),
        control_hz=float(facts["control_hz"]),
        source=Source(str(facts["source"])),
        success={0: False, 1: True}.get(int(facts["success"])),
        operator=str(facts["operator"]),
        created=str(facts["created"]),
        model_xml=str(facts["model_file"]),
    )


def _success_code(success: bool | None) -> int:
    """1, 0, or -1 when nobody knows."""
    return -1 if success is None else int(success)
