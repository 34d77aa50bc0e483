"""What the window tells the person: a bar for sentences that need to be read, and the log."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

logger = logging.getLogger(__name__)

_COLOURS = {"info": "#1f86c7", "warning": "#c98a1b", "error": "#d24b4b"}
_LEVELS = {"info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}
_INFO_STAYS_MS = 6000
_MOST_SHOWN = 3


@dataclass(frozen=True)
class Remedy:
    """A button in a message: what it says and what it does."""

    text: str
    act: Callable[[], object]


class Notifications(QWidget):
    """Messages above the viewport, newest last. Information goes by itself; warnings and errors stay until closed."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._bars: list[_Bar] = []

    def show_message(self, level: str, text: str, remedy: Remedy | None = None) -> None:
        """Show a sentence, and log it. `level` is "info", "warning" or "error"; the same sentence is shown once."""
        logger.log(_LEVELS[level], text)
        for bar in [bar for bar in self._bars if bar.text == text]:
            self._close(bar)
        while len(self._bars) >= _MOST_SHOWN:
            self._close(self._bars[0])
        bar = _Bar(level, text, remedy, close=self._close, parent=self)
        self._bars.append(bar)
        self._layout.addWidget(bar)
        if level == "info":
            QTimer.singleShot(_INFO_STAYS_MS, bar, lambda: self._close(bar))

    @property
    def texts(self) -> tuple[str, ...]:
        """The sentences shown, oldest first."""
        return tuple(bar.text for bar in self._bars)

    def clear(self) -> None:
        """Close all messages."""
        for bar in list(self._bars):
            self._close(bar)

    def _close(self, bar: _Bar) -> None:
        if bar in self._bars:
            self._bars.remove(bar)
            self._layout.removeWidget(bar)
            bar.hide()
            bar.deleteLater()


class _Bar(QFrame):
    def __init__(
        self, level: str, text: str, remedy: Remedy | None, *, close: Callable[[_Bar], None], parent: QWidget
    ) -> None:
        super().__init__(parent)
        self.text = text
        colour = _COLOURS[level]
        self.setObjectName("message")
        self.setStyleSheet(
            f"#message {{ border: 1px solid {colour}; border-left: 4px solid {colour}; border-radius: 4px;"
            " background: palette(base); }"
        )
        label = QLabel(text, self)
        label.setWordWrap(True)
        label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 5, 5, 5)
        layout.addWidget(label, 1)
        if remedy is not None:
            button = QPushButton(remedy.text, self)
            button.clicked.connect(lambda: (close(self), remedy.act()))
            layout.addWidget(button)
        dismiss = QToolButton(self)
        dismiss.setText("✕")
        dismiss.setAutoRaise(True)
        dismiss.setToolTip("Dismiss")
        dismiss.setAccessibleName("Dismiss")
        dismiss.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        dismiss.clicked.connect(lambda: close(self))
        layout.addWidget(dismiss, 0, Qt.AlignmentFlag.AlignTop)
