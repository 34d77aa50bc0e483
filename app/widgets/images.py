"""Camera images as Qt pictures, and the colours that every panel shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QColor, QImage, QPalette, QPixmap
from PySide6.QtWidgets import QLabel

GREEN = QColor("#2e9e5b")
RED = QColor("#d24b4b")
AMBER = QColor("#c98a1b")


def to_pixmap(image: NDArray[np.uint8]) -> QPixmap:
    """The picture of an (H, W, 3) uint8 RGB image."""
    image = np.ascontiguousarray(image)
    height, width, _ = image.shape
    # fromImage copies, so the borrowed buffer need not outlive this call
    return QPixmap.fromImage(QImage(image.data, width, height, 3 * width, QImage.Format.Format_RGB888))


def faint(palette: QPalette) -> QColor:
    """The colour of text that is not the point."""
    return palette.color(QPalette.ColorRole.PlaceholderText)


def make_faint(label: QLabel) -> None:
    """Give a label the colour of text that is not the point."""
    label.setProperty("role", "faint")


def mixed(first: QColor, second: QColor, share: float) -> QColor:
    """`first` with `share` of `second` in it."""
    return QColor.fromRgbF(
        first.redF() * (1 - share) + second.redF() * share,
        first.greenF() * (1 - share) + second.greenF() * share,
        first.blueF() * (1 - share) + second.blueF() * share,
    )
