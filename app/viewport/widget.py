"""The embedded MuJoCo viewer. The only module of the window that touches OpenGL."""

from __future__ import annotations

from time import perf_counter

import mujoco
import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QImage,
    QMouseEvent,
    QOffscreenSurface,
    QOpenGLContext,
    QSurfaceFormat,
    QWheelEvent,
)
from PySide6.QtOpenGLWidgets import QOpenGLWidget
from PySide6.QtWidgets import QWidget

from app.viewport.control import ViewControl
from app.viewport.mirror import SceneMirror
from vinn_core.session.messages import Snapshot

_GL_RENDERER = 0x1F01
_GL_FRAMEBUFFER = 0x8D40
_GL_READ_FRAMEBUFFER, _GL_DRAW_FRAMEBUFFER = 0x8CA8, 0x8CA9
_GL_COLOR_BUFFER_BIT, _GL_NEAREST, _GL_LINEAR = 0x4000, 0x2600, 0x2601
_SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swrast", "swiftshader")

_SHORTEST_FRAME_S = 1 / 60
_SHARE_OF_TIME = 0.5
"""Drawing takes at most this share of the GUI thread's time: in software OpenGL the rest of the window comes first."""
_SOFTWARE_ROUNDNESS = 20, 10
"""Facets around and along round shapes, where the processor has to draw them; MuJoCo's own are 28 and 16."""
_SOFTWARE_PIXELS = 400_000
"""In software OpenGL a moving picture has at most this many pixels and is enlarged; at rest it is drawn sharply."""
_SHARPEN_AFTER_MS = 350


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


class _SceneRenderer:
    """MuJoCo's renderer in one of Qt's contexts. Made, used and freed while that context is current.

    It must be freed before the context goes: MuJoCo deletes its objects in whatever context is current then, and
    the same numbers mean other objects there.

    Args:
        model: compiled scene.
        gl: the context.
        size: width, height [pixel] to begin with.
        antialiasing: smooth edges; None where that is cheap, which it is not in software.
    """

    def __init__(
        self, model: mujoco.MjModel, gl: QOpenGLContext, size: tuple[int, int], *, antialiasing: bool | None
    ) -> None:
        self._gl = gl.extraFunctions()
        name = str(gl.functions().glGetString(_GL_RENDERER)).lower()
        self.software = any(software in name for software in _SOFTWARE_RENDERERS)
        """Whether OpenGL runs on the processor."""
        self.antialiasing = not self.software if antialiasing is None else antialiasing
        """Whether edges are smoothed."""
        quality, whole = model.vis.quality, model.vis.global_
        before = quality.offsamples, quality.numslices, quality.numstacks, whole.offwidth, whole.offheight
        quality.offsamples = before[0] if self.antialiasing else 0
        if self.software:
            quality.numslices, quality.numstacks = _SOFTWARE_ROUNDNESS
        whole.offwidth, whole.offheight = size
        self._context: mujoco.MjrContext | None = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
        quality.offsamples, quality.numslices, quality.numstacks, whole.offwidth, whole.offheight = before

    def draw(self, scene: mujoco.MjvScene, framebuffer: int, *, drawn: tuple[int, int], shown: tuple[int, int]) -> None:
        """Draw `scene` in the size `drawn`, put it into `framebuffer` in the size `shown` (width, height [pixel]).

        With antialiasing both sizes are the same. The context is current.
        """
        context = self._context
        if context is None:
            return
        if context.offWidth < drawn[0] or context.offHeight < drawn[1]:
            mujoco.mjr_resizeOffscreen(*shown, context)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)  # binds it: Qt has bound its own since
        mujoco.mjr_render(mujoco.MjrRect(0, 0, *drawn), scene, context)
        # MuJoCo knows only its own framebuffers, Qt shows the widget's: copy, which also resolves multisampling.
        gl = self._gl
        gl.glBindFramebuffer(_GL_READ_FRAMEBUFFER, context.offFBO)
        gl.glBindFramebuffer(_GL_DRAW_FRAMEBUFFER, framebuffer)
        smoothing = _GL_NEAREST if drawn == shown else _GL_LINEAR
        gl.glBlitFramebuffer(0, 0, *drawn, 0, 0, *shown, _GL_COLOR_BUFFER_BIT, smoothing)
        gl.glBindFramebuffer(_GL_FRAMEBUFFER, framebuffer)

    def free(self) -> None:
        """Give MuJoCo's OpenGL objects back; nothing is drawn any more."""
        if self._context is not None:
            self._context.free()
            self._context = None


