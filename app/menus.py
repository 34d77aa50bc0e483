"""Menus and toolbar of the main window. Every entry is an action that somebody else made."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QComboBox, QLabel, QMenu, QSizePolicy, QToolBar, QToolButton, QWidget

from app.icons import icon
from app.viewport import Viewport

if TYPE_CHECKING:
    from app.main_window import MainWindow


def make_menus(window: MainWindow, recent: Iterable[Path]) -> None:
    """Fill the menu bar of `window`."""
    bar = window.menuBar()
    file = bar.addMenu("&File")
    _add(file, "&New workspace…", window.new_workspace_wanted.emit, QKeySequence.StandardKey.New)
    _add(file, "&Open workspace…", window.open_workspace_wanted.emit, QKeySequence.StandardKey.Open)
    recent_menu = file.addMenu("&Recent workspaces")
    for folder in recent:
        _add(recent_menu, str(folder), lambda folder=folder: window.workspace_wanted.emit(folder))
    recent_menu.setEnabled(not recent_menu.isEmpty())
    file.addSeparator()
    _add(file, "&Quit", window.close, QKeySequence.StandardKey.Quit)

    record = bar.addMenu("&Record")
    record.addActions([window.record.record_action, window.record.discard_action, window.record.outcome_action])
    record.addSeparator()
    record.addActions([window.record.reset_action, window.record.next_action])

    arm = bar.addMenu("&Arm")
    arm.addActions([window.policy.autonomous_action, window.stop_action])
    arm.addSeparator()
    arm.addActions(list(window.teleop.actions_of_panel))

    view = bar.addMenu("&View")
    window.camera_actions = _add_cameras(view, window)
    _add(view, "&Reset view", window.viewport.reset_view, "Home")
    if isinstance(window.viewport, Viewport):
        view.addSeparator()
        _add_quality(view, window.viewport)
    view.addSeparator()
    for dock in window.docks:
        view.addAction(dock.toggleViewAction())
    _add(view, "Reset &layout", window.reset_layout)

    help_menu = bar.addMenu("&Help")
    _add(help_menu, "&Keyboard and mouse", window.show_shortcuts, QKeySequence.StandardKey.HelpContents)
    _add(help_menu, "&Log folder", window.open_log_folder)
    _add(help_menu, "&About VINN Workbench", window.show_about)


def make_toolbar(window: MainWindow) -> None:
    """The few things that are always wanted."""
    bar = QToolBar("Main toolbar", window)
    bar.setObjectName("toolbar")
    bar.setMovable(False)
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    window.addToolBar(bar)
    _add_button(bar, window.record.record_action).setProperty("role", "record")
    _add_button(bar, window.record.next_action)
    bar.addSeparator()
    window.policy.autonomous_action.setIcon(icon("autonomous"))
    window.policy.toggle.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    _add_button(bar, window.policy.autonomous_action)
    _add_button(bar, window.stop_action)
    gap = QWidget()
    gap.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    bar.addWidget(gap)
    bar.addWidget(QLabel("View:  "))
    bar.addWidget(_camera_box(window))
    reset = QAction("Reset view", window)
    reset.setIcon(icon("view"))
    reset.triggered.connect(window.viewport.reset_view)
    _add_button(bar, reset)


def _add_button(bar: QToolBar, action: QAction) -> QToolButton:
    bar.addAction(action)
    button = bar.widgetForAction(action)
    assert isinstance(button, QToolButton)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button


def _add(menu: QMenu, text: str, act: object, keys: QKeySequence.StandardKey | str | None = None) -> QAction:
    action = QAction(text, menu)
    if keys is not None:
        action.setShortcut(QKeySequence(keys))
    action.triggered.connect(lambda: act())  # type: ignore[operator]  # without Qt's `checked`
    menu.addAction(action)
    return action


def _add_cameras(menu: QMenu, window: MainWindow) -> Sequence[QAction]:
    group = QActionGroup(window)
    for name in window.viewport.camera_names:
        action = QAction(f"{name.capitalize()} camera", group)
        action.setCheckable(True)
        action.setData(name)
        menu.addAction(action)
    group.triggered.connect(lambda action: window.viewport.look_through(action.data()))

    def show() -> None:
        for action in group.actions():
            action.setChecked(action.data() == window.viewport.camera_name)

    window.viewport.camera_moved.connect(show)
    show()
    return group.actions()


def _camera_box(window: MainWindow) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName("View")
    box.setToolTip("Look through a camera")
    box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    for name in window.viewport.camera_names:
        box.addItem(name.capitalize(), name)
    box.activated.connect(lambda: window.viewport.look_through(box.currentData()))

    def show() -> None:
        box.setCurrentIndex(box.findData(window.viewport.camera_name))

    window.viewport.camera_moved.connect(show)
    show()
    return box


def _add_quality(menu: QMenu, viewport: Viewport) -> None:
    shadows = QAction("&Shadows", menu, checkable=True)
    smooth = QAction("S&mooth edges", menu, checkable=True)
    shadows.setToolTip("Costly without a graphics card")
    smooth.setToolTip("Costly without a graphics card")
    shadows.triggered.connect(lambda on: setattr(viewport, "shadows", on))
    smooth.triggered.connect(lambda on: setattr(viewport, "antialiasing", on))

    def show() -> None:
        shadows.setChecked(viewport.shadows)
        smooth.setChecked(viewport.antialiasing)

    viewport.drawing_began.connect(show)
    menu.addActions([shadows, smooth])
