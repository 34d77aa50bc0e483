"""One seed and one policy: the same states to the last bit, headless, headless again, and in the window."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.window.main_window import MainWindow
from vinn_core.config import WorkspaceConfig
from vinn_core.progress import StopRequest
from vinn_core.rollouts.evaluation import EvaluationResult, EvaluationSpec, evaluate
from vinn_core.session.loop import Session
from vinn_core.session.messages import Mode, Snapshot
from vinn_core.workspace import Workspace

SEED = 3
"""Demonstrated, so that the arm has somewhere to go."""


@pytest.fixture
def workspace_folder(taught: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    shutil.copytree(taught, folder)
    return folder


def roll_out(folder: Path, episodes: int, processes: int) -> EvaluationResult:
    with Workspace.open(folder) as workspace:
        return evaluate(
            workspace,
            EvaluationSpec(),
            episodes=episodes,
            seed=SEED,
            report=lambda event: None,
            stop=StopRequest(),
            processes=processes,
        )


@pytest.mark.timeout(600)
def test_a_run_is_the_same_headless_twice_and_in_the_window(
    open_window: Callable[..., MainWindow], workspace_folder: Path, qtbot: QtBot
) -> None:
    headless = roll_out(workspace_folder, episodes=1, processes=1)
    states: list[NDArray[np.float64]] = []
    window = open_window(make_session=lambda config, **others: watched(states, config, **others))
    qtbot.waitUntil(window.policy.autonomous_action.isEnabled, timeout=200_000)
    box = window.record.seed_box
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, str(SEED))
    QTest.keyClick(box, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: newest(window).seed == SEED, timeout=20_000)
    with qtbot.waitSignal(window.policy.autopilot.run_ended, timeout=200_000):
        QTest.keyClick(window.viewport, Qt.Key.Key_P)

    trajectory = np.stack(states)
    assert headless.ticks == (len(trajectory) - 1,)
    assert np.ptp(trajectory[:, 1:], axis=0).max() > 0.05, "nothing moved"
    assert hashlib.sha256(trajectory.tobytes()).hexdigest() == headless.trajectory_sha256


@pytest.mark.timeout(600)
def test_rollouts_do_not_depend_on_the_number_of_processes(workspace_folder: Path) -> None:
    once, again = (roll_out(workspace_folder, episodes=2, processes=processes) for processes in (1, 2))
    for key in ("seeds", "outcomes", "ticks", "trajectory_sha256"):
        assert getattr(once, key) == getattr(again, key)


def newest(window: MainWindow) -> Snapshot:
    snapshot = window.session.take_snapshot()
    assert snapshot is not None
    return snapshot


def watched(states: list[NDArray[np.float64]], config: WorkspaceConfig, **others: Any) -> Session:
    """The window's session; the states of its autonomous run are noted, from the reset to the end."""

    class Watched(Session):
        def tick(self) -> Snapshot:
            driving = self.mode is Mode.AUTONOMOUS
            snapshot = super().tick()
            if driving:
                states.extend([snapshot.previous_state, snapshot.state] if not states else [snapshot.state])
            return snapshot

    return Watched.of(config, **others)
