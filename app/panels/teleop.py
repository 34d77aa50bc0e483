"""The teleoperation panel: key caps, frame, speed and gripper."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QButtonGroup, QGridLayout, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from app.held_keys import HeldKeys
from app.shortcuts import FRAME, GRIPPER, MOVE_KEYS, SPEEDS
from app.widgets.key_cap import KeyCap
from vinn_core.messages import Event, Snapshot
from vinn_core.teleop import SPEED_LEVELS, Move, TeleopFrame

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
_SPEED_NAMES = ("Slow", "Medium", "Fast")
_FRAME_NAMES = {TeleopFrame.CAMERA: "Viewing camera", TeleopFrame.END_EFFECTOR: "End effector"}


class TeleopPanel(QWidget):
    """How the held keys move the arm. `frame` and `speed` are read by whoever tells the session what is held."""

    command = Signal(object)
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

        self.frame_action = self._action("Change directions", FRAME, self._change_frame)
        self.frame_action.setToolTip("What forward, left and up refer to: the viewing camera or the end effector")
        self.gripper_action = self._action("Close or open the gripper", GRIPPER, self.gripper_toggled.emit)
        self.speed_actions = QActionGroup(self)
        for level, (key, name) in enumerate(zip(SPEEDS, _SPEED_NAMES, strict=True)):
            action = self._action(name, key, lambda level=level: self._set_speed(level))
            action.setCheckable(True)
            action.setChecked(level == self.speed)
            linear, angular = SPEED_LEVELS[level]
            action.setToolTip(f"{name}: {linear * 100:.0f} cm/s, {angular:.1f} rad/s")
            self.speed_actions.addAction(action)

        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 8, 8, 6)
        layout.setSpacing(6)
        layout.addLayout(self._make_frames())
        layout.addLayout(self._make_keys())
        held.changed.connect(self._light)

    def _action(self, text: str, key: str, act: Callable[[], object]) -> QAction:
        action = QAction(text, self)
        action.setShortcut(key)
        action.setAutoRepeat(False)
        action.triggered.connect(lambda: act())
        return action

    @property
    def actions_of_panel(self) -> tuple[QAction, ...]:
        """For the menu."""
        return (self.gripper_action, self.frame_action, *self.speed_actions.actions())

    def _make_frames(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(4)
        row.addWidget(QLabel(f"Directions ({FRAME}):", self))
        group = QButtonGroup(self)
        self._frames: dict[TeleopFrame, QPushButton] = {}
        for frame, name in _FRAME_NAMES.items():
            button = QPushButton(name, self)
            button.setProperty("role", "segment")
            button.setCheckable(True)
            button.setChecked(frame is self.frame)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setToolTip(f"{self.frame_action.toolTip()} ({FRAME})")
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
        for level, action in enumerate(self.speed_actions.actions()):
            cap = KeyCap(SPEEDS[level], _SPEED_NAMES[level], parent=self)
            cap.setCheckable(True)
            cap.setChecked(level == self.speed)
            cap.setToolTip(action.toolTip())
            cap.clicked.connect(action.trigger)
            self.speed_caps.append(cap)
            grid.addWidget(cap, 2, level)
        self.gripper_cap = KeyCap(GRIPPER, "Gripper open", units=3, parent=self)
        self.gripper_cap.setToolTip("Close or open the gripper")
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

    def handle_event(self, event: Event) -> None:
        pass
