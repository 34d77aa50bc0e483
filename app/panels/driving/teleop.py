"""The teleoperation panel: key caps, frame, speed and gripper."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.keys import FRAME, GRIPPER, MOVE_KEYS, SPEEDS
from app.panels.driving.key_cap import KeyCap
from app.state.held_keys import HeldKeys
from app.widgets.actions import make_action
from app.widgets.panel import Panel
from vinn_core.session.messages import Snapshot
from vinn_core.session.teleop import SPEED_LEVELS, Move, TeleopFrame

_CAPTIONS = {
    Move.FORWARD: "Forward",
    Move.BACK: "Back",
    Move.LEFT: "Left",
    Move.RIGHT: "Right",
    Move.UP: "Up",
    Move.DOWN: "Down",
    Move.PITCH_UP: "Pitch ↑",
    Move.PITCH_DOWN: "Pitch ↓",
    Move.YAW_LEFT: "Yaw ←",
    Move.YAW_RIGHT: "Yaw →",
    Move.ROLL_LEFT: "Roll ←",
    Move.ROLL_RIGHT: "Roll →",
}
_PLACES = {  # row, column: as on the keyboard, with a gap between translation and rotation
    Qt.Key.Key_Q: (0, 0),
    Qt.Key.Key_W: (0, 1),
    Qt.Key.Key_E: (0, 2),
    Qt.Key.Key_U: (0, 4),
    Qt.Key.Key_I: (0, 5),
    Qt.Key.Key_O: (0, 6),
    Qt.Key.Key_A: (1, 0),
    Qt.Key.Key_S: (1, 1),
    Qt.Key.Key_D: (1, 2),
    Qt.Key.Key_J: (1, 4),
    Qt.Key.Key_K: (1, 5),
    Qt.Key.Key_L: (1, 6),
}
_FRAME_NAMES = {TeleopFrame.CAMERA: "Viewing camera", TeleopFrame.END_EFFECTOR: "End effector"}
_SPEED_KEY, _FRAME_KEY = "teleop/speed", "teleop/frame"
"""What the choices are remembered under."""


class TeleopPanel(Panel):
    """How the held keys move the arm. `frame` and `speed` are read by whoever tells the session what is held."""

    changed = Signal()
    """`frame` or `speed` is another one now."""
    gripper_toggled = Signal()

    def __init__(self, held: HeldKeys, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._held = held
        self.frame = TeleopFrame.CAMERA
        self.speed = 1
        self.caps: dict[Move, KeyCap] = {}
        """On-screen key of each direction."""

        self.frame_action = make_action(FRAME, self._change_frame, self)
        self.gripper_action = make_action(GRIPPER, self.gripper_toggled.emit, self)
        self.speed_actions = QActionGroup(self)
        for level, (info, (linear, angular)) in enumerate(zip(SPEEDS, SPEED_LEVELS, strict=True)):
            action = make_action(info, lambda level=level: self._set_speed(level), self, checkable=True)
            action.setChecked(level == self.speed)
            action.setToolTip(f"{info.text}: {linear * 100:.0f} cm/s, {angular:.1f} rad/s")
            self.speed_actions.addAction(action)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 6)
        layout.setSpacing(6)
        layout.addLayout(self._make_frames())
        layout.addLayout(self._make_keys())
        held.changed.connect(self._light)

    @property
    def menu_actions(self) -> tuple[QAction, ...]:
        return (self.gripper_action, self.frame_action, *self.speed_actions.actions())

    @property
    def choices(self) -> Mapping[str, str]:
        return {_SPEED_KEY: str(self.speed), _FRAME_KEY: self.frame.value}

    def restore_choices(self, choices: Mapping[str, str]) -> None:
        actions = self.speed_actions.actions()
        speed, frame = choices.get(_SPEED_KEY, ""), choices.get(_FRAME_KEY, "")
        if speed.isdigit() and int(speed) < len(actions):
            actions[int(speed)].trigger()
        if frame in list(TeleopFrame):
            self.set_frame(TeleopFrame(frame))

    def _make_frames(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(QLabel(f"Directions ({FRAME.keys}):", self))
        group = QButtonGroup(self)
        self._frames: dict[TeleopFrame, QPushButton] = {}
        for frame, name in _FRAME_NAMES.items():
            button = QPushButton(name, self)
            button.setProperty("role", "segment")
            button.setCheckable(True)
            button.setChecked(frame is self.frame)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setToolTip(self.frame_action.toolTip())
            button.clicked.connect(lambda _=False, frame=frame: self.set_frame(frame))
            group.addButton(button)
            self._frames[frame] = button
            row.addWidget(button, 1)
        return row

    def _make_keys(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(3)
        for key, move in MOVE_KEYS.items():
            cap = KeyCap(chr(key), _CAPTIONS[move], parent=self)
            cap.setToolTip(f"Hold {chr(key)}, or this cap, to move: {move}")
            cap.pressed.connect(lambda move=move: self._held.hold_cap(move, True))
            cap.released.connect(lambda move=move: self._held.hold_cap(move, False))
            self.caps[move] = cap
            grid.addWidget(cap, *_PLACES[key])
        self.speed_caps: list[KeyCap] = []
        for level, (info, action) in enumerate(zip(SPEEDS, self.speed_actions.actions(), strict=True)):
            cap = KeyCap(str(info.keys), info.text, parent=self)
            cap.setCheckable(True)
            cap.setChecked(level == self.speed)
            cap.setToolTip(action.toolTip())
            cap.clicked.connect(action.trigger)
            self.speed_caps.append(cap)
            grid.addWidget(cap, 2, level)
        self.gripper_cap = KeyCap(str(GRIPPER.keys), "Gripper open", units=3, parent=self)
        self.gripper_cap.setToolTip(GRIPPER.text)
        self.gripper_cap.clicked.connect(self.gripper_action.trigger)
        grid.addWidget(self.gripper_cap, 2, 4, 1, 3)
        for column in range(7):
            grid.setColumnStretch(column, 0 if column == 3 else 1)
        grid.setColumnMinimumWidth(3, 8)
        return grid

    def _light(self) -> None:
        for move, cap in self.caps.items():
            cap.lit = move in self._held.moves

    def _change_frame(self) -> None:
        self.set_frame(TeleopFrame.CAMERA if self.frame is TeleopFrame.END_EFFECTOR else TeleopFrame.END_EFFECTOR)

    def set_frame(self, frame: TeleopFrame) -> None:
        """Let the directions be meant in `frame` from now on."""
        self.frame = frame
        self._frames[frame].setChecked(True)
        self.changed.emit()

    def _set_speed(self, speed: int) -> None:
        self.speed = speed
        for level, cap in enumerate(self.speed_caps):
            cap.setChecked(level == speed)
        self.changed.emit()

    def show_snapshot(self, snapshot: Snapshot) -> None:
        is_open = snapshot.action.gripper > 0.5
        self.gripper_cap.lit = not is_open
        self.gripper_cap.caption = "Gripper open" if is_open else "Gripper closed"
