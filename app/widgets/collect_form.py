"""What the scripted expert is asked to demonstrate, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from vinn_core.config import LOOKS


class CollectForm(QWidget):
    """Number, noise, first seed and look of scripted demonstrations."""

    accepted = Signal()

    def __init__(self, look: str, looks: Sequence[str] = LOOKS, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.episodes = QSpinBox(self)
        self.episodes.setRange(1, 10_000)
        self.episodes.setValue(50)
        self.noise = QDoubleSpinBox(self)
        self.noise.setRange(0.0, 1.0)
        self.noise.setSingleStep(0.1)
        self.noise.setValue(1.0)
        self.noise.setToolTip(
            "How much the executed motion is disturbed while the clean action is recorded: "
            "shows the policy how to recover (DART). 1 is best for teaching; 0 is a clean demonstration."
        )
        self.seed = QSpinBox(self)
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setToolTip("Of the first demonstration's reset; the others follow.")
        self.look = QComboBox(self)
        self.look.addItems(list(looks))
        self.look.setCurrentText(look)
        self.look.setToolTip("varied: light, table, wall and cube colours are drawn anew for each demonstration.")
        self.start = QPushButton("Add", self)
        self.start.clicked.connect(self.accepted)

        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        rows.addRow("Demonstrations", self.episodes)
        rows.addRow("Noise", self.noise)
        rows.addRow("First seed", self.seed)
        rows.addRow("Look", self.look)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.start)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 0, 0, 0)
        layout.addLayout(rows)
        layout.addLayout(buttons)

    def arguments(self) -> tuple[str, ...]:
        """As options of the command line."""
        return (
            *("--episodes", str(self.episodes.value())),
            *("--seed", str(self.seed.value())),
            *("--noise", f"{self.noise.value():g}"),
            *("--look", self.look.currentText()),
        )
