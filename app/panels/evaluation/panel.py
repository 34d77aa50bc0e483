"""The evaluation panel: measure the success rate, compare policies, watch what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from app.keys import DELETE_EVALUATIONS
from app.panels.evaluation.form import EvaluateForm
from app.panels.evaluation.rollout_view import RolloutView
from app.panels.evaluation.tables import EvaluationTable, RolloutTable
from app.panels.evaluation.wording import compared, result_in_words
from app.state.evaluations import Evaluations
from app.state.frame_cache import FrameCache
from app.state.job import Job
from app.state.job_runner import JobRunner, MakeJob
from app.state.workspace import WorkspaceModel
from app.widgets.actions import make_action
from app.widgets.buttons import make_primary
from app.widgets.column_area import ColumnArea
from app.widgets.images import make_faint
from app.widgets.panel import Panel
from app.widgets.progress import StageBars
from app.widgets.undo_strip import UndoStrip
from app.wording import count
from vinn_core.errors import ConfigError
from vinn_core.session.messages import Mode, Snapshot, StartReplay, StopReplay

if TYPE_CHECKING:
    from vinn_core.rollouts.rollout import Rollout
    from vinn_core.rollouts.store import StoredEvaluation

_EMPTY = (
    "No evaluations yet. Press Start: the policy is rolled out from seeds it has not seen, and the success rate and "
    "every rollout are kept here."
)
_HINT = "Select one to see its rollouts, or two to compare them seed by seed."


class EvaluationPanel(Panel):
    """Evaluates in a process of its own, lists what was stored, and has rollouts replayed.

    Args:
        frames: shared with the other panels; closed by whoever made it.
    """

    command = Signal(object)
    notify = Signal(str, str)

    def __init__(
        self, workspace: WorkspaceModel, frames: FrameCache, *, make_job: MakeJob = Job, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._jobs = JobRunner(workspace.workspace.path, make_job, self)
        self._name = self._fresh = ""
        """What the running evaluation is stored as, and the one that is selected when it appears in the list."""
        self._wanted: tuple[str, int] | None = None
        """Evaluation and seed of the rollout that is being read to be watched."""
        self._deleted: list[tuple[str, ...]] = []
        config = workspace.workspace.config
        self.evaluations = Evaluations(workspace.workspace.evaluations_folder, self)
        self.evaluations.notify.connect(self.notify)
        self.form = EvaluateForm(config.look, self)
        self.start = QPushButton("Start", self)
        self.start.clicked.connect(self._press)
        self.reason = QLabel(self)
        self.bars = StageBars(self)
        self.empty = QLabel(_EMPTY, self)
        self.table = EvaluationTable(self)
        self.table.itemSelectionChanged.connect(self._show_selected)
        self.comparison = QLabel(self)
        self.comparison.setToolTip(
            "McNemar's exact test: how likely the seeds that only one policy solved are split at least so unevenly "
            "when both are equally good"
        )
        self.rollouts = RolloutTable(self)
        self.rollouts.itemDoubleClicked.connect(lambda: self.watch())
        self.rollouts.itemSelectionChanged.connect(self._enable)
        self.view = RolloutView(frames, config.control_hz, self)
        self.view.view.neighbours.pointed_at.connect(workspace.highlight)
        self.view.view.neighbours.clicked.connect(workspace.select)
        self._make_actions()
        self._lay_out()
        self._jobs.progress.connect(self.bars.show_progress)
        self._jobs.finished.connect(self._tell_result)
        self._jobs.notify.connect(self.notify)
        self._jobs.ended.connect(self._end)
        self._jobs.changed.connect(self._show_state)
        workspace.indexes_changed.connect(self._show_indexes)
        workspace.refreshed.connect(self.evaluations.refresh)
        self.evaluations.changed.connect(self._show_evaluations)
        self._show_indexes()
        self._show_evaluations()

    def _make_actions(self) -> None:
        self.watch_rollout = QAction("Watch", self)
        self.watch_rollout.setToolTip("Show the rollout in the viewer as it was, with its neighbours at every step")
        self.watch_rollout.triggered.connect(lambda: self.watch())
        self.stop_watching = QAction("Stop", self)
        self.stop_watching.setToolTip("Stop watching")
        self.stop_watching.triggered.connect(lambda: self.command.emit(StopReplay()))
        self.stop_watching.setEnabled(False)
        self.delete = make_action(DELETE_EVALUATIONS, self._delete, self)
        self.table.addAction(self.delete)
        self.undo = QAction("Undo", self)
        self.undo.triggered.connect(self._undo)

    def _lay_out(self) -> None:
        make_primary(self.start)
        self.undo_strip = UndoStrip(self.undo, self)
        for label in (self.reason, self.empty, self.comparison):
            label.setWordWrap(True)
        make_faint(self.empty)
        buttons = QHBoxLayout()
        for action in (self.watch_rollout, self.stop_watching, self.delete):
            button = QToolButton(self)
            button.setDefaultAction(action)
            button.setSizePolicy(button.sizePolicy().Policy.Expanding, button.sizePolicy().Policy.Fixed)
            buttons.addWidget(button)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(8)
        for widget in (self.form, self.start, self.reason, self.bars, self.empty, self.table, self.undo_strip):
            column.addWidget(widget)
        column.addWidget(self.comparison)
        column.addWidget(self.rollouts)
        column.addLayout(buttons)
        column.addWidget(self.view)
        column.addStretch(1)
        self._area = ColumnArea(content, self)
        self._area.verticalScrollBar().rangeChanged.connect(self._keep_in_sight)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._area)

    # --- what is there ----------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether an evaluation is running."""
        return self._jobs.busy

    def close_jobs(self) -> None:
        self._jobs.close()
        self.evaluations.close()

    def _show_indexes(self) -> None:
        newest = self._workspace.index
        self.form.show_indexes([index.name for index in self._workspace.indexes], newest.name if newest else None)
        self._show_state()

    def _show_state(self) -> None:
        there = self.form.index.count() > 0
        stopping = self._jobs.stopping
        self.form.setEnabled(not self.busy)
        self.start.setEnabled(there and not stopping if not self.busy else not stopping)
        self.start.setText("Stopping…" if stopping else "Cancel" if self.busy else "Start")
        self.start.setToolTip("The rollouts done so far are kept" if self.busy else "Roll the policy out, by itself")
        self.reason.setText("" if there else "There is no policy to evaluate yet: press Train & index.")
        self.reason.setVisible(not there)

    def _show_evaluations(self) -> None:
        self.table.show_evaluations(self.evaluations.stored)
        if self._fresh:
            self.table.select(self._fresh)
            self._fresh = ""
        self.table.setVisible(bool(self.evaluations.stored))
        self.empty.setVisible(not self.evaluations.stored)
        self._show_selected()

    def _show_selected(self) -> None:
        selected = self.table.selected
        self.rollouts.show_rollouts(selected[0] if len(selected) == 1 else None)
        self.rollouts.setVisible(len(selected) == 1)
        self.comparison.setText(compared(*selected) if len(selected) == 2 else _HINT)
        self.comparison.setVisible(bool(self.evaluations.stored) and len(selected) != 1)
        self._enable()

    def _enable(self) -> None:
        self.delete.setEnabled(bool(self.table.selected))
        self.watch_rollout.setEnabled(self.rollouts.seed is not None)

    # --- evaluating -------------------------------------------------------------------------------------------------

    def _press(self) -> None:
        if self.busy:
            self._jobs.stop()
            return
        self._name = self.evaluations.free_name(self.form.beginning)
        try:
            job = self.form.job(self._name)
        except ConfigError as error:  # an index whose folder somebody has named otherwise
            self.notify.emit("error", str(error))
            return
        self.bars.clear()
        self._jobs.run("evaluate", job)

    def _tell_result(self, result: dict[str, Any]) -> None:
        from vinn_core.rollouts.evaluation import EvaluationResult  # reaches the control loop

        self.notify.emit("info", result_in_words(EvaluationResult.from_dict(result)))

    def _end(self) -> None:
        self._fresh = self._name
        self.bars.clear()
        self.evaluations.refresh()

    # --- watching ---------------------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Replay the selected rollout."""
        seed = self.rollouts.seed
        if seed is None:
            return
        (evaluation,) = self.table.selected
        self._wanted = wanted = (evaluation.name, seed)

        def loaded(rollout: Rollout) -> None:
            if self._wanted == wanted:
                self._wanted = None
                self._replay(evaluation, rollout)

        self.evaluations.load_rollout(evaluation, seed, loaded)

    def _replay(self, evaluation: StoredEvaluation, rollout: Rollout) -> None:
        # An episode that has changed since would show other frames than the policy followed.
        followed = {near.episode for neighbours in rollout.neighbours for near in neighbours}
        episodes = [
            summary
            for summary in self._workspace.episodes
            if summary.number in followed and evaluation.episodes.get(summary.number) == summary.fingerprint
        ]
        self.view.prepare(episodes, evaluation.cameras)
        self.command.emit(StartReplay(rollout, None, neighbours=rollout.neighbours))

    def _keep_in_sight(self) -> None:
        """The view grows with the neighbours that it shows."""
        if self.stop_watching.isEnabled():
            self._area.ensureWidgetVisible(self.view, 0, 0)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        replay = snapshot.replay
        self.stop_watching.setEnabled(snapshot.mode is Mode.REPLAY and replay is not None and replay.number is None)
        self.view.show_snapshot(snapshot)

    # --- deleting ---------------------------------------------------------------------------------------------------

    def _delete(self) -> None:
        names = tuple(evaluation.name for evaluation in self.table.selected)

        def deleted() -> None:
            self._deleted.append(names)
            self._offer_undo()

        if names:
            self.evaluations.delete(names, deleted)

    def _undo(self) -> None:
        self.evaluations.restore(self._deleted.pop())
        self._offer_undo()

    def _offer_undo(self) -> None:
        self.undo_strip.setVisible(bool(self._deleted))
        if self._deleted:
            names = self._deleted[-1]
            what = f"Evaluation {names[0]}" if len(names) == 1 else count(len(names), "evaluation")
            self.undo_strip.text.setText(f"{what} deleted.")
