"""Teleoperation: which movement keys are held, and the end-effector twist they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.episode import Action


class Move(StrEnum):
    """A direction that can be held. Directions are those of the chosen frame, see `TeleopFrame`."""

    FORWARD = "forward"
    BACK = "back"
    LEFT = "left"
    RIGHT = "right"
    UP = "up"
    DOWN = "down"
    PITCH_UP = "pitch up"
    PITCH_DOWN = "pitch down"
    YAW_LEFT = "yaw left"
    YAW_RIGHT = "yaw right"
    ROLL_LEFT = "roll left"
    ROLL_RIGHT = "roll right"


class TeleopFrame(StrEnum):
    """The frame in which the directions are meant.

    END_EFFECTOR: as the wrist camera sees them (forward is along the fingers).
    CAMERA: as the person sees the scene from the viewing camera, levelled: up is the world's up.
    """

    END_EFFECTOR = "end effector"
    CAMERA = "viewing camera"


# Linear then angular unit twist in a person-like frame: x forward, y left, z up.
_UNIT_TWISTS: dict[Move, tuple[float, ...]] = {
    Move.FORWARD: (1, 0, 0, 0, 0, 0),
    Move.BACK: (-1, 0, 0, 0, 0, 0),
    Move.LEFT: (0, 1, 0, 0, 0, 0),
    Move.RIGHT: (0, -1, 0, 0, 0, 0),
    Move.UP: (0, 0, 1, 0, 0, 0),
    Move.DOWN: (0, 0, -1, 0, 0, 0),
    Move.PITCH_UP: (0, 0, 0, 0, -1, 0),
    Move.PITCH_DOWN: (0, 0, 0, 0, 1, 0),
    Move.YAW_LEFT: (0, 0, 0, 0, 0, 1),
    Move.YAW_RIGHT: (0, 0, 0, 0, 0, -1),
    Move.ROLL_LEFT: (0, 0, 0, -1, 0, 0),
    Move.ROLL_RIGHT: (0, 0, 0, 1, 0, 0),
}

SPEED_LEVELS: tuple[tuple[float, float], ...] = ((0.04, 0.3), (0.10, 0.7), (0.22, 1.4))
"""Linear [m/s] and angular [rad/s] speed of the slow, medium and fast level."""

# The person-like axes in the end-effector frame: forward along the fingers (z), left is -y, up is +x when the
# gripper points forward; with the gripper pointing down, "up" in the wrist image is +x as well.
_PERSON_IN_END_EFFECTOR = np.array([[0.0, 0.0, 1.0], [0.0, -1.0, 0.0], [1.0, 0.0, 0.0]])

_LARGEST_CHANGE = 0.5
"""Share of the full speed that the twist may change in one tick: starts and stops are soft within 0.2 s."""


@dataclass(frozen=True, eq=False)
class TeleopInput:
    """What the person holds right now.

    Attributes:
        moves: directions held.
        frame: what they refer to.
        speed: index into SPEED_LEVELS.
        gripper_open: what the gripper is told to do.
        camera_in_world: (3, 3), columns are the viewing camera's right, up and backward axes in the world frame.
    """

    moves: frozenset[Move] = frozenset()
    frame: TeleopFrame = TeleopFrame.CAMERA
    speed: int = 1
    gripper_open: bool = True
    camera_in_world: NDArray[np.float64] | None = None


class Teleop:
    """Turns held keys into actions, softening starts and stops."""

    def __init__(self) -> None:
        self._twist_in_person_frame = np.zeros(6)

    def reset(self) -> None:
        """Stand still at once."""
        self._twist_in_person_frame = np.zeros(6)

    @property
    def moving(self) -> bool:
        """Whether the arm is still being moved, by held keys or by the soft stop after them."""
        return bool(self._twist_in_person_frame.any())

    def act(self, held: TeleopInput, ee_rotation: NDArray[np.float64]) -> Action:
        """The action for this tick.

        Args:
            held: what the person holds.
            ee_rotation: (3, 3), end-effector frame in the world frame.
        """
        linear, angular = SPEED_LEVELS[held.speed]
        wanted = np.zeros(6)
        for move in held.moves:
            wanted += np.asarray(_UNIT_TWISTS[move]) * ([linear] * 3 + [angular] * 3)
        largest = _LARGEST_CHANGE * np.array([linear] * 3 + [angular] * 3)
        stopping = wanted == 0.0
        change = np.clip(wanted - self._twist_in_person_frame, -largest, largest)
        change[stopping] = -self._twist_in_person_frame[stopping]  # letting go stops at once: precision over softness
        self._twist_in_person_frame = self._twist_in_person_frame + change

        if held.frame is TeleopFrame.END_EFFECTOR:
            person_in_end_effector = _PERSON_IN_END_EFFECTOR
        else:
            person_in_end_effector = ee_rotation.T @ _levelled(held.camera_in_world)
        twist = np.concatenate(
            (
                person_in_end_effector @ self._twist_in_person_frame[:3],
                person_in_end_effector @ self._twist_in_person_frame[3:],
            )
        )
        return Action(twist.astype(np.float32), 1.0 if held.gripper_open else 0.0)


def _levelled(camera_in_world: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """(3, 3), columns are forward, left and up of a person who stands where the camera is, in the world frame."""
    forward = np.array([1.0, 0.0, 0.0])
    if camera_in_world is not None:
        looking = -camera_in_world[:, 2]
        level = np.array([looking[0], looking[1], 0.0])
        if np.linalg.norm(level) < 0.05:  # looking straight down: what is up in the picture is forward
            level = np.array([camera_in_world[0, 1], camera_in_world[1, 1], 0.0])
        forward = level / np.linalg.norm(level)
    up = np.array([0.0, 0.0, 1.0])
    return np.column_stack((forward, np.cross(up, forward), up))
