"""What can be done to the view: look through a camera, reset it, draw it better."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QComboBox

from app.keys import RESET_VIEW
from app.viewport.offscreen import OffscreenViewport
from app.viewport.widget import Viewport
from app.widgets.actions import make_action


class ViewActions(QObject):
    """Actions on one viewport.

    Attributes:
        reset: back to where the view was at first.
        quality: shadows and smooth edges; none where the viewport shows pictures only.
    """

    def __init__(self, viewport: Viewport | OffscreenViewport, parent: QObject) -> None:
        super().__init__(parent)
        self._viewport = viewport
        self.reset = make_action(RESET_VIEW, viewport.reset_view, self)
        self._cameras = QActionGroup(self)
        for name in viewport.camera_names:
            action = QAction(f"{name.capitalize()} camera", self._cameras)
            action.setCheckable(True)
            action.setData(name)
        self._cameras.triggered.connect(lambda action: viewport.look_through(action.data()))
        viewport.camera_moved.connect(self._show_camera)
        self._show_camera()
        self.quality: Sequence[QAction] = ()
        if isinstance(viewport, Viewport):
            self.quality = self._make_quality(viewport)

    @property
    def cameras(self) -> Sequence[QAction]:
        """One for each camera, whose name is its data."""
        return self._cameras.actions()

    def make_camera_box(self) -> QComboBox:
        """The cameras to choose from, for the toolbar."""
        viewport, box = self._viewport, QComboBox()
        box.setAccessibleName("View")
        box.setToolTip("Look through a camera")
        box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        for name in viewport.camera_names:
            box.addItem(name.capitalize(), name)
        box.activated.connect(lambda: viewport.look_through(box.currentData()))

        def show() -> None:
            box.setCurrentIndex(box.findData(viewport.camera_name))

        viewport.camera_moved.connect(show)
        show()
        return box

    def _show_camera(self) -> None:
        for action in self._cameras.actions():
            action.setChecked(action.data() == self._viewport.camera_name)

    def _make_quality(self, viewport: Viewport) -> tuple[QAction, QAction]:
        shadows = QAction("&Shadows", self, checkable=True)
        smooth = QAction("S&mooth edges", self, checkable=True)
        for action in (shadows, smooth):
            action.setToolTip("Costly without a graphics card")
        shadows.triggered.connect(lambda on: setattr(viewport, "shadows", on))
        smooth.triggered.connect(lambda on: setattr(viewport, "antialiasing", on))

        def show() -> None:
            shadows.setChecked(viewport.shadows)
            smooth.setChecked(viewport.antialiasing)

        viewport.drawing_began.connect(show)
        return shadows, smooth
