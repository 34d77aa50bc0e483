"""A key of the keyboard on the screen."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QPen
from PySide6.QtWidgets import QAbstractButton, QSizePolicy, QWidget

_FACE_HEIGHT = 33
_CAPTION_HEIGHT = 17
_WIDTH = 46
_GAP = 4


class KeyCap(QAbstractButton):
    """Shows a key and, below it, what it does. Lit while held by key or by mouse, or while checked.

    Args:
        key: as written on the key.
        caption: what it does, one or two short words.
        units: width in keys.
    """

    def __init__(self, key: str, caption: str, *, units: int = 1, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(key)
        self.setAccessibleName(f"{caption} ({key})")
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._caption = caption
        self._units = units
        self._lit = False

    @property
    def lit(self) -> bool:
        """Whether the cap is drawn as held."""
        return self._lit or self.isDown() or self.isChecked()

    @lit.setter
    def lit(self, on: bool) -> None:
        if on != self._lit:
            self._lit = on
            self.update()

    @property
    def caption(self) -> str:
        return self._caption

    @caption.setter
    def caption(self, text: str) -> None:
        if text != self._caption:
            self._caption = text
            self.setAccessibleName(f"{text} ({self.text()})")
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(self._units * (_WIDTH + _GAP) - _GAP, _FACE_HEIGHT + _CAPTION_HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(36 * self._units, _FACE_HEIGHT + _CAPTION_HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        palette = self.palette()
        lit = self.lit
        accent, edge = palette.color(QPalette.ColorRole.Accent), palette.color(QPalette.ColorRole.Mid)
        face = QRectF(1, 1 + (1.5 if lit else 0), self.width() - 2, _FACE_HEIGHT - 3.5)
        if not lit:  # the lower edge that makes it a key; a held key is pressed down onto it
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(edge)
            painter.drawRoundedRect(face.translated(0, 2), 6, 6)
        painter.setPen(QPen(accent if lit else edge, 1))
        painter.setBrush(accent if lit else palette.color(QPalette.ColorRole.Button))
        painter.drawRoundedRect(face, 6, 6)
        font = self.font()
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(QColor("white") if lit else palette.color(QPalette.ColorRole.ButtonText))
        painter.drawText(face, Qt.AlignmentFlag.AlignCenter, self.text())
        font.setBold(False)
        font.setPointSizeF(0.8 * font.pointSizeF())
        painter.setFont(font)
        painter.setPen(palette.color(QPalette.ColorRole.PlaceholderText))
        below = QRectF(0, _FACE_HEIGHT, self.width(), _CAPTION_HEIGHT)
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, self._caption)
