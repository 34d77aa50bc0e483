"""The tour of the README by keys and mouse: drive, record, add demonstrations, train, let it run, take over."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from expert_by_keys import ExpertByKeys
from hands import Hands
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTabBar
from pytestqt.qtbot import QtBot

from app.viewport.widget import Viewport, to_array
from app.window.main_window import MainWindow
from vinn_core.episodes.episode import Source
from vinn_core.episodes.file import load_episode, load_frame
from vinn_core.session.messages import AutonomousStarted, Event, Mode, SceneReset, Snapshot
from vinn_core.world.rendering import CameraRenderer
from vinn_core.world.simulation import Simulation
from vinn_core.world.tasks import load_task


def newest(window: MainWindow) -> Snapshot:
    snapshot = window.session.take_snapshot()
    assert snapshot is not None
    return snapshot


@pytest.mark.timeout(900)
def test_drive_record_train_run_and_take_over(
    window: MainWindow, workspace_folder: Path, hands: Hands, qtbot: QtBot
) -> None:
    lift_the_cube_and_save_it(window, workspace_folder, hands, qtbot)
    add_scripted_demonstrations(window, hands, qtbot)
    train_and_index(window, hands, qtbot)
    watch_it_run(window, workspace_folder, hands, qtbot)
    take_over_and_give_back(window, hands, qtbot)
    compare_the_picture(window, hands, qtbot)


def lift_the_cube_and_save_it(window: MainWindow, folder: Path, hands: Hands, qtbot: QtBot) -> None:
    hands.click(window.viewport)
    hands.tap("r")
    qtbot.waitUntil(lambda: window.record.recording, timeout=10_000)
    start = newest(window)
    assert not start.succeeded

    person = ExpertByKeys(window, hands, task="lift")
    window.session.snapshot_ready.connect(person.step)
    qtbot.waitUntil(lambda: person.done, timeout=120_000)
    window.session.snapshot_ready.disconnect(person.step)
    assert person.keys_used & set("wasdqe"), "no movement key was needed"

    qtbot.waitUntil(lambda: "Success" in window.overlay.success.text, timeout=10_000)
    with qtbot.waitSignal(window.store.changed, timeout=20_000):
        hands.tap("r")
    episode = load_episode(folder / "episodes" / "000001.hdf5")
    assert episode.info.success is True
    assert episode.info.source is Source.TELEOP
    assert np.array_equal(episode.states[0][1:], start_state_of_seed(episode.info.seed)[1:])
    assert episode.ee_positions[-1][2] > 0.1
    qtbot.waitUntil(lambda: newest(window).seed == 1, timeout=10_000)


def add_scripted_demonstrations(window: MainWindow, hands: Hands, qtbot: QtBot) -> None:
    scripted = window.episodes.demonstrations
    hands.click(scripted.add)
    qtbot.waitUntil(scripted.form.isVisible, timeout=10_000)
    assert scripted.form.fields["seed"].value == 1
    hands.click(scripted.form.fields["episodes"].widget)
    hands.type_number(3)
    qtbot.waitUntil(lambda: scripted.form.fields["episodes"].widget.value() == 3, timeout=10_000)
    with qtbot.waitSignal(window.episodes.notify, timeout=300_000, check_params_cb=says("demonstrations added")):
        hands.click(scripted.form.start)
    qtbot.waitUntil(lambda: len(window.workspace.usable_episodes) == 4, timeout=20_000)
    sources = [summary.source for summary in window.workspace.episodes]
    assert sources == [Source.TELEOP, Source.EXPERT, Source.EXPERT, Source.EXPERT]


def train_and_index(window: MainWindow, hands: Hands, qtbot: QtBot) -> None:
    show_tab(window, "Training", hands, qtbot)
    hands.click(window.training.preset)
    qtbot.waitUntil(window.training.preset.view().isVisible, timeout=10_000)
    hands.tap("End", "Return")
    qtbot.waitUntil(lambda: window.training.preset.currentData() == "tiny", timeout=10_000)
    with qtbot.waitSignal(window.training.notify, timeout=400_000, check_params_cb=says("Press P to let it run")):
        hands.click(window.training.train)
    show_tab(window, "Policy", hands, qtbot)
    qtbot.waitUntil(window.policy.autonomous_action.isEnabled, timeout=200_000)
    assert window.workspace.index is not None
    assert sorted(window.workspace.index.info.episodes) == [1, 2, 3, 4]


def watch_it_run(window: MainWindow, folder: Path, hands: Hands, qtbot: QtBot) -> None:
    shown: list[tuple[tuple[int, int], ...]] = []
    pictures: list[tuple[tuple[int, int], NDArray[np.uint8]]] = []

    def note() -> None:
        view = window.policy.view.neighbours
        if newest(window).mode is Mode.AUTONOMOUS and view.neighbours:
            shown.append(tuple((near.episode, near.step) for near in view.neighbours))
            picture = view.picture(0)
            if picture is not None:
                pictures.append((shown[-1][0], to_array(picture.toImage())))

    window.session.snapshot_ready.connect(note)
    hands.tap("p")
    qtbot.waitUntil(lambda: newest(window).mode is Mode.AUTONOMOUS, timeout=10_000)
    qtbot.waitUntil(lambda: len(shown) >= 12 and len(pictures) >= 3, timeout=30_000)
    window.session.snapshot_ready.disconnect(note)

    assert window.overlay.mode.text == "AUTONOMOUS"
    assert all(len(neighbours) == window.policy.neighbours.value for neighbours in shown)
    changes = sum(before != after for before, after in pairwise(shown))
    assert changes >= len(shown) // 2, f"the neighbours hardly change: {shown}"
    for (episode, step), picture in pictures:
        assert np.array_equal(picture, load_frame(folder / "episodes" / f"{episode:06d}.hdf5", "wrist", step))


def take_over_and_give_back(window: MainWindow, hands: Hands, qtbot: QtBot) -> None:
    # From the start again: near its end the run would have the cube, and raising it would be the success.
    with qtbot.waitSignal(window.session.event_happened, timeout=10_000, check_params_cb=is_a(SceneReset)):
        hands.tap("t")
    with qtbot.waitSignal(window.session.event_happened, timeout=10_000, check_params_cb=is_a(AutonomousStarted)):
        hands.tap("p")
    qtbot.waitUntil(lambda: newest(window).mode is Mode.AUTONOMOUS, timeout=10_000)
    height = newest(window).observation.ee_position[2]
    hands.hold({"q"})
    qtbot.waitUntil(lambda: newest(window).mode is Mode.TELEOP, timeout=10_000)
    qtbot.waitUntil(lambda: newest(window).observation.ee_position[2] > height + 0.02, timeout=10_000)
    hands.hold(())
    qtbot.waitUntil(lambda: not window.policy.autonomous_action.isChecked(), timeout=10_000)
    hands.tap("p")
    qtbot.waitUntil(lambda: newest(window).mode is Mode.AUTONOMOUS, timeout=10_000)
    assert window.policy.autonomous_action.isChecked()
    hands.tap("Escape")
    qtbot.waitUntil(lambda: newest(window).mode is Mode.IDLE, timeout=10_000)


def compare_the_picture(window: MainWindow, hands: Hands, qtbot: QtBot) -> None:
    viewport = window.viewport
    assert isinstance(viewport, Viewport)
    viewport.antialiasing = True  # as the offscreen renderer draws
    viewport.shadows = False
    next(action for action in window.camera_actions if action.data() == "front").trigger()
    assert viewport.camera_name == "front"
    qtbot.waitUntil(lambda: not viewport.is_moving, timeout=20_000)
    shown = viewport.grab_image()
    snapshot = newest(window)
    wanted = render(snapshot.state, snapshot, shown.shape)
    elsewhere = render(start_state_of_seed(snapshot.seed), snapshot, shown.shape)

    assert shown.std() > 20, "the viewport is blank"
    assert difference(shown, wanted) < 2.0
    assert difference(shown, elsewhere) > 2 * difference(shown, wanted), "another state would have passed as well"


# --- helpers ------------------------------------------------------------------------------------------------------


def says(part: str) -> Callable[[str, str], bool]:
    return lambda level, text: part in text


def is_a(kind: type[Event]) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, kind)


def show_tab(window: MainWindow, title: str, hands: Hands, qtbot: QtBot) -> None:
    """Click on the tab of a dock."""
    for bar in window.findChildren(QTabBar, options=Qt.FindChildOption.FindDirectChildrenOnly):
        for place in range(bar.count()):
            if bar.tabText(place) == title:
                hands.click(bar, bar.tabRect(place).center())
                qtbot.waitUntil(lambda bar=bar, place=place: bar.currentIndex() == place, timeout=10_000)
                return
    raise AssertionError(f"there is no tab {title}")


def start_state_of_seed(seed: int) -> NDArray[np.float64]:
    simulation = Simulation(load_task("lift"))
    simulation.reset(seed)
    return simulation.state()


def render(state: NDArray[np.float64], snapshot: Snapshot, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """`state` by the observations' renderer and front camera; in a thread, as it makes a context of its own."""

    def draw() -> NDArray[np.uint8]:
        simulation = Simulation(load_task("lift"), snapshot.look)
        simulation.reset(snapshot.seed, snapshot.look)
        simulation.set_state(state)
        with CameraRenderer(simulation.model, *shape[:2]) as renderer:
            return renderer.render(simulation.data, "front")

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(draw).result()


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Mean absolute difference of 0..255 pixels."""
    return float(np.abs(first.astype(float) - second.astype(float)).mean())
