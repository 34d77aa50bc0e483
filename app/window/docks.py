"""The docks around the viewport and their first arrangement."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QWidget

_LEFT, _RIGHT = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
_LEFT_WIDTH, _RIGHT_WIDTH = 340, 330


class Docks:
    """Makes one dock for each panel in `window`."""

    def __init__(
        self,
        window: QMainWindow,
        *,
        driving: QWidget,
        episodes: QWidget,
        cameras: QWidget,
        policy: QWidget,
        training: QWidget,
        evaluation: QWidget,
    ) -> None:
        self._window = window
        self.driving = self._make("Teleoperation and recording", "driving", driving)
        self.episodes = self._make("Episodes", "episodes", episodes)
        self.cameras = self._make("Cameras", "cameras", cameras)
        self.policy = self._make("Policy", "policy", policy)
        self.training = self._make("Training", "training", training)
        self.evaluation = self._make("Evaluation", "evaluation", evaluation)
        window.setTabPosition(Qt.DockWidgetArea.AllDockWidgetAreas, QTabWidget.TabPosition.North)
        window.setCorner(Qt.Corner.BottomLeftCorner, _LEFT)
        window.setCorner(Qt.Corner.BottomRightCorner, _RIGHT)
        self.arrange()

    def __iter__(self) -> Iterator[QDockWidget]:
        return iter((self.driving, self.episodes, self.cameras, self.policy, self.training, self.evaluation))

    def arrange(self) -> None:
        """Put every dock where it was at first."""
        window = self._window
        for dock in self:
            dock.setFloating(False)
            dock.show()
        for dock in (self.driving, self.episodes):
            window.addDockWidget(_LEFT, dock)
        for dock in (self.cameras, self.policy, self.training, self.evaluation):
            window.addDockWidget(_RIGHT, dock)
        window.tabifyDockWidget(self.policy, self.training)
        window.tabifyDockWidget(self.training, self.evaluation)
        self.policy.raise_()
        window.resizeDocks([self.driving, self.cameras], [_LEFT_WIDTH, _RIGHT_WIDTH], Qt.Orientation.Horizontal)
        window.resizeDocks([self.cameras, self.policy], [190, 520], Qt.Orientation.Vertical)
        window.resizeDocks([self.driving, self.episodes], [380, 330], Qt.Orientation.Vertical)

    def _make(self, title: str, name: str, content: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self._window)
        dock.setObjectName(name)
        dock.setWidget(content)
        return dock
