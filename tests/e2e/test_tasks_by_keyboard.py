"""Every task can be solved by hand: by real key events, to the success that the window shows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from expert_by_keys import ExpertByKeys
from hands import Hands
from pytestqt.qtbot import QtBot

from app.window.main_window import MainWindow
from vinn_core.config import TASKS, WorkspaceConfig
from vinn_core.episodes.episode import Source
from vinn_core.episodes.file import load_episode
from vinn_core.workspace import Workspace


@pytest.fixture(params=[name for name in TASKS if name != "lift"])  # the tour lifts the cube
def workspace_folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / request.param
    Workspace.open(folder, WorkspaceConfig(task=request.param)).close()
    return folder


@pytest.mark.timeout(300)
def test_a_person_solves_it_by_keys(
    open_window: Callable[..., MainWindow], workspace_folder: Path, hands: Hands, qtbot: QtBot
) -> None:
    window = open_window()
    qtbot.waitUntil(lambda: window.session.take_snapshot() is not None, timeout=20_000)
    hands.click(window.viewport)
    hands.tap("r")
    qtbot.waitUntil(lambda: window.record.recording, timeout=10_000)
    person = ExpertByKeys(window, hands, task=workspace_folder.name)
    window.session.snapshot_ready.connect(person.step)
    qtbot.waitUntil(lambda: person.done, timeout=200_000)
    window.session.snapshot_ready.disconnect(person.step)
    assert len(person.keys_used - {"space"}) >= 3

    qtbot.waitUntil(lambda: "Success" in window.overlay.success.text, timeout=10_000)
    with qtbot.waitSignal(window.store.changed, timeout=20_000):
        hands.tap("r")
    info = load_episode(workspace_folder / "episodes" / "000001.hdf5").info
    assert info.success is True
    assert info.source is Source.TELEOP
