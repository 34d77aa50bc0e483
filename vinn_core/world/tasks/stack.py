"""Stack: put a 4 cm cube onto a larger one and let go."""

from __future__ import annotations

import mujoco
import numpy as np

from vinn_core.episodes.episode import Action
from vinn_core.world.task import Expert, ResetPose
from vinn_core.world.tasks.grasping import grasp, holds
from vinn_core.world.tasks.motion import LINEAR_GAIN, Arm, Vector, disc, placed, tilted_down

_CUBE_HALF = 0.02
_BASE_HALF_HEIGHT = 0.03
_APART = 0.11
"""Least distance between the centres at the start [m]: the open fingers fit between the cubes."""
_ASIDE = 0.12
"""Greatest distance to the side at the start [m]: raised with the small cube, the wrist camera sees the large one."""
_CARRY = 0.08
"""Height above the base cube at which the cube is carried [m]."""
_DROP = 0.012, 0.014
"""Greatest height above the base cube and error to the side at which the cube is let go [m]."""
_BELOW = 0.02
"""The cube is lowered as if to this far inside the base cube [m]: it does not slow down before it is let go."""
_ON_TOP = 0.006, 0.024
"""Greatest error in height and to the side of a cube that lies on the other [m]."""


class Stack:
    """The small cube lies before the large one, as seen from the arm; both turned up to 45 degrees."""

    name = "stack"
    title = "Stack the cubes"
    scene_file = "stack.xml"
    time_limit_s = 25.0
    hint = "Grasp the small cube, raise it over the large one, lower it until it touches, let go."

    def sample_reset(self, random: np.random.Generator) -> ResetPose:
        while True:
            cube_xy = random.uniform((0.19, -0.14), (0.27, 0.14))
            base_xy = random.uniform((0.27, -0.12), (0.36, 0.12))
            if np.linalg.norm(base_xy - cube_xy) > _APART and abs(base_xy[1] - cube_xy[1]) < _ASIDE:
                break
        cube_yaw, base_yaw = random.uniform(-np.pi / 4, np.pi / 4, 2)
        return ResetPose(
            ee_position=random.uniform((0.19, -0.12, 0.17), (0.28, 0.12, 0.26)),
            ee_quaternion=tilted_down(random.uniform(-0.4, 0.4), tilt=random.uniform(-0.15, 0.15, 2)),
            objects={
                "cube": placed(cube_xy, _CUBE_HALF, cube_yaw),
                "base_cube": placed(base_xy, _BASE_HALF_HEIGHT, base_yaw),
            },
            kept_clear=(disc(cube_xy, 0.06), disc(base_xy, 0.06)),
        )

    def succeeded(self, model: mujoco.MjModel, data: mujoco.MjData) -> bool:
        lies = _lies_on_top(data.body("cube").xpos, data.body("base_cube").xpos)
        return lies and Arm.read(data).opening > 0.75

    def expert(self) -> Expert:
        return StackExpert()


def _lies_on_top(cube: Vector, base: Vector) -> bool:
    height, side = cube[2] - base[2] - _CUBE_HALF - _BASE_HALF_HEIGHT, np.linalg.norm(cube[:2] - base[:2])
    return bool(abs(height) < _ON_TOP[0] and side < _ON_TOP[1])


class StackExpert:
    """Reads both true poses: grasps the cube, carries it over the other, lowers it and lets go."""

    def reset(self) -> None:
        """Nothing is remembered between ticks."""

    def act(self, model: mujoco.MjModel, data: mujoco.MjData) -> Action:
        cube, base, arm = data.body("cube"), data.body("base_cube").xpos, Arm.read(data)
        top = base + (0.0, 0.0, _BASE_HALF_HEIGHT + _CUBE_HALF)
        offset = top - cube.xpos
        sideways = float(np.linalg.norm(offset[:2]))
        if (sideways < _DROP[1] and -offset[2] < _DROP[0]) or (_lies_on_top(cube.xpos, base) and not arm.told_to_close):
            rising = np.array([0.0, 0.0, 0.1 if arm.opening > 0.75 else 0.0])
            return arm.move(rising, np.zeros(3), 1.0)
        if not holds(arm, cube.xpos):
            return grasp(arm, cube.xpos, cube.xmat.reshape(3, 3))
        # High until above the base cube, then down a funnel, as in grasping.
        height = min(_CARRY, 2.5 * max(sideways - 0.008, 0.0))
        low = offset[2] + (height if height > 0.0 else -_BELOW)  # how far the cube is below where it should be
        in_the_way = low > 0.02 and sideways > 0.03  # the other cube is, so: up first
        across = np.zeros(2) if in_the_way else offset[:2]
        return arm.move(np.array([*across, low]) * LINEAR_GAIN, np.zeros(3), 0.0)


TASK = Stack
