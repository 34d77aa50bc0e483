"""Fields made from settings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from PySide6.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from app.widgets.setting_field import Row, SettingField, make_fields
from vinn_core.config import JsonConfig, option
from vinn_core.errors import ConfigError


@dataclass(frozen=True)
class Settings(JsonConfig):
    number: int = option(3, "a whole number", least=2, most=9)
    limit: float = option(0.0, "minutes", least=0, zero="no limit")
    rate: float = option(1e-3, "a small number")
    way: str = option("there", "which way", choices=("here", "there"))
    switch: bool = option(False, "on or off")
    name: str = option("mine", "of a folder", is_name=True)
    look: str | None = option(None, "optional", choices=("none", "varied"))
    cameras: tuple[str, ...] = option(("wrist",), "several")


ROWS = {
    "number": Row("Number"),
    "limit": Row("Limit", suffix=" min"),
    "rate": Row("Rate", wanted="between 0 and 1"),
    "way": Row("Way", texts={"here": "Here"}, tip="Where to"),
    "switch": Row("Switch", text="On"),
    "name": Row("Name"),
    "look": Row("Look"),
    "cameras": Row("Cameras"),
}
VALUES = {
    "number": 5,
    "limit": 1.5,
    "rate": 2e-4,
    "way": "here",
    "switch": True,
    "name": "yours",
    "look": "varied",
    "cameras": ("front", "wrist"),
}


@pytest.fixture
def fields(qapp: object) -> Iterator[dict[str, SettingField]]:
    form = QWidget()
    yield make_fields(Settings, ROWS, form, choices=("front", "wrist"))
    form.deleteLater()


@pytest.mark.parametrize("name", list(VALUES))
def test_what_is_shown_is_what_is_read_and_a_change_is_told(
    fields: dict[str, SettingField], qtbot: QtBot, name: str
) -> None:
    with qtbot.waitSignal(fields[name].changed):
        fields[name].set_value(VALUES[name])
    assert fields[name].value == VALUES[name]
    Settings(**{name: fields[name].value})


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("number", QSpinBox),
        ("limit", QDoubleSpinBox),
        ("rate", QLineEdit),
        ("way", QComboBox),
        ("switch", QCheckBox),
        ("name", QLineEdit),
        ("look", QComboBox),
    ],
)
def test_each_type_has_its_widget(fields: dict[str, SettingField], name: str, kind: type[QWidget]) -> None:
    assert isinstance(fields[name].widget, kind)


def test_a_field_shows_the_default_at_first(fields: dict[str, SettingField]) -> None:
    assert {name: field.value for name, field in fields.items() if name != "look"} == {
        name: getattr(Settings(), name) for name in ROWS if name != "look"
    }


def widget(fields: dict[str, SettingField], name: str) -> Any:
    return fields[name].widget


def test_range_zero_words_and_tips_come_from_the_setting_where_the_row_says_nothing(
    fields: dict[str, SettingField],
) -> None:
    assert (widget(fields, "number").minimum(), widget(fields, "number").maximum()) == (2, 9)
    assert widget(fields, "limit").text() == "no limit"
    fields["limit"].set_value(2.0)
    assert widget(fields, "limit").text() == "2.0 min"
    assert widget(fields, "number").toolTip() == "A whole number"
    assert widget(fields, "way").toolTip() == "Where to"
    assert [widget(fields, "way").itemText(place) for place in range(2)] == ["Here", "there"]


def test_a_number_that_is_none_is_refused_with_the_cure(fields: dict[str, SettingField]) -> None:
    widget(fields, "rate").setText("fast")
    with pytest.raises(ConfigError, match="rate 'fast' is not a number; use between 0 and 1"):
        _ = fields["rate"].value


def test_blanks_around_a_name_do_not_count(fields: dict[str, SettingField]) -> None:
    widget(fields, "name").setText(" both ")
    assert fields["name"].value == "both"
