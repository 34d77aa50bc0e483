"""Recording by key and by button: what reaches the disk, what is discarded, and what the window says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QMessageBox
from pytestqt.qtbot import QtBot

from app.panels.driving.record import Outcome
from app.window.main_window import MainWindow
from vinn_core.episodes.episode import Source
from vinn_core.episodes.file import load_episode
from vinn_core.session.messages import Snapshot, StartRecording, StopRecording
from vinn_core.session.pacing import PacingStatus


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "episodes").glob("*.hdf5"))


def newest(window: MainWindow) -> Snapshot:
    snapshot = window.session.take_snapshot()
    assert snapshot is not None
    return snapshot


def recorded_frames(window: MainWindow) -> int:
    return newest(window).recorded_frames or 0


def wait_until_recorded(qtbot: QtBot, window: MainWindow, frames: int) -> None:
    qtbot.waitUntil(lambda: recorded_frames(window) >= frames, timeout=20_000)


def question(qtbot: QtBot) -> QMessageBox:
    """The question that is being asked."""

    def asked() -> bool:
        return isinstance(QApplication.activeModalWidget(), QMessageBox)

    qtbot.waitUntil(asked, timeout=10_000)
    box = QApplication.activeModalWidget()
    assert isinstance(box, QMessageBox)
    return box


def answer(box: QMessageBox, button: QMessageBox.StandardButton) -> None:
    QTest.mouseClick(box.button(button), Qt.MouseButton.LeftButton)


def test_r_records_and_again_saves_an_episode_of_what_was_done(
    window: MainWindow, workspace_folder: Path, qtbot: QtBot
) -> None:
    QTest.keyClick(window.viewport, Qt.Key.Key_R)
    qtbot.waitUntil(lambda: window.record.recording, timeout=10_000)
    assert window.record.record_button.isChecked()
    QTest.keyPress(window.viewport, Qt.Key.Key_A)
    wait_until_recorded(qtbot, window, 8)
    QTest.keyRelease(window.viewport, Qt.Key.Key_A)
    assert window.overlay.recording.text.startswith("REC")
    assert "frames" in window.record.status.text()
    with qtbot.waitSignal(window.store.changed, timeout=20_000):
        QTest.keyClick(window.viewport, Qt.Key.Key_R)

    assert files(workspace_folder) == ["000001.hdf5"]
    episode = load_episode(workspace_folder / "episodes" / "000001.hdf5")
    assert len(episode) >= 8
    assert episode.info.source is Source.TELEOP
    assert episode.info.seed == 0
    assert episode.info.success is False
    assert abs(episode.actions[:, :3]).max() > 0.05
    assert abs(episode.ee_positions[-1] - episode.ee_positions[0]).max() > 0.01
    assert set(episode.images) == {"wrist", "front"}
    assert not window.record.recording
    assert any(text.startswith("Episode 1 saved") for text in window.notifications.texts)
    qtbot.waitUntil(lambda: [summary.number for summary in window.workspace.episodes] == [1], timeout=10_000)


def test_the_scene_goes_to_the_next_seed_after_saving_unless_told_not_to(window: MainWindow, qtbot: QtBot) -> None:
    for expected in (1, 1):
        QTest.mouseClick(window.record.record_button, Qt.MouseButton.LeftButton)
        wait_until_recorded(qtbot, window, 2)
        with qtbot.waitSignal(window.store.changed, timeout=20_000):
            QTest.mouseClick(window.record.record_button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda expected=expected: window.record.seed_box.value() == expected, timeout=10_000)
        window.record.advance_box.setChecked(False)


def test_a_short_recording_is_discarded_at_once(window: MainWindow, workspace_folder: Path, qtbot: QtBot) -> None:
    QTest.keyClick(window.viewport, Qt.Key.Key_R)
    wait_until_recorded(qtbot, window, 3)
    QTest.keyClick(window.viewport, Qt.Key.Key_Backspace)
    qtbot.waitUntil(lambda: not window.record.recording, timeout=10_000)
    assert files(workspace_folder) == []
    assert list((workspace_folder / "episodes").glob(".recording-*")) == []
    assert any("discarded" in text for text in window.notifications.texts)


def test_a_long_recording_is_discarded_only_after_asking(
    window: MainWindow, workspace_folder: Path, qtbot: QtBot
) -> None:
    window.record.ask_from_s = 0.1
    QTest.keyClick(window.viewport, Qt.Key.Key_R)
    wait_until_recorded(qtbot, window, 3)
    QTest.keyClick(window.viewport, Qt.Key.Key_Backspace)
    answer(question(qtbot), QMessageBox.StandardButton.Cancel)
    assert window.record.recording
    window.record.discard_action.trigger()
    answer(question(qtbot), QMessageBox.StandardButton.Discard)
    qtbot.waitUntil(lambda: not window.record.recording, timeout=10_000)
    assert files(workspace_folder) == []


@pytest.mark.parametrize(("presses", "outcome", "success"), [(1, Outcome.SUCCESS, True), (2, Outcome.FAILURE, False)])
def test_x_overrules_the_outcome(
    window: MainWindow, workspace_folder: Path, qtbot: QtBot, presses: int, outcome: Outcome, success: bool
) -> None:
    QTest.keyClick(window.viewport, Qt.Key.Key_R)
    wait_until_recorded(qtbot, window, 2)
    for _ in range(presses):
        QTest.keyClick(window.viewport, Qt.Key.Key_X)
    assert window.record.outcome_buttons[outcome].isChecked()
    with qtbot.waitSignal(window.store.changed, timeout=20_000):
        QTest.keyClick(window.viewport, Qt.Key.Key_R)
    assert load_episode(workspace_folder / "episodes" / "000001.hdf5").info.success is success
    assert window.record.outcome is Outcome.DETECTED, "the next episode is judged afresh"


def test_the_scene_cannot_be_reset_while_recording(window: MainWindow, qtbot: QtBot) -> None:
    QTest.keyClick(window.viewport, Qt.Key.Key_R)
    wait_until_recorded(qtbot, window, 2)
    QTest.keyClick(window.viewport, Qt.Key.Key_N)
    QTest.keyClick(window.viewport, Qt.Key.Key_T)
    wait_until_recorded(qtbot, window, 5)
    assert window.record.seed_box.value() == 0
    assert not window.record.seed_box.isEnabled()


def test_n_and_the_seed_box_choose_the_scene_and_the_look_box_its_look(window: MainWindow, qtbot: QtBot) -> None:
    QTest.keyClick(window.viewport, Qt.Key.Key_N)
    qtbot.waitUntil(lambda: window.overlay.scene.text.startswith("Seed 1 "), timeout=10_000)
    box = window.record.seed_box
    box.setFocus()
    box.selectAll()
    QTest.keyClicks(box, "42")
    QTest.keyClick(box, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.overlay.scene.text.startswith("Seed 42 "), timeout=10_000)
    assert not box.hasFocus(), "keys drive the arm again"
    window.record.look_box.setCurrentIndex(1)
    window.record.look_box.activated.emit(1)
    qtbot.waitUntil(lambda: "varied" in window.overlay.scene.text, timeout=10_000)
    assert box.value() == 42


def test_lost_ticks_are_shown(window: MainWindow, qtbot: QtBot) -> None:
    qtbot.waitUntil(lambda: "dropped" in window.status_line.pacing.text(), timeout=20_000)
    window.record.show_pacing(PacingStatus(ticks=100, overruns=9, dropped=4))
    assert "4 ticks dropped" in window.record.status.text()
    window.status_line.show(replace(newest(window), tick=1000), PacingStatus(ticks=100, overruns=9, dropped=4))
    assert "9 overruns" in window.status_line.pacing.text()
    assert "4 dropped" in window.status_line.pacing.text()


def test_a_recording_that_a_program_ends_does_not_change_the_seed(window: MainWindow, qtbot: QtBot) -> None:
    window.send(StartRecording())
    wait_until_recorded(qtbot, window, 2)
    with qtbot.waitSignal(window.store.changed, timeout=20_000):
        window.send(StopRecording())
    tick = newest(window).tick
    qtbot.waitUntil(lambda: newest(window).tick > tick + 2, timeout=10_000)
    assert newest(window).seed == 0


@pytest.mark.parametrize(
    ("choice", "saved"), [(QMessageBox.StandardButton.Save, 1), (QMessageBox.StandardButton.Discard, 0)]
)
def test_closing_while_recording_asks_and_leaves_nothing_behind(
    open_window: Callable[..., MainWindow],
    workspace_folder: Path,
    qtbot: QtBot,
    choice: QMessageBox.StandardButton,
    saved: int,
) -> None:
    window = open_window()
    qtbot.waitUntil(lambda: window.session.take_snapshot() is not None, timeout=20_000)
    QTest.keyClick(window.viewport, Qt.Key.Key_R)
    wait_until_recorded(qtbot, window, 3)
    window.close()
    answer(question(qtbot), QMessageBox.StandardButton.Cancel)
    assert window.isVisible()
    assert window.record.recording
    window.close()
    with qtbot.waitSignal(window.closed, timeout=20_000):
        answer(question(qtbot), choice)
    assert len(files(workspace_folder)) == saved
    assert list((workspace_folder / "episodes").glob(".recording-*")) == []


def test_an_interrupted_recording_comes_back(
    open_window: Callable[..., MainWindow], workspace_folder: Path, qtbot: QtBot
) -> None:
    window = open_window()
    qtbot.waitUntil(lambda: window.session.take_snapshot() is not None, timeout=20_000)
    QTest.keyClick(window.viewport, Qt.Key.Key_R)
    wait_until_recorded(qtbot, window, 4)
    journals = list((workspace_folder / "episodes").glob(".recording-*.journal"))
    assert len(journals) == 1
    kept = journals[0].read_bytes()
    QTest.keyClick(window.viewport, Qt.Key.Key_Backspace)
    qtbot.waitUntil(lambda: not window.record.recording, timeout=10_000)
    window.close()
    journals[0].write_bytes(kept)  # as a kill -9 would have left it

    again = open_window()
    qtbot.waitUntil(lambda: any("Recovered" in text for text in again.notifications.texts), timeout=20_000)
    assert files(workspace_folder) == ["000001.hdf5"]
