"""The recorded frames that a decision came from, drawn as cells that flow with the width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QHelpEvent, QMouseEvent, QPainter, QPalette, QPixmap
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.widgets.images import faint, mixed, to_pixmap
from vinn_core.session.policy import Neighbour

FrameOf = Callable[[int, int, str], NDArray[np.uint8] | None]
"""The frame of (episode, step, camera), None while it is not at hand."""


class NeighbourView(QWidget):
    """k cells: frame, weight as a bar, distance, episode and time."""

    pointed_at = Signal(object)
    """The episode number under the mouse, or None."""
    clicked = Signal(int)
    """Episode number."""

    SMALLEST, GAP, BAR = 88, 8, 6

    def __init__(self, frame_of: FrameOf, control_hz: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._frame_of = frame_of
        self._hz = control_hz
        self._cameras: tuple[str, ...] = ()
        self._neighbours: tuple[Neighbour, ...] = ()
        self._pictures: list[list[QPixmap | None]] = []
        self._pointed: int | None = None
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    @property
    def neighbours(self) -> tuple[Neighbour, ...]:
        """Those shown."""
        return self._neighbours

    def show_neighbours(self, neighbours: Sequence[Neighbour], cameras: Sequence[str]) -> None:
        """Show these, nearest first, as `cameras` recorded them."""
        resized = (len(neighbours), len(cameras)) != (len(self._neighbours), len(self._cameras))
        self._neighbours, self._cameras = tuple(neighbours), tuple(cameras)
        self.refresh()
        if resized:
            self.updateGeometry()

    def refresh(self) -> None:
        """Fetch the frames again, when more have become available."""
        self._pictures = [[self._picture(near, camera) for camera in self._cameras] for near in self._neighbours]
        self.update()

    def picture(self, place: int) -> QPixmap | None:
        """What cell `place` shows of the first camera."""
        return self._pictures[place][0]

    def cell(self, place: int) -> QRect:
        """Where cell `place` (0-based) is drawn."""
        columns, width = self._columns(self.width())
        row, column = divmod(place, columns)
        height = self._cell_height(width)
        return QRect(column * (width + self.GAP), row * (height + self.GAP), width, height)

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        columns, cell = self._columns(width)
        rows = ceil(len(self._neighbours) / columns)
        return max(rows * (self._cell_height(cell) + self.GAP) - self.GAP, 0)

    def sizeHint(self) -> QSize:
        width = 2 * self.SMALLEST + self.GAP
        return QSize(width, self.heightForWidth(width))

    def minimumSizeHint(self) -> QSize:
        return QSize(self.SMALLEST, 0)

    def _columns(self, width: int) -> tuple[int, int]:
        """How many fit, and how wide each is [pixel]."""
        smallest = self.SMALLEST if len(self._cameras) < 2 else 130
        columns = max((width + self.GAP) // (smallest + self.GAP), 1)
        return columns, (width - (columns - 1) * self.GAP) // columns

    def _cell_height(self, width: int) -> int:
        return width // max(len(self._cameras), 1) + self.BAR + 4 + 2 * self.fontMetrics().lineSpacing()

    def _picture(self, near: Neighbour, camera: str) -> QPixmap | None:
        image = self._frame_of(near.episode, near.step, camera)
        return None if image is None else to_pixmap(image)

    def _place_at(self, event: QMouseEvent | QHelpEvent) -> int | None:
        position = event.position().toPoint() if isinstance(event, QMouseEvent) else event.pos()
        places = range(len(self._neighbours))
        return next((place for place in places if self.cell(place).contains(position)), None)

    def _describe(self, near: Neighbour) -> str:
        return (
            f"Episode {near.episode}, {near.step / self._hz:.1f} s (step {near.step})\n"
            f"weight {100 * near.weight:.1f} %, distance {near.distance:.4g}\nClick to select the episode"
        )

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            place = self._place_at(event)
            text = "" if place is None else self._describe(self._neighbours[place])
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        place = self._place_at(event)
        self._point_at(None if place is None else self._neighbours[place].episode)

    def leaveEvent(self, event: QEvent) -> None:
        self._point_at(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self._place_at(event)
        if place is not None and event.button() == Qt.MouseButton.LeftButton:
            self.clicked.emit(self._neighbours[place].episode)

    def _point_at(self, episode: int | None) -> None:
        if episode != self._pointed:
            self._pointed = episode
            self.pointed_at.emit(episode)

    def paintEvent(self, event: QEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        for place in range(len(self._neighbours)):
            self._paint_cell(painter, place)

    def _paint_cell(self, painter: QPainter, place: int) -> None:
        cell, near, pictures = self.cell(place), self._neighbours[place], self._pictures[place]
        palette = self.palette()
        accent, base = palette.color(QPalette.ColorRole.Highlight), palette.color(QPalette.ColorRole.Window)
        side = cell.width() // len(pictures)
        for column, picture in enumerate(pictures):
            target = QRect(cell.left() + column * side, cell.top(), side, side)
            if picture is None:
                painter.fillRect(target, mixed(palette.color(QPalette.ColorRole.WindowText), base, 0.9))
            else:
                painter.drawPixmap(target, picture)
        bar = QRect(cell.left(), cell.top() + side + 2, cell.width(), self.BAR - 2)
        painter.fillRect(bar, mixed(accent, base, 0.8))
        painter.fillRect(QRect(bar.topLeft(), QSize(round(near.weight * bar.width()), bar.height())), accent)
        line = painter.fontMetrics().lineSpacing()
        first = QRect(cell.left(), bar.bottom() + 3, cell.width(), line)
        painter.setPen(palette.color(QPalette.ColorRole.WindowText))
        painter.drawText(first, Qt.AlignmentFlag.AlignLeft, f"{100 * near.weight:.0f} %")
        painter.drawText(first, Qt.AlignmentFlag.AlignRight, f"d {near.distance:#.3g}")
        painter.setPen(faint(palette))
        where = f"episode {near.episode}, {near.step / self._hz:.1f} s"
        if painter.fontMetrics().horizontalAdvance(where) > cell.width():
            where = f"ep. {near.episode}, {near.step / self._hz:.1f} s"
        painter.drawText(first.translated(0, line), Qt.AlignmentFlag.AlignLeft, where)
