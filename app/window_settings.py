"""What the window remembers from one time to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QSettings

from vinn_core.teleop import TeleopFrame

if TYPE_CHECKING:
    from app.main_window import MainWindow

_GEOMETRY, _LAYOUT = "window/geometry", "window/layout"
_SPEED, _FRAME, _ADVANCE = "teleop/speed", "teleop/frame", "record/next_seed_after_saving"
_LAYOUT_VERSION = 2


def save_settings(window: MainWindow) -> None:
    """Keep size, docks and the choices that a person makes once."""
    settings = QSettings()
    settings.setValue(_GEOMETRY, window.saveGeometry())
    settings.setValue(_LAYOUT, window.saveState(_LAYOUT_VERSION))
    settings.setValue(_SPEED, window.teleop.speed)
    settings.setValue(_FRAME, window.teleop.frame.value)
    settings.setValue(_ADVANCE, window.record.advance_box.isChecked())


def restore_settings(window: MainWindow) -> None:
    """Bring back what `save_settings` kept; what is missing or unreadable stays as it is."""
    settings = QSettings()
    speed, frame = str(settings.value(_SPEED, "")), str(settings.value(_FRAME, ""))
    actions = window.teleop.speed_actions.actions()
    if speed.isdigit() and int(speed) < len(actions):
        actions[int(speed)].trigger()
    if frame in list(TeleopFrame):
        window.teleop.set_frame(TeleopFrame(frame))
    window.record.advance_box.setChecked(settings.value(_ADVANCE, "true") in (True, "true"))
    geometry, layout = settings.value(_GEOMETRY), settings.value(_LAYOUT)
    if isinstance(geometry, QByteArray):
        window.restoreGeometry(geometry)
    if isinstance(layout, QByteArray):
        window.restoreState(layout, _LAYOUT_VERSION)
