"""Fixtures for tests of the window: settings of their own, and a window that leaves nothing behind.

The conftest of each folder that shows windows imports them; the core's tests stay without Qt.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QSettings, QThreadPool
from PySide6.QtGui import QSurfaceFormat
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from app.viewport.widget import surface_format
from app.window.main_window import MainWindow
from app.window.style import apply_style
from vinn_core.config import WorkspaceConfig
from vinn_core.workspace import Workspace


@pytest.fixture(scope="session")
def qapp_args() -> list[str]:
    """Comes before the application: the surface format that the viewport needs."""
    QSurfaceFormat.setDefaultFormat(surface_format())
    return ["test"]


@pytest.fixture(scope="session")
def qapp(qapp: QApplication) -> QApplication:
    apply_style(qapp)
    return qapp


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path) -> None:
    """Nobody's real settings are read or written."""
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, str(tmp_path / "settings"))
    QCoreApplication.setOrganizationName("VINN")
    QCoreApplication.setApplicationName("test")


@pytest.fixture
def workspace_folder(tmp_path: Path) -> Path:
    """A new, empty workspace."""
    folder = tmp_path / "workspace"
    Workspace.open(folder, WorkspaceConfig()).close()
    return folder


@pytest.fixture
def open_window(qtbot: QtBot, workspace_folder: Path) -> Iterator[Callable[..., MainWindow]]:
    """Opens a window on the workspace; fails the test when closing it leaves threads, processes or widgets."""
    children_before = set(psutil.Process().children(recursive=True))
    windows: list[MainWindow] = []

    def make(**replacements: object) -> MainWindow:
        window = MainWindow(Workspace.open(workspace_folder, lock=True), **replacements)  # type: ignore[arg-type]
        windows.append(window)
        with qtbot.waitExposed(window):
            window.show()
        window.activateWindow()
        qtbot.waitUntil(window.isActiveWindow, timeout=10_000)
        return window

    yield make
    sessions = [window.session for window in windows if isValid(window)]
    for window in windows:
        if isValid(window) and not window.close():
            window._close_after(window.record.discard_now)
    assert not any(session.isRunning() for session in sessions), "a session thread is still running"
    del sessions
    windows.clear()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    assert QThreadPool.globalInstance().waitForDone(5000), "background work is still under way"
    left = [widget for widget in QApplication.topLevelWidgets() if widget.isVisible()]
    assert not left, f"still shown: {left}"
    kept = [widget for widget in QApplication.topLevelWidgets() if isinstance(widget, MainWindow)]
    assert not kept, f"never deleted: {kept}"
    processes = set(psutil.Process().children(recursive=True)) - children_before
    assert not processes, f"still running: {processes}"


@pytest.fixture
def window(open_window: Callable[..., MainWindow], qtbot: QtBot) -> MainWindow:
    """A window whose session has ticked."""
    window = open_window()
    qtbot.waitUntil(lambda: window.session.take_snapshot() is not None, timeout=20_000)
    return window
