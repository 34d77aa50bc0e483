"""What the policy sees, what it found, and what it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.widgets.action_bars import ActionBars
from app.widgets.images import make_faint, to_pixmap
from app.widgets.neighbour_view import FrameOf, NeighbourView
from vinn_core.session.policy import Decision

_LIVE_SIDE = 128


class DecisionView(QWidget):
    """The live frame and the action above the neighbours' frames."""

    def __init__(self, frame_of: FrameOf, control_hz: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._live = QHBoxLayout()
        self._live.setSpacing(4)
        self._pictures: list[QLabel] = []
        self.action = ActionBars(self)
        self.caption = QLabel(self)
        make_faint(self.caption)
        self.neighbours = NeighbourView(frame_of, control_hz, self)
        seen = QVBoxLayout()
        seen.addLayout(self._live)
        seen.addStretch(1)
        top = QHBoxLayout()
        top.setSpacing(12)
        top.addLayout(seen)
        top.addWidget(self.action, 1, Qt.AlignmentFlag.AlignTop)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(top)
        layout.addWidget(self.caption)
        layout.addWidget(self.neighbours)
        self.set_cameras(())

    def set_cameras(self, cameras: Sequence[str]) -> None:
        """The cameras that the policy sees by."""
        self._cameras = tuple(cameras)
        while len(self._pictures) < max(len(cameras), 1):
            label = QLabel(self)
            label.setScaledContents(True)
            label.setAutoFillBackground(True)
            label.setBackgroundRole(label.backgroundRole().Mid)
            self._pictures.append(label)
            self._live.addWidget(label)
        side = _LIVE_SIDE if len(cameras) < 2 else 84
        for place, label in enumerate(self._pictures):
            label.setVisible(place < max(len(cameras), 1))
            label.setFixedSize(side, side)
            label.setToolTip(f"{cameras[place]} camera, live" if place < len(cameras) else "")

    def show_live(self, images: Mapping[str, NDArray[np.uint8]]) -> None:
        for camera, label in zip(self._cameras, self._pictures, strict=False):
            if camera in images:
                label.setPixmap(to_pixmap(images[camera]))

    def show_decision(self, decision: Decision) -> None:
        self.action.show_action(decision.action, decision.open_vote)
        self.neighbours.show_neighbours(decision.neighbours, self._cameras)
