"""What the window may ask of each of its panels."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtGui import QAction
from PySide6.QtWidgets import QWidget

from vinn_core.session.messages import Event, Snapshot


class Panel(QWidget):
    """A part of the window. A panel says only what it has to say; the rest is done here: nothing."""

    @property
    def menu_actions(self) -> tuple[QAction, ...]:
        """Those that `app.keys` puts into a menu."""
        return ()

    @property
    def choices(self) -> Mapping[str, str]:
        """What a person chose once and for all, as text by the name it is remembered under."""
        return {}

    def restore_choices(self, choices: Mapping[str, str]) -> None:
        """Bring back what `choices` was; what is missing or makes no sense stays as it is."""

    def show_snapshot(self, snapshot: Snapshot) -> None:
        """Follow the session."""

    def handle_event(self, event: Event) -> None:
        """Take note of what has happened in the session."""

    def close_jobs(self) -> None:
        """For the end of the program: stop what runs in the background, and wait for it."""
