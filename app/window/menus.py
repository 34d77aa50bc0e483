"""Menus and toolbar of the main window. Every entry is an action that somebody else made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QLabel, QMenu, QMenuBar, QSizePolicy, QToolBar, QToolButton, QWidget

from app.keys import AUTONOMOUS, MENU_ACTIONS, NEXT_SEED, RECORD, STOP, Menu
from app.widgets.icons import icon
from app.window.docks import Docks
from app.window.view_actions import ViewActions


def by_id(actions: Iterable[QAction]) -> dict[str, QAction]:
    """Each action by `ActionInfo.id`."""
    return {action.objectName(): action for action in actions}


def make_menus(
    bar: QMenuBar, actions: Mapping[str, QAction], *, recent: QMenu, view: ViewActions, docks: Docks
) -> None:
    """Fill the menu bar.

    Args:
        actions: all of `app.keys.MENU_ACTIONS`, by id.
        recent: a menu within the File menu.
    """
    groups = {menu: _groups(menu, actions) for menu in Menu}
    groups[Menu.FILE][0].append(recent.menuAction())
    reset_view, reset_layout = groups[Menu.VIEW]
    docks_shown = [dock.toggleViewAction() for dock in docks]
    groups[Menu.VIEW] = [[*view.cameras, *reset_view], list(view.quality), [*docks_shown, *reset_layout]]
    for menu, entries in groups.items():
        _fill(bar.addMenu(menu), entries)


def make_recent(folders: Iterable[Path], open_folder: Callable[[Path], object], parent: QWidget) -> QMenu:
    """A menu of workspaces; disabled without any."""
    menu = QMenu("&Recent workspaces", parent)
    for folder in folders:
        action = QAction(str(folder), menu)
        action.triggered.connect(lambda _=False, folder=folder: open_folder(folder))
        menu.addAction(action)
    menu.setEnabled(not menu.isEmpty())
    return menu


def make_toolbar(actions: Mapping[str, QAction], view: ViewActions) -> QToolBar:
    """The few things that are always wanted."""
    bar = QToolBar("Main toolbar")
    bar.setObjectName("toolbar")
    bar.setMovable(False)
    bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    _add_button(bar, actions[RECORD.id]).setProperty("role", "record")
    _add_button(bar, actions[NEXT_SEED.id])
    bar.addSeparator()
    _add_button(bar, actions[AUTONOMOUS.id])
    _add_button(bar, actions[STOP.id])
    gap = QWidget()
    gap.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
    bar.addWidget(gap)
    bar.addWidget(QLabel("View:  "))
    bar.addWidget(view.make_camera_box())
    reset = QAction(icon("view"), "Reset view", bar)
    reset.triggered.connect(view.reset.trigger)
    _add_button(bar, reset)
    return bar


def _groups(menu: Menu, actions: Mapping[str, QAction]) -> list[list[QAction]]:
    """What `app.keys` puts into `menu`."""
    infos = [info for info in MENU_ACTIONS if info.menu is menu]
    return [[actions[info.id] for info in group] for _, group in groupby(infos, key=lambda info: info.group)]


def _fill(menu: QMenu, groups: Iterable[Sequence[QAction]]) -> None:
    """A line separates the groups; empty ones are left out."""
    for group in filter(None, groups):
        if not menu.isEmpty():
            menu.addSeparator()
        menu.addActions(group)


def _add_button(bar: QToolBar, action: QAction) -> QToolButton:
    bar.addAction(action)
    button = bar.widgetForAction(action)
    assert isinstance(button, QToolButton)
    button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return button