class Viewport(QOpenGLWidget):
    """Draws a SceneMirror with MuJoCo's renderer; for camera and mouse see `ViewControl`."""

    perturbed = Signal(object)
    camera_moved = Signal()
    selected = Signal(str)
    """The three of `ViewControl`."""
    drawing_began = Signal()
    """OpenGL is set up: `software_rendering`, `shadows` and `antialiasing` are known now."""

    def __init__(self, mirror: SceneMirror, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(320, 240)
        self.setAccessibleName("Simulation")
        self._mirror = mirror
        self.control = ViewControl(mirror, self)
        self.control.changed.connect(self._request_frame)
        self.control.perturbed.connect(self.perturbed)
        self.control.camera_moved.connect(self.camera_moved)
        self.control.selected.connect(self.selected)
        self.camera_names = self.control.camera_names
        self.look_through = self.control.look_through
        self.reset_view = self.control.reset_view
        self.camera_in_world = self.control.camera_in_world
        self._renderer: _SceneRenderer | None = None
        self._antialiasing: bool | None = None
        self._shadows: bool | None = None
        self._frame_timer = QTimer(self, singleShot=True, timerType=Qt.TimerType.PreciseTimer)
        self._frame_timer.timeout.connect(self.update)
        self._sharpen_timer = QTimer(self, singleShot=True, interval=_SHARPEN_AFTER_MS)
        self._sharpen_timer.timeout.connect(self._sharpen)
        self._sharp = True
        self._stale = True
        self._frame_under_way = False
        self._frame_began_s = 0.0
        self._frame_cost_s = _SHORTEST_FRAME_S
        self.frameSwapped.connect(self._frame_done)
        self.frames_drawn = 0

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Move the world to `snapshot` within the next control tick."""
        self._mirror.receive(snapshot, perf_counter())
        if self._mirror.moving():
            self._request_frame()

    @property
    def camera_name(self) -> str:
        """The camera that is looked through."""
        return self.control.camera_name

    @property
    def is_moving(self) -> bool:
        """Whether the next frame will differ from the last."""
        return self._stale or self._mirror.moving() or self._sharpen_timer.isActive()

    def grab_image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, what the viewport shows, in device pixels."""
        return to_array(self.grabFramebuffer())

    @property
    def software_rendering(self) -> bool:
        """Whether OpenGL runs on the processor; known once drawing has begun."""
        return self._renderer is not None and self._renderer.software

    @property
    def shadows(self) -> bool:
        """Whether shadows are drawn; costly in software OpenGL, where they are off at first."""
        return bool(self.control.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW])

    @shadows.setter
    def shadows(self, on: bool) -> None:
        self._shadows = on
        self.control.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = on
        self._request_frame()

    @property
    def antialiasing(self) -> bool:
        """Whether edges are smoothed; likewise."""
        return self._renderer is not None and self._renderer.antialiasing

    @antialiasing.setter
    def antialiasing(self, on: bool) -> None:
        self._antialiasing = on
        if self._renderer is not None:
            self.makeCurrent()
            self._make_renderer()
            self.doneCurrent()
        self._request_frame()

    # --- OpenGL -------------------------------------------------------------------------------------------------------

    def initializeGL(self) -> None:
        # Qt makes the context anew when the widget first comes to the screen, or comes to another window.
        self.context().aboutToBeDestroyed.connect(self.close_renderer, Qt.ConnectionType.DirectConnection)
        software = self._make_renderer().software
        flags = self.control.scene.flags
        flags[mujoco.mjtRndFlag.mjRND_SHADOW] = not software if self._shadows is None else self._shadows
        flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = not software
        self.drawing_began.emit()

    def _make_renderer(self) -> _SceneRenderer:
        if self._renderer is not None:
            self._renderer.free()
        self._renderer = _SceneRenderer(
            self._mirror.model, self.context(), self._pixels(), antialiasing=self._antialiasing
        )
        return self._renderer

    def close_renderer(self) -> None:
        """Give MuJoCo's OpenGL objects back; nothing is drawn any more. To be called before the widget goes."""
        if self._renderer is not None:
            self.makeCurrent()
            self._renderer.free()
            self._renderer = None
            self.doneCurrent()

    def closeEvent(self, event: QCloseEvent) -> None:
        self.close_renderer()
        super().closeEvent(event)

    def paintGL(self) -> None:
        self._frame_began_s = perf_counter()
        if self._renderer is None:
            return
        self._stale, self._frame_under_way = False, True
        self._mirror.advance(self._frame_began_s)
        self.control.update_scene()
        shown = self._pixels()
        drawn = self._drawn_pixels(*shown)
        self._renderer.draw(self.control.scene, self.defaultFramebufferObject(), drawn=drawn, shown=shown)
        self.frames_drawn += 1
        if drawn != shown:
            self._sharpen_timer.start()

    def _pixels(self) -> tuple[int, int]:
        ratio = self.devicePixelRatioF()
        return round(self.width() * ratio), round(self.height() * ratio)

    def _drawn_pixels(self, width: int, height: int) -> tuple[int, int]:
        """Size to draw in; smaller than the widget where that saves the processor from more than it can do."""
        if self._sharp or not self.software_rendering or self.antialiasing:  # smoothed pictures cannot be enlarged
            return width, height
        share = min(1.0, (_SOFTWARE_PIXELS / (width * height)) ** 0.5)
        return round(share * width), round(share * height)

    def _sharpen(self) -> None:
        if not self._frame_timer.isActive():
            self._sharp = self._stale = True
            self.update()

    def _request_frame(self) -> None:
        """A frame soon: at display rate, or as often as leaves the GUI thread time for other things."""
        self._sharp, self._stale = False, True
        if self._frame_timer.isActive():
            return
        pause_s = max(_SHORTEST_FRAME_S, self._frame_cost_s / _SHARE_OF_TIME)
        left_s = self._frame_began_s + pause_s - perf_counter()
        self._frame_timer.start(max(round(left_s * 1e3), 0))

    def _frame_done(self) -> None:
        if not self._frame_under_way:  # the window was composed anew for something else
            return
        self._frame_under_way = False
        self._frame_cost_s += 0.2 * (perf_counter() - self._frame_began_s - self._frame_cost_s)
        if self._mirror.moving():
            self._request_frame()

    # --- mouse --------------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.control.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self.control.move(event, self.height())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self.control.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.control.double_click(event, self.size())

    def wheelEvent(self, event: QWheelEvent) -> None:
        self.control.wheel(event)


def to_array(image: QImage) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB of a Qt image."""
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), dtype=np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()
