"""What the scripted expert is asked to demonstrate."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from app.widgets.setting_field import LARGEST_NUMBER, Row, make_fields
from vinn_core.config import CollectJob

_ROWS = {
    "episodes": Row("Demonstrations"),
    "noise": Row(
        "Noise",
        most=1,
        step=0.1,
        decimals=2,
        tip="How much the executed motion is disturbed while the clean action is recorded: "
        "shows the policy how to recover (DART). 1 is best for teaching; 0 is a clean demonstration.",
    ),
    "seed": Row("First seed", most=LARGEST_NUMBER, tip="Of the first demonstration's reset; the others follow."),
    "look": Row("Look", tip="varied: light, table, wall and cube colours are drawn anew for each demonstration."),
}
_DEMONSTRATIONS = 50


class CollectForm(QWidget):
    """Number, noise, first seed and look of scripted demonstrations.

    Attributes:
        fields: by the names of the settings of a `CollectJob`.
    """

    accepted = Signal()

    def __init__(self, look: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.fields = make_fields(CollectJob, _ROWS, self)
        self.fields["episodes"].set_value(_DEMONSTRATIONS)
        self.fields["look"].set_value(look)
        self.start = QPushButton("Add", self)
        self.start.clicked.connect(self.accepted)

        rows = QFormLayout()
        rows.setContentsMargins(0, 0, 0, 0)
        for name, row in _ROWS.items():
            rows.addRow(row.label, self.fields[name].widget)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(self.start)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(12, 0, 0, 0)
        layout.addLayout(rows)
        layout.addLayout(buttons)

    def job(self) -> CollectJob:
        """What was chosen."""
        return CollectJob(**{name: field.value for name, field in self.fields.items()})
