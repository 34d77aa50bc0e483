"""The policy panel: let it run, watch what it decides from, adjust it while it moves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QSettings, Qt, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.keys import AUTONOMOUS
from app.panels.policy.number_slider import NumberSlider
from app.panels.policy.run_list import RunList
from app.state.autopilot import AfterRun, Autopilot
from app.state.frame_cache import EpisodeFrames, FrameCache
from app.state.policy_loader import PolicyLoader
from app.state.workspace import WorkspaceModel
from app.widgets.actions import make_action
from app.widgets.buttons import make_primary
from app.widgets.column_area import ColumnArea
from app.widgets.decision_view import DecisionView
from app.widgets.images import make_faint
from app.widgets.panel import Panel
from app.wording import count
from vinn_core.config import PolicyConfig
from vinn_core.errors import ConfigError
from vinn_core.session.messages import Event, SetPolicy, Snapshot

if TYPE_CHECKING:
    from vinn_core.retrieval.vinn import VinnPolicy

_NO_POLICY = "There is no policy yet: record demonstrations, then press Train & index."
_WAITING, _RUNNING = f"Let it run  ({AUTONOMOUS.keys})", f"Running: take the arm back  ({AUTONOMOUS.keys})"
"""On the button."""
_NEIGHBOURS_KEY, _TEMPERATURE_KEY = "policy/neighbours", "policy/temperature"
_METRIC_KEY, _REGRESSION_KEY = "policy/metric", "policy/regression"
_METRICS = (("Learnt metric", "learnt"), ("Euclidean distance (paper)", "euclidean"))
_REGRESSIONS = (("Local linear fit", "linear"), ("Weighted mean (paper)", "mean"))
_AFTER_RUN = (
    ("Stop", AfterRun.STOP),
    ("Reset the scene", AfterRun.RESET),
    ("Next seed and go on", AfterRun.GO_ON),
)


class PolicyPanel(Panel):
    """Loads the policy, hands it to the session, and shows each decision.

    Args:
        frames: shared with the other panels; closed by whoever made it.
        load_delay_ms: how long an index waits to be loaded: importing torch must not hold up the window's start.
    """

    command = Signal(object)
    notify = Signal(str, str)

    def __init__(
        self,
        workspace: WorkspaceModel,
        frames: FrameCache,
        *,
        loader: PolicyLoader | None = None,
        load_delay_ms: int = 700,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._policy: VinnPolicy | None = None
        self._waiting_policy: VinnPolicy | None = None
        hz = workspace.workspace.config.control_hz
        self._frames = EpisodeFrames(frames)
        self.autopilot = Autopilot(hz, parent=self)
        self.autopilot.command.connect(self.command)
        self.autopilot.notify.connect(self.notify)
        self.autopilot.running_changed.connect(self._show_running)
        self.autopilot.run_ended.connect(self._take_run)
        self._loader = loader or PolicyLoader(workspace.workspace)
        self._loader.setParent(self)
        self._loader.loaded.connect(self._take_policy)
        self._loader.refused.connect(self._refuse)
        self._load_later = QTimer(self, singleShot=True, interval=load_delay_ms)
        self._load_later.timeout.connect(self.load)

        self.autonomous_action = make_action(AUTONOMOUS, self._toggle, self, checkable=True)
        self.autonomous_action.setIconText(_WAITING)
        self.toggle = QToolButton(self)
        self.toggle.setDefaultAction(self.autonomous_action)
        self.toggle.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.status = QLabel(self)
        self.status.setWordWrap(True)
        self.rebuild = QPushButton("Rebuild index", self)
        self.rebuild.clicked.connect(workspace.request_index)
        self.view = DecisionView(self._frames.frame, hz, self)
        self.view.neighbours.pointed_at.connect(workspace.highlight)
        self.view.neighbours.clicked.connect(workspace.select)
        frames.loaded.connect(self.view.neighbours.refresh)
        self.neighbours = NumberSlider("Neighbours", 1, 20)
        self.temperature = NumberSlider("Temperature", 0.01, 2.0, decimals=2, logarithmic=True)
        self.temperature.setToolTip("Small: trust the nearest frame. Large: average all k alike.")
        self.neighbours.changed.connect(lambda value: self._adjust(_NEIGHBOURS_KEY, round(value)))
        self.temperature.changed.connect(lambda value: self._adjust(_TEMPERATURE_KEY, value))
        self.nearness = QComboBox(self)
        for text, value in _METRICS:
            self.nearness.addItem(text, value)
        self.nearness.setToolTip(
            "Which recorded frames are near. Learnt metric: what tells the demonstrated actions apart counts most.\n"
            "Euclidean distance: every difference between embeddings counts, as in the VINN paper."
        )
        self.nearness.activated.connect(lambda: self._adjust(_METRIC_KEY, self.nearness.currentData()))
        self.regression = QComboBox(self)
        for text, value in _REGRESSIONS:
            self.regression.addItem(text, value)
        self.regression.setToolTip(
            "How the recorded motions become one. Local linear fit: a plane through the frames around the present one, "
            "which accounts for where they lie.\nWeighted mean: what the VINN paper does."
        )
        self.regression.activated.connect(lambda: self._adjust(_REGRESSION_KEY, self.regression.currentData()))
        self.defaults = QToolButton(self)
        self.defaults.setText("Back to the index's defaults")
        self.defaults.setAutoRaise(True)
        self.defaults.clicked.connect(self._forget_adjustments)
        self.record_runs = QCheckBox("Record runs", self)
        self.record_runs.setToolTip("Keep each autonomous run as an episode")
        self.record_runs.toggled.connect(self.autopilot.set_recording_runs)
        self.after_run = QComboBox(self)
        for text, value in _AFTER_RUN:
            self.after_run.addItem(text, value)
        self.after_run.currentIndexChanged.connect(lambda: self.autopilot.set_after_run(self.after_run.currentData()))
        self.runs = RunList(self)
        self.timings = QLabel(self)
        make_faint(self.timings)
        self._lay_out()
        workspace.indexes_changed.connect(self._index_changed)
        self._suggested = PolicyConfig()
        self._show_config(self._adjusted())
        self._show_unready("Looking for an index…")
        if workspace.listed:
            self._index_changed()

    def _lay_out(self) -> None:
        make_primary(self.toggle, filled=False)
        after = QFormLayout()
        after.setContentsMargins(0, 0, 0, 0)
        after.addRow("After a run", self.after_run)
        motion = QFormLayout()
        motion.setContentsMargins(0, 0, 0, 0)
        motion.addRow("Nearness", self.nearness)
        motion.addRow("Motion", self.regression)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(8, 8, 8, 8)
        column.setSpacing(8)
        column.addWidget(self.toggle)
        column.addWidget(self.status)
        column.addWidget(self.rebuild)
        column.addWidget(self.view)
        column.addWidget(self.neighbours)
        column.addWidget(self.temperature)
        column.addLayout(motion)
        column.addWidget(self.defaults, alignment=Qt.AlignmentFlag.AlignRight)
        column.addWidget(self.record_runs)
        column.addLayout(after)
        column.addWidget(self.runs)
        column.addWidget(self.timings)
        column.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(ColumnArea(content, self))

    # --- the policy -------------------------------------------------------------------------------------------------

    @property
    def policy(self) -> VinnPolicy | None:
        """The one that the session has."""
        return self._policy

    def load(self) -> None:
        """Load the index in use, anew if it is loaded already."""
        index = self._workspace.index
        if index is not None:
            if self._policy is None:
                self._show_unready("Loading the policy…")
            self._loader.load(index.name)

    @property
    def menu_actions(self) -> tuple[QAction, ...]:
        return (self.autonomous_action,)

    def close_jobs(self) -> None:
        self._load_later.stop()
        self._loader.close()

    def _index_changed(self) -> None:
        if self._workspace.index is None:
            self._drop_policy()
            self._show_unready(_NO_POLICY)
        else:
            self._load_later.start()

    def _take_policy(self, policy: VinnPolicy) -> None:
        if self.autopilot.running:  # a policy is not changed under a moving arm
            self._waiting_policy = policy
            return
        self._waiting_policy = None
        self._policy = policy
        index = policy.index
        self._suggested = policy.config
        policy.config = self._adjusted()
        self._show_config(policy.config)
        indexed = set(index.episodes.tolist())
        known = index.info.episodes
        unchanged = [each for each in self._workspace.episodes if known.get(each.number) == each.fingerprint]
        self._frames.show([summary for summary in unchanged if summary.number in indexed], policy.cameras)
        self.view.set_cameras(policy.cameras)
        self.view.neighbours.show_neighbours((), policy.cameras)
        self.view.caption.setText("")
        self.status.setText(
            f"Ready: {count(len(index.steps), 'frame')} of {count(len(indexed), 'episode')}, "
            f"encoder {index.info.encoder}, sees by {' and '.join(policy.cameras)} camera."
        )
        self.rebuild.hide()
        self.autonomous_action.setEnabled(True)
        self.autonomous_action.setToolTip(
            f"Let the policy move the arm ({AUTONOMOUS.keys}). Any movement key takes over."
        )
        self.command.emit(SetPolicy(policy))

    def _refuse(self, sentence: str) -> None:
        self._drop_policy()
        self._show_unready(sentence)
        self.rebuild.show()

    def _drop_policy(self) -> None:
        if self._policy is not None:
            self._policy = None
            self.command.emit(SetPolicy(None))

    def _show_unready(self, why: str) -> None:
        self.status.setText(why)
        self.rebuild.hide()
        self.autonomous_action.setEnabled(False)
        self.autonomous_action.setToolTip(why)

    # --- running ----------------------------------------------------------------------------------------------------

    def _toggle(self) -> None:
        if self.autonomous_action.isChecked():
            self.autopilot.start()
        else:
            self.autopilot.stop()

    def _show_running(self, running: bool) -> None:
        self.autonomous_action.setChecked(running)
        self.autonomous_action.setIconText(_RUNNING if running else _WAITING)
        if not running and self._waiting_policy is not None:
            self._take_policy(self._waiting_policy)

    def _take_run(self, run: object) -> None:
        self.runs.add(run)  # type: ignore[arg-type]  # Qt's signals carry any object

    def handle_event(self, event: Event) -> None:
        self.autopilot.handle_event(event)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        self.autopilot.show_snapshot(snapshot)
        if not self.isVisible():  # behind another tab: the next snapshot is soon enough
            return
        decision = snapshot.decision
        # With a decision the frame it was made on belongs beside its neighbours; otherwise the newest one.
        self.view.show_live((snapshot.decided_on if decision else snapshot.observation).images)
        if decision is None:
            return
        self.view.show_decision(decision)
        self.view.caption.setText(f"{count(len(decision.neighbours), 'nearest recorded frame')}:")
        timings = snapshot.timings
        self.timings.setText(
            f"encode {timings.encode_ms:.0f} · search {timings.search_ms:.1f} · render {timings.render_ms:.0f} · "
            f"tick {timings.total_ms:.0f} ms"
        )

    # --- adjusting --------------------------------------------------------------------------------------------------

    def _adjusted(self) -> PolicyConfig:
        """What the index suggests, as the person has adjusted it."""
        settings, suggested = QSettings(), self._suggested
        neighbours = settings.value(_NEIGHBOURS_KEY, suggested.neighbours)
        temperature = settings.value(_TEMPERATURE_KEY, suggested.temperature)
        metric = str(settings.value(_METRIC_KEY, suggested.metric))
        regression = str(settings.value(_REGRESSION_KEY, suggested.regression))
        try:
            return replace(
                suggested,
                neighbours=int(str(neighbours)),
                temperature=float(str(temperature)),
                metric=metric,
                regression=regression,
            )
        except (ValueError, ConfigError):
            return suggested

    def _adjust(self, key: str, value: float | str) -> None:
        QSettings().setValue(key, value)
        config = replace(
            self._suggested,
            neighbours=round(self.neighbours.value),
            temperature=self.temperature.value,
            metric=self.nearness.currentData(),
            regression=self.regression.currentData(),
        )
        self.defaults.setVisible(config != self._suggested)
        if self._policy is not None:
            self._policy.config = config

    def _forget_adjustments(self) -> None:
        for key in (_NEIGHBOURS_KEY, _TEMPERATURE_KEY, _METRIC_KEY, _REGRESSION_KEY):
            QSettings().remove(key)
        self._show_config(self._suggested)
        if self._policy is not None:
            self._policy.config = self._suggested

    def _show_config(self, config: PolicyConfig) -> None:
        self.defaults.setVisible(config != self._suggested)
        self.neighbours.set_value(config.neighbours)
        self.temperature.set_value(config.temperature)
        self.nearness.setCurrentIndex(self.nearness.findData(config.metric))
        self.regression.setCurrentIndex(self.regression.findData(config.regression))
