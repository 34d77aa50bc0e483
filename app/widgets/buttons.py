"""The one button of a panel that everything leads to."""

from __future__ import annotations

from PySide6.QtWidgets import QAbstractButton, QSizePolicy

_SHEET = """
QAbstractButton {
    padding: 9px 12px; border-radius: 7px; border: 1px solid palette(mid); background: palette(button);
    font-weight: 600; font-size: 11pt;
}
QAbstractButton:enabled { border-color: palette(highlight); }
QAbstractButton:hover:enabled { background: palette(midlight); }
QAbstractButton[filled="true"]:enabled { background: palette(highlight); color: palette(highlighted-text); }
QAbstractButton:checked:enabled { background: palette(highlight); color: palette(highlighted-text); }
QAbstractButton:disabled { color: palette(placeholder-text); }
"""


def make_primary(button: QAbstractButton, filled: bool = True) -> None:
    """Big and bold; `filled` in the accent colour always, else only while checked."""
    button.setProperty("filled", filled)
    button.setStyleSheet(_SHEET)
    button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
