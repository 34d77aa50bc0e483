"""The cameras panel: what the policy sees, live."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPalette, QPixmap
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from app.widgets.images import to_pixmap
from app.widgets.panel import Panel
from vinn_core.session.messages import Snapshot

_CAPTION_HEIGHT = 18


class CamerasPanel(Panel):
    """The observation cameras beside each other.

    Args:
        cameras: names, in order.
    """

    def __init__(self, cameras: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.views = {name: CameraView(name, self) for name in cameras}
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 6)
        layout.setSpacing(8)
        for view in self.views.values():
            layout.addWidget(view)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        if not self.isVisible():
            return
        for name, view in self.views.items():
            if name in snapshot.observation.images:
                view.show_image(snapshot.observation.images[name])


class CameraView(QWidget):
    """One picture, as large as fits, with its name below."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name = name
        self._image: NDArray[np.uint8] | None = None
        self.picture: QPixmap | None = None
        self.setAccessibleName(f"{name} camera")
        self.setToolTip(f"The {name} camera, as the policy sees it")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)

    def show_image(self, image: NDArray[np.uint8]) -> None:
        """Show an (H, W, 3) uint8 RGB image; nothing is painted while it stays the same."""
        if self._image is None or not np.array_equal(image, self._image):
            self._image = image
            self.picture = to_pixmap(image)
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(150, 150 + _CAPTION_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(96, 96 + _CAPTION_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        side = min(self.width(), self.height() - _CAPTION_HEIGHT)
        left, top = (self.width() - side) // 2, max((self.height() - _CAPTION_HEIGHT - side) // 2, 0)
        if self.picture is None:
            painter.fillRect(left, top, side, side, self.palette().color(QPalette.ColorRole.Midlight))
        else:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawPixmap(left, top, side, side, self.picture)
        size = f" · {self.picture.width()} px" if self.picture is not None else ""
        painter.setPen(self.palette().color(QPalette.ColorRole.PlaceholderText))
        painter.drawText(
            0, top + side, self.width(), _CAPTION_HEIGHT, Qt.AlignmentFlag.AlignCenter, f"{self._name}{size}"
        )
