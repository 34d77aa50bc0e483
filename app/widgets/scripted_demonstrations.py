"""A button, a form and a job: the scripted expert adds demonstrations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import monotonic

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QVBoxLayout, QWidget

from app.job import Job
from app.widgets.collect_form import CollectForm
from app.widgets.progress import StageBars
from app.workspace import WorkspaceModel
from vinn_core.progress import JobEvent, JobFailed, JobFinished, JobStopped, Message, StageProgress

_REFRESH_EVERY_S = 1.5
"""How often the list follows a job that writes episodes."""


class ScriptedDemonstrations(QWidget):
    """Folded to one button while nobody needs it."""

    notify = Signal(str, str)

    def __init__(
        self, workspace: WorkspaceModel, make_job: Callable[[Sequence[str]], Job], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._make_job = make_job
        self._job: Job | None = None
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
        self.cancel.clicked.connect(self._cancel)
        self.cancel.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.add)
        layout.addWidget(self.form)
        layout.addWidget(self.bars)
        layout.addWidget(self.cancel, alignment=Qt.AlignmentFlag.AlignRight)

    @property
    def busy(self) -> bool:
        """Whether demonstrations are being added."""
        return self._job is not None

    def close_jobs(self) -> None:
        """For the end of the program: stop and wait."""
        if self._job is not None:
            self._job.close()

    def _open_form(self, opened: bool) -> None:
        self.form.setVisible(opened)
        if opened:
            self.form.seed.setValue(self._workspace.next_seed)
            self.form.episodes.setFocus()

    def _collect(self) -> None:
        self.add.setChecked(False)
        self.add.setEnabled(False)
        self.bars.clear()
        self.bars.show()
        self.cancel.setEnabled(True)
        self.cancel.show()
        folder = str(self._workspace.workspace.path)
        self._job = self._make_job(("collect", "--workspace", folder, *self.form.arguments()))
        self._job.event_received.connect(self._show_job)
        self._job.start()

    def _cancel(self) -> None:
        if self._job is not None:
            self.cancel.setEnabled(False)
            self._job.stop()

    def _show_job(self, event: JobEvent) -> None:
        match event:
            case StageProgress():
                self.bars.show_progress(event)
                if monotonic() - self._refreshed_at > _REFRESH_EVERY_S:
                    self._refreshed_at = monotonic()
                    self._workspace.refresh()
            case Message(text, level):
                self.notify.emit(level, text)
            case JobFinished():
                self._end("info", "Scripted demonstrations added. Next: Train & index.")
            case JobStopped(text):
                self._end("info", text)
            case JobFailed(text):
                self._end("error", text)

    def _end(self, level: str, sentence: str) -> None:
        if self._job is not None:
            self._job.deleteLater()
            self._job = None
        self.add.setEnabled(True)
        self.bars.hide()
        self.cancel.hide()
        self._workspace.refresh()
        self.notify.emit(level, sentence)
