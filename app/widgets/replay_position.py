"""How far a replay is."""

from __future__ import annotations

from PySide6.QtWidgets import QLabel, QProgressBar, QVBoxLayout, QWidget

from vinn_core.session.messages import ReplayStatus


class ReplayPosition(QWidget):
    """How far a replay is; hidden while there is none."""

    def __init__(self, control_hz: float, parent: QWidget) -> None:
        super().__init__(parent)
        self._hz = control_hz
        self.text = QLabel(self)
        self.bar = QProgressBar(self)
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(8)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        layout.addWidget(self.text)
        layout.addWidget(self.bar)
        self.hide()

    def show_replay(self, replay: ReplayStatus | None) -> None:
        self.setVisible(replay is not None)
        if replay is not None:
            self.bar.setRange(0, replay.length)
            self.bar.setValue(replay.step)
            passed, whole = replay.step / self._hz, replay.length / self._hz
            what = "Rollout" if replay.number is None else f"Episode {replay.number}, {replay.kind}"
            self.text.setText(f"{what}: {passed:.1f} of {whole:.1f} s")
