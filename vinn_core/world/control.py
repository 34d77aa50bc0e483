"""From end-effector twists to joint targets: differential inverse kinematics on the commanded arm."""

from __future__ import annotations

import mink
import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.world.robot import (
    ARM_JOINTS,
    END_EFFECTOR_SITE,
    HOME_JOINTS,
    MAX_ANGULAR_SPEED,
    MAX_LINEAR_SPEED,
    SCENES_FOLDER,
)

_MAX_JOINT_SPEED = 3.0
"""[rad/s]"""
_MAX_LEAD = 0.15
"""How far a commanded joint may run ahead of the measured one [rad], so that a blocked arm does not wind up."""
_LOWEST_END_EFFECTOR = 0.008
"""Commanded end-effector height stays above this [m] so that the finger tips do not dig into the table."""
_SOLVER = "daqp"
_ROUNDING = 1e-6
"""A speed that exceeds its limit by no more than this share is within it: what was limited stays as it is."""


class ArmControl:
    """Keeps the commanded joint angles and moves them along end-effector twists.

    Inverse kinematics runs on a model of the arm alone: targets are exact in the commanded arm, and gravity or contact
    never makes the target drift.
    """

    def __init__(self) -> None:
        self._model = mujoco.MjModel.from_xml_path(str(SCENES_FOLDER / "arm.xml"))
        self._configuration = mink.Configuration(self._model)
        self._task = mink.FrameTask(END_EFFECTOR_SITE, "site", position_cost=1.0, orientation_cost=0.2, lm_damping=1e-4)
        self._limits = [
            mink.ConfigurationLimit(self._model),
            mink.VelocityLimit(self._model, dict.fromkeys(ARM_JOINTS, _MAX_JOINT_SPEED)),
        ]
        self._count = len(ARM_JOINTS)

    @property
    def joints(self) -> NDArray[np.float64]:
        """(6,) commanded joint angles [rad]."""
        return self._configuration.q[: self._count].copy()

    def set_joints(self, joints: NDArray[np.float64]) -> None:
        """Command `joints` (6,) [rad] from now on."""
        q = self._configuration.q.copy()
        q[: self._count] = joints
        self._configuration.update(q)

    def pose(self) -> mink.SE3:
        """Commanded end-effector pose in the world frame."""
        return self._configuration.get_transform_frame_to_world(END_EFFECTOR_SITE, "site")

    def follow(self, start: mink.SE3, twist: NDArray[np.floating], elapsed_s: float, *, step_s: float) -> None:
        """Move the commanded joints to where constant `twist` leads from `start` after `elapsed_s`.

        Args:
            start: end-effector pose in the world frame when the twist began.
            twist: (6,) [m/s, rad/s] in the end-effector frame.
            elapsed_s: time since then [s], the end of this step.
            step_s: length of this step [s].
        """
        target = start.rplus(np.asarray(twist, dtype=np.float64) * elapsed_s)
        position = target.translation()
        if position[2] < _LOWEST_END_EFFECTOR:
            target = mink.SE3.from_rotation_and_translation(
                target.rotation(), np.array([position[0], position[1], _LOWEST_END_EFFECTOR])
            )
        self._step_towards(target, step_s)

    def hold_near(self, measured: NDArray[np.float64]) -> None:
        """Keep the commanded joints within reach of the `measured` ones (6,) [rad]."""
        self.set_joints(np.clip(self.joints, measured - _MAX_LEAD, measured + _MAX_LEAD))

    def solve(self, position: NDArray[np.float64], quaternion: NDArray[np.float64]) -> bool:
        """Set the commanded joints so that the end effector is at a pose in the world frame.

        Args:
            position: (3,) [m].
            quaternion: (4,) wxyz.

        Returns:
            False when the pose cannot be reached to 1 mm and 0.01 rad.
        """
        self.set_joints(np.array(HOME_JOINTS) + (np.arctan2(position[1], position[0]), 0, 0, 0, 0, 0))
        target = mink.SE3.from_rotation_and_translation(mink.SO3(quaternion), position)
        for _ in range(100):
            self._step_towards(target, 0.05)
            error = self._task.compute_error(self._configuration)
            if np.linalg.norm(error[:3]) < 1e-4 and np.linalg.norm(error[3:]) < 1e-3:
                break
        error = self._task.compute_error(self._configuration)
        return bool(np.linalg.norm(error[:3]) < 1e-3 and np.linalg.norm(error[3:]) < 1e-2)

    def _step_towards(self, target: mink.SE3, step_s: float) -> None:
        self._task.set_target(target)
        velocity = mink.solve_ik(self._configuration, [self._task], step_s, _SOLVER, damping=1e-6, limits=self._limits)
        self._configuration.integrate_inplace(velocity, step_s)


def limit_twist(twist: NDArray[np.floating]) -> NDArray[np.float32]:
    """The twist (6,) [m/s, rad/s] scaled down, direction kept, to what the arm may do; limited again, it stays."""
    limited = np.array(twist, dtype=np.float64)
    for part, most in ((slice(0, 3), MAX_LINEAR_SPEED), (slice(3, 6), MAX_ANGULAR_SPEED)):
        speed = float(np.linalg.norm(limited[part]))
        if speed > most * (1.0 + _ROUNDING):
            limited[part] *= most / speed
    return limited.astype(np.float32)
