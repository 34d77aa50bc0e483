"""The stages of a job as bars."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QVBoxLayout, QWidget

from app.widgets.images import make_faint
from app.wording import count, time_left
from vinn_core.progress import StageProgress


class StageBars(QWidget):
    """One bar for each stage seen so far, newest last."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._stages: dict[str, _Stage] = {}
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(6)

    def clear(self) -> None:
        for stage in self._stages.values():
            self._layout.removeWidget(stage)
            stage.deleteLater()
        self._stages.clear()

    def show_progress(self, progress: StageProgress) -> None:
        if progress.stage not in self._stages:
            for earlier in self._stages.values():
                earlier.finish()
            self._stages[progress.stage] = stage = _Stage(progress.stage, self)
            self._layout.addWidget(stage)
        self._stages[progress.stage].show_progress(progress)

    def bar(self, stage: str) -> QProgressBar:
        """The bar of a stage. Raises KeyError before its first progress."""
        return self._stages[stage].bar

    def text(self, stage: str) -> str:
        """What stands above the bar."""
        return f"{stage} {self._stages[stage].detail.text()}"


class _Stage(QWidget):
    def __init__(self, name: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.detail = QLabel(self)
        make_faint(self.detail)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        self.bar.setAccessibleName(name)
        head = QHBoxLayout()
        head.addWidget(QLabel(name, self))
        head.addStretch(1)
        head.addWidget(self.detail)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addLayout(head)
        layout.addWidget(self.bar)

    def show_progress(self, progress: StageProgress) -> None:
        # Qt's bars count in 32 bits; a thousand steps are as fine as they can be drawn.
        self.bar.setRange(0, 1000 if progress.total else 0)
        self.bar.setValue(round(1000 * progress.done / progress.total) if progress.total else 0)
        self.setToolTip(f"{progress.done} of {count(progress.total, progress.unit)}")
        if progress.total and progress.done >= progress.total:
            self.detail.setText("done")
        else:
            share = f"{100 * progress.done // progress.total} %" if progress.total else ""
            self.detail.setText(" · ".join(part for part in (share, time_left(progress.seconds_left)) if part))

    def finish(self) -> None:
        """The next stage has begun."""
        if self.bar.maximum():
            self.bar.setValue(self.bar.maximum())
        self.detail.setText("done")
