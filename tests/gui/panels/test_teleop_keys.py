"""Driving the arm by keys and by on-screen caps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QDialog
from pytestqt.qtbot import QtBot

from app.window.main_window import MainWindow
from vinn_core.session.messages import Mode, Snapshot
from vinn_core.session.teleop import Move, TeleopFrame


def newest(window: MainWindow) -> Snapshot:
    snapshot = window.session.take_snapshot()
    assert snapshot is not None
    return snapshot


def position(window: MainWindow) -> NDArray[np.float64]:
    return newest(window).observation.ee_position


def travelled(window: MainWindow, start: NDArray[np.float64]) -> float:
    return float(np.linalg.norm(position(window) - start))


def wait_ticks(qtbot: QtBot, window: MainWindow, ticks: int) -> None:
    last = newest(window).tick + ticks
    qtbot.waitUntil(lambda: newest(window).tick >= last, timeout=20_000)


def test_holding_w_moves_the_arm_away_from_the_viewer_and_lights_its_cap(window: MainWindow, qtbot: QtBot) -> None:
    start = position(window)
    away = -window.viewport.camera_in_world()[:, 2]
    QTest.keyPress(window.viewport, Qt.Key.Key_W)
    assert window.teleop.caps[Move.FORWARD].lit
    assert not window.teleop.caps[Move.BACK].lit
    qtbot.waitUntil(lambda: travelled(window, start) > 0.02, timeout=10_000)
    assert newest(window).mode is Mode.TELEOP
    assert window.overlay.mode.text == "TELEOP"
    went = position(window) - start
    assert went[:2] @ away[:2] > 0.9 * np.linalg.norm(went) * np.linalg.norm(away[:2])

    QTest.keyRelease(window.viewport, Qt.Key.Key_W)
    assert not window.teleop.caps[Move.FORWARD].lit
    qtbot.waitUntil(lambda: newest(window).mode is Mode.IDLE, timeout=10_000)


def test_focus_loss_stops_the_arm(window: MainWindow, qtbot: QtBot) -> None:
    start = position(window)
    QTest.keyPress(window.viewport, Qt.Key.Key_Q)
    qtbot.waitUntil(lambda: travelled(window, start) > 0.01, timeout=10_000)
    other = QDialog()
    qtbot.addWidget(other)
    other.show()
    other.activateWindow()
    qtbot.waitUntil(other.isActiveWindow, timeout=10_000)
    assert window.held.moves == frozenset()
    qtbot.waitUntil(lambda: newest(window).mode is Mode.IDLE, timeout=10_000)
    assert not newest(window).action.twist.any()


def test_a_tap_between_two_ticks_moves_the_arm(window: MainWindow, qtbot: QtBot) -> None:
    start = position(window)
    QTest.keyClick(window.viewport, Qt.Key.Key_Q)
    qtbot.waitUntil(lambda: travelled(window, start) > 0.002, timeout=10_000)


def test_pressing_a_cap_by_mouse_is_holding_its_key(window: MainWindow, qtbot: QtBot) -> None:
    start = position(window)
    cap = window.teleop.caps[Move.UP]
    QTest.mousePress(cap, Qt.MouseButton.LeftButton)
    assert cap.lit
    qtbot.waitUntil(lambda: position(window)[2] > start[2] + 0.01, timeout=10_000)
    QTest.mouseRelease(cap, Qt.MouseButton.LeftButton)
    assert not cap.lit
    assert window.held.moves == frozenset()


def test_auto_repeat_neither_holds_nor_lets_go(window: MainWindow) -> None:
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QKeyEvent
    from PySide6.QtWidgets import QApplication

    def send(kind: QEvent.Type, repeated: bool) -> None:
        event = QKeyEvent(kind, Qt.Key.Key_W, Qt.KeyboardModifier.NoModifier, "w", repeated)
        QApplication.sendEvent(window.viewport, event)

    send(QEvent.Type.KeyPress, repeated=True)
    assert window.held.moves == frozenset()
    send(QEvent.Type.KeyPress, repeated=False)
    send(QEvent.Type.KeyRelease, repeated=True)
    assert window.held.moves == {Move.FORWARD}


def test_keys_do_not_move_the_arm_while_a_number_is_typed(window: MainWindow, qtbot: QtBot) -> None:
    box = window.record.seed_box
    box.setFocus()
    qtbot.waitUntil(box.hasFocus)
    QTest.keyClick(box, Qt.Key.Key_W)
    QTest.keyPress(box, Qt.Key.Key_A)
    assert window.held.moves == frozenset()
    QTest.keyRelease(box, Qt.Key.Key_A)


def test_space_closes_and_opens_the_gripper_and_the_cap_shows_it(window: MainWindow, qtbot: QtBot) -> None:
    assert window.teleop.gripper_cap.caption == "Gripper open"
    QTest.keyClick(window.viewport, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: newest(window).observation.gripper_opening < 0.3, timeout=10_000)
    qtbot.waitUntil(lambda: window.teleop.gripper_cap.lit)  # shown when the window gets round to that snapshot
    assert window.teleop.gripper_cap.caption == "Gripper closed"
    QTest.keyClick(window.viewport, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: newest(window).observation.gripper_opening > 0.9, timeout=10_000)
    qtbot.waitUntil(lambda: not window.teleop.gripper_cap.lit)


def test_reset_opens_the_gripper_again(window: MainWindow, qtbot: QtBot) -> None:
    QTest.keyClick(window.viewport, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: newest(window).observation.gripper_opening < 0.3, timeout=10_000)
    QTest.keyClick(window.viewport, Qt.Key.Key_T)
    qtbot.waitUntil(lambda: newest(window).observation.gripper_opening > 0.9, timeout=10_000)
    wait_ticks(qtbot, window, 3)
    assert newest(window).action.gripper == 1.0
    assert newest(window).mode is Mode.IDLE


def test_f_switches_the_frame_and_digits_the_speed(window: MainWindow, qtbot: QtBot) -> None:
    assert window.teleop.frame is TeleopFrame.CAMERA
    QTest.keyClick(window.viewport, Qt.Key.Key_F)
    assert window.teleop.frame is TeleopFrame.END_EFFECTOR
    QTest.keyClick(window.viewport, Qt.Key.Key_1)
    assert [cap.lit for cap in window.teleop.speed_caps] == [True, False, False]
    QTest.keyPress(window.viewport, Qt.Key.Key_W)
    wait_ticks(qtbot, window, 4)
    twist = newest(window).action.twist
    assert twist[2] == pytest.approx(0.04, abs=1e-6), "forward is along the fingers, at the slow speed"
    assert np.abs(np.delete(twist, 2)).max() < 1e-6
    QTest.keyRelease(window.viewport, Qt.Key.Key_W)


def test_turning_the_view_turns_the_directions(window: MainWindow, qtbot: QtBot) -> None:
    window.viewport.look_through("side")
    start = position(window)
    QTest.keyPress(window.viewport, Qt.Key.Key_W)
    qtbot.waitUntil(lambda: travelled(window, start) > 0.02, timeout=10_000)
    QTest.keyRelease(window.viewport, Qt.Key.Key_W)
    went = position(window) - start
    assert went[1] > 0.9 * np.linalg.norm(went), "the side camera looks along +y"


def test_escape_lets_go_of_everything(window: MainWindow, qtbot: QtBot) -> None:
    QTest.keyPress(window.viewport, Qt.Key.Key_D)
    qtbot.waitUntil(lambda: newest(window).mode is Mode.TELEOP, timeout=10_000)
    QTest.keyClick(window.viewport, Qt.Key.Key_Escape)
    assert window.held.moves == frozenset()
    qtbot.waitUntil(lambda: newest(window).mode is Mode.IDLE, timeout=10_000)
