"""The control loop in its thread: what counts as a late tick."""

from __future__ import annotations

from time import sleep
from typing import Any

import pytest
from pytestqt.qtbot import QtBot

from app.state.session_thread import SessionThread, make_session
from vinn_core.config import WorkspaceConfig
from vinn_core.episodes.episode import Action, Observation
from vinn_core.session.loop import Session
from vinn_core.session.messages import ResetScene, SceneReset, SetPolicy, Snapshot, StartAutonomous
from vinn_core.session.policy import Decision

PERIOD_S = 0.1
RESET_TICKS = 20


class SlowPolicy:
    """Takes longer than a tick has."""

    cameras: tuple[str, ...] = ()

    def reset(self) -> None:
        pass

    def act(self, observation: Observation) -> Decision:
        sleep(1.5 * PERIOD_S)
        return Decision(Action.hold(1.0))


def slow_to_reset(config: WorkspaceConfig, **settings: Any) -> Session:
    session = make_session(config, **settings)
    reset = session.simulation.reset

    def reset_slowly(seed: int, look: str | None = None) -> None:
        sleep(RESET_TICKS * PERIOD_S)
        reset(seed, look)

    session.simulation.reset = reset_slowly  # type: ignore[method-assign]
    return session


def watch_ticks(thread: SessionThread, qtbot: QtBot, count: int) -> None:
    first = thread.pacing.ticks
    qtbot.waitUntil(lambda: thread.pacing.ticks >= first + count, timeout=20_000)


@pytest.mark.usefixtures("qapp")
def test_a_slow_reset_is_no_late_tick_but_a_slow_policy_is(qtbot: QtBot) -> None:
    config = WorkspaceConfig(image_size=32)
    thread = SessionThread(config, make_session=slow_to_reset)
    thread.start()
    try:
        with qtbot.waitSignal(
            thread.event_happened, timeout=20_000, check_params_cb=lambda event: isinstance(event, SceneReset)
        ):
            thread.send(ResetScene(3))
        watch_ticks(thread, qtbot, 2)
        snapshot = thread.take_snapshot()
        assert isinstance(snapshot, Snapshot)
        assert snapshot.seed == 3
        assert thread.pacing.dropped < RESET_TICKS // 2  # a busy machine may drop some of its own

        thread.send(SetPolicy(SlowPolicy()))
        thread.send(StartAutonomous())
        before = thread.pacing.overruns
        watch_ticks(thread, qtbot, 4)
        assert thread.pacing.overruns >= before + 2
    finally:
        thread.stop()
