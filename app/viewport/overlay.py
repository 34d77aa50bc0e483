"""What is written over the viewport: mode, seed, recording light, success."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from vinn_core.session.messages import Mode, Snapshot

_MODE_COLOURS = {
    Mode.IDLE: QColor("#5b6873"),
    Mode.TELEOP: QColor("#1f86c7"),
    Mode.REPLAY: QColor("#7a5bc7"),
    Mode.AUTONOMOUS: QColor("#c9701b"),
}
_RED = QColor("#d93d37")
_GREEN = QColor("#2e9e5b")
_NEUTRAL = QColor(24, 30, 36, 190)


class Badge(QWidget):
    """White text on a rounded field, with a light before it if wanted."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        font = self.font()
        font.setBold(True)
        self.setFont(font)
        self.text = ""
        self._colour = _NEUTRAL
        self._light: QColor | None = None

    def show_text(self, text: str, colour: QColor = _NEUTRAL, light: QColor | None = None) -> None:
        """Show `text`; an empty one hides the badge."""
        if (text, colour, light) != (self.text, self._colour, self._light):
            self.text, self._colour, self._light = text, colour, light
            self.setVisible(bool(text))
            self.updateGeometry()
            self.update()

    def sizeHint(self) -> QSize:
        metrics = self.fontMetrics()
        light = metrics.height() if self._light is not None else 0
        return QSize(metrics.horizontalAdvance(self.text) + light + 20, metrics.height() + 10)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._colour)
        painter.drawRoundedRect(self.rect(), 6, 6)
        inside = self.rect().adjusted(10, 0, -10, 0)
        if self._light is not None:
            size = round(0.62 * self.fontMetrics().height())
            painter.setBrush(self._light)
            painter.drawEllipse(inside.left(), (self.height() - size) // 2, size, size)
            inside.setLeft(inside.left() + self.fontMetrics().height())
        painter.setPen(QColor("white"))
        painter.drawText(inside, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, self.text)


class Overlay(QObject):
    """Lays badges over `viewport`.

    Args:
        viewport: what they lie on; owns this object.
        control_hz: control rate [1/s].
    """

    def __init__(self, viewport: QWidget, control_hz: float) -> None:
        super().__init__(viewport)
        self._viewport = viewport
        self._control_hz = control_hz
        self._strip = QWidget(viewport)
        self._strip.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.mode = Badge(self._strip)
        self.scene = Badge(self._strip)
        self.recording = Badge(self._strip)
        self.success = Badge(viewport)
        self.selection = Badge(viewport)
        large = QFont(self.success.font())
        large.setPointSizeF(1.35 * large.pointSizeF())
        self.success.setFont(large)
        for badge in (self.recording, self.success, self.selection):
            badge.hide()
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self.mode)
        row.addWidget(self.scene)
        row.addStretch(1)
        row.addWidget(self.recording)
        column = QVBoxLayout(self._strip)
        column.setContentsMargins(10, 10, 10, 0)
        column.addLayout(row)
        viewport.installEventFilter(self)
        self._place()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Show where the session stands."""
        self.mode.show_text(snapshot.mode.upper(), _MODE_COLOURS[snapshot.mode])
        look = "" if snapshot.look == "none" else f" · {snapshot.look}"
        self.scene.show_text(f"Seed {snapshot.seed}{look} · {snapshot.elapsed_s:.0f} s")
        frames = snapshot.recorded_frames
        if frames is None:
            self.recording.show_text("")
        else:
            self.recording.show_text(f"REC  {frames / self._control_hz:.1f} s · {frames} frames", _NEUTRAL, _RED)
        if snapshot.succeeded:
            press = "   ·   press R to save" if frames is not None else ""
            self.success.show_text(f"✓  Success{press}", _GREEN)
        else:
            self.success.show_text("")
        self._place()

    def show_selection(self, body: str) -> None:
        """Name the selected body."""
        self.selection.show_text(f"{body}: Ctrl + drag to push or turn" if body else "")
        self._place()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._place()
        return False

    def _place(self) -> None:
        viewport = self._viewport
        self._strip.setGeometry(0, 0, viewport.width(), self._strip.sizeHint().height())
        self.success.resize(self.success.sizeHint())
        self.success.move((viewport.width() - self.success.width()) // 2, self._strip.height() + 14)
        self.selection.resize(self.selection.sizeHint())
        self.selection.move(10, viewport.height() - self.selection.height() - 10)
