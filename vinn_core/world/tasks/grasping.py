"""Grasping a cube from above: what lift and stack have in common."""

from __future__ import annotations

import numpy as np

from vinn_core.episodes.episode import Action
from vinn_core.world.tasks.motion import LINEAR_GAIN, Arm, Vector, facing_down, nearest_turn, yaw_of

_HOVER = 0.15
"""Greatest height above the cube at which the gripper approaches [m]."""
_FUNNEL = 2.5
"""Height above the cube per distance to its side."""
_CLEARANCE = 0.02
"""What closed fingers count as, in distance to the side [m]."""


def holds(arm: Arm, cube: Vector) -> bool:
    """Whether the closed fingers have the 4 cm cube at (3,) [m] between them."""
    return _between_fingers(arm, cube) and arm.told_to_close and 0.35 < arm.opening < 0.68


def grasp(arm: Arm, cube: Vector, cube_rotation: Vector) -> Action:
    """Hover, align, descend, close. A function of the state alone, so that single frames suffice to imitate it.

    Args:
        cube: (3,) [m].
        cube_rotation: (3, 3), both in the world frame.
    """
    offset = cube - arm.position
    sideways = float(np.linalg.norm(offset[:2]))
    turn = arm.turn_to(_rotation_at_cube(cube_rotation, arm.rotation))
    angle = float(np.linalg.norm(turn))
    there = sideways < 0.009 and abs(offset[2]) < 0.009 and angle < 0.15
    if there or (_between_fingers(arm, cube) and arm.told_to_close):
        return arm.move(offset * LINEAR_GAIN, turn, 0.0)
    # A funnel: the further the gripper is to the side or turned away, the higher it stays, so that the wrist camera
    # keeps the cube in view. Closed fingers stay above it too: pressed onto it they cannot open.
    misfit = max(sideways - 0.006, 0.0) + 0.05 * max(angle - 0.08, 0.0) + (_CLEARANCE if arm.opening < 0.7 else 0.0)
    return arm.move((offset + (0.0, 0.0, min(_HOVER, _FUNNEL * misfit))) * LINEAR_GAIN, turn, 1.0)


def _between_fingers(arm: Arm, cube: Vector) -> bool:
    offset = cube - arm.position
    return float(np.linalg.norm(offset[:2])) < 0.015 and abs(float(offset[2])) < 0.015


def _rotation_at_cube(cube_rotation: Vector, ee_rotation: Vector) -> Vector:
    """(3, 3) end effector pointing down, fingers along the nearest pair of the cube's sides; any side may be up."""
    yaw = yaw_of(ee_rotation)
    level = cube_rotation[:, np.abs(cube_rotation[2]).argmin()]
    return facing_down(yaw + nearest_turn(float(np.arctan2(level[1], level[0])) - yaw, np.pi / 2))
