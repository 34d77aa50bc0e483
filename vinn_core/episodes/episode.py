"""Observation, Action and Episode: what one control tick sees and does, and a demonstration made of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

ACTION_SIZE = 7
"""Length of an action in array form: twist (6) and gripper command (1)."""


@dataclass(frozen=True, eq=False)
class Action:
    """What the arm is told to do for one control tick.

    Attributes:
        twist: (6,) float32, linear [m/s] then angular [rad/s] velocity of the end effector,
            expressed in the end-effector frame at the start of the tick.
        gripper: gripper command in [0, 1]; 1 is open, 0 is closed.
    """

    twist: NDArray[np.float32]
    gripper: float

    def as_array(self) -> NDArray[np.float32]:
        """The action as one (7,) float32 array: twist, then gripper command."""
        return np.append(self.twist, self.gripper).astype(np.float32)

    @staticmethod
    def from_array(array: NDArray[np.floating]) -> Action:
        """The inverse of `as_array`; `array` is (7,)."""
        return Action(np.asarray(array[:6], dtype=np.float32), float(array[6]))

    @staticmethod
    def hold(gripper: float) -> Action:
        """Stand still with the gripper at `gripper`."""
        return Action(np.zeros(6, dtype=np.float32), gripper)


@dataclass(frozen=True, eq=False)
class Observation:
    """What the robot senses at the start of a control tick.

    Attributes:
        images: camera name -> (H, W, 3) uint8 RGB.
        ee_position: (3,) float64 [m], end effector in the world frame.
        ee_quaternion: (4,) float64, wxyz, end effector in the world frame.
        gripper_opening: measured opening as a fraction of the full stroke, in [0, 1]; 1 is open.
        time: simulation time [s].
    """

    images: Mapping[str, NDArray[np.uint8]]
    ee_position: NDArray[np.float64]
    ee_quaternion: NDArray[np.float64]
    gripper_opening: float
    time: float


class Source(StrEnum):
    """Who produced an episode."""

    TELEOP = "teleop"
    EXPERT = "expert"
    AUTONOMOUS = "autonomous"
    CORRECTION = "correction"


@dataclass(frozen=True, eq=False)
class EpisodeInfo:
    """The facts about an episode that are known without its frames.

    Attributes:
        task: task name, such as "lift".
        look: visual variation, one of `vinn_core.config.LOOKS`; together with `seed` it fixes the appearance.
        seed: seed of the reset that the episode started from.
        control_hz: control rate [1/s].
        source: who produced it.
        success: whether the task was solved; None when nobody knows.
        operator: name of the person, or "" for a program.
        created: ISO 8601 date and time, UTC.
        model_xml: the compiled MJCF as text, look included.
    """

    task: str
    look: str
    seed: int
    control_hz: float
    source: Source
    success: bool | None
    operator: str
    created: str
    model_xml: str = field(repr=False)


@dataclass(frozen=True, eq=False)
class Episode:
    """T aligned (observation, action) pairs and the simulation state at the start of each tick.

    Attributes:
        info: facts about the episode.
        images: camera name -> (T, H, W, 3) uint8 RGB.
        ee_positions: (T, 3) float64 [m], world frame.
        ee_quaternions: (T, 4) float64, wxyz, world frame.
        gripper_openings: (T,) float64 in [0, 1], 1 is open.
        times: (T,) float64, simulation time [s].
        actions: (T, 7) float32, end-effector-frame twist and gripper command (see `Action`): what the policy learns.
        executed_actions: (T, 7) float32, what the arm was made to do. The same as `actions`, except where noise
            was injected into an expert's actions to show recovery (DART, Laskey et al. 2017): there the clean action
            is learnt from and the disturbed one is what an open-loop replay must repeat.
        states: (T, S) float64: simulation time, qpos, qvel, before the action of the same row.
    """

    info: EpisodeInfo
    images: Mapping[str, NDArray[np.uint8]]
    ee_positions: NDArray[np.float64]
    ee_quaternions: NDArray[np.float64]
    gripper_openings: NDArray[np.float64]
    times: NDArray[np.float64]
    actions: NDArray[np.float32]
    executed_actions: NDArray[np.float32]
    states: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.actions)

    def observation(self, step: int) -> Observation:
        """The observation of tick `step` (0-based)."""
        return Observation(
            images={name: frames[step] for name, frames in self.images.items()},
            ee_position=self.ee_positions[step],
            ee_quaternion=self.ee_quaternions[step],
            gripper_opening=float(self.gripper_openings[step]),
            time=float(self.times[step]),
        )


class EpisodeBuffer:
    """Keeps an episode in memory; the recorder of runs that can simply be run again."""

    def __init__(self, info: EpisodeInfo) -> None:
        self._info = info
        self._steps: list[tuple[Observation, Action, Action, NDArray[np.float64]]] = []

    def __len__(self) -> int:
        return len(self._steps)

    def append(
        self, observation: Observation, action: Action, executed_action: Action, *, state: NDArray[np.float64]
    ) -> None:
        """Take one control tick in; `state` is (S,) float64 of the simulation before the action."""
        self._steps.append((observation, action, executed_action, state))

    def finish(self, success: bool | None, source: Source) -> Episode:
        """The episode with all steps so far; there must be at least one."""
        observations, actions, executed, states = zip(*self._steps, strict=True)
        return Episode(
            info=replace(self._info, success=success, source=source),
            images={
                camera: np.stack([observation.images[camera] for observation in observations])
                for camera in observations[0].images
            },
            ee_positions=np.stack([observation.ee_position for observation in observations]),
            ee_quaternions=np.stack([observation.ee_quaternion for observation in observations]),
            gripper_openings=np.array([observation.gripper_opening for observation in observations]),
            times=np.array([observation.time for observation in observations]),
            actions=np.stack([action.as_array() for action in actions]),
            executed_actions=np.stack([action.as_array() for action in executed]),
            states=np.stack(states),
        )

    def discard(self) -> None:
        """Forget all steps."""
        self._steps.clear()
