"""Runs a Session in a thread of its own, at its control rate."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from queue import Empty, SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QThread, Signal

from vinn_core.config import WorkspaceConfig
from vinn_core.episodes.episode import EpisodeInfo
from vinn_core.errors import VinnError
from vinn_core.session.messages import Command, CommandRefused, Event, Mode, Snapshot, StopAutonomous
from vinn_core.session.pacing import Pacer, PacingStatus
from vinn_core.session.teleop import Move, TeleopInput

if TYPE_CHECKING:
    from vinn_core.session.loop import Session
    from vinn_core.session.recording import StepRecorder

logger = logging.getLogger(__name__)


def make_session(
    config: WorkspaceConfig,
    *,
    seed: int,
    on_event: Callable[[Event], None],
    make_recorder: Callable[[EpisodeInfo], StepRecorder] | None,
) -> Session:
    """The Session that `config` asks for. Raises SceneError, RenderingError."""
    # Imported here: inverse kinematics takes a moment to load, and the window is to be seen before that.
    from vinn_core.session.loop import Session

    return Session.of(config, seed=seed, on_event=on_event, make_recorder=make_recorder)


class SessionThread(QThread):
    """Makes, drives and closes one Session; the OpenGL context of the observation cameras belongs to this thread.

    Commands and held keys go in from the GUI thread; events come out as an ordered signal, snapshots newest-wins.
    The session thread alone decides about the gripper (it changes by `toggle_gripper`, takeover and reset), so a key
    that arrives while the policy hands over never drops the cube.

    Args:
        config: task, look, cameras and rate.
        seed: of the first reset.
        make_recorder: see `Session`; None when nothing will be recorded.
        make_session: replaced in tests.
    """

    snapshot_ready = Signal()
    """A newer snapshot waits in `take_snapshot`."""
    event_happened = Signal(object)
    failed = Signal(str)
    """The session cannot start, or broke: one sentence. The thread has ended."""

    def __init__(
        self,
        config: WorkspaceConfig,
        *,
        seed: int = 0,
        make_recorder: Callable[[EpisodeInfo], StepRecorder] | None = None,
        make_session: Callable[..., Session] = make_session,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._config = config
        self._seed = seed
        self._make_recorder = make_recorder
        self._make_session = make_session
        self._work: SimpleQueue[Callable[[Session], None]] = SimpleQueue()
        self._lock = Lock()
        self._held = TeleopInput()
        self._tapped: frozenset[Move] = frozenset()
        self._newest: Snapshot | None = None
        self._announced = False
        self._pacing = PacingStatus(0, 0, 0)

    # --- from the GUI thread ------------------------------------------------------------------------------------------

    def send(self, command: Command) -> None:
        """Have the session handle `command` before its next tick, in order."""
        self._work.put(lambda session: session.handle(command))

    def hold(self, held: TeleopInput) -> None:
        """What the person holds from now on; `gripper_open` is ignored. A tap between two ticks moves for one tick."""
        with self._lock:
            self._held = held
            self._tapped |= held.moves

    def release_all(self) -> None:
        """Nothing is held any more, taps included: the arm stops."""
        with self._lock:
            self._held = replace(self._held, moves=frozenset())
            self._tapped = frozenset()

    def toggle_gripper(self) -> None:
        """Open a closed gripper, close an open one; takes over from a policy or a replay."""
        self._work.put(lambda session: session.toggle_gripper())

    def take_snapshot(self) -> Snapshot | None:
        """The newest snapshot; None before the first tick."""
        with self._lock:
            self._announced = False
            return self._newest

    @property
    def pacing(self) -> PacingStatus:
        """Ticks, overruns and dropped ticks so far."""
        return self._pacing

    def stop(self) -> None:
        """End the loop and wait for it; an episode being recorded is finished, its event is still delivered."""
        self.requestInterruption()
        self.wait()

    # --- in the thread ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        try:
            session = self._make_session(
                self._config, seed=self._seed, on_event=self.event_happened.emit, make_recorder=self._make_recorder
            )
        except VinnError as error:
            logger.error("the session cannot start: %s", error)
            self.failed.emit(str(error))
            return
        except Exception as error:  # a thread's boundary: it becomes a message
            logger.exception("the session cannot start")
            self.failed.emit(f"The simulation cannot start: {error}. The log has the details.")
            return
        try:
            with session:
                self._loop(session)
        except Exception as error:  # likewise
            logger.exception("the session broke")
            self.failed.emit(f"The simulation stopped: {error}. The log has the details.")

    def _loop(self, session: Session) -> None:
        pacer = Pacer(1.0 / self._config.control_hz)
        while not self.isInterruptionRequested():
            self._do_work(session)
            if session.at_start:  # no arm waited while the scene was put there
                pacer.restart()
            session.teleop_input = self._take_held(session.teleop_input.gripper_open)
            self._tick(session)
            pacer.wait()
            self._pacing = pacer.status
        self._do_work(session)

    def _tick(self, session: Session) -> None:
        try:
            self._publish(session.tick())
        except VinnError as error:
            if session.mode is not Mode.AUTONOMOUS:
                raise
            # The policy cannot decide, for want of a camera perhaps: the person has the arm again.
            session.handle(StopAutonomous())
            self.event_happened.emit(CommandRefused(str(error)))

    def _do_work(self, session: Session) -> None:
        while True:
            try:
                work = self._work.get_nowait()
            except Empty:
                return
            work(session)

    def _take_held(self, gripper_open: bool) -> TeleopInput:
        with self._lock:
            moves, self._tapped = self._held.moves | self._tapped, frozenset()
            return replace(self._held, moves=moves, gripper_open=gripper_open)

    def _publish(self, snapshot: Snapshot) -> None:
        with self._lock:
            self._newest = snapshot
            announced, self._announced = self._announced, True
        if not announced:
            self.snapshot_ready.emit()
