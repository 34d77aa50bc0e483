"""The embedded viewer: what it shows, and MuJoCo's mouse conventions in it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import mujoco
import numpy as np
import pytest
from mouse import double_click, drag, place_of
from numpy.typing import NDArray
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.viewport.control import FREE_CAMERA
from app.viewport.mirror import SceneMirror
from app.viewport.offscreen import OffscreenViewport
from app.viewport.widget import Viewport, to_array
from vinn_core.session.loop import Session
from vinn_core.session.messages import ResetScene, Snapshot
from vinn_core.world.rendering import CameraRenderer
from vinn_core.world.tasks import load_task

_PERIOD_S = 0.1


class World:
    """A session in a thread of its own: its OpenGL context and Qt's cannot be current in the same one."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._session = self._thread.submit(
            lambda: Session(load_task("lift"), cameras=("front",), image_size=32)
        ).result()
        self.data = self._session.simulation.data

    def reset(self, seed: int, look: str = "none") -> Snapshot:
        """The first snapshot after a reset."""

        def reset() -> Snapshot:
            self._session.handle(ResetScene(seed, look))
            return self._session.tick()

        return self._thread.submit(reset).result()

    def render(self, height: int, width: int) -> NDArray[np.uint8]:
        """The present state as the front camera sees it."""

        def render() -> NDArray[np.uint8]:
            with CameraRenderer(self._session.simulation.model, height, width) as renderer:
                return renderer.render(self.data, "front")

        return self._thread.submit(render).result()

    def close(self) -> None:
        self._thread.submit(self._session.close).result()
        self._thread.shutdown()


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def snapshot(world: World) -> Snapshot:
    return world.reset(seed=3)


@pytest.fixture
def viewport(qtbot: QtBot, snapshot: Snapshot) -> Viewport:
    viewport = Viewport(SceneMirror(load_task("lift"), _PERIOD_S))
    qtbot.addWidget(viewport)
    viewport.resize(480, 360)
    with qtbot.waitExposed(viewport):
        viewport.show()
    viewport.show_snapshot(snapshot)
    settle(qtbot, viewport)
    return viewport


def grab(qtbot: QtBot, viewport: Viewport) -> NDArray[np.uint8]:
    """The picture, once it shows what was asked for last."""
    settle(qtbot, viewport)
    return viewport.grab_image()


def settle(qtbot: QtBot, viewport: Viewport) -> None:
    """Wait until the picture shows the newest snapshot."""
    qtbot.waitUntil(lambda: viewport.frames_drawn > 0 and not viewport.is_moving, timeout=10_000)


