"""Fields of a form, made from what `vinn_core.config` declares of a setting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

from PySide6.QtCore import QObject, Signal, SignalInstance
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QHBoxLayout, QLineEdit, QSpinBox, QWidget

from vinn_core.config import JsonConfig, Option, kind_of, option_of
from vinn_core.errors import ConfigError

LARGEST_NUMBER = 2**31 - 1
"""That a QSpinBox can show."""


@dataclass(frozen=True)
class Row:
    """How a form shows a setting, beside what its option says.

    Attributes:
        label: before the field.
        tip: tool tip; "" for the option's help.
        suffix: behind a number.
        most: largest number offered, where the option names none.
        step: of a number's arrows.
        decimals: of a number that is not whole.
        zero: shown for the number 0; None for what the option says it means.
        text: of a check box.
        wanted: what a typed number may be, to be read after "use".
        texts: shown for a choice instead of its name.
    """

    label: str
    tip: str = ""
    suffix: str = ""
    most: int = 10_000
    step: float = 1.0
    decimals: int = 1
    zero: str | None = None
    text: str = ""
    wanted: str = ""
    texts: Mapping[str, str] = field(default_factory=dict)


class SettingField(QObject):
    """One setting and the widget that shows it.

    Args:
        read: gets what the widget shows; may raise ConfigError.
        write: sets it.
        changed: of the widget.
    """

    changed = Signal()
    """By the person, or by `set_value`."""

    def __init__(
        self, widget: QWidget, *, read: Callable[[], Any], write: Callable[[Any], object], changed: SignalInstance
    ) -> None:
        super().__init__(widget)
        self.widget = widget
        self._read = read
        self._write = write
        changed.connect(self.changed)

    @property
    def value(self) -> Any:
        """As the setting has it. Raises ConfigError when what is typed cannot be one."""
        return self._read()

    def set_value(self, value: Any) -> None:
        """Show another one."""
        self._write(value)


def make_fields(
    kind: type[JsonConfig], rows: Mapping[str, Row], parent: QWidget, *, choices: Sequence[str] = ()
) -> dict[str, SettingField]:
    """The field of each setting of `kind` that `rows` names, showing its default.

    Args:
        choices: of a setting that takes several texts.
    """
    hints, settings = get_type_hints(kind), {setting.name: setting for setting in fields(kind)}
    made = {}
    for name, row in rows.items():
        known, default = option_of(settings[name]), settings[name].default
        made[name] = _make_field(hints[name], known, row, parent=parent, choices=choices)
        if default is not None:
            made[name].set_value(default)
    return made


def _make_field(hint: Any, known: Option, row: Row, *, parent: QWidget, choices: Sequence[str]) -> SettingField:
    kind, several = kind_of(hint)
    if known.choices:
        made = _choice(known, row, parent)
    elif several:
        made = _several(choices, parent)
    else:
        made = _MAKERS[kind](known, row, parent)
    made.widget.setToolTip(row.tip or known.help[:1].upper() + known.help[1:])
    return made


def _choice(known: Option, row: Row, parent: QWidget) -> SettingField:
    box = QComboBox(parent)
    for name in known.choices:
        box.addItem(row.texts.get(name, name), name)

    def show(name: str) -> None:
        box.setCurrentIndex(box.findData(name))

    return SettingField(box, read=box.currentData, write=show, changed=box.currentIndexChanged)


def _several(choices: Sequence[str], parent: QWidget) -> SettingField:
    """A box to tick for each choice."""
    widget = _Ticks(choices, parent)
    return SettingField(widget, read=widget.ticked, write=widget.tick, changed=widget.changed)


class _Ticks(QWidget):
    changed = Signal()

    def __init__(self, choices: Sequence[str], parent: QWidget) -> None:
        super().__init__(parent)
        self.boxes = {name: QCheckBox(name, self) for name in choices}
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for box in self.boxes.values():
            box.toggled.connect(self.changed)
            layout.addWidget(box)
        layout.addStretch(1)

    def ticked(self) -> tuple[str, ...]:
        return tuple(name for name, box in self.boxes.items() if box.isChecked())

    def tick(self, names: Sequence[str]) -> None:
        for name, box in self.boxes.items():
            box.setChecked(name in names)


def _switch(known: Option, row: Row, parent: QWidget) -> SettingField:
    box = QCheckBox(row.text, parent)
    return SettingField(box, read=box.isChecked, write=box.setChecked, changed=box.toggled)


def _whole_number(known: Option, row: Row, parent: QWidget) -> SettingField:
    box = QSpinBox(parent)
    box.setRange(round(known.least or 0), round(row.most if known.most is None else known.most))
    box.setSpecialValueText(known.zero if row.zero is None else row.zero)
    box.setSuffix(row.suffix)
    return SettingField(box, read=box.value, write=box.setValue, changed=box.valueChanged)


def _number(known: Option, row: Row, parent: QWidget) -> SettingField:
    if known.least is None:  # one that may be very small
        return _typed_number(row, parent)
    box = QDoubleSpinBox(parent)
    box.setRange(known.least, row.most if known.most is None else known.most)
    box.setDecimals(row.decimals)
    box.setSingleStep(row.step)
    box.setSpecialValueText(known.zero if row.zero is None else row.zero)
    box.setSuffix(row.suffix)
    return SettingField(box, read=box.value, write=box.setValue, changed=box.valueChanged)


def _typed_number(row: Row, parent: QWidget) -> SettingField:
    line = QLineEdit(parent)

    def read() -> float:
        try:
            return float(line.text())
        except ValueError:
            sentence = f"{row.label.lower()} '{line.text()}' is not a number; use {row.wanted}."
            raise ConfigError(sentence) from None

    return SettingField(line, read=read, write=lambda value: line.setText(f"{value:g}"), changed=line.textChanged)


def _text(known: Option, row: Row, parent: QWidget) -> SettingField:
    line = QLineEdit(parent)
    return SettingField(line, read=lambda: line.text().strip(), write=line.setText, changed=line.textChanged)


_MAKERS: dict[type, Callable[[Option, Row, QWidget], SettingField]] = {
    bool: _switch,
    int: _whole_number,
    float: _number,
    str: _text,
}
