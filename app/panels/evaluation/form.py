"""What is to be evaluated: index, setting, look, and how many rollouts from which seed."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QWidget

from app.widgets.setting_field import LARGEST_NUMBER, Row, make_fields
from vinn_core.config import EvaluateJob

_ROWS = {
    "setting": Row(
        "Setting",
        tip="How the neighbours' actions become one. Evaluate both over the same seeds to compare.",
        texts={"default": "Default", "plain": "Plain (as in the paper)"},
    ),
    "look": Row("Look", tip="What the scene looks like during the rollouts"),
    "episodes": Row("Rollouts", tip="More rollouts make the interval of the success rate narrower"),
    "seed": Row(
        "First seed",
        most=LARGEST_NUMBER,
        tip="Of the first rollout's reset; the others follow. Take seeds that were not demonstrated.",
    ),
}
_ROLLOUTS = 20


class EvaluateForm(QWidget):
    """The choices of `vinn evaluate`.

    Attributes:
        fields: by the names of the settings of an `EvaluateJob`, all but the index.
    """

    def __init__(self, look: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.index = QComboBox(self)
        self.index.setToolTip("The index whose policy is rolled out")
        self.fields = make_fields(EvaluateJob, _ROWS, self)
        self.fields["episodes"].set_value(_ROLLOUTS)
        self.fields["look"].set_value(look)
        rollouts, seed = self.fields["episodes"].widget, self.fields["seed"].widget
        numbers = QHBoxLayout()
        numbers.addWidget(rollouts, 1)
        numbers.addWidget(QLabel("from seed", self))
        numbers.addWidget(seed, 1)
        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Index", self.index)
        for name in ("setting", "look"):
            rows.addRow(_ROWS[name].label, self.fields[name].widget)
        rows.addRow(_ROWS["episodes"].label, numbers)
        rollouts.setAccessibleName(_ROWS["episodes"].label)
        seed.setAccessibleName(_ROWS["seed"].label)

    def show_indexes(self, names: Sequence[str], preferred: str | None) -> None:
        """Offer these, keeping what is chosen, or else `preferred`."""
        chosen = self.index.currentText()
        self.index.clear()
        self.index.addItems(list(names))
        wanted = chosen if chosen in names else preferred
        self.index.setCurrentIndex(self.index.findText(wanted) if wanted else -1)

    @property
    def beginning(self) -> str:
        """Of a name for the evaluation."""
        setting = self.fields["setting"].value
        parts = (self.index.currentText(), "" if setting == "default" else setting, self.fields["look"].value)
        return "-".join(part for part in parts if part)

    def job(self, save: str) -> EvaluateJob:
        """What was chosen, to be stored under the name `save`."""
        changes = {name: field.value for name, field in self.fields.items()}
        return EvaluateJob(index=self.index.currentText(), save=save, **changes)
