"""A button, a form and a job: the scripted expert adds demonstrations."""

from __future__ import annotations

from time import monotonic

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.panels.episodes.collect_form import CollectForm
from app.state.job_runner import JobRunner, MakeJob
from app.state.workspace import WorkspaceModel
from app.widgets.progress import StageBars

_REFRESH_EVERY_S = 1.5
"""How often the list follows a job that writes episodes."""


class ScriptedDemonstrations(QWidget):
    """Folded to one button while nobody needs it."""

    notify = Signal(str, str)

    def __init__(self, workspace: WorkspaceModel, make_job: MakeJob, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._jobs = JobRunner(workspace.workspace.path, make_job, self)
        self._refreshed_at = 0.0
        self.add = QPushButton("Add scripted demonstrations…", self)
        self.add.setCheckable(True)
        self.add.toggled.connect(self._open_form)
        self.form = CollectForm(workspace.workspace.config.look, parent=self)
        self.form.accepted.connect(self._collect)
        self.form.hide()
        self.bars = StageBars(self)
        self.bars.hide()
        self.cancel = QPushButton("Cancel", self)
        self.cancel.clicked.connect(self._jobs.stop)
        self.cancel.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.add)
        layout.addWidget(self.form)
        layout.addWidget(self.bars)
        layout.addWidget(self.cancel, alignment=Qt.AlignmentFlag.AlignRight)
        self._jobs.progress.connect(self.bars.show_progress)
        self._jobs.progress.connect(self._follow)
        self._jobs.finished.connect(self._tell_what_is_next)
        self._jobs.notify.connect(self.notify)
        self._jobs.ended.connect(workspace.refresh)
        self._jobs.changed.connect(self._show_state)

    @property
    def busy(self) -> bool:
        """Whether demonstrations are being added."""
        return self._jobs.busy

    def close_jobs(self) -> None:
        """For the end of the program: stop and wait."""
        self._jobs.close()

    def _open_form(self, opened: bool) -> None:
        self.form.setVisible(opened)
        if opened:
            self.form.fields["seed"].set_value(self._workspace.next_seed)
            self.form.fields["episodes"].widget.setFocus()

    def _collect(self) -> None:
        self.add.setChecked(False)
        self.bars.clear()
        self._jobs.run("collect", self.form.job())

    def _show_state(self) -> None:
        self.add.setEnabled(not self.busy)
        self.bars.setVisible(self.busy)
        self.cancel.setVisible(self.busy)
        self.cancel.setEnabled(not self._jobs.stopping)

    def _follow(self) -> None:
        if monotonic() - self._refreshed_at > _REFRESH_EVERY_S:
            self._refreshed_at = monotonic()
            self._workspace.refresh()

    def _tell_what_is_next(self) -> None:
        self.notify.emit("info", "Scripted demonstrations added. Next: Train & index.")
