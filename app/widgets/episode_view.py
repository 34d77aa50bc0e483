"""The parts of the episodes panel: the list, the strip that offers to undo, the replay's position."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QLabel,
    QListView,
    QProgressBar,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from vinn_core.messages import ReplayStatus


class EpisodeView(QListView):
    """A list of episodes, several of which can be selected."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setUniformItemSizes(True)
        self.setMouseTracking(True)
        self.setMinimumHeight(140)
        self.setAccessibleName("Episodes")


class UndoStrip(QFrame):
    """A sentence and an undo button; hidden at first."""

    def __init__(self, undo: QAction, parent: QWidget) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.text = QLabel(self)
        self.text.setWordWrap(True)
        self.button = QToolButton(self)
        self.button.setDefaultAction(undo)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 4, 4)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.button)
        self.hide()


class ReplayPosition(QWidget):
    """How far a replay is; hidden while there is none."""

    def __init__(self, control_hz: float, parent: QWidget) -> None:
        super().__init__(parent)
        self._hz = control_hz
        self.text = QLabel(self)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.text)
        layout.addWidget(self.bar)
        self.hide()

    def show_replay(self, replay: ReplayStatus | None) -> None:
        self.setVisible(replay is not None)
        if replay is not None:
            self.bar.setRange(0, replay.length)
            self.bar.setValue(replay.step)
            passed, whole = replay.step / self._hz, replay.length / self._hz
            what = "Rollout" if replay.number is None else f"Episode {replay.number}, {replay.kind}"
            self.text.setText(f"{what}: {passed:.1f} of {whole:.1f} s")
