"""JobRunner: the life of one job after the other, for a panel that starts, shows and cancels them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from app.state.job import Job
from vinn_core.config import JsonConfig
from vinn_core.progress import JobEvent, JobFailed, JobFinished, JobStopped, Message, StageProgress

MakeJob = Callable[[str, Path, JsonConfig], Job]
"""Of command, workspace folder and what is asked for; replaced in tests."""


class JobRunner(QObject):
    """Idle, running a job, or waiting for one to stop.

    Args:
        workspace_folder: what the jobs work on.
    """

    changed = Signal()
    """`busy` or `stopping` is another now."""
    progress = Signal(object)
    """A StageProgress."""
    news = Signal(object)
    """What else a running job tells, such as TrainingMetrics."""
    finished = Signal(object)
    """The job did what was asked: its result, as `JobFinished` has it."""
    notify = Signal(str, str)
    """Level and sentence: what the job says, that it was stopped, or that it failed."""
    ended = Signal()
    """However it ended, which has been told before."""

    def __init__(self, workspace_folder: Path, make_job: MakeJob = Job, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._folder = workspace_folder
        self._make_job = make_job
        self._job: Job | None = None

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    @property
    def stopping(self) -> bool:
        """Whether it has been asked to stop."""
        return self._job is not None and self._job.stopping

    def run(self, command: str, config: JsonConfig) -> None:
        """Start a job; there must be none."""
        self._job = self._make_job(command, self._folder, config)
        self._job.event_received.connect(self._take)
        self._job.start()
        self.changed.emit()

    def stop(self) -> None:
        """Ask the job to save what it has and end."""
        if self._job is not None:
            self._job.stop()
            self.changed.emit()

    def close(self) -> None:
        """For the end of the program: stop the job and wait for it."""
        if self._job is not None:
            self._job.close()

    def _take(self, event: JobEvent) -> None:
        match event:
            case StageProgress():
                self.progress.emit(event)
            case Message(text, level):
                self.notify.emit(level, text)
            case JobFinished(result):
                self._end(lambda: self.finished.emit(result))
            case JobStopped(text):
                self._end(lambda: self.notify.emit("info", text))
            case JobFailed(text):
                self._end(lambda: self.notify.emit("error", text))
            case _:
                self.news.emit(event)

    def _end(self, tell: Callable[[], object]) -> None:
        if self._job is not None:
            self._job.deleteLater()
            self._job = None
        tell()
        self.ended.emit()
        self.changed.emit()
