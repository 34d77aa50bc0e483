"""The viewer where Qt has no OpenGL: pictures rendered offscreen by the core, in a thread of their own."""

from __future__ import annotations

from threading import Condition
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QRect, Qt, QThread, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.viewport.mirror import SceneMirror
from app.widgets.images import to_pixmap
from vinn_core.errors import VinnError
from vinn_core.session.messages import Snapshot
from vinn_core.world.task import Task

_HEIGHT, _WIDTH = 480, 640
_FIRST_CAMERA = "front"


class OffscreenViewport(QWidget):
    """Shows the scene through its named cameras, a picture for each snapshot. Takes no part in mouse control."""

    camera_moved = Signal()

    def __init__(self, task: Task, period_s: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setMinimumSize(320, 240)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName("Simulation")
        self._image: NDArray[np.uint8] | None = None
        self._picture: QPixmap | None = None
        self._text = "Rendering…"
        self._camera_in_world = np.column_stack(((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (1.0, 0.0, 0.0)))
        self._renderer = _RenderThread(task, period_s)
        self.destroyed.connect(self._renderer.stop)  # a QThread that is deleted while it runs ends the process
        self._renderer.rendered.connect(self._show)
        self._renderer.failed.connect(self._fail)
        self.camera_names = self._renderer.camera_names
        """What `look_through` takes."""
        self.camera_name = _FIRST_CAMERA if _FIRST_CAMERA in self.camera_names else self.camera_names[0]
        """The camera that is looked through."""
        self._snapshot: Snapshot | None = None
        self._renderer.start()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show the world as it is in `snapshot`, as soon as it is rendered."""
        self._snapshot = snapshot
        if self.isVisible():
            self._renderer.request(snapshot, self.camera_name)

    def look_through(self, name: str) -> None:
        """Show the scene as the camera `name` sees it."""
        self.camera_name = name
        if self._snapshot is not None:
            self._renderer.request(self._snapshot, name)

    def reset_view(self) -> None:
        """The camera that was looked through at first."""
        self.look_through(_FIRST_CAMERA)

    def camera_in_world(self) -> NDArray[np.float64]:
        """(3, 3), columns are the viewing camera's right, up and backward axes in the world frame."""
        return self._camera_in_world

    def grab_image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB, the last picture; black before the first."""
        return np.zeros((_HEIGHT, _WIDTH, 3), np.uint8) if self._image is None else self._image

    def close_renderer(self) -> None:
        """End the thread; nothing is shown any more."""
        self._renderer.stop()

    def _show(self, image: NDArray[np.uint8], camera_in_world: NDArray[np.float64]) -> None:
        self._image, self._picture = image, to_pixmap(image)
        if not np.array_equal(camera_in_world, self._camera_in_world):
            self._camera_in_world = camera_in_world
            self.camera_moved.emit()
        self.update()

    def _fail(self, sentence: str) -> None:
        self._text, self._picture = sentence, None
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor("#181d22"))
        if self._picture is None:
            painter.setPen(QColor("#e6ebef"))
            painter.drawText(
                self.rect().adjusted(24, 24, -24, -24),
                int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap),
                self._text,
            )
            return
        size = self._picture.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        place = QRect(
            (self.width() - size.width()) // 2, (self.height() - size.height()) // 2, size.width(), size.height()
        )
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(place, self._picture)


class _RenderThread(QThread):
    rendered = Signal(object, object)
    failed = Signal(str)

    def __init__(self, task: Task, period_s: float) -> None:
        super().__init__()
        self._mirror = SceneMirror(task, period_s)
        self.camera_names = self._mirror.camera_names
        self._wanted: tuple[Snapshot, str] | None = None
        self._condition = Condition()

    def request(self, snapshot: Snapshot, camera: str) -> None:
        """Render this next, instead of what was asked for before."""
        with self._condition:
            self._wanted = (snapshot, camera)
            self._condition.notify()

    def stop(self) -> None:
        self.requestInterruption()
        with self._condition:
            self._condition.notify()
        self.wait()

    def run(self) -> None:
        from vinn_core.world.rendering import CameraRenderer

        try:
            with CameraRenderer(self._mirror.model, _HEIGHT, _WIDTH) as renderer:
                while (wanted := self._next()) is not None:
                    snapshot, camera = wanted
                    self._mirror.receive(snapshot, 0.0)
                    self._mirror.advance(perf_counter())
                    image = renderer.render(self._mirror.data, camera).copy()
                    self.rendered.emit(image, self._mirror.data.cam(camera).xmat.reshape(3, 3).copy())
        except VinnError as error:
            self.failed.emit(str(error))

    def _next(self) -> tuple[Snapshot, str] | None:
        with self._condition:
            while self._wanted is None and not self.isInterruptionRequested():
                self._condition.wait()
            wanted, self._wanted = self._wanted, None
            return None if self.isInterruptionRequested() else wanted
