"""A picture of the window while VINN drives the arm: `python -m app.screenshot PICTURE --workspace W`.

The workspace needs an index. The pictures of documentation and demo are made this way: they show the real window.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from PySide6.QtCore import QSettings, QTimer
from PySide6.QtGui import QSurfaceFormat
from PySide6.QtWidgets import QApplication

from app.viewport.widget import surface_format
from app.window.display import window_problem
from app.window.main_window import MainWindow
from app.window.style import apply_style
from vinn_core.config import FIRST_HELD_OUT_SEED
from vinn_core.errors import VinnError
from vinn_core.session.messages import ResetScene
from vinn_core.workspace import Workspace

_SIZE = (1440, 900)
_SEED = FIRST_HELD_OUT_SEED + 1
"""Not among those that demonstrations begin with."""
_POLICY_TIMEOUT_MS = 120_000
_DECISIONS_SHOWN = 12
_POLL_MS = 100


def save_picture(workspace: Workspace, picture: Path) -> bool:
    """Show the window, let the policy act for a little over a second, and save what is on the screen.

    Returns:
        False when no policy could be loaded, or the picture could not be written.
    """
    shown_after_s = _DECISIONS_SHOWN / workspace.config.control_hz
    with tempfile.TemporaryDirectory() as settings:  # the person's own settings stay as they are
        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, settings)
        window = MainWindow(workspace)
        window.resize(*_SIZE)
        window.move(0, 0)
        window.show()
        saved = False

        def poll() -> None:
            nonlocal saved
            action = window.policy.autonomous_action
            snapshot = window.session.take_snapshot()
            if action.isEnabled() and not action.isChecked():
                window.send(ResetScene(_SEED))
                action.trigger()
            elif snapshot is not None and snapshot.decision is not None and snapshot.elapsed_s > shown_after_s:
                timer.stop()
                shown = window.screen().grabWindow(0, 0, 0, window.width(), window.height())
                saved = shown.save(str(picture))
                window.close()

        timer = QTimer()
        timer.timeout.connect(poll)
        timer.start(_POLL_MS)
        QTimer.singleShot(_POLICY_TIMEOUT_MS, window, window.close)
        QApplication.exec()
    return saved


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, help="PNG file to write")
    parser.add_argument("--workspace", type=Path, required=True, help="workspace with an index")
    options = parser.parse_args()
    problem = window_problem()
    if problem is not None:
        print(problem, file=sys.stderr)
        return 2
    QSurfaceFormat.setDefaultFormat(surface_format())
    application = QApplication(sys.argv[:1])
    apply_style(application)
    application.setApplicationName("VINN Workbench")
    try:
        with Workspace.open(options.workspace) as workspace:
            saved = save_picture(workspace, options.picture)
    except VinnError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Saved {options.picture}" if saved else "No picture: the workspace has no index that can be loaded.")
    return 0 if saved else 2


if __name__ == "__main__":
    sys.exit(main())
