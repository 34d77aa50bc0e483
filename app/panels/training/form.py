"""The settings of a training run: a preset, and what may be changed about it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFormLayout, QWidget

from app.widgets.setting_field import LARGEST_NUMBER, Row, make_fields
from vinn_core.config import FEWEST_COMPARED_DEMONSTRATIONS, PRESETS, TrainConfig, TrainJob, preset

PRESET_TEXTS = {
    "quick": "A few minutes of fine-tuning on this computer's processor. Start here.",
    "standard": "Longer fine-tuning that keeps the best epoch. Better when the look of the scene varies.",
    "paper": "ResNet-18 at 224 pixels for 100 epochs, as published. Needs a GPU.",
    "frozen": "No training: the start weights as they are. For comparison, or to run at once.",
    "tiny": "One epoch of a small untrained network. Only to try the buttons out.",
}
"""Presets in the order they are offered."""

_NAME = {"name": Row("Name", tip="Folder under encoders/ and indexes/ that the result is written to")}
_SETTINGS = {
    "backbone": Row("Backbone"),
    "start_weights": Row("Start weights"),
    "cameras": Row("Cameras", tip="Cameras whose frames are trained on"),
    "epochs": Row("Epochs", zero=""),
    "fewest_steps": Row(
        "Fewest steps",
        most=1_000_000,
        tip="More epochs than asked for where they would be fewer steps, as of few demonstrations",
    ),
    "max_minutes": Row("Time limit", suffix=" min"),
    "batch_size": Row("Batch size", most=4096),
    "learning_rate": Row("Learning rate", wanted="between 0 and 1, such as 1e-4"),
    "keep": Row(
        "Keep weights",
        tip="Whose weights are stored: those of the epoch with the smallest action error, or the last",
    ),
    "compare_with_start": Row(
        "At the end",
        text="Undo training if it did harm",
        tip=f"From {FEWEST_COMPARED_DEMONSTRATIONS} demonstrations on: keep the start weights if the policy errs "
        "clearly more with the trained ones, on demonstrations left out of the index",
    ),
    "patience": Row(
        "Patience",
        suffix=" epochs",
        zero="no end",
        tip="Training ends after so many epochs without a smaller action error",
    ),
    "seed": Row("Seed", most=LARGEST_NUMBER),
}
"""Of a `TrainConfig`, in the order they are shown."""


class AdvancedTraining(QWidget):
    """What may be changed about a preset.

    Args:
        cameras: of the workspace.

    Attributes:
        fields: by the names of the settings.
    """

    changed = Signal()

    def __init__(self, cameras: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preset = next(iter(PRESET_TEXTS))
        name = make_fields(TrainJob, _NAME, self)
        self._settings = make_fields(TrainConfig, _SETTINGS, self, choices=cameras)
        self.fields = {**name, **self._settings}
        rows = QFormLayout(self)
        rows.setContentsMargins(12, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        for setting, row in {**_NAME, **_SETTINGS}.items():
            rows.addRow(row.label, self.fields[setting].widget)
            self.fields[setting].changed.connect(self.changed)
        self.show_preset(self._preset)

    def show_preset(self, name: str) -> None:
        """Set every field but the name to the preset's."""
        self._preset = name
        self.blockSignals(True)
        for setting, field in self._settings.items():
            field.set_value(getattr(PRESETS[name], setting))
        self.blockSignals(False)
        self.changed.emit()

    def job(self, resume: bool = False) -> TrainJob:
        """The training that was chosen, and the index after it.

        Args:
            resume: go on from the checkpoint.

        Raises:
            ConfigError: names the setting that cannot work.
        """
        changes = {setting: field.value for setting, field in self._settings.items()}
        return TrainJob(self.fields["name"].value, resume, index=True, train=preset(self._preset, **changes))
