"""The last autonomous runs and how they ended."""

from __future__ import annotations

from PySide6.QtGui import QColor
from PySide6.QtWidgets import QHBoxLayout, QLabel, QListWidget, QListWidgetItem, QToolButton, QVBoxLayout, QWidget

from app.state.autopilot import Run
from app.widgets.images import AMBER, GREEN, RED
from vinn_core.session.messages import RunEnd

_SIGNS: dict[RunEnd, tuple[str, QColor | None]] = {
    RunEnd.SUCCESS: ("✓", GREEN),
    RunEnd.TIME_OUT: ("✗", RED),
    RunEnd.TAKEN_OVER: ("⇄", AMBER),
    RunEnd.STOPPED: ("■", None),
}
_MOST = 100


class RunList(QWidget):
    """Newest first, with the share of successes; runs that were merely stopped do not count."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs: list[Run] = []
        self.counts = QLabel(self)
        self.list = QListWidget(self)
        self.list.setFixedHeight(6 * self.fontMetrics().height())
        self.list.setAccessibleName("Last runs")
        self.clear = QToolButton(self)
        self.clear.setText("Clear")
        self.clear.setAutoRaise(True)
        self.clear.clicked.connect(self._forget)
        head = QHBoxLayout()
        head.addWidget(self.counts, 1)
        head.addWidget(self.clear)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.list)
        self._count()

    def add(self, run: Run) -> None:
        self._runs.append(run)
        sign, colour = _SIGNS[run.reason]
        item = QListWidgetItem(f"{sign}  {run.reason} after {run.duration_s:.1f} s · seed {run.seed}")
        if colour is not None:
            item.setForeground(colour)
        self.list.insertItem(0, item)
        if self.list.count() > _MOST:
            self.list.takeItem(_MOST)
        self._count()

    def _forget(self) -> None:
        self._runs.clear()
        self.list.clear()
        self._count()

    def _count(self) -> None:
        counted = [run for run in self._runs if run.reason is not RunEnd.STOPPED]
        successes = sum(run.reason is RunEnd.SUCCESS for run in counted)
        self.counts.setText(f"{successes} of {len(counted)} succeeded" if counted else "No runs yet")
        self.list.setVisible(bool(self._runs))
        self.clear.setVisible(bool(self._runs))
