"""Door: open a hinged cabinet door by its handle."""

from __future__ import annotations

import mujoco
import numpy as np

from vinn_core.episodes.episode import Action
from vinn_core.world.task import Expert, ResetPose
from vinn_core.world.tasks.motion import LINEAR_GAIN, Arm, disc, facing_down, nearest_turn, placed, tilted_down, yaw_of

_OPEN = np.deg2rad(45)
_GRASP_HEIGHT = 0.075
"""Height of the fingertips at the handle [m]."""
_PULL_SPEED = 0.14  # [m/s]


class Door:
    """The cabinet stands in front of the arm, up to 9 cm to the side and turned up to 26 degrees; the door is shut."""

    name = "door"
    title = "Open the cabinet door"
    scene_file = "door.xml"
    time_limit_s = 20.0
    hint = "Lower the open gripper over the handle, close it, and pull the door open along its arc."

    def sample_reset(self, random: np.random.Generator) -> ResetPose:
        cabinet_xy = random.uniform((0.335, -0.09), (0.395, 0.09))
        return ResetPose(
            ee_position=random.uniform((0.19, -0.12, 0.19), (0.28, 0.10, 0.27)),
            ee_quaternion=tilted_down(random.uniform(-0.4, 0.4), tilt=random.uniform(-0.15, 0.15, 2)),
            objects={"cabinet": placed(cabinet_xy, 0.0, random.uniform(-0.45, 0.45))},
            kept_clear=(disc(cabinet_xy + (0.05, 0.0), 0.12), disc(cabinet_xy - (0.08, 0.0), 0.15)),
        )

    def succeeded(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        return bool(data.joint("door").qpos[0] > _OPEN)

    def expert(self) -> Expert:
        return DoorExpert()


class DoorExpert:
    """Reads the true state of the door: comes down over the handle, grasps it, and pulls it along its arc."""

    def reset(self) -> None:
        """Nothing is remembered between ticks."""

    def act(self, model: mujoco.MjModel, data: mujoco.MjData) -> Action:
        arm, handle, door = Arm.read(data), data.site("handle").xpos, data.body("door")
        into_cabinet = door.xmat.reshape(3, 3)[:, 0]  # across the door's panel, which turns with it
        yaw = yaw_of(arm.rotation)
        turn = arm.turn_to(facing_down(yaw + nearest_turn(float(np.arctan2(into_cabinet[1], into_cabinet[0])) - yaw)))
        offset = np.array([*(handle[:2] - arm.position[:2]), _GRASP_HEIGHT - arm.position[2]])
        sideways, angle = float(np.linalg.norm(offset[:2])), float(np.linalg.norm(turn))

        around = sideways < 0.018 and abs(offset[2]) < 0.025
        holding = 0.12 < arm.opening < 0.35 and sideways < 0.03 and abs(offset[2]) < 0.03
        if holding and arm.told_to_close:
            hinge = data.joint("door")
            along_arc = np.cross(hinge.xaxis, handle - hinge.xanchor)
            pull = _PULL_SPEED * along_arc / np.linalg.norm(along_arc)
            return arm.move(pull + LINEAR_GAIN * offset, turn, 0.0)
        if (around and arm.told_to_close) or (sideways < 0.010 and abs(offset[2]) < 0.010 and angle < 0.2):
            return arm.move(LINEAR_GAIN * offset, turn, 0.0)
        misfit = max(sideways - 0.007, 0.0) + 0.05 * max(angle - 0.1, 0.0)
        return arm.move(LINEAR_GAIN * (offset + (0.0, 0.0, min(0.12, 2.5 * misfit))), turn, 1.0)


TASK = Door
