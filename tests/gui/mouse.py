"""What a hand does with the mouse in the viewport."""

from __future__ import annotations

import mujoco
import numpy as np
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.viewport.widget import Viewport


def place_of(body: str, data: mujoco.MjData, viewport: Viewport) -> QPoint:
    """Where the front camera, looked through in `viewport`, sees the centre of `body`."""
    camera = data.cam("front")
    in_camera = camera.xmat.reshape(3, 3).T @ (data.body(body).xpos - camera.xpos)
    scale = 0.5 * viewport.height() / np.tan(np.deg2rad(data.model.cam("front").fovy[0]) / 2) / -in_camera[2]
    return QPoint(
        round(viewport.width() / 2 + scale * in_camera[0]), round(viewport.height() / 2 - scale * in_camera[1])
    )


def drag(
    viewport: Viewport,
    button: Qt.MouseButton,
    by: QPoint,
    *,
    modifiers: Qt.KeyboardModifier = Qt.KeyboardModifier.NoModifier,
) -> None:
    """Press, move in steps and let go, as a hand does."""
    start = QPoint(viewport.width() // 2, viewport.height() // 2)
    QTest.mousePress(viewport, button, modifiers, start)
    for step in range(1, 6):
        place = QPointF(start + by * step / 5)
        move(viewport, place, button, modifiers=modifiers)
    QTest.mouseRelease(viewport, button, modifiers, start + by)


def move(viewport: Viewport, place: QPointF, buttons: Qt.MouseButton, *, modifiers: Qt.KeyboardModifier) -> None:
    """A mouse move with a button held."""
    event = QMouseEvent(
        QEvent.Type.MouseMove,
        place,
        QPointF(viewport.mapToGlobal(place)),
        Qt.MouseButton.NoButton,
        buttons,
        modifiers,
    )
    QApplication.sendEvent(viewport, event)


def double_click(viewport: Viewport, place: QPoint) -> None:
    QTest.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=place)
    QTest.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=place)
