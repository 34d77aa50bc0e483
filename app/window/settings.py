"""What the window remembers from one time to the next."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QMainWindow

from app.widgets.panel import Panel

_GEOMETRY, _LAYOUT = "window/geometry", "window/layout"
_LAYOUT_VERSION = 2


def save_settings(window: QMainWindow, panels: Iterable[Panel]) -> None:
    """Keep size, docks and the choices that a person makes once."""
    settings = QSettings()
    settings.setValue(_GEOMETRY, window.saveGeometry())
    settings.setValue(_LAYOUT, window.saveState(_LAYOUT_VERSION))
    for panel in panels:
        for name, value in panel.choices.items():
            settings.setValue(name, value)


def restore_settings(window: QMainWindow, panels: Iterable[Panel]) -> None:
    """Bring back what `save_settings` kept; what is missing or unreadable stays as it is."""
    settings = QSettings()
    for panel in panels:
        panel.restore_choices({name: _text(settings.value(name)) for name in panel.choices if settings.contains(name)})
    geometry, layout = settings.value(_GEOMETRY), settings.value(_LAYOUT)
    if isinstance(geometry, QByteArray):
        window.restoreGeometry(geometry)
    if isinstance(layout, QByteArray):
        window.restoreState(layout, _LAYOUT_VERSION)


def _text(value: object) -> str:
    """Some platforms keep numbers and truth values as such."""
    return str(value).lower() if isinstance(value, bool) else str(value)
