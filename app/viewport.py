"""The embedded MuJoCo viewer. The only module of the window that touches OpenGL."""

from __future__ import annotations

import copy
from time import perf_counter

import mujoco
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, Qt, QTimer, Signal
from PySide6.QtGui import QImage, QMouseEvent, QOffscreenSurface, QOpenGLContext, QSurfaceFormat, QWheelEvent
from PySide6.QtOpenGLWidgets import QOpenGLWidget
from PySide6.QtWidgets import QWidget

from app.scene_mirror import SceneMirror
from vinn_core.messages import Snapshot

FREE_CAMERA = "Free"

_GL_RENDERER = 0x1F01
_GL_FRAMEBUFFER = 0x8D40
_GL_READ_FRAMEBUFFER, _GL_DRAW_FRAMEBUFFER = 0x8CA8, 0x8CA9
_GL_COLOR_BUFFER_BIT, _GL_NEAREST, _GL_LINEAR = 0x4000, 0x2600, 0x2601

_SHORTEST_FRAME_S = 1 / 60
_SHARE_OF_TIME = 0.5
"""Drawing takes at most this share of the GUI thread's time: in software OpenGL the rest of the window comes first."""
_SOFTWARE_PIXELS = 400_000
"""In software OpenGL a moving picture has at most this many pixels and is enlarged; at rest it is drawn sharply."""
_SHARPEN_AFTER_MS = 350
_MAX_GEOMS = 2000
_WHEEL_ZOOM = 0.05


def surface_format() -> QSurfaceFormat:
    """What MuJoCo's renderer needs; to be the default format before the QApplication is made."""
    wanted = QSurfaceFormat()
    wanted.setRenderableType(QSurfaceFormat.RenderableType.OpenGL)
    wanted.setProfile(QSurfaceFormat.OpenGLContextProfile.CompatibilityProfile)
    wanted.setVersion(2, 1)
    wanted.setDepthBufferSize(24)
    wanted.setStencilBufferSize(8)
    return wanted


def opengl_missing() -> str | None:
    """Why the viewport cannot draw by OpenGL here; None when it can. A QOpenGLWidget would abort the process."""
    context = QOpenGLContext()
    context.setFormat(surface_format())
    if not context.create():
        return "this display offers no OpenGL"
    surface = QOffscreenSurface()
    surface.setFormat(context.format())
    surface.create()
    if not surface.isValid() or not context.makeCurrent(surface):
        return "its OpenGL context cannot be used"
    try:
        if not context.hasExtension(b"GL_ARB_framebuffer_object") and context.format().majorVersion() < 3:
            return "its OpenGL has no framebuffer objects"
    finally:
        context.doneCurrent()
    return None


