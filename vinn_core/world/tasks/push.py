"""Push: shove a block over the table onto a target patch."""

from __future__ import annotations

import mujoco
import numpy as np

from vinn_core.episodes.episode import Action
from vinn_core.world.task import Expert, ResetPose
from vinn_core.world.tasks.motion import LINEAR_GAIN, Arm, disc, facing_down, nearest_turn, placed, tilted_down, yaw_of

_BLOCK_HALF = 0.03
_BLOCK_HALF_HEIGHT = 0.02
_CLOSE_ENOUGH = 0.02
"""Greatest distance of the block's centre from the target's [m]."""
_TIP_HEIGHT = 0.022
"""Height of the fingertips while pushing [m]."""
_BEHIND = 0.067
"""Distance from the block's centre at which the gripper comes down behind it [m]."""
_PUSH_SPEED = 0.10  # [m/s]


class Push:
    """The block lies near the arm, the target 7 to 12 cm further on, up to 30 degrees to the side."""

    name = "push"
    title = "Push the block onto the target"
    scene_file = "push.xml"
    time_limit_s = 20.0
    hint = "Close the gripper, lower it behind the block, in line with the target, and push."

    def sample_reset(self, random: np.random.Generator) -> ResetPose:
        block_xy = random.uniform((0.235, -0.10), (0.275, 0.10))
        direction, distance = random.uniform(-0.5, 0.5), random.uniform(0.07, 0.12)
        target_xy = block_xy + distance * np.array([np.cos(direction), np.sin(direction)])
        return ResetPose(
            ee_position=random.uniform((0.18, -0.11, 0.16), (0.27, 0.11, 0.25)),
            ee_quaternion=tilted_down(random.uniform(-0.4, 0.4), tilt=random.uniform(-0.15, 0.15, 2)),
            objects={
                "block": placed(block_xy, _BLOCK_HALF_HEIGHT, random.uniform(-np.pi / 4, np.pi / 4)),
                "target": placed(target_xy, 0.0008),
            },
            kept_clear=(disc(block_xy, 0.10), disc((block_xy + target_xy) / 2, 0.07), disc(target_xy, 0.07)),
        )

    def succeeded(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        missing = data.body("target").xpos[:2] - data.body("block").xpos[:2]
        return bool(np.linalg.norm(missing) < _CLOSE_ENOUGH)

    def expert(self) -> Expert:
        return PushExpert()


class PushExpert:
    """Reads the true poses: comes down behind the block, turned towards the target, and pushes along that line."""

    def reset(self) -> None:
        """Nothing is remembered between ticks."""

    def act(self, model: mujoco.MjModel, data: mujoco.MjData) -> Action:
        arm, block, target = Arm.read(data), data.body("block").xpos, data.body("target").xpos
        line = target[:2] - block[:2]
        distance = float(np.linalg.norm(line))
        ahead = line / max(distance, 1e-6)
        aside = np.array([-ahead[1], ahead[0]])
        from_block = arm.position[:2] - block[:2]
        along, across = float(from_block @ ahead), float(from_block @ aside)
        yaw = yaw_of(arm.rotation)
        error = nearest_turn(float(np.arctan2(ahead[1], ahead[0])) - yaw)
        turn = arm.turn_to(facing_down(yaw + float(np.clip(error, -0.6, 0.6))))
        height = arm.position[2] - _TIP_HEIGHT

        if height < 0.012 and along < -0.5 * _BLOCK_HALF and abs(across) < 0.022:
            forward = _PUSH_SPEED * (1.0 if abs(across) < 0.012 else 0.35)
            sideways = -4.0 * across
            linear = np.array([*(forward * ahead + sideways * aside), -LINEAR_GAIN * height])
            return arm.move(linear, turn, 0.0)
        behind = block[:2] - _BEHIND * ahead - arm.position[:2]
        misfit = max(float(np.linalg.norm(behind)) - 0.008, 0.0) + 0.05 * max(float(np.linalg.norm(turn)) - 0.12, 0.0)
        above = min(0.11, 2.5 * misfit)
        linear = np.array([*behind, above - height])
        if height < 0.05 and along > -_BLOCK_HALF - 0.015:  # beside or before the block: up first
            linear = np.array([0.0, 0.0, 0.11 - height])
        return arm.move(linear * LINEAR_GAIN, turn, 0.0)


TASK = Push
