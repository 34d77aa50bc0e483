"""Grasping a cube from above: what lift and stack have in common."""

from __future__ import annotations

import numpy as np

from vinn_core.episode import Action
from vinn_core.tasks.motion import LINEAR_GAIN, Arm, Vector, facing_down, nearest_turn, yaw_of

_HOVER = 0.15
"""Greatest height above the cube at which the gripper approaches [m]."""
_FUNNEL = 2.5
"""Height above the cube per distance to its side."""


def holds(arm: Arm, cube: Vector) -> bool:
    """Whether the closed fingers have the 4 cm cube at (3,) [m] between them."""
    return _between_fingers(arm, cube) and arm.told_to_close and 0.35 < arm.opening < 0.68


def grasp(arm: Arm, cube: Vector, cube_rotation: Vector) -> Action:
    """Hover, align, descend, close. A function of the state alone, so that single frames suffice to imitate it.

    Args:
        cube: (3,) [m]. cube_rotation: (3, 3), both in the world frame.
    """
    offset = cube - arm.position
    sideways = float(np.linalg.norm(offset[:2]))
    turn = arm.turn_to(_rotation_at_cube(cube_rotation, arm.rotation))
    angle = float(np.linalg.norm(turn))
    there = sideways < 0.009 and abs(offset[2]) < 0.009 and angle < 0.15
    if there or (_between_fingers(arm, cube) and arm.told_to_close):
        return arm.move(offset * LINEAR_GAIN, turn, 0.0)
    # A funnel: the further the gripper is to the side or turned away, the higher it stays, so that the wrist camera
    # keeps the cube in view.
    misfit = max(sideways - 0.006, 0.0) + 0.05 * max(angle - 0.08, 0.0)
    return arm.move((offset + (0.0, 0.0, min(_HOVER, _FUNNEL * misfit))) * LINEAR_GAIN, turn, 1.0)


def _between_fingers(arm: Arm, cube: Vector) -> bool:
    offset = cube - arm.position
    return float(np.linalg.norm(offset[:2])) < 0.015 and abs(float(offset[2])) < 0.015


def _rotation_at_cube(cube_rotation: Vector, ee_rotation: Vector) -> Vector:
    """(3, 3) end effector pointing down, fingers along the nearest pair of the cube's sides."""
    yaw = yaw_of(ee_rotation)
    return facing_down(yaw + nearest_turn(yaw_of(cube_rotation) - yaw, np.pi / 2))
