"""An action as small bars."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.widgets.images import faint, mixed
from vinn_core.episodes.episode import Action
from vinn_core.world.robot import MAX_ANGULAR_SPEED, MAX_LINEAR_SPEED

_NAMES = ("x", "y", "z", "turn x", "turn y", "turn z")


class ActionBars(QWidget):
    """Twist in the end-effector frame, [m/s] and [rad/s], from the middle; gripper vote from the left."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._action: Action | None = None
        self._open_vote: float | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setToolTip("The action: linear velocity [m/s] and turning [rad/s] of the end effector, and the gripper")

    def show_action(self, action: Action | None, open_vote: float | None = None) -> None:
        """`open_vote`: weighted share of the neighbours in [0, 1] that have the gripper open, where there are any."""
        self._action, self._open_vote = action, open_vote
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(150, 7 * self._line())

    def minimumSizeHint(self) -> QSize:
        return QSize(110, 7 * self._line())

    def _line(self) -> int:
        return self.fontMetrics().height() + 2

    def paintEvent(self, event: QEvent) -> None:
        painter = QPainter(self)
        twist = [0.0] * 6 if self._action is None else [float(value) for value in self._action.twist]
        for row, (name, value) in enumerate(zip(_NAMES, twist, strict=True)):
            scale = MAX_LINEAR_SPEED if row < 3 else MAX_ANGULAR_SPEED
            bar = self._paint_row(painter, row, name=name, value="" if self._action is None else f"{value:+.2f}")
            length = round(min(abs(value) / scale, 1.0) * bar.width() / 2)
            left = bar.center().x() - (length if value < 0 else 0)
            painter.fillRect(left, bar.top(), length, bar.height(), self.palette().color(QPalette.ColorRole.Highlight))
            painter.fillRect(bar.center().x(), bar.top() - 1, 1, bar.height() + 2, faint(self.palette()))
        is_open = self._action is not None and self._action.gripper > 0.5
        vote = self._open_vote if self._open_vote is not None else float(is_open)
        word = "" if self._action is None else "open" if is_open else "closed"
        bar = self._paint_row(painter, 6, name="gripper", value=word)
        if self._action is not None:
            width = round(vote * bar.width())
            painter.fillRect(
                bar.left(), bar.top(), width, bar.height(), self.palette().color(QPalette.ColorRole.Highlight)
            )

    def _paint_row(self, painter: QPainter, row: int, *, name: str, value: str) -> QRect:
        """Name and value; returns where the bar goes, its ground drawn."""
        metrics, line = painter.fontMetrics(), self._line()
        left, right = metrics.horizontalAdvance("gripper") + 6, metrics.horizontalAdvance("closed") + 6
        whole = QRect(0, row * line, self.width(), line)
        painter.setPen(faint(self.palette()))
        painter.drawText(whole, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        painter.setPen(self.palette().color(QPalette.ColorRole.WindowText))
        painter.drawText(whole, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, value)
        bar = QRect(left, whole.center().y() - 3, max(self.width() - left - right, 10), 6)
        accent, base = (
            self.palette().color(role) for role in (QPalette.ColorRole.Highlight, QPalette.ColorRole.Window)
        )
        painter.fillRect(bar, mixed(accent, base, 0.85))
        return bar
