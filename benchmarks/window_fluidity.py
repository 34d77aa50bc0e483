"""How fluid the window is while the arm stands, is driven, drives itself, and while an encoder is trained beside it.

The real window, on a virtual screen where there is no other. For each phase: time of a frame of the viewport (from the
beginning of drawing until the window is on the screen), how often the control loop was late, and how long the GUI's
event loop was away. That is told by a timer that is due every 10 ms: where it comes late, something held the turn up.

    python benchmarks/window_fluidity.py [--quick] [--json results.json]
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

from common import add_policy, make_workspace, percentiles, run
from events import wait, wait_until
from PySide6.QtCore import QSettings, Qt, QTimer
from PySide6.QtGui import QSurfaceFormat
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from app.state.autopilot import AfterRun
from app.viewport.widget import Viewport, surface_format
from app.window import main_window
from app.window.main_window import MainWindow
from app.window.style import apply_style
from vinn_core.cli.virtual_display import virtual_display
from vinn_core.workspace import Workspace

BEAT_MS = 10
LATE_MS = 100.0
_DRIVE_MS = 1500


class TimedViewport(Viewport):
    """Notes how long each frame takes [ms]."""

    frame_ms: list[float]

    def paintGL(self) -> None:
        self._began = perf_counter()
        super().paintGL()

    def time_frames(self) -> None:
        self.frame_ms = []
        self._began = 0.0
        self.frameSwapped.connect(self._note)

    def _note(self) -> None:
        if self._began:
            self.frame_ms.append((perf_counter() - self._began) * 1e3)
            self._began = 0.0


class Pulse:
    """Beats in the GUI thread, and notes the time between two beats [ms]."""

    def __init__(self) -> None:
        self.gaps_ms: list[float] = []
        self._last = perf_counter()
        self._timer = QTimer(timerType=Qt.TimerType.PreciseTimer, interval=BEAT_MS)
        self._timer.timeout.connect(self._beat)
        self._timer.start()

    def _beat(self) -> None:
        now = perf_counter()
        self.gaps_ms.append((now - self._last) * 1e3)
        self._last = now


class Person:
    """Holds one movement key after the other."""

    def __init__(self, window: MainWindow) -> None:
        self._window = window
        self._keys = [Qt.Key.Key_A, Qt.Key.Key_Q, Qt.Key.Key_D, Qt.Key.Key_E]
        self._timer = QTimer(interval=_DRIVE_MS)
        self._timer.timeout.connect(self._next)

    def drive(self) -> None:
        QTest.keyPress(self._window.viewport, self._keys[0])
        self._timer.start()

    def stop(self) -> None:
        self._timer.stop()
        QTest.keyRelease(self._window.viewport, self._keys[0])

    def _next(self) -> None:
        QTest.keyRelease(self._window.viewport, self._keys[0])
        self._keys = [*self._keys[1:], self._keys[0]]
        QTest.keyPress(self._window.viewport, self._keys[0])


def phase(window: MainWindow, pulse: Pulse, seconds: float) -> dict[str, Any]:
    """What happens within that time, after a second to settle."""
    viewport = window.viewport
    assert isinstance(viewport, TimedViewport)
    wait(1.0)
    viewport.frame_ms.clear()
    pulse.gaps_ms.clear()
    before, started = window.session.pacing, perf_counter()
    wait(seconds)
    took_s = perf_counter() - started
    after = window.session.pacing
    gaps, ticks = pulse.gaps_ms, after.ticks - before.ticks
    late = [gap for gap in gaps if gap > LATE_MS]
    return {
        "frames_per_s": len(viewport.frame_ms) / took_s,
        "frame_ms": percentiles(viewport.frame_ms),
        "turns": len(gaps),
        "turns_over_100ms": len(late),
        "turns_over_100ms_share": len(late) / len(gaps),
        "time_in_turns_over_100ms_share": sum(late) / sum(gaps),
        "turn_ms": {**percentiles(gaps), "longest": max(gaps)},
        "ticks": ticks,
        "overruns": after.overruns - before.overruns,
        "overruns_share": (after.overruns - before.overruns) / ticks,
        "dropped": after.dropped - before.dropped,
    }


def run_phases(window: MainWindow, seconds: float) -> dict[str, Any]:
    pulse, person, training = Pulse(), Person(window), window.training
    autonomous = window.policy.autonomous_action
    wait_until(autonomous.isEnabled, "the policy")
    window.policy.after_run.setCurrentIndex(window.policy.after_run.findData(AfterRun.GO_ON))
    wait(2.0)
    results = {"idle": phase(window, pulse, seconds)}
    for suffix in ("", "_and_training"):
        if suffix:
            training.preset.setCurrentIndex(training.preset.findData("quick"))
            training.advanced.fields["name"].set_value("benchmark")  # the policy in use stays as it is
            training.advanced.fields["epochs"].set_value(10_000)  # longer than the phases take
            training.train.click()
            wait_until(lambda: training.plots is not None, "the first step of training")
            results["training"] = phase(window, pulse, seconds)
        person.drive()
        results[f"teleop{suffix}"] = phase(window, pulse, seconds)
        person.stop()
        autonomous.trigger()
        results[f"autonomous{suffix}"] = phase(window, pulse, seconds)
        autonomous.trigger()
    assert training.busy, "training ended before the measurement"
    return results


def measure(quick: bool = False) -> dict[str, Any]:
    os.environ.setdefault("QT_LOGGING_RULES", "qt.qpa.*=false")
    with virtual_display(), tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "workspace"
        make_workspace(folder, 4 if quick else 12)
        add_policy(folder)
        QSettings.setDefaultFormat(QSettings.Format.IniFormat)
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, name)
        QSurfaceFormat.setDefaultFormat(surface_format())
        application = QApplication([])
        apply_style(application)
        main_window.Viewport = TimedViewport  # type: ignore[misc]
        window = MainWindow(Workspace.open(folder, lock=True))
        assert isinstance(window.viewport, TimedViewport)
        window.viewport.time_frames()
        window.show()
        window.activateWindow()
        results = run_phases(window, 4.0 if quick else 25.0)
        results["software_opengl"] = window.viewport.software_rendering
        window.close()
        wait(0.1)
    return results


if __name__ == "__main__":
    run(measure, __doc__ or "")
