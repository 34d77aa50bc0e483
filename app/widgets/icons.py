"""The window's icons, drawn: crisp at any size, in the colours of the theme."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPainterPath, QPalette, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QApplication

RECORD_RED = QColor("#e0443e")
_SIZE = 64


def icon(name: str) -> QIcon:
    """The icon of that name, in the present palette."""
    palette = QApplication.palette()
    made = QIcon()
    for mode, group in (
        (QIcon.Mode.Normal, QPalette.ColorGroup.Active),
        (QIcon.Mode.Disabled, QPalette.ColorGroup.Disabled),
    ):
        picture = QPixmap(_SIZE, _SIZE)
        picture.fill(Qt.GlobalColor.transparent)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.scale(_SIZE / 24, _SIZE / 24)
        colour = palette.color(group, QPalette.ColorRole.ButtonText)
        painter.setPen(QPen(colour, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
        _DRAWINGS[name](painter, colour, mode is QIcon.Mode.Disabled)
        painter.end()
        made.addPixmap(picture, mode)
    return made


def _fill(painter: QPainter, colour: QColor) -> None:
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(colour)


def _record(painter: QPainter, colour: QColor, disabled: bool) -> None:
    _fill(painter, colour if disabled else RECORD_RED)
    painter.drawEllipse(QPointF(12, 12), 7, 7)


def _save(painter: QPainter, colour: QColor, disabled: bool) -> None:
    _fill(painter, colour if disabled else RECORD_RED)
    painter.drawRoundedRect(QRectF(5.5, 5.5, 13, 13), 2.5, 2.5)


def _discard(painter: QPainter, colour: QColor, disabled: bool) -> None:
    painter.drawLine(QPointF(6, 7), QPointF(18, 7))
    painter.drawLine(QPointF(10, 4), QPointF(14, 4))
    painter.drawPolyline(QPolygonF([QPointF(7.5, 10), QPointF(8.5, 20), QPointF(15.5, 20), QPointF(16.5, 10)]))


def _reset(painter: QPainter, colour: QColor, disabled: bool) -> None:
    painter.drawArc(QRectF(5, 5, 14, 14), 60 * 16, 290 * 16)
    _fill(painter, colour)
    painter.drawPolygon(QPolygonF([QPointF(14.2, 1.8), QPointF(20.4, 5.6), QPointF(14.2, 9.4)]))


def _next(painter: QPainter, colour: QColor, disabled: bool) -> None:
    painter.drawLine(QPointF(18, 6), QPointF(18, 18))
    _fill(painter, colour)
    painter.drawPolygon(QPolygonF([QPointF(6, 5), QPointF(15.5, 12), QPointF(6, 19)]))


def _stop(painter: QPainter, colour: QColor, disabled: bool) -> None:
    octagon = [QPointF(12 + 8.6 * x, 12 + 8.6 * y) for x, y in _OCTAGON]
    painter.drawPolygon(QPolygonF(octagon))
    painter.drawLine(QPointF(9, 9), QPointF(15, 15))
    painter.drawLine(QPointF(15, 9), QPointF(9, 15))


def _autonomous(painter: QPainter, colour: QColor, disabled: bool) -> None:
    nodes = (QPointF(5.5, 6.5), QPointF(5.5, 17.5), QPointF(12, 12), QPointF(18.5, 6.5), QPointF(18.5, 17.5))
    painter.setPen(QPen(colour, 1.5))
    for node in nodes:
        painter.drawLine(nodes[2], node)
    _fill(painter, colour)
    for node in nodes:
        painter.drawEllipse(node, 2.4 if node is not nodes[2] else 3.6, 2.4 if node is not nodes[2] else 3.6)


def _view(painter: QPainter, colour: QColor, disabled: bool) -> None:
    cube = QPainterPath(QPointF(12, 3))
    for point in (QPointF(20, 7.5), QPointF(20, 16.5), QPointF(12, 21), QPointF(4, 16.5), QPointF(4, 7.5)):
        cube.lineTo(point)
    cube.closeSubpath()
    painter.drawPath(cube)
    for point in (QPointF(4, 7.5), QPointF(20, 7.5), QPointF(12, 21)):
        painter.drawLine(QPointF(12, 12), point)


_OCTAGON = (
    (0.92, 0.38),
    (0.38, 0.92),
    (-0.38, 0.92),
    (-0.92, 0.38),
    (-0.92, -0.38),
    (-0.38, -0.92),
    (0.38, -0.92),
    (0.92, -0.38),
)
_DRAWINGS: dict[str, Callable[[QPainter, QColor, bool], None]] = {
    "record": _record,
    "save": _save,
    "discard": _discard,
    "reset": _reset,
    "next": _next,
    "stop": _stop,
    "autonomous": _autonomous,
    "view": _view,
}
