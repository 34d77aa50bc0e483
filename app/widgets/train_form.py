"""The settings of a training run: a preset, and what may be changed about it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QSpinBox,
    QWidget,
)

from app.workspace import DEFAULT_NAME
from vinn_core.config import (
    BACKBONES,
    FEWEST_COMPARED_DEMONSTRATIONS,
    KEEP,
    PRESETS,
    START_WEIGHTS,
    TrainConfig,
    preset,
)
from vinn_core.errors import ConfigError

PRESET_TEXTS = {
    "quick": "A few minutes of fine-tuning on this computer's processor. Start here.",
    "standard": "Longer fine-tuning that keeps the best epoch. Better when the look of the scene varies.",
    "paper": "ResNet-18 at 224 pixels for 100 epochs, as published. Needs a GPU.",
    "frozen": "No training: the start weights as they are. For comparison, or to run at once.",
    "tiny": "One epoch of a small untrained network. Only to try the buttons out.",
}
"""Presets in the order they are offered."""

_OPTIONS = {
    "backbone": "--backbone",
    "start_weights": "--weights",
    "epochs": "--epochs",
    "fewest_steps": "--fewest-steps",
    "max_minutes": "--max-minutes",
    "batch_size": "--batch-size",
    "learning_rate": "--learning-rate",
    "keep": "--keep",
    "compare_with_start": "--compare-with-start",
    "patience": "--patience",
    "seed": "--seed",
}
"""Of the command line."""


class AdvancedTraining(QWidget):
    """What may be changed about a preset."""

    changed = Signal()

    def __init__(self, cameras: Sequence[str], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._preset = next(iter(PRESET_TEXTS))
        self.name = QLineEdit(DEFAULT_NAME, self)
        self.name.setToolTip("Folder under encoders/ and indexes/ that the result is written to")
        self.backbone = QComboBox(self)
        self.backbone.addItems(list(BACKBONES))
        self.start_weights = QComboBox(self)
        self.start_weights.addItems(list(START_WEIGHTS))
        self.epochs = QSpinBox(self)
        self.epochs.setRange(0, 10_000)
        self.fewest_steps = QSpinBox(self)
        self.fewest_steps.setRange(0, 1_000_000)
        self.fewest_steps.setToolTip(
            "More epochs than asked for where they would be fewer steps, as of few demonstrations"
        )
        self.max_minutes = QDoubleSpinBox(self)
        self.max_minutes.setRange(0, 10_000)
        self.max_minutes.setDecimals(1)
        self.max_minutes.setSpecialValueText("no limit")
        self.max_minutes.setSuffix(" min")
        self.batch_size = QSpinBox(self)
        self.batch_size.setRange(2, 4096)
        self.learning_rate = QLineEdit(self)
        self.keep = QComboBox(self)
        self.keep.addItems(list(KEEP))
        self.keep.setToolTip("Whose weights are stored: those of the epoch with the smallest action error, or the last")
        self.compare_with_start = QCheckBox("Undo training if it did harm", self)
        self.compare_with_start.setToolTip(
            f"From {FEWEST_COMPARED_DEMONSTRATIONS} demonstrations on: keep the start weights if the policy errs "
            "clearly more with the trained ones, on demonstrations left out of the index"
        )
        self.patience = QSpinBox(self)
        self.patience.setRange(0, 10_000)
        self.patience.setSpecialValueText("no end")
        self.patience.setSuffix(" epochs")
        self.patience.setToolTip("Training ends after so many epochs without a smaller action error")
        self.seed = QSpinBox(self)
        self.seed.setRange(0, 2**31 - 1)
        self.cameras = {camera: QCheckBox(camera, self) for camera in cameras}
        chosen = QHBoxLayout()
        for box in self.cameras.values():
            chosen.addWidget(box)
        chosen.addStretch(1)

        rows = QFormLayout(self)
        rows.setContentsMargins(12, 0, 0, 0)
        rows.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        rows.addRow("Name", self.name)
        rows.addRow("Backbone", self.backbone)
        rows.addRow("Start weights", self.start_weights)
        rows.addRow("Cameras", chosen)
        rows.addRow("Epochs", self.epochs)
        rows.addRow("Fewest steps", self.fewest_steps)
        rows.addRow("Time limit", self.max_minutes)
        rows.addRow("Batch size", self.batch_size)
        rows.addRow("Learning rate", self.learning_rate)
        rows.addRow("Keep weights", self.keep)
        rows.addRow("At the end", self.compare_with_start)
        rows.addRow("Patience", self.patience)
        rows.addRow("Seed", self.seed)
        for signal in (
            self.name.textChanged,
            self.backbone.currentIndexChanged,
            self.start_weights.currentIndexChanged,
            self.epochs.valueChanged,
            self.fewest_steps.valueChanged,
            self.max_minutes.valueChanged,
            self.batch_size.valueChanged,
            self.learning_rate.textChanged,
            self.keep.currentIndexChanged,
            self.compare_with_start.toggled,
            self.patience.valueChanged,
            self.seed.valueChanged,
            *(box.toggled for box in self.cameras.values()),
        ):
            signal.connect(self.changed)
        self.show_preset(self._preset)

    def show_preset(self, name: str) -> None:
        """Set every field to the preset's."""
        self._preset = name
        config = PRESETS[name]
        self.blockSignals(True)
        self.backbone.setCurrentText(config.backbone)
        self.start_weights.setCurrentText(config.start_weights)
        self.epochs.setValue(config.epochs)
        self.fewest_steps.setValue(config.fewest_steps)
        self.max_minutes.setValue(config.max_minutes)
        self.batch_size.setValue(config.batch_size)
        self.learning_rate.setText(f"{config.learning_rate:g}")
        self.keep.setCurrentText(config.keep)
        self.compare_with_start.setChecked(config.compare_with_start)
        self.patience.setValue(config.patience)
        self.seed.setValue(config.seed)
        for camera, box in self.cameras.items():
            box.setChecked(camera in config.cameras)
        self.blockSignals(False)
        self.changed.emit()

    def config(self) -> TrainConfig:
        """Raises ConfigError naming the setting that cannot work."""
        try:
            learning_rate = float(self.learning_rate.text())
        except ValueError:
            raise ConfigError(
                f"learning rate '{self.learning_rate.text()}' is not a number; use between 0 and 1, such as 1e-4."
            ) from None
        if not self.name.text().strip().replace("-", "").replace("_", "").isalnum():
            raise ConfigError(f"name '{self.name.text()}' cannot be a folder; use letters, digits, - and _.")
        return preset(
            self._preset,
            backbone=self.backbone.currentText(),
            start_weights=self.start_weights.currentText(),
            epochs=self.epochs.value(),
            fewest_steps=self.fewest_steps.value(),
            max_minutes=self.max_minutes.value(),
            batch_size=self.batch_size.value(),
            learning_rate=learning_rate,
            keep=self.keep.currentText(),
            compare_with_start=self.compare_with_start.isChecked(),
            patience=self.patience.value(),
            seed=self.seed.value(),
            cameras=tuple(camera for camera, box in self.cameras.items() if box.isChecked()),
        )

    def arguments(self) -> tuple[str, ...]:
        """As options of the command line: only what differs from the preset. Raises ConfigError as `config`."""
        config, base = self.config(), PRESETS[self._preset]
        arguments = ["--name", self.name.text().strip(), "--preset", self._preset]
        for setting, option in _OPTIONS.items():
            value = getattr(config, setting)
            if value == getattr(base, setting):
                continue
            if isinstance(value, bool):
                arguments.append(option if value else f"--no-{option.removeprefix('--')}")
            else:
                arguments += [option, f"{value:g}" if isinstance(value, float) else str(value)]
        if config.cameras != base.cameras:
            for camera in config.cameras:
                arguments += ["--camera", camera]
        return tuple(arguments)
