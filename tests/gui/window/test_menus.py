"""What the menus offer, and what is remembered of what was chosen there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from PySide6.QtCore import QSettings
from PySide6.QtWidgets import QMenu

from app.keys import MENU_ACTIONS, MOVE_KEYS
from app.window.main_window import MainWindow
from vinn_core.session.teleop import TeleopFrame

LINE = "---"


def entries(menu: QMenu) -> list[str]:
    return [LINE if action.isSeparator() else action.text().replace("&", "") for action in menu.actions()]


def menus(window: MainWindow) -> dict[str, list[str]]:
    found = {action.text().replace("&", ""): action.menu() for action in window.menuBar().actions()}
    return {name: entries(menu) for name, menu in found.items() if isinstance(menu, QMenu)}


def test_the_menus_offer_everything_in_its_place(window: MainWindow) -> None:
    offered = menus(window)
    assert list(offered) == ["File", "Record", "Arm", "View", "Help"]
    assert offered["File"] == [
        *("New workspace…", "Open workspace…", "Recent workspaces", LINE),
        *("Empty trash…", LINE, "Quit"),
    ]
    assert offered["Record"] == ["Record", "Discard", "Overrule outcome", LINE, "Reset", "Next seed"]
    assert offered["Arm"] == [
        *("Autonomous", "Stop everything", LINE),
        *("Close or open the gripper", "Change directions", "Slow", "Medium", "Fast"),
    ]
    assert offered["View"] == [
        *("Free camera", "Front camera", "Side camera", "Wrist camera", "Reset view", LINE),
        *("Shadows", "Smooth edges", LINE),
        *("Teleoperation and recording", "Episodes", "Cameras", "Policy", "Training", "Evaluation", "Reset layout"),
    ]
    assert offered["Help"] == ["Keyboard and mouse", "Log folder", "About VINN Workbench"]


def test_no_key_means_two_things() -> None:
    keys = [str(info.keys) for info in MENU_ACTIONS if info.keys] + [chr(key) for key in MOVE_KEYS]
    assert Counter(keys).most_common(1)[0][1] == 1
    assert len({info.id for info in MENU_ACTIONS}) == len(MENU_ACTIONS)


def test_what_is_remembered_under_the_names_of_before_comes_back(open_window: Callable[..., MainWindow]) -> None:
    settings = QSettings()
    settings.setValue("teleop/speed", 0)
    settings.setValue("teleop/frame", "end effector")
    settings.setValue("record/next_seed_after_saving", False)
    window = open_window()
    assert (window.teleop.speed, window.teleop.frame) == (0, TeleopFrame.END_EFFECTOR)
    assert not window.record.advance_box.isChecked()


def test_what_is_remembered_but_makes_no_sense_is_passed_over(open_window: Callable[..., MainWindow]) -> None:
    settings = QSettings()
    settings.setValue("teleop/speed", "9")
    settings.setValue("teleop/frame", "the moon")
    window = open_window()
    assert (window.teleop.speed, window.teleop.frame) == (1, TeleopFrame.CAMERA)
    assert window.record.advance_box.isChecked()
