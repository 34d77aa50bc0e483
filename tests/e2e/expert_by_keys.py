"""A person who does what the scripted expert would, but by holding keys: it shows that a person can."""

from __future__ import annotations

import mujoco
import numpy as np
from hands import Hands
from numpy.typing import NDArray

from app.window.main_window import MainWindow
from vinn_core.session.messages import Snapshot
from vinn_core.world.robot import FINGER_STROKE
from vinn_core.world.simulation import Simulation
from vinn_core.world.tasks import load_task

# Along the person's axes forward, left and up: the key for the positive and for the negative direction.
_LINEAR_KEYS = (("w", "s"), ("a", "d"), ("q", "e"))
_ANGULAR_KEYS = (("o", "u"), ("k", "i"), ("j", "l"))
_SPEEDS = (("3", 0.16, 1.2), ("2", 0.06, 0.5), ("1", 0.0, 0.0))
"""Key of a speed level, and the wish [m/s], [rad/s] from which it is taken."""
_WORTH_A_KEY = 0.012, 0.15
_UNSEEN = 50
"""Ticks after which a tap that the window has not shown is taken for lost."""


class ExpertByKeys:
    """Asks the expert, taps the keys that come nearest, looks at what they did, and so on; `step` until `done`.

    A tap moves for exactly one tick, however late the window gets to it: on a busy machine a person who held keys
    would overshoot.
    """

    def __init__(self, window: MainWindow, hands: Hands, task: str) -> None:
        self._window = window
        self._hands = hands
        self._expert = load_task(task).expert()
        self._simulation = Simulation(load_task(task))
        self._speed = ""
        self._gripper = 1.0
        self._look_from = 0
        window.held.changed.connect(self._noticed)
        self.done = False
        self.keys_used: set[str] = set()

    def step(self) -> None:
        snapshot = self._newest()
        if self.done or snapshot.tick < self._look_from:
            return
        if snapshot.succeeded:
            self.done = True
        else:
            self._look_from = snapshot.tick + 1
            self._move(snapshot)

    def _newest(self) -> Snapshot:
        snapshot = self._window.session.take_snapshot()
        assert snapshot is not None
        return snapshot

    def _move(self, snapshot: Snapshot) -> None:
        simulation = self._simulation
        simulation.set_state(snapshot.state)
        simulation.data.ctrl[simulation.model.actuator("finger_left").id] = self._gripper * FINGER_STROKE
        action = self._expert.act(simulation.model, simulation.data)
        if action.gripper != self._gripper:
            self._gripper = action.gripper
            self.keys_used.add("space")
            self._hands.tap("space")
        gripper = np.empty(9)
        mujoco.mju_quat2Mat(gripper, snapshot.observation.ee_quaternion)
        to_person = _person_axes(self._window).T @ gripper.reshape(3, 3)
        linear, angular = to_person @ action.twist[:3], to_person @ action.twist[3:]
        self._choose_speed(float(np.abs(linear).max()), float(np.abs(angular).max()))
        self._tap_together(
            _keys(linear, _LINEAR_KEYS, _WORTH_A_KEY[0]) | _keys(angular, _ANGULAR_KEYS, _WORTH_A_KEY[1]), snapshot.tick
        )

    def _choose_speed(self, linear: float, angular: float) -> None:
        speed = next(key for key, least, least_angular in _SPEEDS if linear >= least or angular >= least_angular)
        if speed != self._speed:
            self._speed = speed
            self._hands.tap(speed)

    def _tap_together(self, keys: set[str], tick: int) -> None:
        if keys:
            self.keys_used |= keys
            self._look_from = tick + _UNSEEN
            self._hands.hold(keys)
            self._hands.hold(())

    def _noticed(self) -> None:
        """The tick after the newest may have begun without the tap; the one after that has moved by it."""
        if not self._window.held.moves:
            self._look_from = self._newest().tick + 2


def _person_axes(window: MainWindow) -> NDArray[np.float64]:
    """(3, 3), columns are forward, left and up of who looks at the viewport, in the world frame."""
    forward = -window.viewport.camera_in_world()[:, 2] * (1.0, 1.0, 0.0)
    forward /= np.linalg.norm(forward)
    up = np.array([0.0, 0.0, 1.0])
    return np.column_stack((forward, np.cross(up, forward), up))


def _keys(wish: NDArray[np.float64], keys: tuple[tuple[str, str], ...], least: float) -> set[str]:
    return {pair[0 if part > 0 else 1] for part, pair in zip(wish, keys, strict=True) if abs(part) > least}
