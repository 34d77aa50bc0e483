"""The viewer's own copy of the simulated world, moved smoothly from snapshot to snapshot."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from vinn_core.session.messages import Snapshot
from vinn_core.world.appearance import Appearance
from vinn_core.world.robot import SCENES_FOLDER, load_scene
from vinn_core.world.task import Task

_VISIBLE_CHANGE = 5e-4
"""Trembling by less, positions [m] and angles [rad], is not worth a new picture."""
_AT_REST = 2e-5
"""What changes by less in a tick has come to rest, and is shown exactly where it did."""


class SceneMirror:
    """Model and data that belong to the viewer alone.

    A snapshot arrives once a control tick; in between, the world moves evenly from the snapshot's previous state to
    its state, so that the picture runs at display rate, one tick behind.

    Args:
        task: whose scene is shown.
        period_s: control period [s].

    Raises:
        SceneError: the scene cannot be loaded.
    """

    def __init__(self, task: Task, period_s: float) -> None:
        self.model: mujoco.MjModel = load_scene(SCENES_FOLDER / task.scene_file).compile()
        self.data = mujoco.MjData(self.model)
        self._appearance = Appearance(self.model)
        self._period_s = period_s
        self._look: tuple[str, int] | None = None
        self._appearance_changed = True
        self._from = self._to = self.data.qpos.copy()
        self._shown = self._to
        self._received_s = 0.0
        free, ball = int(mujoco.mjtJoint.mjJNT_FREE), int(mujoco.mjtJoint.mjJNT_BALL)
        joints = zip(self.model.jnt_qposadr.tolist(), self.model.jnt_type.tolist(), strict=True)
        self._quaternions = [address + (3 if kind == free else 0) for address, kind in joints if kind in (free, ball)]
        self._place(self._to)

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The cameras of the scene."""
        return tuple(self.model.camera(number).name for number in range(self.model.ncam))

    def receive(self, snapshot: Snapshot, now_s: float) -> None:
        """Take the newest snapshot, which arrived at `now_s` [s] of a steady clock."""
        if (snapshot.look, snapshot.seed) != self._look:
            self._look = (snapshot.look, snapshot.seed)
            self._appearance.apply(snapshot.look, snapshot.seed, snapshot.kept_clear)
            self._appearance_changed = True
        positions = slice(1, 1 + self.model.nq)
        self._from, self._to = snapshot.previous_state[positions], snapshot.state[positions]
        self._received_s = now_s

    def moving(self) -> bool:
        """Whether the next picture would differ from the last one shown."""
        if self._appearance_changed:
            return True
        missing = np.abs(self._to - self._shown).max()
        at_rest = np.abs(self._to - self._from).max() < _AT_REST
        return bool(missing > (_AT_REST if at_rest else _VISIBLE_CHANGE))

    def advance(self, now_s: float) -> None:
        """Put `data` where the world is at `now_s`."""
        share = min(max((now_s - self._received_s) / self._period_s, 0.0), 1.0)
        self._place(self._between(share))
        self._appearance_changed = False

    def _place(self, qpos: NDArray[np.float64]) -> None:
        self._shown = qpos
        self.data.qpos[:] = qpos
        mujoco.mj_fwdPosition(self.model, self.data)

    def _between(self, share: float) -> NDArray[np.float64]:
        if share >= 1.0:
            return self._to
        qpos = (1.0 - share) * self._from + share * self._to
        for start in self._quaternions:
            part = slice(start, start + 4)
            first, last = self._from[part], self._to[part]
            sign = 1.0 if first @ last >= 0.0 else -1.0  # q and -q are the same rotation: take the short way
            blended = (1.0 - share) * first + share * sign * last
            qpos[part] = blended / np.linalg.norm(blended)
        return qpos
