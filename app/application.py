"""Starts the program: application object, log, workspace, window; and the dialogs for what can go wrong before it."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QIcon, QSurfaceFormat
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox

from app.log import Log
from app.viewport.widget import Viewport, surface_format
from app.window.display import window_problem
from app.window.main_window import MainWindow
from app.window.style import apply_style
from app.window.workspace_dialogs import NewWorkspaceDialog, default_workspace, recent_workspaces, remember_workspace
from vinn_core import __version__
from vinn_core.config import WorkspaceConfig
from vinn_core.errors import VinnError, WorkspaceError
from vinn_core.workspace import Workspace

_ICON = Path(__file__).resolve().parent.parent / "resources" / "icon.svg"
_NO_DISPLAY = 2
_QUIT_WHEN_SHOWN = "VINN_QUIT_WHEN_SHOWN"
"""Set in the environment, it ends the program at its first picture, whose time benchmarks/startup.py measures."""


def main(workspace: Path | None, task: str | None, look: str | None) -> int:
    """Show the window until it is closed.

    Args:
        workspace: folder to open, made if it is not there; None is the one used last, or one among the documents.
        task: of a new workspace; an existing one has its own.
        look: likewise.

    Returns:
        The exit code: 0, or 2 when there is no display.
    """
    problem = window_problem()
    if problem is not None:
        print(problem, file=sys.stderr)
        return _NO_DISPLAY
    QSurfaceFormat.setDefaultFormat(surface_format())
    application = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(application, QApplication)
    application.setOrganizationName("VINN")
    application.setApplicationName("VINN Workbench")
    application.setApplicationVersion(__version__)
    application.setWindowIcon(QIcon(str(_ICON)))
    apply_style(application)
    with Log() as log:
        windows = Windows(log)
        if not windows.open(workspace or default_workspace(), task, look):
            return 0
        signal.signal(signal.SIGINT, lambda *_: windows.close())
        if os.environ.get(_QUIT_WHEN_SHOWN) and windows.window is not None:
            _quit_when_shown(windows.window)
        return application.exec()


def _quit_when_shown(window: MainWindow) -> None:
    """Once the window is painted, print when that was (time.monotonic) and whether torch was imported, and close it."""

    def report() -> None:
        print(json.dumps({"shown_at": time.monotonic(), "torch": "torch" in sys.modules}), flush=True)
        QTimer.singleShot(0, window.close)

    if isinstance(window.viewport, Viewport):
        window.viewport.frameSwapped.connect(report, Qt.ConnectionType.SingleShotConnection)


class Windows(QObject):
    """Opens workspaces, one window at a time.

    Args:
        log: is moved into the open workspace's log folder.
    """

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log
        self.window: MainWindow | None = None

    def open(self, folder: Path, task: str | None = None, look: str | None = None) -> bool:
        """Open the workspace in `folder`, asking what to do where that fails. Returns whether a window is shown."""
        wanted: Path | None = folder
        while wanted is not None:
            try:
                self._show(_open_workspace(wanted, task, look))
                return True
            except VinnError as error:
                wanted = self._ask_for_another(wanted, str(error))
        return False

    def close(self) -> None:
        """Close the window, which may ask about a recording first."""
        if self.window is not None:
            self.window.close()

    def _show(self, workspace: Workspace) -> None:
        remember_workspace(workspace.path)
        window = MainWindow(workspace, [path for path in recent_workspaces() if path != workspace.path])
        self._log.move_to(workspace.log_folder)
        self._log.failed.connect(window.show_unexpected)
        window.workspace_wanted.connect(self._switch)
        window.open_workspace_wanted.connect(self._choose)
        window.new_workspace_wanted.connect(self._make)
        before, self.window = self.window, window
        window.show()
        window.activateWindow()
        if before is not None:
            before.close()

    def _switch(self, folder: Path) -> None:
        window = self.window
        if window is not None and window.record.recording:
            window.notifications.show_message(
                "warning", "An episode is being recorded; save or discard it before opening another workspace."
            )
            return
        self.open(folder)

    def _choose(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.window, "Open a workspace", str(default_workspace().parent))
        if folder:
            self._switch(Path(folder))

    def _make(self) -> None:
        dialog = NewWorkspaceDialog(self.window)
        if dialog.exec() and dialog.folder is not None:
            try:
                Workspace.open(dialog.folder, dialog.config).close()
            except VinnError as error:
                QMessageBox.critical(self.window, "The workspace cannot be made", str(error))
                return
            self._switch(dialog.folder)

    def _ask_for_another(self, folder: Path, sentence: str) -> Path | None:
        """What to open instead; None: nothing."""
        question = QMessageBox(self.window)
        question.setIcon(QMessageBox.Icon.Warning)
        question.setWindowTitle("The workspace cannot be opened")
        question.setText(sentence)
        again = question.addButton("Try again", QMessageBox.ButtonRole.AcceptRole)
        other = question.addButton("Choose another folder…", QMessageBox.ButtonRole.ActionRole)
        question.addButton("Cancel" if self.window else "Quit", QMessageBox.ButtonRole.RejectRole)
        question.exec()
        if question.clickedButton() is again:
            return folder
        if question.clickedButton() is other:
            chosen = QFileDialog.getExistingDirectory(self.window, "Open or make a workspace", str(folder.parent))
            return Path(chosen) if chosen else None
        return None


def _open_workspace(folder: Path, task: str | None, look: str | None) -> Workspace:
    """The workspace, locked; one that is not there is made.

    Raises:
        WorkspaceError: it cannot be opened, or it teaches another task. ConfigError: task or look are unknown.
    """
    exists = (folder.expanduser() / "workspace.json").exists()
    defaults = WorkspaceConfig()
    wanted = WorkspaceConfig(task=task or defaults.task, look=look or defaults.look)
    workspace = Workspace.open(folder, None if exists else wanted, lock=True)
    if task is not None and workspace.config.task != task:
        workspace.close()
        raise WorkspaceError(
            f"{folder} teaches the task {workspace.config.task}, not {task}; choose another folder for {task}."
        )
    return workspace
