"""Time of one control tick by part, and how often a tick is late, paced at 10 Hz in the window's session thread.

Teleoperation, then autonomous runs one after the other with the default encoder (efficientnet_lite0 with its start
weights, 96 pixels, torch on one thread as in the window). There is no window: see window_fluidity.py.

    python benchmarks/control_tick.py [--quick] [--json results.json]
"""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from common import add_policy, make_workspace, percentiles, run
from events import wait, wait_until
from PySide6.QtCore import QCoreApplication

from app.state.policy_loader import load
from app.state.session_thread import SessionThread
from vinn_core.session.messages import AutonomousEnded, Event, Mode, ResetScene, SetPolicy, Snapshot, StartAutonomous
from vinn_core.session.teleop import Move, TeleopInput
from vinn_core.workspace import Workspace

_BACK_AND_FORTH = ((Move.LEFT, Move.UP), (Move.RIGHT, Move.DOWN))
FIRST_SEED = 10_000


class Watch:
    """Drives the session thread and notes every tick's timings."""

    def __init__(self, thread: SessionThread) -> None:
        self._thread = thread
        self._seed = FIRST_SEED
        self._autonomous = False
        self.snapshots: list[Snapshot] = []
        thread.snapshot_ready.connect(self._take)
        thread.event_happened.connect(self._handle)

    def phase(self, seconds: float, mode: Mode) -> dict[str, Any]:
        """Run in `mode` for that long."""
        self._autonomous = mode is Mode.AUTONOMOUS
        self._thread.release_all()
        if self._autonomous:
            self._begin()
        wait(1.0)
        before = self._thread.pacing
        self.snapshots.clear()
        wait(seconds)
        after = self._thread.pacing
        ticks = after.ticks - before.ticks
        timings = [asdict(snapshot.timings) for snapshot in self.snapshots if snapshot.mode is mode]
        return {
            "ticks": ticks,
            "overruns": after.overruns - before.overruns,
            "overruns_share": (after.overruns - before.overruns) / ticks,
            "dropped": after.dropped - before.dropped,
            **{part: percentiles([timing[part] for timing in timings]) for part in timings[0]},
        }

    def _take(self) -> None:
        snapshot = self._thread.take_snapshot()
        if snapshot is None:
            return
        self.snapshots.append(snapshot)
        if not self._autonomous:
            self._thread.hold(TeleopInput(moves=frozenset(_BACK_AND_FORTH[snapshot.tick // 10 % 2])))

    def _handle(self, event: Event) -> None:
        if isinstance(event, AutonomousEnded) and self._autonomous:
            self._begin()

    def _begin(self) -> None:
        self._seed += 1
        self._thread.send(ResetScene(self._seed))
        self._thread.send(StartAutonomous())


def measure(quick: bool = False) -> dict[str, Any]:
    seconds = 5.0 if quick else 30.0
    application = QCoreApplication.instance() or QCoreApplication([])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "workspace"
        make_workspace(folder, 2 if quick else 8)
        add_policy(folder)
        with Workspace.open(folder) as workspace:
            policy = load(workspace, "default")
            thread = SessionThread(workspace.config, seed=FIRST_SEED)
            watch = Watch(thread)
            thread.start()
            wait_until(lambda: bool(watch.snapshots), "the first tick")
            thread.send(SetPolicy(policy))
            results = {
                "teleop": watch.phase(seconds, Mode.TELEOP),
                "autonomous": watch.phase(seconds, Mode.AUTONOMOUS),
                "index_rows": len(policy.index),
            }
            thread.stop()
    del application
    return results


if __name__ == "__main__":
    run(measure, __doc__ or "")
