"""A person who lifts the cube: looks at the scene after every tick and holds the keys that bring the gripper closer."""

from __future__ import annotations

from collections.abc import Iterator

import mujoco
import numpy as np
from hands import Hands
from numpy.typing import NDArray

from app.main_window import MainWindow
from vinn_core.messages import Snapshot

# Along the person's axes forward, left and up: the key for the positive and for the negative direction.
LINEAR_KEYS = (("w", "s"), ("a", "d"), ("q", "e"))
ANGULAR_KEYS = (("o", "u"), ("k", "i"), ("j", "l"))
_SPEEDS = (("3", 0.08, 0.4), ("2", 0.03, 0.15), ("1", 0.0, 0.0))
"""Key of a speed level, and how far off [m], [rad] it is worth taking."""
_SLOWEST = "1"
_CLOSE_ENOUGH = (0.005, 0.05)
_HOVER = 0.10


class Pilot:
    """Knows the true pose of the cube, but moves the arm by nothing but `hands`.

    `step` is to be called after every tick until `done`.
    """

    def __init__(self, window: MainWindow, hands: Hands) -> None:
        self._window = window
        self._hands = hands
        self._model = window.viewport.control.mirror.model
        self._data = mujoco.MjData(self._model)
        self._speed = ""
        self._plan = self._lift()
        self._tick = -1
        self.done = False
        self.keys_used: set[str] = set()

    def step(self) -> None:
        """Look, and hold or tap what is needed next."""
        snapshot = self._newest()
        if self.done or snapshot.tick == self._tick:
            return
        self._tick = snapshot.tick
        self.done = next(self._plan, None) is None

    def _lift(self) -> Iterator[bool]:
        for height in (_HOVER, 0.0):
            while not self._approach(height):
                yield True
        self._hands.tap("space")
        opening = 1.0
        while abs(opening - (opening := self._newest().observation.gripper_opening)) > 0.01 or opening > 0.9:
            yield True
        self._hold({"q"})
        while not self._newest().succeeded:
            yield True
        self._hold(set())

    def _approach(self, height: float) -> bool:
        """Hold the keys that bring the gripper to `height` above the cube and square to it; whether it is there."""
        snapshot = self._newest()
        self._data.qpos[:] = snapshot.state[1 : 1 + self._model.nq]
        mujoco.mj_kinematics(self._model, self._data)
        cube = self._data.body("cube")
        person = person_axes(self._window)
        gripper = np.empty(9)
        mujoco.mju_quat2Mat(gripper, snapshot.observation.ee_quaternion)
        gripper = gripper.reshape(3, 3)
        away = person.T @ (cube.xpos + (0.0, 0.0, height) - snapshot.observation.ee_position)
        turned = person.T @ _turn(gripper, _square_to(cube.xmat.reshape(3, 3), gripper))
        self._choose_speed(float(np.abs(away).max()), float(np.abs(turned).max()))
        wanted = _keys(away, LINEAR_KEYS, _CLOSE_ENOUGH[0]) | _keys(turned, ANGULAR_KEYS, _CLOSE_ENOUGH[1])
        if self._speed == _SLOWEST:
            # A tap moves for exactly one tick, however late the window notices: nothing overshoots on a busy computer.
            self._hold(set())
            self.keys_used |= wanted
            self._hands.tap(*sorted(wanted))
        else:
            self._hold(wanted)
        return not wanted

    def _choose_speed(self, away: float, turned: float) -> None:
        speed = next(key for key, far, twisted in _SPEEDS if away >= far or turned >= twisted)
        if speed != self._speed:
            self._speed = speed
            self._hands.tap(speed)

    def _hold(self, keys: set[str]) -> None:
        self.keys_used |= keys
        self._hands.hold(keys)

    def _newest(self) -> Snapshot:
        snapshot = self._window.session.take_snapshot()
        assert snapshot is not None
        return snapshot


def person_axes(window: MainWindow) -> NDArray[np.float64]:
    """(3, 3), columns are forward, left and up of who looks at the viewport, in the world frame."""
    forward = -window.viewport.camera_in_world()[:, 2] * (1.0, 1.0, 0.0)
    forward /= np.linalg.norm(forward)
    up = np.array([0.0, 0.0, 1.0])
    return np.column_stack((forward, np.cross(up, forward), up))


def _keys(offset: NDArray[np.float64], keys: tuple[tuple[str, str], ...], close_enough: float) -> set[str]:
    return {pair[0 if part > 0 else 1] for part, pair in zip(offset, keys, strict=True) if abs(part) > close_enough}


def _square_to(cube: NDArray[np.float64], gripper: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3, 3) pointing down, fingers along the cube's sides, by the shortest turn. All in the world frame."""
    yaw_cube = np.arctan2(cube[1, 0], cube[0, 0])
    yaw = np.arctan2(gripper[1, 0], gripper[0, 0])
    yaw += (yaw_cube - yaw + np.pi / 4) % (np.pi / 2) - np.pi / 4
    return np.array([[np.cos(yaw), np.sin(yaw), 0.0], [np.sin(yaw), -np.cos(yaw), 0.0], [0.0, 0.0, -1.0]])


def _turn(present: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """(3,) [rad], the rotation vector from `present` to `wanted` (3, 3), in the world frame."""
    quaternion, vector = np.empty(4), np.empty(3)
    mujoco.mju_mat2Quat(quaternion, (wanted @ present.T).flatten())
    mujoco.mju_quat2Vel(vector, quaternion, 1.0)
    return vector
