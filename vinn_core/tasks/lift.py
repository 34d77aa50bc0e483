"""Lift: grasp a 4 cm cube and raise it above 12 cm."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.episode import Action
from vinn_core.task import END_EFFECTOR_SITE, FINGER_JOINTS, FINGER_STROKE, Expert, ResetPose

_LIFTED_HEIGHT = 0.12
_CUBE_HALF = 0.02


class Lift:
    """The cube lies anywhere in front of the arm, turned up to 45 degrees; the gripper starts anywhere above."""

    name = "lift"
    title = "Lift the cube"
    scene_file = "lift.xml"
    time_limit_s = 15.0
    hint = "Move the gripper above the cube, turn it to the cube's sides, lower it, close it, and raise the cube."

    def sample_reset(self, random: np.random.Generator) -> ResetPose:
        cube_xy = random.uniform((0.20, -0.16), (0.38, 0.16))
        cube_yaw = random.uniform(-np.pi / 4, np.pi / 4)
        height = random.uniform(0.16, 0.28)
        ee_xy = random.uniform((0.20, -0.13), (0.34, 0.13))
        return ResetPose(
            ee_position=np.array([*ee_xy, height]),
            ee_quaternion=_pointing_down(random.uniform(-0.5, 0.5), tilt=random.uniform(-0.2, 0.2, 2)),
            objects={"cube": np.array([*cube_xy, _CUBE_HALF, np.cos(cube_yaw / 2), 0.0, 0.0, np.sin(cube_yaw / 2)])},
        )

    def succeeded(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return bool(data.body("cube").xpos[2] > _LIFTED_HEIGHT)

    def expert(self) -> Expert:
        return LiftExpert()


def _pointing_down(yaw: float, tilt: NDArray[np.float64]) -> NDArray[np.float64]:
    """(4,) wxyz of an end effector that points down, turned by `yaw` about the vertical and tilted (2,) [rad]."""
    quaternion = np.array([0.0, 1.0, 0.0, 0.0])  # x forward, y right, z down
    mujoco.mju_quatIntegrate(quaternion, np.array([tilt[0], tilt[1], -yaw]), 1.0)
    return quaternion


class LiftExpert:
    """Reads the cube's true pose: hover, align, descend, close, raise. A function of the state alone, so that
    single frames suffice to imitate it."""

    _linear_gain = 3.0  # [1/s]
    _angular_gain = 3.0  # [1/s]
    _linear_speed = 0.22  # [m/s]
    _angular_speed = 1.2  # [rad/s]
    _hover = 0.15  # greatest height above the cube at which the gripper approaches [m]
    _funnel = 2.5  # height above the cube per distance to its side

    def reset(self) -> None:
        """Nothing is remembered between ticks."""

    def act(self, model: mujoco.MjModel, data: mujoco.MjData) -> Action:
        cube = data.body("cube")
        site = data.site(END_EFFECTOR_SITE)
        ee_rotation = site.xmat.reshape(3, 3)
        offset = cube.xpos - site.xpos
        sideways = float(np.linalg.norm(offset[:2]))
        opening = float(np.mean([data.joint(name).qpos[0] for name in FINGER_JOINTS])) / FINGER_STROKE
        commanded_closed = data.actuator("finger_left").ctrl[0] < 0.5 * FINGER_STROKE

        rotation = ee_rotation.T @ _rotation_vector(_grasp_rotation(cube.xmat.reshape(3, 3), ee_rotation), ee_rotation)
        angle = float(np.linalg.norm(rotation))
        between_fingers = sideways < 0.015 and abs(offset[2]) < 0.015
        holding = between_fingers and commanded_closed and 0.35 < opening < 0.68
        if holding:
            linear, gripper = np.array([0.0, 0.0, self._linear_speed]), 0.0
            rotation = np.zeros(3)
        elif (sideways < 0.009 and abs(offset[2]) < 0.009 and angle < 0.15) or (between_fingers and commanded_closed):
            linear, gripper = offset * self._linear_gain, 0.0
        else:
            # A funnel: the further the gripper is to the side or turned away, the higher it stays, so that the wrist
            # camera keeps the cube in view.
            misfit = max(sideways - 0.006, 0.0) + 0.05 * max(angle - 0.08, 0.0)
            height = min(self._hover, self._funnel * misfit)
            linear, gripper = (offset + (0.0, 0.0, height)) * self._linear_gain, 1.0
        return Action(
            np.concatenate(
                (
                    ee_rotation.T @ _shorten(linear, self._linear_speed),
                    _shorten(rotation * self._angular_gain, self._angular_speed),
                )
            ).astype(np.float32),
            gripper,
        )


def _grasp_rotation(cube_rotation: NDArray[np.float64], ee_rotation: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) end effector in world: pointing down, fingers along the nearest pair of cube sides."""
    yaw_cube = np.arctan2(cube_rotation[1, 0], cube_rotation[0, 0])
    yaw_ee = np.arctan2(ee_rotation[1, 0], ee_rotation[0, 0])
    yaw = yaw_ee + (yaw_cube - yaw_ee + np.pi / 4) % (np.pi / 2) - np.pi / 4
    return np.array([[np.cos(yaw), np.sin(yaw), 0.0], [np.sin(yaw), -np.cos(yaw), 0.0], [0.0, 0.0, -1.0]])


def _rotation_vector(target: NDArray[np.float64], current: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) [rad] in the world frame, turning `current` (3, 3) into `target` (3, 3)."""
    quaternion, vector = np.empty(4), np.empty(3)
    mujoco.mju_mat2Quat(quaternion, (target @ current.T).flatten())
    mujoco.mju_quat2Vel(vector, quaternion, 1.0)
    return vector


def _shorten(vector: NDArray[np.float64], most: float) -> NDArray[np.float64]:
    length = float(np.linalg.norm(vector))
    return vector if length <= most else vector * (most / length)
