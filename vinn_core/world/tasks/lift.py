"""Lift: grasp a 4 cm cube and raise it above 12 cm."""

from __future__ import annotations

import mujoco
import numpy as np

from vinn_core.episodes.episode import Action
from vinn_core.world.task import Expert, ResetPose
from vinn_core.world.tasks.grasping import grasp, holds
from vinn_core.world.tasks.motion import LINEAR_SPEED, Arm, disc, placed, tilted_down

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
            ee_quaternion=tilted_down(random.uniform(-0.5, 0.5), tilt=random.uniform(-0.2, 0.2, 2)),
            objects={"cube": placed(cube_xy, _CUBE_HALF, cube_yaw)},
            kept_clear=(disc(cube_xy, 0.06),),
        )

    def succeeded(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return bool(data.body("cube").xpos[2] > _LIFTED_HEIGHT)

    def expert(self) -> Expert:
        return LiftExpert()


class LiftExpert:
    """Reads the cube's true pose: grasps it, then raises it."""

    def reset(self) -> None:
        """Nothing is remembered between ticks."""

    def act(self, model: mujoco.MjModel, data: mujoco.MjData) -> Action:
        cube, arm = data.body("cube"), Arm.read(data)
        if holds(arm, cube.xpos):
            return arm.move(np.array([0.0, 0.0, LINEAR_SPEED]), np.zeros(3), 0.0)
        return grasp(arm, cube.xpos, cube.xmat.reshape(3, 3))


TASK = Lift
