"""Which key does what, and the dialog that says so."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from vinn_core.teleop import Move

MOVE_KEYS: dict[Qt.Key, Move] = {
    Qt.Key.Key_W: Move.FORWARD,
    Qt.Key.Key_S: Move.BACK,
    Qt.Key.Key_A: Move.LEFT,
    Qt.Key.Key_D: Move.RIGHT,
    Qt.Key.Key_Q: Move.UP,
    Qt.Key.Key_E: Move.DOWN,
    Qt.Key.Key_I: Move.PITCH_UP,
    Qt.Key.Key_K: Move.PITCH_DOWN,
    Qt.Key.Key_J: Move.YAW_LEFT,
    Qt.Key.Key_L: Move.YAW_RIGHT,
    Qt.Key.Key_U: Move.ROLL_LEFT,
    Qt.Key.Key_O: Move.ROLL_RIGHT,
}
"""Held keys. Everything else is a QAction with one of the shortcuts below."""

GRIPPER = "Space"
FRAME = "F"
SPEEDS = ("1", "2", "3")
RECORD = "R"
DISCARD = "Backspace"
OUTCOME = "X"
RESET = "T"
NEXT_SEED = "N"
AUTONOMOUS = "P"
STOP = "Esc"

_DRIVING = (
    ("W  S", "forward, back"),
    ("A  D", "left, right"),
    ("Q  E", "up, down"),
    ("I  K", "pitch"),
    ("J  L", "yaw"),
    ("U  O", "roll"),
    (GRIPPER, "close or open the gripper"),
    (FRAME, "directions as seen from: viewing camera / end effector"),
    ("  ".join(SPEEDS), "slow, medium, fast"),
    (STOP, "stop everything: arm, replay, autonomous run"),
)
_RECORDING = (
    (RECORD, "start recording; again: save the episode"),
    (DISCARD, "discard the recording"),
    (OUTCOME, "overrule the outcome: detected, success, failure"),
    (RESET, "reset the scene to the same seed"),
    (NEXT_SEED, "reset the scene to the next seed"),
    (AUTONOMOUS, "autonomous run on or off; any movement key takes over"),
)
_MOUSE = (
    ("Left drag", "rotate the view (Shift: about the vertical only)"),
    ("Right drag", "pan (Shift: along the floor)"),
    ("Wheel", "zoom"),
    ("Double-click", "select a body"),
    ("Ctrl + left drag", "turn the selected body"),
    ("Ctrl + right drag", "push the selected body"),
    ("Ctrl + right double-click", "follow a body with the camera"),
)


class ShortcutsDialog(QDialog):
    """Every key and mouse gesture of the window."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle("Keyboard and mouse")
        columns = QHBoxLayout()
        columns.setSpacing(32)
        left = QVBoxLayout()
        left.addLayout(_section("Drive the arm", _DRIVING))
        left.addStretch(1)
        right = QVBoxLayout()
        right.addLayout(_section("Record and run", _RECORDING))
        right.addSpacing(16)
        right.addLayout(_section("In the viewport", _MOUSE))
        right.addStretch(1)
        columns.addLayout(left)
        columns.addLayout(right)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 16)
        layout.setSpacing(20)
        layout.addLayout(columns)
        layout.addWidget(buttons)


def native(shortcut: str) -> str:
    """The shortcut as this system writes it."""
    return QKeySequence(shortcut).toString(QKeySequence.SequenceFormat.NativeText)


def _section(heading: str, rows: tuple[tuple[str, str], ...]) -> QGridLayout:
    grid = QGridLayout()
    grid.setHorizontalSpacing(16)
    grid.setVerticalSpacing(7)
    title = QLabel(heading)
    title.setProperty("role", "heading")
    grid.addWidget(title, 0, 0, 1, 2)
    for row, (keys, meaning) in enumerate(rows, start=1):
        caps = QLabel(keys)
        caps.setProperty("role", "keys")
        grid.addWidget(caps, row, 0, Qt.AlignmentFlag.AlignLeft)
        grid.addWidget(QLabel(meaning), row, 1)
    grid.setColumnStretch(1, 1)
    return grid
