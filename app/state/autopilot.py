"""Starts, records, counts and chains autonomous runs by commands to the session."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from PySide6.QtCore import QObject, QTimer, Signal

from vinn_core.session.messages import (
    AutonomousEnded,
    AutonomousStarted,
    CommandRefused,
    Event,
    Mode,
    RecordingDiscarded,
    RecordingFinished,
    RecordingStarted,
    ResetScene,
    RunEnd,
    Snapshot,
    StartAutonomous,
    StartRecording,
    StopAutonomous,
    StopRecording,
)

_PAUSE_MS = 800
"""Between runs, so that one sees how the last ended."""


@dataclass(frozen=True)
class Run:
    """One autonomous run that has ended."""

    seed: int
    reason: RunEnd
    duration_s: float


class AfterRun(Enum):
    """What follows a run that succeeded or timed out."""

    STOP = "stop"
    RESET = "reset"
    GO_ON = "go on"


class Autopilot(QObject):
    """Knows from the session's events whether the policy drives."""

    command = Signal(object)
    notify = Signal(str, str)
    running_changed = Signal(bool)
    """Whether the policy has the arm or is about to get it again."""
    run_ended = Signal(object)
    """A `Run`."""

    def __init__(self, control_hz: float, pause_ms: int = _PAUSE_MS, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._hz = control_hz
        self._record = False
        self._after_run = AfterRun.STOP
        self._running = False
        self._driving = False
        self._recording = False
        self._own_recording = False
        self._seed = 0
        self._solved = False
        self._again = QTimer(self, singleShot=True, interval=pause_ms)
        self._again.timeout.connect(self._next_seed)

    @property
    def running(self) -> bool:
        return self._running

    def set_recording_runs(self, record: bool) -> None:
        """Keep each run that is started from now on as an episode."""
        self._record = record

    def set_after_run(self, after: AfterRun) -> None:
        self._after_run = after

    def start(self) -> None:
        """Give the arm to the policy; a scene in which the task is solved already is reset to the next seed first."""
        self._set_running(True)
        if self._solved and not self._recording:
            self._reset(self._seed + 1)
        self._begin()

    def stop(self) -> None:
        """Take the arm back."""
        self._again.stop()
        if self._driving:
            self.command.emit(StopAutonomous())
        else:
            self._set_running(False)

    def show_snapshot(self, snapshot: Snapshot) -> None:
        self._seed, self._solved = snapshot.seed, snapshot.succeeded
        if self._again.isActive() and snapshot.mode is Mode.TELEOP:  # the person has taken the arm in the pause
            self.stop()

    def handle_event(self, event: Event) -> None:
        match event:
            case AutonomousStarted(seed):
                self._seed, self._driving = seed, True
                self._set_running(True)
            case AutonomousEnded(reason, ticks):
                self._driving = False
                self.run_ended.emit(Run(self._seed, reason, ticks / self._hz))
                self._follow_up(reason)
            case RecordingStarted():
                self._recording = True
            case RecordingFinished() | RecordingDiscarded():
                self._recording = self._own_recording = False
            case CommandRefused() if self._running and not self._driving:
                self._own_recording = False
                self._again.stop()
                self._set_running(False)

    def _begin(self) -> None:
        if self._record and not self._recording:
            self._own_recording = True
            self.command.emit(StartRecording())
        self.command.emit(StartAutonomous())

    def _follow_up(self, reason: RunEnd) -> None:
        if self._own_recording and reason is RunEnd.TAKEN_OVER:
            # What the person does now is a correction, the most useful demonstration there is.
            self.notify.emit("info", "You took over; the recording goes on. Give the arm back, or stop the recording.")
        elif self._own_recording:
            self.command.emit(StopRecording())
        ended_by_itself = reason in (RunEnd.SUCCESS, RunEnd.TIME_OUT)
        if ended_by_itself and self._after_run is AfterRun.GO_ON:
            self._again.start()
            return
        if ended_by_itself and self._after_run is AfterRun.RESET:
            self._reset(self._seed)
        self._set_running(False)

    def _next_seed(self) -> None:
        self._reset(self._seed + 1)
        self._begin()

    def _reset(self, seed: int) -> None:
        self._solved = False
        self.command.emit(ResetScene(seed))

    def _set_running(self, running: bool) -> None:
        if running != self._running:
            self._running = running
            self.running_changed.emit(running)
