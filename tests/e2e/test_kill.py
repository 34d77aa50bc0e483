"""kill -9 in the middle of things: what was finished is whole, what was not is brought back or can be gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from hands import Hands
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from pytestqt.qtbot import QtBot

from app.window.main_window import MainWindow
from vinn_core.encoder.store import has_checkpoint
from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.episode import Source
from vinn_core.episodes.file import load_episode
from vinn_core.episodes.journal import read_journal
from vinn_core.workspace import Workspace

ROOT = Path(__file__).resolve().parent.parent.parent


# --- the program, while it records --------------------------------------------------------------------------------


@pytest.fixture
def program(workspace_folder: Path, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The window in a process of its own, with settings of its own."""
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path / "config"), "QT_LOGGING_RULES": "*=false"}
    program = subprocess.Popen(
        [sys.executable, "main.py", "--workspace", str(workspace_folder)],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
    )
    yield program
    if program.poll() is None:
        program.kill()
    program.wait()


def frames_in_journal(folder: Path) -> int:
    """Frames of the recording under way; 0 while there is none."""
    journals = list((folder / "episodes").glob(".recording-*.journal"))
    return max(sum(1 for _ in read_journal(journals[0])) - 1, 0) if journals else 0


def test_killed_while_recording_the_next_start_brings_the_recording_back(
    program: subprocess.Popen[bytes],
    open_window: Callable[..., MainWindow],
    workspace_folder: Path,
    hands: Hands,
    qtbot: QtBot,
) -> None:
    def recorded(frames: int) -> bool:
        assert program.poll() is None, "the program has ended"
        return frames_in_journal(workspace_folder) >= frames

    qtbot.waitUntil(lambda: hands.focused_title().endswith("VINN Workbench"), timeout=60_000)
    press_until(qtbot, hands, "r", lambda: recorded(5))
    first = workspace_folder / "episodes" / "000001.hdf5"
    press_until(qtbot, hands, "r", first.exists)
    finished = load_episode(first)
    press_until(qtbot, hands, "r", lambda: recorded(3))
    hands.hold({"a"})
    qtbot.waitUntil(lambda: recorded(12), timeout=30_000)
    before = frames_in_journal(workspace_folder)
    os.kill(program.pid, signal.SIGKILL)
    program.wait()
    hands.hold(())

    window = open_window()
    qtbot.waitUntil(lambda: any("Recovered" in text for text in window.notifications.texts), timeout=30_000)
    qtbot.waitUntil(lambda: len(window.workspace.episodes) == 2, timeout=20_000)
    with Workspace.open(workspace_folder) as workspace:
        assert Dataset(workspace).damaged() == []
        again, recovered = (Dataset(workspace).load(number) for number in (1, 2))
    assert np.array_equal(again.states, finished.states)
    assert np.array_equal(again.images["wrist"], finished.images["wrist"])
    assert len(recovered) >= before
    assert recovered.info.source is Source.TELEOP
    assert recovered.info.success is None, "nobody knows how it would have ended"
    assert np.abs(recovered.actions[:, :6]).max() > 0.01
    assert list((workspace_folder / "episodes").glob(".recording-*")) == []


def press_until(qtbot: QtBot, hands: Hands, key: str, reached: Callable[[], bool]) -> None:
    hands.tap(key)
    qtbot.waitUntil(reached, timeout=30_000)


# --- the training process -----------------------------------------------------------------------------------------


@pytest.fixture
def demonstrated_window(
    demonstrated: Path, workspace_folder: Path, open_window: Callable[..., MainWindow], qtbot: QtBot
) -> MainWindow:
    shutil.rmtree(workspace_folder)
    shutil.copytree(demonstrated, workspace_folder)
    window = open_window()
    qtbot.waitUntil(lambda: window.workspace.listed, timeout=20_000)
    return window


def the_training_process() -> psutil.Process:
    children = psutil.Process().children(recursive=True)
    (training,) = [child for child in children if {"vinn_core", "train"} <= set(child.cmdline())]
    return training


@pytest.mark.timeout(900)
def test_killed_while_training_the_window_says_so_and_offers_to_go_on(
    demonstrated_window: MainWindow, workspace_folder: Path, qtbot: QtBot
) -> None:
    window, panel = demonstrated_window, demonstrated_window.training
    window.docks.training.raise_()
    panel.preset.setCurrentIndex(panel.preset.findData("tiny"))
    panel.advanced.fields["epochs"].set_value(1000)

    press_train(window, "Train && index")
    qtbot.waitUntil(lambda: len(steps(workspace_folder)) > 0, timeout=200_000)
    with qtbot.waitSignal(panel.notify, timeout=60_000):
        press_train(window, "Cancel")
    kept = steps(workspace_folder)[-1]
    assert has_checkpoint(workspace_folder / "encoders", "default")

    press_train(window, "Resume training")
    qtbot.waitUntil(lambda: steps(workspace_folder)[-1] > kept, timeout=200_000)
    with qtbot.waitSignal(panel.notify, timeout=30_000, check_params_cb=lambda level, _: level == "error") as said:
        the_training_process().kill()
    _, sentence = said.args or ("", "")
    assert "killed" in sentence
    assert "start it again to go on" in sentence
    assert sentence in window.notifications.texts
    assert not panel.busy

    before = len(steps(workspace_folder))
    press_train(window, "Resume training")
    qtbot.waitUntil(lambda: len(steps(workspace_folder)) > before, timeout=200_000)
    assert steps(workspace_folder)[before] > kept, "it began anew instead of going on"
    with qtbot.waitSignal(panel.notify, timeout=60_000):
        press_train(window, "Cancel")


def steps(folder: Path) -> list[int]:
    """Steps that the training has noted down so far."""
    history = folder / "encoders" / "default" / "history.jsonl"
    if not history.exists():
        return []
    return [json.loads(line)["step"] for line in history.read_text().splitlines(keepends=True) if line.endswith("\n")]


def press_train(window: MainWindow, text: str) -> None:
    button = window.training.train
    assert button.text() == text
    assert button.isEnabled()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)
