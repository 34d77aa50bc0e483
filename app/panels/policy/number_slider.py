"""A number set by slider or by typing."""

from __future__ import annotations

from math import exp, log

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QLabel, QSlider, QWidget

_STEPS = 200


class NumberSlider(QWidget):
    """`name`, a slider and a field.

    Args:
        decimals: 0 for whole numbers.
        logarithmic: equal ways on the slider are equal ratios.
    """

    changed = Signal(float)
    """By the person."""

    def __init__(
        self,
        name: str,
        least: float,
        most: float,
        *,
        decimals: int = 0,
        logarithmic: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self._least, self._most, self._logarithmic = least, most, logarithmic
        self.slider = QSlider(Qt.Orientation.Horizontal, self)
        self.slider.setRange(0, _STEPS if decimals else round(most - least))
        self.slider.setAccessibleName(name)
        self.field = QDoubleSpinBox(self)
        self.field.setDecimals(decimals)
        self.field.setRange(least, most)
        self.field.setSingleStep(0.01 if decimals else 1.0)
        self.field.setAccessibleName(name)
        self.slider.valueChanged.connect(self._slide)
        self.field.valueChanged.connect(self._type)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        label = QLabel(name, self)
        label.setMinimumWidth(label.fontMetrics().horizontalAdvance("Temperature"))
        layout.addWidget(label, 0, 0)
        layout.addWidget(self.slider, 0, 1)
        layout.addWidget(self.field, 0, 2)

    @property
    def value(self) -> float:
        return self.field.value()

    def set_value(self, value: float) -> None:
        """Without `changed`."""
        for widget in (self.field, self.slider):
            widget.blockSignals(True)
        self.field.setValue(value)
        self.slider.setValue(self._place(value))
        for widget in (self.field, self.slider):
            widget.blockSignals(False)

    def _place(self, value: float) -> int:
        least, most = self._least, self._most
        share = log(value / least) / log(most / least) if self._logarithmic else (value - least) / (most - least)
        return round(share * self.slider.maximum())

    def _slide(self, place: int) -> None:
        share, least, most = place / self.slider.maximum(), self._least, self._most
        value = least * exp(share * log(most / least)) if self._logarithmic else least + share * (most - least)
        self.set_value(value)
        self.slider.blockSignals(True)
        self.slider.setValue(place)
        self.slider.blockSignals(False)
        self.changed.emit(self.value)

    def _type(self, value: float) -> None:
        self.set_value(value)
        self.changed.emit(self.value)
