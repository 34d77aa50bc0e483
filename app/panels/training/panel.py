"""The training panel: one click from recorded episodes to a policy."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.keys import AUTONOMOUS
from app.panels.training.estimate import estimate_s, remember_speed
from app.panels.training.form import PRESET_TEXTS, AdvancedTraining
from app.panels.training.in_use import InUse
from app.state.job import Job
from app.state.job_runner import JobRunner, MakeJob
from app.state.workspace import WorkspaceModel
from app.widgets.buttons import make_primary
from app.widgets.column_area import ColumnArea
from app.widgets.images import make_faint
from app.widgets.panel import Panel
from app.widgets.progress import StageBars
from app.widgets.section import Section
from app.wording import count, duration
from vinn_core.config import IndexJob, JsonConfig, TrainConfig
from vinn_core.encoder.history import ProbeCurve
from vinn_core.encoder.store import has_checkpoint
from vinn_core.errors import ConfigError
from vinn_core.progress import ProbeMeasured, TrainingMetrics

if TYPE_CHECKING:
    from app.panels.training.plots import TrainingPlots


class TrainingPanel(Panel):
    """Trains the encoder and builds the index in a process of its own, and shows how that goes."""

    notify = Signal(str, str)

    def __init__(self, workspace: WorkspaceModel, make_job: MakeJob = Job, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._jobs = JobRunner(workspace.workspace.path, make_job, self)
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

        self._jobs.progress.connect(self.bars.show_progress)
        self._jobs.news.connect(self._show_curves)
        self._jobs.finished.connect(self._sum_up)
        self._jobs.notify.connect(self.notify)
        self._jobs.ended.connect(workspace.refresh)
        self._jobs.changed.connect(self._show_state)
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
        return self._jobs.busy

    def close_jobs(self) -> None:
        self._jobs.close()

    def _show_state(self) -> None:
        self.in_use.show_state(self.busy)
        problem = self._problem()
        self._show_explanation(problem)
        resumable = self._resumable()
        self.train.setEnabled(not self._jobs.stopping if self.busy else not problem)
        self.train.setText(self._button_text(resumable))
        self.start_over.setVisible(resumable and not self.busy)
        self.start_over.setEnabled(not problem)
        self.reason.setText("" if self.busy else problem)
        self.reason.setVisible(bool(problem) and not self.busy)
        for widget in (self.preset, self.advanced):
            widget.setEnabled(not self.busy)

    def _button_text(self, resumable: bool) -> str:
        if self._jobs.stopping:
            return "Stopping…"
        if self.busy:
            return "Cancel"
        return "Resume training" if resumable else "Train && index"

    def _problem(self) -> str:
        """Why training cannot start; "" when it can."""
        if not self._workspace.listed:
            return "Looking for episodes…"
        if not self._workspace.episodes:
            return "There are no episodes yet: record some, or add scripted demonstrations in the episodes panel."
        if not self._workspace.usable_episodes:
            return "Every episode is marked as failed: record one that solves the task."
        try:
            self.advanced.job()
        except ConfigError as error:
            return str(error)
        return ""

    def _resumable(self) -> bool:
        name = self.advanced.fields["name"].value
        return bool(name) and has_checkpoint(self._workspace.workspace.encoders_folder, name)

    def _show_explanation(self, problem: str) -> None:
        text = PRESET_TEXTS[self.preset.currentData()]
        if not problem:
            config = self.advanced.job().train
            frames = sum(summary.length for summary in self._workspace.usable_episodes) * len(config.cameras)
            took = duration(estimate_s(config, frames))
            text += f" Starts from {_start(config)}; {count(frames, 'frame')}, about {took}."
        self.explanation.setText(text)

    # --- jobs -------------------------------------------------------------------------------------------------------

    def _press(self) -> None:
        if self.busy:
            self._jobs.stop()
        else:
            self._train(resume=self._resumable())

    def _train(self, resume: bool) -> None:
        job = self.advanced.job(resume)
        self._trained = job.train
        self._run("train", job)
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
            try:
                self._run("index", IndexJob(encoder.name, index.name if index is not None else encoder.name))
            except ConfigError as error:  # a folder that somebody has named otherwise
                self.notify.emit("error", str(error))

    def _run(self, command: str, config: JsonConfig) -> None:
        self._started = monotonic()
        self._speed = 0.0
        self.bars.clear()
        self.speed.clear()
        self._jobs.run(command, config)

    def _show_curves(self, event: object) -> None:
        match event:
            case TrainingMetrics():
                self._curves().show_metrics(event)
                self._speed = event.images_per_second
                self.speed.setText(f"{event.images_per_second:.0f} images/s · epoch {event.epoch:.1f}")
            case ProbeMeasured():
                self._curves().show_probe(event)

    def _curves(self) -> TrainingPlots:
        if self.plots is None:
            from app.panels.training.plots import TrainingPlots

            self.plots = TrainingPlots(self)
            self._column.insertWidget(self._column.indexOf(self.speed) + 1, self.plots)
        return self.plots

    def _sum_up(self, result: Mapping[str, Any]) -> None:
        """Once the workspace has been read anew."""
        if self._trained is not None and self._speed:
            remember_speed(self._trained, self._speed)
        took = duration(monotonic() - self._started)
        probe = ProbeCurve.from_dict(result["probe"]).in_words() if "probe" in result else ""
        trained = "; ".join(filter(None, (f"Encoder trained in {took}", probe, "index"))) if self._trained else "Index"

        def tell() -> None:
            index = self._workspace.index
            built = ""
            if index is not None:
                built = f"{trained} of {count(index.frames, 'frame')} built; recall@5 {index.info.recall:.3f}. "
            self.notify.emit("info", f"{built}Press {AUTONOMOUS.keys} to let it run.")

        self._workspace.refreshed.connect(tell, Qt.ConnectionType.SingleShotConnection)


def _paragraph() -> QLabel:
    label = QLabel()
    label.setWordWrap(True)
    return label


def _start(config: TrainConfig) -> str:
    return "ImageNet weights" if config.start_weights == "imagenet" else "random weights"
