"""The recording panel: record, save, discard, outcome; seed and look of the scene."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QMessageBox,
    QPushButton,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from app.keys import DISCARD, NEXT_SEED, OUTCOME, RECORD, RESET
from app.widgets.actions import make_action
from app.widgets.icons import icon
from app.widgets.panel import Panel
from app.widgets.setting_field import LARGEST_NUMBER
from vinn_core.config import LOOKS
from vinn_core.session.messages import (
    CommandRefused,
    DiscardRecording,
    Event,
    RecordingDiscarded,
    RecordingFinished,
    RecordingStarted,
    ResetScene,
    SceneReset,
    Snapshot,
    StartRecording,
    StopRecording,
)
from vinn_core.session.pacing import PacingStatus

_ADVANCE_KEY = "record/next_seed_after_saving"
"""What the choice is remembered under."""


class Outcome(StrEnum):
    """What is written down about success."""

    DETECTED = "Auto"
    SUCCESS = "Success"
    FAILURE = "Failure"

    @property
    def success(self) -> bool | None:
        """For StopRecording: None keeps what was detected."""
        return None if self is Outcome.DETECTED else self is Outcome.SUCCESS


class RecordPanel(Panel):
    """Recording, and the scene that is recorded.

    Args:
        hint: how a person does the task.
        look: at first.
        control_hz: control rate [1/s].
        operator: name of the person.
    """

    command = Signal(object)

    def __init__(
        self,
        hint: str,
        look: str = "none",
        control_hz: float = 10.0,
        *,
        operator: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._control_hz = control_hz
        self._operator = operator
        self._seed = 0
        self._frames = 0
        self._succeeded = False
        self._recording = False
        self._starting = False
        self._saving = False
        self._dropped = 0
        self.outcome = Outcome.DETECTED
        self.ask_from_s = 3.0
        """Recordings longer than this are not discarded without asking."""

        self.record_action = make_action(RECORD, self._record, self, checkable=True)
        self.discard_action = make_action(DISCARD, self._discard, self)
        self.outcome_action = make_action(OUTCOME, self._next_outcome, self)
        self.reset_action = make_action(RESET, self._reset, self)
        self.next_action = make_action(NEXT_SEED, self._next_seed, self)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 4, 8, 8)
        layout.setSpacing(6)
        layout.addLayout(self._make_buttons())
        self.status = QLabel(self)
        self.status.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self.status)
        layout.addLayout(self._make_outcomes())
        layout.addLayout(self._make_scene(look))
        label = QLabel(hint, self)
        label.setWordWrap(True)
        label.setProperty("role", "faint")
        # Two lines, always: a height that depends on the width would be taken from the keys above.
        label.setFixedHeight(2 * label.fontMetrics().lineSpacing() + 2)
        policy = label.sizePolicy()
        policy.setHeightForWidth(False)
        label.setSizePolicy(policy)
        layout.addWidget(label)
        self._show_state()

    @property
    def menu_actions(self) -> tuple[QAction, ...]:
        return (self.record_action, self.discard_action, self.outcome_action, self.reset_action, self.next_action)

    @property
    def choices(self) -> Mapping[str, str]:
        return {_ADVANCE_KEY: "true" if self.advance_box.isChecked() else "false"}

    def restore_choices(self, choices: Mapping[str, str]) -> None:
        if _ADVANCE_KEY in choices:
            self.advance_box.setChecked(choices[_ADVANCE_KEY] == "true")

    def _make_buttons(self) -> QHBoxLayout:
        self.record_button = QPushButton(self)
        self.record_button.setProperty("role", "record")
        self.record_button.setCheckable(True)
        self.record_button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.record_button.setToolTip(self.record_action.toolTip())
        self.record_button.clicked.connect(self.record_action.trigger)
        row = QHBoxLayout()
        row.addWidget(self.record_button, 1)
        row.addWidget(self._button(self.discard_action))
        return row

    def _button(self, action: QAction) -> QToolButton:
        button = QToolButton(self)
        button.setDefaultAction(action)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return button

    def _make_outcomes(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(QLabel(f"Outcome ({OUTCOME.keys}):", self))
        group = QButtonGroup(self)
        self.outcome_buttons: dict[Outcome, QPushButton] = {}
        for outcome in Outcome:
            button = QPushButton(outcome, self)
            button.setProperty("role", "segment")
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.clicked.connect(lambda _=False, outcome=outcome: self._set_outcome(outcome))
            group.addButton(button)
            self.outcome_buttons[outcome] = button
            row.addWidget(button, 1)
        self.outcome_buttons[Outcome.DETECTED].setToolTip("Write down what the task's own test says")
        self.outcome_buttons[Outcome.SUCCESS].setToolTip("Write down success, whatever was detected")
        self.outcome_buttons[Outcome.FAILURE].setToolTip("Write down failure, whatever was detected")
        return row

    def _make_scene(self, look: str) -> QGridLayout:
        self.seed_box = QSpinBox(self)
        self.seed_box.setRange(0, LARGEST_NUMBER)
        self.seed_box.setAccessibleName("Seed")
        self.seed_box.setToolTip("Seed of the reset: the same seed gives the same scene. Enter resets.")
        self.seed_box.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.seed_box.setMinimumWidth(64)
        self.seed_box.lineEdit().returnPressed.connect(self._reset_to_chosen)
        self.look_box = QComboBox(self)
        self.look_box.setAccessibleName("Look")
        self.look_box.setToolTip("Look of the scene. varied: light, colours and cameras are drawn from the seed")
        self.look_box.addItems([f"Look: {name}" for name in LOOKS])
        self.look_box.setCurrentIndex(LOOKS.index(look))
        self.look_box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.look_box.activated.connect(self._reset_to_chosen)
        self.advance_box = QCheckBox("Next seed after saving", self)
        self.advance_box.setChecked(True)
        self.advance_box.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        seed = QLabel("Seed:", self)
        seed.setBuddy(self.seed_box)
        grid = QGridLayout()
        grid.setHorizontalSpacing(6)
        grid.setVerticalSpacing(6)
        grid.addWidget(seed, 0, 0)
        grid.addWidget(self.seed_box, 0, 1)
        grid.addWidget(self._button(self.reset_action), 0, 2)
        grid.addWidget(self._button(self.next_action), 0, 3)
        grid.addWidget(self.look_box, 1, 0, 1, 2)
        grid.addWidget(self.advance_box, 1, 2, 1, 2)
        grid.setColumnStretch(1, 1)
        return grid

    # --- what the person wants ----------------------------------------------------------------------------------------

    @property
    def recording(self) -> bool:
        """Whether an episode is being recorded."""
        return self._recording

    def save(self) -> None:
        """Finish the recording."""
        self._saving = True
        self.command.emit(StopRecording(self.outcome.success))

    def discard_now(self) -> None:
        """Throw the recording away without asking."""
        self.command.emit(DiscardRecording())

    def _record(self) -> None:
        if self._recording:
            self.save()
        elif not self._starting:  # a second press before the first has been answered is no second wish
            self._starting = True
            self.command.emit(StartRecording(self._operator))
        self._show_state()  # the button shows what the session does, not what was clicked

    def _discard(self) -> None:
        if self._frames / self._control_hz <= self.ask_from_s:
            self.discard_now()
            return
        question = QMessageBox(
            QMessageBox.Icon.Question,
            "Discard the recording?",
            f"Discard the {self._frames / self._control_hz:.0f} s recorded so far?",
            QMessageBox.StandardButton.Discard | QMessageBox.StandardButton.Cancel,
            self,
        )
        question.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        question.setDefaultButton(QMessageBox.StandardButton.Cancel)
        question.button(QMessageBox.StandardButton.Discard).clicked.connect(self.discard_now)
        question.open()

    def _next_outcome(self) -> None:
        outcomes = list(Outcome)
        self._set_outcome(outcomes[(outcomes.index(self.outcome) + 1) % len(outcomes)])

    def _set_outcome(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self._show_state()

    def _reset(self) -> None:
        self.command.emit(ResetScene(self._seed, self._look))

    def _next_seed(self) -> None:
        self.command.emit(ResetScene(self._seed + 1, self._look))

    def _reset_to_chosen(self) -> None:
        self.command.emit(ResetScene(self.seed_box.value(), self._look))
        self.seed_box.clearFocus()

    @property
    def _look(self) -> str:
        return LOOKS[self.look_box.currentIndex()]

    # --- what the session does ----------------------------------------------------------------------------------------

    def show_snapshot(self, snapshot: Snapshot) -> None:
        self._frames = snapshot.recorded_frames or 0
        self._succeeded = self._recording and (self._succeeded or snapshot.succeeded)
        self._show_scene(snapshot.seed, snapshot.look)
        self._show_numbers()

    def show_pacing(self, pacing: PacingStatus) -> None:
        """Ticks dropped since the window opened."""
        if pacing.dropped != self._dropped:
            self._dropped = pacing.dropped
            self._show_numbers()

    def handle_event(self, event: Event) -> None:
        match event:
            case CommandRefused():
                self._starting = False
            case RecordingStarted():
                self._starting = False
                self._recording, self._frames, self._succeeded = True, 0, False
            case RecordingFinished():
                advance = self._saving and self.advance_box.isChecked()
                self._end()
                if advance:  # what a program has recorded, it follows up itself
                    self._next_seed()
            case RecordingDiscarded():
                self._end()
            case SceneReset(seed, look):
                self._show_scene(seed, look)
        self._show_state()

    def _end(self) -> None:
        self._recording, self._saving, self._frames, self._succeeded = False, False, 0, False
        self.outcome = Outcome.DETECTED

    def _show_scene(self, seed: int, look: str) -> None:
        self._seed = seed
        if not self.seed_box.hasFocus() and self.seed_box.value() != seed:
            with QSignalBlocker(self.seed_box):
                self.seed_box.setValue(seed)
        if not self.look_box.view().isVisible():
            self.look_box.setCurrentIndex(LOOKS.index(look))

    def _show_state(self) -> None:
        recording = self._recording
        self.record_action.setChecked(recording)
        self.record_action.setText("Save" if recording else "Record")
        self.record_action.setIcon(icon("save" if recording else "record"))
        self.record_button.setChecked(recording)
        self.record_button.setText(f"■  Save episode ({RECORD.keys})" if recording else f"●  Record ({RECORD.keys})")
        self.discard_action.setEnabled(recording)
        for part in (self.reset_action, self.next_action, self.seed_box, self.look_box):
            part.setEnabled(not recording)
        for outcome, button in self.outcome_buttons.items():
            button.setChecked(outcome is self.outcome)
        self._show_numbers()

    def _show_numbers(self) -> None:
        seconds = self._frames / self._control_hz
        self.status.setText(f"{seconds:.1f} s  ·  {self._frames} frames  ·  {self._dropped} ticks dropped")
        detected = f": {'yes' if self._succeeded else 'no'}" if self._recording else ""
        self.outcome_buttons[Outcome.DETECTED].setText(f"{Outcome.DETECTED}{detected}")