class Viewport(QOpenGLWidget):
    """Draws a SceneMirror with MuJoCo's renderer and MuJoCo's mouse conventions.

    Left drag rotates, right drag pans (Shift: horizontally), wheel or middle drag zooms, double-click selects a body,
    Ctrl + left drag turns it, Ctrl + right drag pushes it, Ctrl + right double-click follows it with the camera.
    """

    perturbed = Signal(object)
    """The MjvPerturb to apply (the receiver's own copy), None when the person lets go."""
    camera_moved = Signal()
    """What `camera_in_world` returns has changed."""
    selected = Signal(str)
    """Name of the selected body, "" for none."""
    drawing_began = Signal()
    """OpenGL is set up: `software_rendering`, `shadows` and `antialiasing` are known now."""

    def __init__(self, mirror: SceneMirror, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(320, 240)
        self.setAccessibleName("Simulation")
        self._mirror = mirror
        self._camera = mujoco.MjvCamera()
        self._option = mujoco.MjvOption()
        self._perturb = mujoco.MjvPerturb()
        self._scene = mujoco.MjvScene(mirror.model, _MAX_GEOMS)
        self._context: mujoco.MjrContext | None = None
        self._antialiasing: bool | None = None
        self._shadows: bool | None = None
        self._pressed_at: QPointF | None = None
        self._frame_timer = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._frame_timer.timeout.connect(self.update)
        self._sharpen_timer = QTimer(self, singleShot=True, interval=_SHARPEN_AFTER_MS)
        self._sharpen_timer.timeout.connect(self._sharpen)
        self._sharp = True
        self._frame_began_s = 0.0
        self._frame_cost_s = _SHORTEST_FRAME_S
        self.frameSwapped.connect(self._frame_done)
        self.frames_drawn = 0
        self.software_rendering = False
        """Whether OpenGL runs on the processor."""
        self.reset_view()

    # --- what is shown ------------------------------------------------------------------------------------------------

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Move the world to `snapshot` within the next control tick."""
        self._mirror.receive(snapshot, perf_counter())
        if self._mirror.moving():
            self._request_frame()

    @property
    def camera_names(self) -> tuple[str, ...]:
        """What `look_through` takes."""
        return (FREE_CAMERA, *self._mirror.camera_names)

    @property
    def camera_name(self) -> str:
        """The camera that is looked through."""
        if self._camera.type == mujoco.mjtCamera.mjCAMERA_FIXED:
            return self._mirror.model.camera(self._camera.fixedcamid).name
        return FREE_CAMERA

    def look_through(self, name: str) -> None:
        """Show the scene as the camera `name` sees it; the free camera stays where it was."""
        if name == FREE_CAMERA:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_FREE
            self._camera.fixedcamid = -1
        else:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
            self._camera.fixedcamid = self._mirror.model.camera(name).id
        self._view_changed()

    def reset_view(self) -> None:
        """The free camera, where it was at first."""
        mujoco.mjv_defaultFreeCamera(self._mirror.model, self._camera)
        self._view_changed()

    def camera_in_world(self) -> NDArray[np.float64]:
        """(3, 3), columns are the viewing camera's right, up and backward axes in the world frame."""
        if self._camera.type == mujoco.mjtCamera.mjCAMERA_FIXED:
            return self._mirror.data.cam_xmat[self._camera.fixedcamid].reshape(3, 3).copy()
        azimuth, elevation = np.deg2rad((self._camera.azimuth, self._camera.elevation))
        forward = np.array(
            (np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation))
        )
        right = np.array((np.sin(azimuth), -np.cos(azimuth), 0.0))
        return np.column_stack((right, np.cross(right, forward), -forward))

    @property
    def selected_body(self) -> str:
        """Name of the selected body, "" for none."""
        return self._mirror.model.body(self._perturb.select).name if self._perturb.select > 0 else ""

    def grab_image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, what the viewport shows, in device pixels."""
        return to_array(self.grabFramebuffer())

    @property
    def shadows(self) -> bool:
        """Whether shadows are drawn; costly in software OpenGL, where they are off at first."""
        return bool(self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW])

    @shadows.setter
    def shadows(self, on: bool) -> None:
        self._shadows = on
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = on
        self.update()

    @property
    def antialiasing(self) -> bool:
        """Whether edges are smoothed; likewise."""
        return bool(self._antialiasing)

    @antialiasing.setter
    def antialiasing(self, on: bool) -> None:
        self._antialiasing = on
        if self._context is not None:
            self.makeCurrent()
            self._make_context()
            self.doneCurrent()
        self.update()

    # --- OpenGL -------------------------------------------------------------------------------------------------------

    def initializeGL(self) -> None:
        context = self.context()
        context.aboutToBeDestroyed.connect(self._free_context, Qt.ConnectionType.DirectConnection)
        renderer = str(context.functions().glGetString(_GL_RENDERER)).lower()
        software = any(name in renderer for name in ("llvmpipe", "softpipe", "swrast", "swiftshader"))
        if self._antialiasing is None:
            self._antialiasing = not software
        self._scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = not software if self._shadows is None else self._shadows
        self._scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = not software
        self._make_context()
        self.software_rendering = software
        self.drawing_began.emit()

    def _make_context(self) -> None:
        if self._context is not None:
            self._context.free()
        model = self._mirror.model
        samples, size = model.vis.quality.offsamples, (model.vis.global_.offwidth, model.vis.global_.offheight)
        model.vis.quality.offsamples = samples if self._antialiasing else 0
        model.vis.global_.offwidth, model.vis.global_.offheight = self._pixels()
        self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        model.vis.quality.offsamples = samples
        model.vis.global_.offwidth, model.vis.global_.offheight = size

    def _free_context(self) -> None:
        if self._context is not None:
            self.makeCurrent()
            self._context.free()
            self._context = None
            self.doneCurrent()

    def _pixels(self) -> tuple[int, int]:
        ratio = self.devicePixelRatioF()
        return round(self.width() * ratio), round(self.height() * ratio)

    def paintGL(self) -> None:
        self._frame_began_s = perf_counter()
        context = self._context
        if context is None:
            return
        self._mirror.advance(self._frame_began_s)
        width, height = self._pixels()
        drawn_width, drawn_height = self._drawn_pixels(width, height)
        if context.offWidth < drawn_width or context.offHeight < drawn_height:
            mujoco.mjr_resizeOffscreen(width, height, context)
        self._update_scene()
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)  # binds it: Qt has bound its own since
        mujoco.mjr_render(mujoco.MjrRect(0, 0, drawn_width, drawn_height), self._scene, context)
        # MuJoCo knows only its own framebuffers, Qt shows the widget's: copy, which also resolves multisampling.
        gl = self.context().extraFunctions()
        gl.glBindFramebuffer(_GL_READ_FRAMEBUFFER, context.offFBO)
        gl.glBindFramebuffer(_GL_DRAW_FRAMEBUFFER, self.defaultFramebufferObject())
        smoothing = _GL_NEAREST if drawn_width == width else _GL_LINEAR
        gl.glBlitFramebuffer(0, 0, drawn_width, drawn_height, 0, 0, width, height, _GL_COLOR_BUFFER_BIT, smoothing)
        gl.glBindFramebuffer(_GL_FRAMEBUFFER, self.defaultFramebufferObject())
        self.frames_drawn += 1
        if drawn_width != width:
            self._sharpen_timer.start()

    def _drawn_pixels(self, width: int, height: int) -> tuple[int, int]:
        """Size to draw in; smaller than the widget where that saves the processor from more than it can do."""
        share = 1.0
        if (
            self.software_rendering and not self._sharp and not self._antialiasing
        ):  # multisampled ones cannot be enlarged
            share = min(1.0, (_SOFTWARE_PIXELS / (width * height)) ** 0.5)
        return round(share * width), round(share * height)

    def _sharpen(self) -> None:
        if not self._frame_timer.isActive():
            self._sharp = True
            self.update()

    def _update_scene(self) -> None:
        mujoco.mjv_updateScene(
            self._mirror.model,
            self._mirror.data,
            self._option,
            self._perturb,
            self._camera,
            mujoco.mjtCatBit.mjCAT_ALL,
            self._scene,
        )

    def _request_frame(self) -> None:
        """A frame soon: at display rate, or as often as leaves the GUI thread time for other things."""
        self._sharp = False
        if self._frame_timer.isActive():
            return
        pause_s = max(_SHORTEST_FRAME_S, self._frame_cost_s / _SHARE_OF_TIME)
        left_s = self._frame_began_s + pause_s - perf_counter()
        self._frame_timer.start(max(round(left_s * 1e3), 0))

    def _frame_done(self) -> None:
        self._frame_cost_s += 0.2 * (perf_counter() - self._frame_began_s - self._frame_cost_s)
        if self._mirror.moving():
            self._request_frame()

    def _view_changed(self) -> None:
        self._request_frame()
        self.camera_moved.emit()

    # --- mouse --------------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed_at = event.position()
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier and self._perturb.select > 0:
            wanted = {
                Qt.MouseButton.LeftButton: mujoco.mjtPertBit.mjPERT_ROTATE,
                Qt.MouseButton.RightButton: mujoco.mjtPertBit.mjPERT_TRANSLATE,
            }.get(event.button())
            if wanted is not None:
                mujoco.mjv_initPerturb(self._mirror.model, self._mirror.data, self._scene, self._perturb)
                self._perturb.active = int(wanted)
                self._send_perturb()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._pressed_at is None:
            return
        moved = (event.position() - self._pressed_at) / max(self.height(), 1)
        self._pressed_at = event.position()
        horizontal = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if event.buttons() & Qt.MouseButton.RightButton:
            action = mujoco.mjtMouse.mjMOUSE_MOVE_H if horizontal else mujoco.mjtMouse.mjMOUSE_MOVE_V
        elif event.buttons() & Qt.MouseButton.LeftButton:
            action = mujoco.mjtMouse.mjMOUSE_ROTATE_H if horizontal else mujoco.mjtMouse.mjMOUSE_ROTATE_V
        else:
            action = mujoco.mjtMouse.mjMOUSE_ZOOM
        if self._perturb.active:
            mirror = self._mirror
            mujoco.mjv_movePerturb(mirror.model, mirror.data, action, moved.x(), moved.y(), self._scene, self._perturb)
            self._send_perturb()
        else:
            self._move_camera(action, moved.x(), moved.y())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if event.buttons() == Qt.MouseButton.NoButton:
            self._pressed_at = None
        if self._perturb.active:
            self._perturb.active = 0
            self.perturbed.emit(None)
            self._request_frame()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self._pressed_at = event.position()
        body, point = self._pick(event.position())
        if event.button() == Qt.MouseButton.LeftButton:
            self._select(body, point)
        elif event.button() == Qt.MouseButton.RightButton and event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._follow(body, point)

    def wheelEvent(self, event: QWheelEvent) -> None:
        self._move_camera(mujoco.mjtMouse.mjMOUSE_ZOOM, 0.0, -_WHEEL_ZOOM * event.angleDelta().y() / 120)

    def _move_camera(self, action: mujoco.mjtMouse, x: float, y: float) -> None:
        mujoco.mjv_moveCamera(self._mirror.model, action, x, y, self._scene, self._camera)
        self._view_changed()

    def _pick(self, position: QPointF) -> tuple[int, NDArray[np.float64]]:
        """The body under the mouse (-1: none) and the point on it in the world frame."""
        self._update_scene()
        point = np.zeros((3, 1))
        geom, flex, skin = (np.full((1, 1), -1, dtype=np.int32) for _ in range(3))
        body = mujoco.mjv_select(
            self._mirror.model,
            self._mirror.data,
            self._option,
            self.width() / self.height(),
            position.x() / self.width(),
            1.0 - position.y() / self.height(),
            self._scene,
            point,
            geom,
            flex,
            skin,
        )
        return body, point[:, 0]

    def _select(self, body: int, point: NDArray[np.float64]) -> None:
        data = self._mirror.data
        if body > 0:
            self._perturb.select = body
            self._perturb.localpos = data.xmat[body].reshape(3, 3).T @ (point - data.xpos[body])
        else:
            self._perturb.select = 0
        self._perturb.active = 0
        self.selected.emit(self.selected_body)
        self._request_frame()

    def _follow(self, body: int, point: NDArray[np.float64]) -> None:
        if body < 0:
            return
        self._camera.lookat = point
        if body > 0:
            self._camera.type = mujoco.mjtCamera.mjCAMERA_TRACKING
            self._camera.trackbodyid = body
            self._camera.fixedcamid = -1
        self._view_changed()

    def _send_perturb(self) -> None:
        self.perturbed.emit(copy.copy(self._perturb))
        self._request_frame()


def to_array(image: QImage) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a Qt image."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
