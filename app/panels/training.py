"""The training panel: one click from recorded episodes to a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.job import Job
from app.widgets.buttons import make_primary
from app.widgets.column_area import ColumnArea
from app.widgets.estimate import estimate_s, remember_speed
from app.widgets.images import make_faint
from app.widgets.in_use import InUse
from app.widgets.progress import StageBars
from app.widgets.section import Section
from app.widgets.train_form import PRESET_TEXTS, AdvancedTraining
from app.widgets.wording import count, duration
from app.workspace import WorkspaceModel
from vinn_core.config import TrainConfig
from vinn_core.encoder_store import has_checkpoint
from vinn_core.errors import ConfigError
from vinn_core.messages import Event, Snapshot
from vinn_core.probe_curve import ProbeCurve
from vinn_core.progress import (
    JobEvent,
    JobFailed,
    JobFinished,
    JobStopped,
    Message,
    ProbeMeasured,
    StageProgress,
    TrainingMetrics,
)

if TYPE_CHECKING:
    from app.widgets.training_plots import TrainingPlots


class TrainingPanel(QWidget):
    """Trains the encoder and builds the index in a process of its own, and shows how that goes."""

    command = Signal(object)
    notify = Signal(str, str)

    def __init__(
        self,
        workspace: WorkspaceModel,
        make_job: Callable[[Sequence[str]], Job] = Job,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._make_job = make_job
        self._job: Job | None = None
        self._started = 0.0
        self._trained: TrainConfig | None = None
        self._speed = 0.0
        self.plots: TrainingPlots | None = None
        """None before there is a curve to draw."""

        self.in_use = InUse(workspace, self)
        self.in_use.rebuild.clicked.connect(self._rebuild_index)
        self.reason = _paragraph()
        self.preset = QComboBox(self)
        for name, text in PRESET_TEXTS.items():
            self.preset.addItem(name.capitalize(), name)
            self.preset.setItemData(self.preset.count() - 1, text, 3)  # ToolTipRole
        self.explanation = _paragraph()
        self.advanced = AdvancedTraining(workspace.workspace.config.cameras)
        self.train = QPushButton("Train && index", self)
        make_primary(self.train)
        self.train.clicked.connect(self._press)
        self.start_over = QPushButton("Start over", self)
        self.start_over.setToolTip("Forget the checkpoint and train from the start weights")
        self.start_over.clicked.connect(lambda: self._train(resume=False))
        self.bars = StageBars(self)
        self.speed = QLabel(self)
        make_faint(self.speed)
        self._lay_out()

        self.preset.currentIndexChanged.connect(lambda: self.advanced.show_preset(self.preset.currentData()))
        self.advanced.changed.connect(self._show_state)
        workspace.episodes_changed.connect(self._show_state)
        workspace.encoders_changed.connect(self._show_state)
        workspace.indexes_changed.connect(self._show_state)
        workspace.index_requested.connect(self._rebuild_index)
        self._show_state()

    def _lay_out(self) -> None:
        make_faint(self.explanation)
        buttons = QHBoxLayout()
        buttons.addWidget(self.train, 1)
        buttons.addWidget(self.start_over)
        make_primary(self.start_over, filled=False)
        content = QWidget()
        self._column = QVBoxLayout(content)
        self._column.setContentsMargins(8, 8, 8, 8)
        self._column.setSpacing(8)
        self._column.addWidget(self.in_use)
        self._column.addWidget(self.preset)
        self._column.addWidget(self.explanation)
        self._column.addWidget(Section("Advanced", self.advanced, content))
        self._column.addLayout(buttons)
        self._column.addWidget(self.reason)
        self._column.addWidget(self.bars)
        self._column.addWidget(self.speed)
        self._column.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(ColumnArea(content, self))

    # --- what is there ----------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self._job is not None

    def close_jobs(self) -> None:
        """For the end of the program: stop, which keeps a checkpoint, and wait."""
        if self._job is not None:
            self._job.close()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Training has nothing to do with the moving arm."""

    def handle_event(self, event: Event) -> None:
        """Recorded episodes arrive through the workspace."""

    def _show_state(self) -> None:
        self.in_use.show_state(self.busy)
        problem = self._problem()
        self._show_explanation(problem)
        resumable = self._resumable()
        self.train.setEnabled(not self._stopping() if self.busy else not problem)
        self.train.setText(self._button_text(resumable))
        self.start_over.setVisible(resumable and not self.busy)
        self.reason.setText("" if self.busy else problem)
        self.reason.setVisible(bool(problem) and not self.busy)
        for widget in (self.preset, self.advanced):
            widget.setEnabled(not self.busy)

    def _button_text(self, resumable: bool) -> str:
        if self._stopping():
            return "Stopping…"
        if self.busy:
            return "Cancel"
        return "Resume training" if resumable else "Train && index"

    def _stopping(self) -> bool:
        return self._job is not None and self._job.stopping

    def _problem(self) -> str:
        """Why training cannot start; "" when it can."""
        if not self._workspace.listed:
            return "Looking for episodes…"
        if not self._workspace.episodes:
            return "There are no episodes yet: record some, or add scripted demonstrations in the episodes panel."
        if not self._workspace.usable_episodes:
            return "Every episode is marked as failed: record one that solves the task."
        try:
            self.advanced.config()
        except ConfigError as error:
            return str(error)
        return ""

    def _resumable(self) -> bool:
        name = self.advanced.name.text().strip()
        return bool(name) and has_checkpoint(self._workspace.workspace.encoders_folder, name)

    def _show_explanation(self, problem: str) -> None:
        text = PRESET_TEXTS[self.preset.currentData()]
        if not problem:
            config = self.advanced.config()
            frames = sum(summary.length for summary in self._workspace.usable_episodes) * len(config.cameras)
            took = duration(estimate_s(config, frames))
            text += f" Starts from {_start(config)}; {count(frames, 'frame')}, about {took}."
        self.explanation.setText(text)

    # --- jobs -------------------------------------------------------------------------------------------------------

    def _press(self) -> None:
        if self._job is None:
            self._train(resume=self._resumable())
        else:
            self._job.stop()
            self._show_state()

    def _train(self, resume: bool) -> None:
        self._trained = self.advanced.config()
        self._run("train", *self.advanced.arguments(), *(("--resume",) if resume else ()), "--index")
        if not resume and self.plots is not None:
            self.plots.clear()

    def _rebuild_index(self) -> None:
        encoder = self._workspace.encoder
        if self.busy:
            self.notify.emit("warning", "Training is running; the index is built at its end.")
        elif encoder is None:
            self.notify.emit("warning", "There is no encoder to build an index with: press Train & index.")
        else:
            self._trained = None
            index = self._workspace.index
            name = index.name if index is not None else encoder.name
            self._run("index", "--encoder", encoder.name, "--name", name)

    def _run(self, command: str, *arguments: str) -> None:
        self._started = monotonic()
        self._speed = 0.0
        self.bars.clear()
        self.speed.clear()
        self._job = self._make_job((command, "--workspace", str(self._workspace.workspace.path), *arguments))
        self._job.event_received.connect(self._show_job)
        self._job.start()
        self._show_state()

    def _show_job(self, event: JobEvent) -> None:
        match event:
            case StageProgress():
                self.bars.show_progress(event)
            case TrainingMetrics():
                self._show_metrics(event)
            case ProbeMeasured():
                self._curves().show_probe(event)
            case Message(text, level):
                self.notify.emit(level, text)
            case JobFinished(result):
                self._finish(result)
            case JobStopped(text):
                self._end()
                self.notify.emit("info", text)
            case JobFailed(text):
                self._end()
                self.notify.emit("error", text)

    def _curves(self) -> TrainingPlots:
        if self.plots is None:
            from app.widgets.training_plots import TrainingPlots

            self.plots = TrainingPlots(self)
            self._column.insertWidget(self._column.indexOf(self.speed) + 1, self.plots)
        return self.plots

    def _show_metrics(self, metrics: TrainingMetrics) -> None:
        self._curves().show_metrics(metrics)
        self._speed = metrics.images_per_second
        self.speed.setText(f"{metrics.images_per_second:.0f} images/s · epoch {metrics.epoch:.1f}")

    def _finish(self, result: Mapping[str, Any]) -> None:
        if self._trained is not None and self._speed:
            remember_speed(self._trained, self._speed)
        took = duration(monotonic() - self._started)
        probe = ProbeCurve.from_dict(result["probe"]).in_words() if "probe" in result else ""
        trained = "; ".join(filter(None, (f"Encoder trained in {took}", probe, "index"))) if self._trained else "Index"

        def sum_up() -> None:
            index = self._workspace.index
            built = f"{trained} of {count(index.frames, 'frame')} built; recall@5 {index.recall:.3f}." if index else ""
            self.notify.emit("info", f"{built} Press P to let it run.".strip())

        self._workspace.refreshed.connect(sum_up, Qt.ConnectionType.SingleShotConnection)
        self._end()

    def _end(self) -> None:
        if self._job is not None:
            self._job.deleteLater()
            self._job = None
        self._workspace.refresh()
        self._show_state()


def _paragraph() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    return label


def _start(config: TrainConfig) -> str:
    return "ImageNet weights" if config.start_weights == "imagenet" else "random weights"
