"""Where the viewport looks from and what the mouse does in it, by MuJoCo's conventions."""

from __future__ import annotations

import copy

import mujoco
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QPointF, QSize, Qt, Signal
from PySide6.QtGui import QMouseEvent, QWheelEvent

from app.viewport.mirror import SceneMirror

FREE_CAMERA = "Free"

_MAX_GEOMS = 2000
_WHEEL_ZOOM = 0.05
_PUSH = 4.0
"""MuJoCo's spring between mouse and body, this much stiffer: otherwise it cannot lift what it holds by a corner."""
_CAMERA_MOVES_IN_SCENE = "scn" in (mujoco.mjv_moveCamera.__doc__ or "")
"""Older releases of MuJoCo want the scene as well."""
_CTRL, _SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
_LEFT, _RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
_Mouse = mujoco.mjtMouse


class ViewControl(QObject):
    """Camera, selection and perturbation of one viewport, and the abstract scene that is drawn from them.

    Left drag rotates, right drag pans (Shift: horizontally), wheel or middle drag zooms, double-click selects a body,
    Ctrl + left drag turns it, Ctrl + right drag pushes it, Ctrl + right double-click follows it with the camera.
    """

    changed = Signal()
    """The picture is to be drawn anew."""
    camera_moved = Signal()
    """What `camera_in_world` returns has changed."""
    perturbed = Signal(object)
    """The MjvPerturb to apply (the receiver's own copy), None when the person lets go."""
    selected = Signal(str)
    """Name of the selected body, "" for none."""

    def __init__(self, mirror: SceneMirror, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.mirror = mirror
        self._camera = mujoco.MjvCamera()
        self._option = mujoco.MjvOption()
        self._perturb = mujoco.MjvPerturb()
        self.scene = mujoco.MjvScene(mirror.model, _MAX_GEOMS)
        self._pressed_at: QPointF | None = None
        self.reset_view()

    # --- camera -------------------------------------------------------------------------------------------------------

    @property
    def camera_names(self) -> tuple[str, ...]:
        """What `look_through` takes."""
        return (FREE_CAMERA, *self.mirror.camera_names)

    @property
    def camera_name(self) -> str:
        """The camera that is looked through."""
        if self._camera.type == mujoco.mjtCamera.mjCAMERA_FIXED:
            return self.mirror.model.camera(self._camera.fixedcamid).name
        return FREE_CAMERA

    def look_through(self, name: str) -> None:
        """Show the scene as the camera `name` sees it; the free camera stays where it was."""
        if name == FREE_CAMERA:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE
            self._camera.fixedcamid = -1
        else:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
            self._camera.fixedcamid = self.mirror.model.camera(name).id
        self._camera_changed()

    def reset_view(self) -> None:
        """The free camera, where it was at first."""
        mujoco.mjv_defaultFreeCamera(self.mirror.model, self._camera)
        self._camera_changed()

    def camera_in_world(self) -> NDArray[np.float64]:
        """(3, 3), columns are the viewing camera's right, up and backward axes in the world frame."""
        if self._camera.type == mujoco.mjtCamera.mjCAMERA_FIXED:
            return self.mirror.data.cam_xmat[self._camera.fixedcamid].reshape(3, 3).copy()
        azimuth, elevation = np.deg2rad((self._camera.azimuth, self._camera.elevation))
        level = np.array((np.cos(azimuth), np.sin(azimuth), 0.0))
        forward = np.cos(elevation) * level + (0.0, 0.0, np.sin(elevation))
        right = np.array((level[1], -level[0], 0.0))
        return np.column_stack((right, np.cross(right, forward), -forward))

    def update_scene(self) -> None:
        """Bring `scene` up to what the mirror shows now."""
        mujoco.mjv_updateScene(
            self.mirror.model,
            self.mirror.data,
            self._option,
            self._perturb,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self.scene,
        )

    def _camera_changed(self) -> None:
        self.camera_moved.emit()
        self.changed.emit()

    # --- mouse --------------------------------------------------------------------------------------------------------

    @property
    def selected_body(self) -> str:
        """Name of the selected body, "" for none."""
        return self.mirror.model.body(self._perturb.select).name if self._perturb.select > 0 else ""

    def press(self, event: QMouseEvent) -> None:
        """A button goes down."""
        self._pressed_at = event.position()
        if not event.modifiers() & _CTRL or self._perturb.select <= 0:
            return
        kinds = {_LEFT: mujoco.mjtPertBit.mjPERT_ROTATE, _RIGHT: mujoco.mjtPertBit.mjPERT_TRANSLATE}
        if event.button() in kinds:
            mujoco.mjv_initPerturb(self.mirror.model, self.mirror.data, self.scene, self._perturb)
            self._perturb.localmass *= _PUSH
            self._perturb.active = int(kinds[event.button()])
            self._send_perturb()

    def move(self, event: QMouseEvent, height: int) -> None:
        """The mouse moves with a button held over a viewport of `height` [pixel]."""
        if self._pressed_at is None:
            return
        by = (event.position() - self._pressed_at) / max(height, 1)
        self._pressed_at = event.position()
        horizontal = bool(event.modifiers() & _SHIFT)
        if event.buttons() & _RIGHT:
            action = _Mouse.mjMOUSE_MOVE_H if horizontal else _Mouse.mjMOUSE_MOVE_V
        elif event.buttons() & _LEFT:
            action = _Mouse.mjMOUSE_ROTATE_H if horizontal else _Mouse.mjMOUSE_ROTATE_V
        else:
            action = _Mouse.mjMOUSE_ZOOM
        if self._perturb.active:
            mirror = self.mirror
            mujoco.mjv_movePerturb(mirror.model, mirror.data, action, by.x(), by.y(), self.scene, self._perturb)
            self._send_perturb()
        else:
            self._move_camera(action, by.x(), by.y())

    def release(self, event: QMouseEvent) -> None:
        """A button goes up."""
        if event.buttons() == Qt.MouseButton.NoButton:
            self._pressed_at = None
        if self._perturb.active:
            self._perturb.active = 0
            self.perturbed.emit(None)
            self.changed.emit()

    def double_click(self, event: QMouseEvent, size: QSize) -> None:
        """A second click at the same place of a viewport of `size`."""
        self._pressed_at = event.position()
        body, point = self._pick(event.position(), size)
        if event.button() == _LEFT:
            self._select(body, point)
        elif event.button() == _RIGHT and event.modifiers() & _CTRL:
            self._follow(body, point)

    def wheel(self, event: QWheelEvent) -> None:
        """The wheel turns."""
        self._move_camera(_Mouse.mjMOUSE_ZOOM, 0.0, -_WHEEL_ZOOM * event.angleDelta().y() / 120)

    def _move_camera(self, action: mujoco.mjtMouse, x: float, y: float) -> None:
        scene = (self.scene,) if _CAMERA_MOVES_IN_SCENE else ()
        mujoco.mjv_moveCamera(self.mirror.model, action, x, y, *scene, self._camera)
        self._camera_changed()

    def _pick(self, position: QPointF, size: QSize) -> tuple[int, NDArray[np.float64]]:
        """The body under the mouse (-1: none) and the point on it in the world frame."""
        self.update_scene()
        point = np.zeros((3, 1))
        geom, flex, skin = (np.full((1, 1), -1, dtype=np.int32) for _ in range(3))
        body = mujoco.mjv_select(
            self.mirror.model,
            self.mirror.data,
            self._option,
            size.width() / size.height(),
            position.x() / size.width(),
            1.0 - position.y() / size.height(),
            self.scene,
            point,
            geom,
            flex,
            skin,
        )
        return body, point[:, 0]

    def _select(self, body: int, point: NDArray[np.float64]) -> None:
        data = self.mirror.data
        self._perturb.active = 0
        self._perturb.select = max(body, 0)
        if body > 0:
            self._perturb.localpos = data.xmat[body].reshape(3, 3).T @ (point - data.xpos[body])
        self.selected.emit(self.selected_body)
        self.changed.emit()

    def _follow(self, body: int, point: NDArray[np.float64]) -> None:
        if body < 0:
            return
        self._camera.lookat = point
        if body > 0:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
            self._camera.trackbodyid = body
            self._camera.fixedcamid = -1
        self._camera_changed()

    def _send_perturb(self) -> None:
        self.perturbed.emit(copy.copy(self._perturb))
        self.changed.emit()
