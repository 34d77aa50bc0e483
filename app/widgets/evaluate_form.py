"""What is to be evaluated: index, setting, look, and how many rollouts from which seed."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QComboBox, QFormLayout, QHBoxLayout, QLabel, QSpinBox, QWidget

from vinn_core.config import LOOKS, POLICY_SETTINGS

_ROLLOUTS, _FIRST_SEED = 20, 10_000
_SETTING_TEXTS = {"default": "Default", "plain": "Plain (as in the paper)"}


class EvaluateForm(QWidget):
    """The choices of `vinn evaluate`."""

    def __init__(self, look: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.index = QComboBox(self)
        self.index.setToolTip("The index whose policy is rolled out")
        self.setting = QComboBox(self)
        for name in POLICY_SETTINGS:
            self.setting.addItem(_SETTING_TEXTS.get(name, name), name)
        self.setting.setToolTip("How the neighbours' actions become one. Evaluate both over the same seeds to compare.")
        self.look = QComboBox(self)
        self.look.addItems(list(LOOKS))
        self.look.setCurrentText(look)
        self.look.setToolTip("What the scene looks like during the rollouts")
        self.rollouts = QSpinBox(self)
        self.rollouts.setRange(1, 10_000)
        self.rollouts.setValue(_ROLLOUTS)
        self.rollouts.setToolTip("More rollouts make the interval of the success rate narrower")
        self.seed = QSpinBox(self)
        self.seed.setRange(0, 2**31 - 1)
        self.seed.setValue(_FIRST_SEED)
        self.seed.setToolTip("Of the first rollout's reset; the others follow. Take seeds that were not demonstrated.")
        numbers = QHBoxLayout()
        numbers.addWidget(self.rollouts, 1)
        numbers.addWidget(QLabel("from seed", self))
        numbers.addWidget(self.seed, 1)
        rows = QFormLayout(self)
        rows.setContentsMargins(0, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for name, field in (("Index", self.index), ("Setting", self.setting), ("Look", self.look)):
            rows.addRow(name, field)
        rows.addRow("Rollouts", numbers)
        self.rollouts.setAccessibleName("Rollouts")
        self.seed.setAccessibleName("First seed")

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
        setting = self.setting.currentData()
        parts = (self.index.currentText(), "" if setting == "default" else setting, self.look.currentText())
        return "-".join(part for part in parts if part)

    def arguments(self) -> tuple[str, ...]:
        """As options of the command line."""
        return (
            *("--index", self.index.currentText()),
            *("--setting", self.setting.currentData()),
            *("--look", self.look.currentText()),
            *("--episodes", str(self.rollouts.value())),
            *("--seed", str(self.seed.value())),
        )
