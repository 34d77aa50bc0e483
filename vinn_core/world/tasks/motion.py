"""What the scripted experts share: reading the arm, and turning a wish into a bounded end-effector twist."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.episode import Action
from vinn_core.world.robot import END_EFFECTOR_SITE, FINGER_JOINTS, FINGER_STROKE
from vinn_core.world.task import Disc

Vector = NDArray[np.float64]

LINEAR_SPEED = 0.22
"""The fastest an expert moves [m/s]."""
LINEAR_GAIN = 3.0
"""Speed per distance that is left [1/s]."""
_ANGULAR_SPEED = 1.2  # [rad/s]
_ANGULAR_GAIN = 3.0  # [1/s]


@dataclass(frozen=True, eq=False)
class Arm:
    """The arm's true state, world frame.

    Attributes:
        position: (3,) [m] of the end effector.
        rotation: (3, 3), its axes in columns; z points out of the gripper.
        opening: of the gripper, in [0, 1].
        told_to_close: what the gripper was last commanded.
    """

    position: Vector
    rotation: Vector
    opening: float
    told_to_close: bool

    @classmethod
    def read(cls, data: mujoco.MjData) -> Arm:
        """As it is in `data`."""
        site = data.site(END_EFFECTOR_SITE)
        opening = float(np.mean([data.joint(name).qpos[0] for name in FINGER_JOINTS])) / FINGER_STROKE
        closes = bool(data.actuator("finger_left").ctrl[0] < 0.5 * FINGER_STROKE)
        return cls(site.xpos.copy(), site.xmat.reshape(3, 3).copy(), opening, closes)

    def move(self, linear: Vector, turn: Vector, gripper: float, *, speed: float = LINEAR_SPEED) -> Action:
        """The action that moves at `linear` [m/s] and turns by the rotation vector `turn` [rad], world frame, (3,)."""
        angular = self.rotation.T @ turn * _ANGULAR_GAIN
        twist = (self.rotation.T @ shorten(linear, speed), shorten(angular, _ANGULAR_SPEED))
        return Action(np.concatenate(twist).astype(np.float32), gripper)

    def turn_to(self, target: Vector) -> Vector:
        """(3,) rotation vector [rad], world frame, that turns the end effector into `target` (3, 3)."""
        quaternion, vector = np.empty(4), np.empty(3)
        mujoco.mju_mat2Quat(quaternion, (target @ self.rotation.T).flatten())
        mujoco.mju_quat2Vel(vector, quaternion, 1.0)
        return vector


def facing_down(yaw: float) -> Vector:
    """(3, 3) rotation of an end effector that points down, its x axis turned by `yaw` [rad] from the world's."""
    return np.array([[np.cos(yaw), np.sin(yaw), 0.0], [np.sin(yaw), -np.cos(yaw), 0.0], [0.0, 0.0, -1.0]])


def tilted_down(yaw: float, tilt: Vector) -> Vector:
    """(4,) wxyz of an end effector that points down, turned by `yaw` about the vertical and tilted (2,) [rad]."""
    quaternion = np.array([0.0, 1.0, 0.0, 0.0])  # x forward, y right, z down
    mujoco.mju_quatIntegrate(quaternion, np.array([tilt[0], tilt[1], -yaw]), 1.0)
    return quaternion


def placed(xy: Vector, z: float, yaw: float = 0.0) -> Vector:
    """(7,) position [m] and quaternion wxyz of an object that stands upright at (2,) [m]."""
    return np.array([xy[0], xy[1], z, np.cos(yaw / 2), 0.0, 0.0, np.sin(yaw / 2)])


def disc(centre: Vector, radius: float) -> Disc:
    """The disc around (2,) [m]."""
    return float(centre[0]), float(centre[1]), radius


def yaw_of(rotation: Vector) -> float:
    """Heading [rad] of the x axis of a (3, 3) rotation."""
    return float(np.arctan2(rotation[1, 0], rotation[0, 0]))


def nearest_turn(angle: float, period: float = 2 * np.pi) -> float:
    """`angle` [rad] brought into half a period to either side of 0."""
    return (angle + period / 2) % period - period / 2


def shorten(vector: Vector, most: float) -> Vector:
    """`vector` itself, or cut to the length `most`."""
    length = float(np.linalg.norm(vector))
    return vector if length <= most else vector * (most / length)
