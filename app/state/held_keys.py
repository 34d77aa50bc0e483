"""Which movement keys are held, on the keyboard and on the on-screen caps."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QTextEdit,
    QWidget,
)

from app.keys import MOVE_KEYS
from vinn_core.session.teleop import Move

_NOT_MOVING = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier


class HeldKeys(QObject):
    """Watches the keys of one window through the application.

    A key counts while the window is active and no text is being edited. When the window loses the focus, or a dialog
    or menu opens, everything is released: the arm stops.

    Args:
        window: whose keys are watched; owns this object.
    """

    changed = Signal()
    """`moves` is another set now."""
    all_released = Signal()
    """Everything was let go at once, because the keys may no longer be seen."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._keys: set[Move] = set()
        self._caps: set[Move] = set()
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.installEventFilter(self)
        application.applicationStateChanged.connect(self._application_state_changed)

    @property
    def moves(self) -> frozenset[Move]:
        """Directions held now."""
        return frozenset(self._keys | self._caps)

    def hold_cap(self, move: Move, held: bool) -> None:
        """An on-screen cap is pressed or let go by mouse."""
        self._set(self._caps, move, held)

    def release_all(self) -> None:
        """Count nothing as held; a key that is still down counts again when it is next pressed."""
        held = self.moves
        self._keys.clear()
        self._caps.clear()
        if held:
            self.changed.emit()
        self.all_released.emit()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        kind = event.type()
        if kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
            if isinstance(event, QKeyEvent) and isinstance(watched, QWidget):
                return self._key(watched, event, kind == QEvent.Type.KeyPress)
        elif kind == QEvent.Type.WindowDeactivate and watched is self._window:
            self.release_all()
        return False

    def _key(self, watched: QWidget, event: QKeyEvent, pressed: bool) -> bool:
        """Returns whether nobody else is to see the key."""
        try:
            move = MOVE_KEYS.get(Qt.Key(event.key()))
        except ValueError:  # a key that this Qt has no name for
            return False
        if move is None:
            return False
        if not pressed:
            if not event.isAutoRepeat():
                self._set(self._keys, move, False)
            return False
        if watched.window() is not self._window or event.modifiers() & _NOT_MOVING or _edits_text(watched):
            return False
        if not event.isAutoRepeat():
            self._set(self._keys, move, True)
        return True

    def _application_state_changed(self, state: Qt.ApplicationState) -> None:
        if state != Qt.ApplicationState.ApplicationActive:
            self.release_all()

    def _set(self, held: set[Move], move: Move, on: bool) -> None:
        before = self.moves
        if on:
            held.add(move)
        else:
            held.discard(move)
        if self.moves != before:
            self.changed.emit()


def _edits_text(widget: QWidget) -> bool:
    if isinstance(widget, QComboBox):
        return widget.isEditable()
    if isinstance(widget, QLineEdit | QPlainTextEdit | QTextEdit):
        return not widget.isReadOnly()
    return isinstance(widget, QAbstractSpinBox)
