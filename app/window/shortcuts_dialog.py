"""The dialog that says which key and mouse gesture does what."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from app.keys import (
    AUTONOMOUS,
    DISCARD,
    FRAME,
    GRIPPER,
    MOVE_KEYS,
    NEXT_SEED,
    OUTCOME,
    RECORD,
    RESET,
    SPEEDS,
    STOP,
    ActionInfo,
)
from vinn_core.session.teleop import Move

_KEY_OF = {move: chr(key) for key, move in MOVE_KEYS.items()}


def _held(*moves: Move, meaning: str) -> tuple[str, str]:
    return "  ".join(_KEY_OF[move] for move in moves), meaning


def _pressed(*actions: ActionInfo) -> tuple[str, str]:
    return "  ".join(str(info.keys) for info in actions), ", ".join(info.meaning for info in actions)


_DRIVING = (
    _held(Move.FORWARD, Move.BACK, meaning="forward, back"),
    _held(Move.LEFT, Move.RIGHT, meaning="left, right"),
    _held(Move.UP, Move.DOWN, meaning="up, down"),
    _held(Move.PITCH_UP, Move.PITCH_DOWN, meaning="pitch"),
    _held(Move.YAW_LEFT, Move.YAW_RIGHT, meaning="yaw"),
    _held(Move.ROLL_LEFT, Move.ROLL_RIGHT, meaning="roll"),
    _pressed(GRIPPER),
    _pressed(FRAME),
    _pressed(*SPEEDS),
    _pressed(STOP),
)
_RECORDING = tuple(_pressed(info) for info in (RECORD, DISCARD, OUTCOME, RESET, NEXT_SEED, AUTONOMOUS))
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


def _section(heading: str, rows: Sequence[tuple[str, str]]) -> QGridLayout:
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
