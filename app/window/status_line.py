"""The right end of the status bar: control rate, lost ticks, who draws."""

from __future__ import annotations

from collections import deque
from time import perf_counter

from PySide6.QtWidgets import QLabel, QStatusBar

from vinn_core.session.messages import Snapshot
from vinn_core.session.pacing import PacingStatus

_RATE_OVER_TICKS = 20
_SHOWN_EVERY_TICKS = 5
"""Painting any part of the window costs a composition of all of it, which counts in software OpenGL."""


class StatusLine:
    """Writes into a window's status bar.

    Args:
        bar: the status bar.
        control_hz: the wanted control rate [1/s].
    """

    def __init__(self, bar: QStatusBar, control_hz: float) -> None:
        self._control_hz = control_hz
        self._received: deque[tuple[int, float]] = deque(maxlen=_RATE_OVER_TICKS)
        self.pacing = QLabel()
        self.tick = QLabel()
        self.drawing = QLabel()
        self.pacing.setToolTip(
            "Control rate; overruns are ticks that took longer than a period, dropped ones were skipped by them"
        )
        self.tick.setToolTip("Time one control tick takes, camera pictures included")
        for label in (self.tick, self.pacing, self.drawing):
            label.setProperty("role", "faint")
            label.setContentsMargins(6, 0, 6, 0)
            bar.addPermanentWidget(label)

    def show(self, snapshot: Snapshot, pacing: PacingStatus) -> None:
        """Show the newest figures."""
        self._received.append((snapshot.tick, perf_counter()))
        if snapshot.tick % _SHOWN_EVERY_TICKS:
            return
        (first, first_s), (last, last_s) = self._received[0], self._received[-1]
        if last_s > first_s:
            rate = (last - first) / (last_s - first_s)
            self.pacing.setText(f"{rate:.1f} Hz  ·  {pacing.overruns} overruns  ·  {pacing.dropped} dropped")
        self.tick.setText(f"tick {snapshot.timings.total_ms:.0f} ms")

    def show_drawing(self, text: str) -> None:
        """Say how the viewport is drawn."""
        self.drawing.setText(text)
