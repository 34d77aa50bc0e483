"""A person who does what the scripted expert would, but by holding keys: it shows that a person can."""

from __future__ import annotations

import mujoco
import numpy as np
from hands import Hands
from numpy.typing import NDArray

from app.main_window import MainWindow
from vinn_core.messages import Snapshot
from vinn_core.simulation import Simulation
from vinn_core.task import FINGER_STROKE, load_task

# Along the person's axes forward, left and up: the key for the positive and for the negative direction.
_LINEAR_KEYS = (("w", "s"), ("a", "d"), ("q", "e"))
_ANGULAR_KEYS = (("o", "u"), ("k", "i"), ("j", "l"))
_SPEEDS = (("3", 0.16, 1.2), ("2", 0.06, 0.5), ("1", 0.0, 0.0))
"""Key of a speed level, and the wish [m/s], [rad/s] from which it is taken."""
_SLOWEST = "1"
_WORTH_A_KEY = 0.012, 0.15


class ExpertByKeys:
    """Asks the expert after every tick and holds, or taps, the keys that come nearest; `step` until `done`."""

    def __init__(self, window: MainWindow, hands: Hands, task: str) -> None:
        self._window = window
        self._hands = hands
        self._expert = load_task(task).expert()
        self._simulation = Simulation(load_task(task))
        self._speed = ""
        self._gripper = 1.0
        self._tick = -1
        self.done = False
        self.keys_used: set[str] = set()

    def step(self) -> None:
        snapshot = self._window.session.take_snapshot()
        assert snapshot is not None
        if self.done or snapshot.tick == self._tick:
            return
        self._tick = snapshot.tick
        if snapshot.succeeded:
            self._hands.hold(set())
            self.done = True
            return
        self._move(snapshot)

    def _move(self, snapshot: Snapshot) -> None:
        simulation = self._simulation
        simulation.set_state(snapshot.state)
        simulation.data.ctrl[simulation.model.actuator("finger_left").id] = self._gripper * FINGER_STROKE
        action = self._expert.act(simulation.model, simulation.data)
        if action.gripper != self._gripper:
            self._gripper = action.gripper
            self._press({"space"})
        gripper = np.empty(9)
        mujoco.mju_quat2Mat(gripper, snapshot.observation.ee_quaternion)
        to_person = _person_axes(self._window).T @ gripper.reshape(3, 3)
        linear, angular = to_person @ action.twist[:3], to_person @ action.twist[3:]
        self._choose_speed(float(np.abs(linear).max()), float(np.abs(angular).max()))
        wanted = _keys(linear, _LINEAR_KEYS, _WORTH_A_KEY[0]) | _keys(angular, _ANGULAR_KEYS, _WORTH_A_KEY[1])
        if self._speed == _SLOWEST:  # a tap moves for exactly one tick, however late the window notices
            self._hands.hold(set())
            self._press(wanted)
        else:
            self.keys_used |= wanted
            self._hands.hold(wanted)

    def _choose_speed(self, linear: float, angular: float) -> None:
        speed = next(key for key, least, least_angular in _SPEEDS if linear >= least or angular >= least_angular)
        if speed != self._speed:
            self._speed = speed
            self._hands.tap(speed)

    def _press(self, keys: set[str]) -> None:
        self.keys_used |= keys
        self._hands.tap(*sorted(keys))


def _person_axes(window: MainWindow) -> NDArray[np.float64]:
    """(3, 3), columns are forward, left and up of who looks at the viewport, in the world frame."""
    forward = -window.viewport.camera_in_world()[:, 2] * (1.0, 1.0, 0.0)
    forward /= np.linalg.norm(forward)
    up = np.array([0.0, 0.0, 1.0])
    return np.column_stack((forward, np.cross(up, forward), up))


def _keys(wish: NDArray[np.float64], keys: tuple[tuple[str, str], ...], least: float) -> set[str]:
    return {pair[0 if part > 0 else 1] for part, pair in zip(wish, keys, strict=True) if abs(part) > least}
