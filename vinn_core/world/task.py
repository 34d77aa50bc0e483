"""Scene and Task: an MJCF with named parts, a seeded reset, an appearance, a success test and a scripted expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.episode import Action

Disc = tuple[float, float, float]
"""A disc on the table: x, y and radius [m], world frame."""


@dataclass(frozen=True, eq=False)
class ResetPose:
    """What a seeded reset decides.

    Attributes:
        ee_position: (3,) [m], end effector in the world frame.
        ee_quaternion: (4,) wxyz.
        objects: free joint name -> (7,) position [m] and quaternion wxyz in the world frame.
        kept_clear: where the look puts nothing.
    """

    ee_position: NDArray[np.float64]
    ee_quaternion: NDArray[np.float64]
    objects: dict[str, NDArray[np.float64]]
    kept_clear: tuple[Disc, ...]


class Expert(Protocol):
    """A scripted policy that reads the true state of the simulation."""

    def reset(self) -> None: ...

    def act(self, model: mujoco.MjModel, data: mujoco.MjData) -> Action: ...


class Task(Protocol):
    """One thing to teach.

    Attributes:
        name: as in workspace.json.
        title: for people.
        scene_file: MJCF in resources/scenes.
        time_limit_s: an autonomous run that takes longer has failed.
        hint: how a person does it, one sentence.
    """

    name: str
    title: str
    scene_file: str
    time_limit_s: float
    hint: str

    def sample_reset(self, random: np.random.Generator) -> ResetPose: ...

    def succeeded(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool: ...

    def expert(self) -> Expert: ...
