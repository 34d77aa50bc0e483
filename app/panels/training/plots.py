"""Training curves, drawn live. Imported when there is something to draw: pyqtgraph takes a while to load."""

from __future__ import annotations

import pyqtgraph as pg
from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QPalette
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.widgets.images import AMBER, GREEN, faint, mixed
from vinn_core.progress import ProbeMeasured, TrainingMetrics

_DRAW_EVERY_MS = 200
_SMOOTHING = 0.9
_HEIGHT, _TALLER = 150, 170
_LEAST_MARGIN = 0.02


class TrainingPlots(QWidget):
    """Loss, collapse measure beside its healthy value, and action error beside that of the start weights, by epoch."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._epochs: list[float] = []
        self._losses: list[float] = []
        self._smoothed: list[float] = []
        self._collapses: list[float] = []
        self._probes: dict[float, float] = {}
        """Relative action error by epoch: those before a stop are told again when training goes on."""
        accent = self.palette().color(QPalette.ColorRole.Highlight)
        base = self.palette().color(QPalette.ColorRole.Base)

        self.loss = self._plot("BYOL loss", (-8, 6))
        self.loss_curve = self.loss.plot(name="each step", pen=pg.mkPen(mixed(accent, base, 0.6)))
        self.smoothed_curve = self.loss.plot(name="smoothed", pen=pg.mkPen(accent, width=2))
        self.collapse = self._plot("collapse measure", (-8, -8))
        self.collapse_curve = self.collapse.plot(name="spread of projections", pen=pg.mkPen(AMBER, width=2))
        healthy = pg.InfiniteLine(
            1.0,
            angle=0,
            pen=pg.mkPen(GREEN, style=Qt.PenStyle.DashLine),
            label="1 = healthy",
            labelOpts={"color": GREEN, "position": 0.98, "anchors": [(1, 1), (1, 1)]},
        )
        self.collapse.addItem(healthy)
        self.collapse.setYRange(0.0, 1.4)
        self.collapse.setLabel("bottom", "epoch")
        self.collapse.setXLink(self.loss)
        self.collapse.setToolTip(
            "Standard deviation of the normalised projections times sqrt(dimension).\n"
            "Near 1 the encoder tells frames apart; near 0 it gives the same answer for every frame."
        )
        self.probe = self._plot("action error (std. dev.)", (-8, 6))
        self.probe.setFixedHeight(_TALLER)
        self.probe_curve = self.probe.plot(
            pen=pg.mkPen(accent, width=2), symbol="o", symbolSize=6, symbolPen=None, symbolBrush=accent
        )
        self.probe_start = pg.InfiniteLine(
            angle=0,
            pen=pg.mkPen(GREEN, style=Qt.PenStyle.DashLine),
            label="start weights",
            labelOpts={"color": GREEN, "position": 0.02, "anchors": [(0, 1), (0, 1)]},
        )
        self.probe.addItem(self.probe_start)
        self.probe.setLabel("bottom", "epoch")
        self.probe.setXLink(self.loss)
        self.probe.setToolTip(
            "How far the mean action of the nearest frames of other demonstrations is from the recorded one, in "
            "standard deviations of the actions: 0 is perfect, 1 no better than always the mean action."
        )
        self.probe.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.loss)
        layout.addWidget(self.collapse)
        layout.addWidget(self.probe)
        self._redraw = QTimer(self, singleShot=True, interval=_DRAW_EVERY_MS)
        self._redraw.timeout.connect(self._draw)

    def clear(self) -> None:
        for values in (self._epochs, self._losses, self._smoothed, self._collapses, self._probes):
            values.clear()
        self.probe.hide()
        self._draw()

    def show_metrics(self, metrics: TrainingMetrics) -> None:
        """Add a point; drawn within a fifth of a second."""
        self._epochs.append(metrics.epoch)
        self._losses.append(metrics.loss)
        before = self._smoothed[-1] if self._smoothed else metrics.loss
        self._smoothed.append(_SMOOTHING * before + (1 - _SMOOTHING) * metrics.loss)
        self._collapses.append(metrics.collapse)
        if not self._redraw.isActive():
            self._redraw.start()

    def show_probe(self, probe: ProbeMeasured) -> None:
        """Add a point to the action error, or replace that of the same epoch."""
        self._probes[probe.epoch] = probe.relative
        self.probe_start.setValue(self._probes[min(self._probes)])
        low, high = min(self._probes.values()), max(self._probes.values())
        margin = max(0.2 * (high - low), _LEAST_MARGIN)
        self.probe.setYRange(low - margin, high + 2 * margin)  # above is room for the name of the line
        self.probe.show()
        self._draw()

    def _plot(self, label: str, legend: tuple[int, int]) -> pg.PlotWidget:
        plot = pg.PlotWidget(self)
        plot.setBackground(self.palette().color(QPalette.ColorRole.Base))
        colour = faint(self.palette())
        plot.setLabel("left", label)
        for side in ("left", "bottom"):
            axis = plot.getAxis(side)
            axis.setPen(colour)
            axis.setTextPen(colour)
            axis.enableAutoSIPrefix(False)  # nobody reads an error in thousandths
        plot.getAxis("left").setWidth(52)
        plot.addLegend(offset=legend, labelTextColor=colour, labelTextSize="8pt")
        plot.showGrid(y=True, alpha=0.15)
        plot.setMouseEnabled(x=False, y=False)
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setFixedHeight(_HEIGHT)
        return plot

    def _draw(self) -> None:
        self.loss_curve.setData(self._epochs, self._losses)
        self.smoothed_curve.setData(self._epochs, self._smoothed)
        self.collapse_curve.setData(self._epochs, self._collapses)
        self.probe_curve.setData(list(self._probes), list(self._probes.values()))
