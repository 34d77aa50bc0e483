"""Choosing and making workspaces; which ones were used last."""

from __future__ import annotations

from pathlib import Path

import platformdirs
from PySide6.QtCore import QSettings
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from vinn_core.config import LOOKS, TASKS, WorkspaceConfig

_RECENT_KEY = "workspaces/recent"
_MOST_RECENT = 8


def recent_workspaces() -> list[Path]:
    """Folders opened before that are still there, newest first."""
    stored = QSettings().value(_RECENT_KEY, [])
    paths = [stored] if isinstance(stored, str) else stored if isinstance(stored, list) else []
    return [path for path in map(Path, paths) if path.is_dir()]


def remember_workspace(folder: Path) -> None:
    """Put `folder` first among the recent ones."""
    others = [path for path in recent_workspaces() if path != folder]
    QSettings().setValue(_RECENT_KEY, [str(path) for path in [folder, *others][:_MOST_RECENT]])


def default_workspace() -> Path:
    """The one used last, or one among the person's documents."""
    recent = recent_workspaces()
    return recent[0] if recent else platformdirs.user_documents_path() / "VINN Workbench" / "lift"


class NewWorkspaceDialog(QDialog):
    """Asks for folder, task and look of a new workspace."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("New workspace")
        self.folder: Path | None = None
        self.path = QLineEdit(str(default_workspace().parent / "new-workspace"))
        self.path.setMinimumWidth(360)
        browse = QPushButton("Browse…")
        browse.clicked.connect(self._browse)
        row = QHBoxLayout()
        row.addWidget(self.path, 1)
        row.addWidget(browse)
        self.task = QComboBox()
        self.task.addItems(TASKS)
        self.look = QComboBox()
        self.look.addItems(LOOKS)
        self._note = QLabel("Episodes, encoders and indexes are kept in this folder.")
        self._note.setProperty("role", "faint")
        self._note.setWordWrap(True)
        form = QFormLayout()
        form.addRow("Folder", row)
        form.addRow("Task", self.task)
        form.addRow("Look", self.look)
        self.buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        self.buttons.button(QDialogButtonBox.StandardButton.Ok).setText("Create")
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addLayout(form)
        layout.addWidget(self._note)
        layout.addWidget(self.buttons)

    @property
    def config(self) -> WorkspaceConfig:
        """What was chosen."""
        return WorkspaceConfig(task=self.task.currentText(), look=self.look.currentText())

    def accept(self) -> None:
        folder = Path(self.path.text()).expanduser()
        if not self.path.text().strip() or (folder.exists() and any(folder.iterdir())):
            self._note.setText(f"{folder} holds files already; choose an empty or a new folder.")
            return
        self.folder = folder
        super().accept()

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(
            self, "Folder of the new workspace", str(Path(self.path.text()).parent)
        )
        if chosen:
            self.path.setText(chosen)