def agreement(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> tuple[float, float]:
    """Mean absolute difference of 0..255 pixels, and their correlation."""
    first, second = first.astype(float), second.astype(float)
    return float(np.abs(first - second).mean()), float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


@pytest.mark.parametrize("look", ["none", "varied"])
def test_picture_agrees_with_an_offscreen_render_of_the_same_state(
    viewport: Viewport, world: World, qtbot: QtBot, look: str
) -> None:
    viewport.antialiasing = True
    viewport.shadows = False
    viewport.look_through("front")
    viewport.show_snapshot(world.reset(5, look))
    settle(qtbot, viewport)

    shown = viewport.grab_image()
    wanted = world.render(*shown.shape[:2])
    world.reset(6, look)
    other = world.render(*shown.shape[:2])

    assert shown.std() > 20, "the viewport is blank"
    difference, correlation = agreement(shown, wanted)
    assert correlation > 0.99
    assert difference < 2.0
    assert agreement(shown, other)[0] > 2 * difference + 1, "another scene would have passed as well"


def test_what_the_screen_shows_is_the_picture(viewport: Viewport, qtbot: QtBot) -> None:
    on_screen = to_array(viewport.grab().toImage())
    assert agreement(on_screen, grab(qtbot, viewport))[0] < 1.0


def test_left_drag_rotates_the_view(viewport: Viewport, qtbot: QtBot) -> None:
    before, picture = viewport.camera_in_world(), grab(qtbot, viewport)
    drag(viewport, Qt.MouseButton.LeftButton, QPoint(120, 0))
    after = viewport.camera_in_world()
    assert np.abs(after - before).max() > 0.2
    assert np.allclose(after.T @ after, np.eye(3), atol=1e-9)
    assert agreement(grab(qtbot, viewport), picture)[0] > 5


def test_camera_axes_agree_with_what_mujoco_draws(viewport: Viewport, qtbot: QtBot) -> None:
    drag(viewport, Qt.MouseButton.LeftButton, QPoint(77, 31))
    grab(qtbot, viewport)
    drawn = viewport.control.scene.camera[0]
    right, up, backward = viewport.camera_in_world().T
    assert np.allclose(-backward, drawn.forward, atol=1e-5)
    assert np.allclose(up, drawn.up, atol=1e-5)
    assert np.allclose(right, np.cross(drawn.forward, drawn.up), atol=1e-5)


def test_right_drag_pans_and_wheel_zooms_without_turning(viewport: Viewport, qtbot: QtBot) -> None:
    axes, picture = viewport.camera_in_world(), grab(qtbot, viewport)
    drag(viewport, Qt.MouseButton.RightButton, QPoint(60, 40))
    panned = grab(qtbot, viewport)
    wheel = QWheelEvent(
        QPointF(200, 150),
        QPointF(200, 150),
        QPoint(),
        QPoint(0, 360),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(viewport, wheel)
    assert np.array_equal(viewport.camera_in_world(), axes)
    assert agreement(panned, picture)[0] > 3
    assert agreement(grab(qtbot, viewport), panned)[0] > 3


def test_double_click_selects_a_body_and_beside_it_none(viewport: Viewport, world: World, qtbot: QtBot) -> None:
    viewport.look_through("front")
    grab(qtbot, viewport)
    with qtbot.waitSignal(viewport.selected) as selected:
        double_click(viewport, place_of("cube", world.data, viewport))
    assert selected.args == ["cube"]
    double_click(viewport, QPoint(3, 3))
    assert viewport.control.selected_body == ""


def test_ctrl_drag_pushes_the_selected_body_until_let_go(viewport: Viewport, world: World, qtbot: QtBot) -> None:
    viewport.look_through("front")
    grab(qtbot, viewport)
    double_click(viewport, place_of("cube", world.data, viewport))
    perturbs: list[mujoco.MjvPerturb | None] = []
    viewport.perturbed.connect(perturbs.append)
    axes = viewport.camera_in_world()
    drag(viewport, Qt.MouseButton.RightButton, QPoint(30, -40), modifiers=Qt.KeyboardModifier.ControlModifier)
    assert perturbs[-1] is None
    pushed = [perturb for perturb in perturbs if perturb is not None]
    assert {perturb.select for perturb in pushed} == {world.data.body("cube").id}
    assert np.linalg.norm(pushed[-1].refselpos - pushed[0].refselpos) > 0.01
    assert np.array_equal(viewport.camera_in_world(), axes)


def test_every_camera_can_be_looked_through_and_the_view_reset(viewport: Viewport, qtbot: QtBot) -> None:
    free = grab(qtbot, viewport)
    pictures = [free]
    for name in ("front", "wrist", "side"):
        assert name in viewport.camera_names
        viewport.look_through(name)
        assert viewport.camera_name == name
        pictures.append(grab(qtbot, viewport))
        assert min(agreement(pictures[-1], earlier)[0] for earlier in pictures[:-1]) > 3
    viewport.reset_view()
    assert viewport.camera_name == FREE_CAMERA
    assert agreement(grab(qtbot, viewport), free)[0] < 1


def test_nothing_is_drawn_while_nothing_moves(viewport: Viewport, snapshot: Snapshot, qtbot: QtBot) -> None:
    still = replace(snapshot, previous_state=snapshot.state)
    viewport.show_snapshot(still)
    settle(qtbot, viewport)
    QApplication.processEvents()
    drawn = viewport.frames_drawn
    for _ in range(5):
        viewport.show_snapshot(still)
        QApplication.processEvents()
    assert viewport.frames_drawn == drawn


def test_shadows_and_smooth_edges_change_the_picture(viewport: Viewport, qtbot: QtBot) -> None:
    viewport.shadows = viewport.antialiasing = False
    plain = grab(qtbot, viewport)
    viewport.shadows = True
    assert agreement(grab(qtbot, viewport), plain)[0] > 0.1
    viewport.shadows = False
    viewport.antialiasing = True
    assert agreement(grab(qtbot, viewport), plain)[0] > 0.1


def test_mirror_moves_evenly_and_keeps_quaternions_of_unit_length(snapshot: Snapshot) -> None:
    mirror = SceneMirror(load_task("lift"), _PERIOD_S)
    start, end = snapshot.state.copy(), snapshot.state.copy()
    cube = 1 + mirror.model.joint("cube").qposadr[0]
    start[cube : cube + 7] = (0.2, 0.0, 0.1, 1, 0, 0, 0)
    end[cube : cube + 7] = (0.3, 0.0, 0.1, 0, 0, 0, -1)
    mirror.receive(replace(snapshot, previous_state=start, state=end), now_s=10.0)
    mirror.advance(10.05)
    assert mirror.data.body("cube").xpos[0] == pytest.approx(0.25)
    assert np.linalg.norm(mirror.data.qpos[cube + 2 : cube + 6]) == pytest.approx(1.0)
    assert mirror.moving()
    mirror.advance(10.5)
    assert np.array_equal(mirror.data.qpos, end[1 : 1 + mirror.model.nq])
    assert not mirror.moving()


def test_without_opengl_pictures_are_shown(qtbot: QtBot, world: World, snapshot: Snapshot) -> None:
    viewport = OffscreenViewport(load_task("lift"), _PERIOD_S)
    qtbot.addWidget(viewport, before_close_func=lambda viewport: viewport.close_renderer())
    viewport.resize(640, 480)
    with qtbot.waitExposed(viewport):
        viewport.show()
    viewport.show_snapshot(snapshot)
    qtbot.waitUntil(lambda: viewport.grab_image().any(), timeout=10_000)
    shown = viewport.grab_image()
    assert agreement(shown, world.render(*shown.shape[:2]))[0] < 0.5
    viewport.look_through("side")
    qtbot.waitUntil(lambda: agreement(viewport.grab_image(), shown)[0] > 3, timeout=10_000)
