"""Camera pictures, whoever imported MuJoCo first and however a program ends."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from vinn_core.errors import RenderingError, SceneError
from vinn_core.world.rendering import CameraRenderer
from vinn_core.world.simulation import Simulation
from vinn_core.world.tasks import load_task

ROOT = Path(__file__).resolve().parents[3]


def _ended(program: str, **changes: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in {**os.environ, **changes}.items() if value is not None}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)


SESSION_LEFT_OPEN = """
from vinn_core.session.loop import Session
from vinn_core.world.tasks import load_task
sessions = [Session(load_task("lift"), cameras=("wrist",)) for _ in range(2)]
print(*(session.tick().observation.images["wrist"].std() > 1.0 for session in sessions))
"""


def test_a_program_that_closes_nothing_ends_quietly() -> None:
    ended = _ended(SESSION_LEFT_OPEN)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True True\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is one way to OpenGL")
def test_mujoco_may_be_imported_first() -> None:
    ended = _ended(f"import mujoco\n{SESSION_LEFT_OPEN}", MUJOCO_GL=None, DISPLAY=None, WAYLAND_DISPLAY=None)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "True True\n", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is one way to OpenGL")
def test_the_library_that_does_not_work_is_named() -> None:
    ended = _ended(SESSION_LEFT_OPEN, MUJOCO_GL="glfw", DISPLAY=None, WAYLAND_DISPLAY=None)
    assert "no OpenGL context (MUJOCO_GL=glfw" in ended.stderr.splitlines()[-1]


def test_a_renderer_that_is_dropped_leaves_the_others_alone() -> None:
    simulation = Simulation(load_task("lift"))
    first, second = (CameraRenderer(simulation.model, 64, 64) for _ in range(2))
    before = second.render(simulation.data, "wrist")
    del first
    np.testing.assert_array_equal(second.render(simulation.data, "wrist"), before)
    second.close()
    second.close()


def test_a_camera_that_is_not_there_is_told_with_those_that_are() -> None:
    simulation = Simulation(load_task("lift"))
    with (
        CameraRenderer(simulation.model, 32, 32) as renderer,
        pytest.raises(SceneError, match="no camera 'wrst'; .*wrist"),
    ):
        renderer.render(simulation.data, "wrst")


def test_pictures_may_be_larger_than_the_scene_says() -> None:
    simulation = Simulation(load_task("lift"))
    with CameraRenderer(simulation.model, 900, 1200) as renderer:
        assert renderer.render(simulation.data, "front").shape == (900, 1200, 3)


def test_what_fails_gives_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(load_task("lift"))
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if sys.platform.startswith("linux"):
        with pytest.raises(RenderingError, match="MUJOCO_GL=glfw"):
            CameraRenderer(simulation.model, 32, 32)
    monkeypatch.undo()
    with CameraRenderer(simulation.model, 32, 32) as renderer:
        assert renderer.render(simulation.data, "wrist").shape == (32, 32, 3)


def test_a_renderer_that_another_thread_left_open_spoils_no_picture() -> None:
    simulation = Simulation(load_task("lift"))
    left: list[CameraRenderer] = []

    def leave_one_open() -> None:
        left.append(CameraRenderer(simulation.model, 64, 64))
        left[0].render(simulation.data, "wrist")

    thread = threading.Thread(target=leave_one_open)
    thread.start()
    thread.join()
    with CameraRenderer(simulation.model, 64, 64) as renderer:
        before = renderer.render(simulation.data, "front")
        left.pop().close()
        np.testing.assert_array_equal(renderer.render(simulation.data, "front"), before)


def test_a_closed_renderer_says_so() -> None:
    simulation = Simulation(load_task("lift"))
    renderer = CameraRenderer(simulation.model, 32, 32)
    renderer.close()
    with pytest.raises(RenderingError, match="the renderer has been closed"):
        renderer.render(simulation.data, "wrist")


def test_an_unknown_library_is_refused_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(load_task("lift"))
    monkeypatch.setenv("MUJOCO_GL", "vulkan")
    with pytest.raises(RenderingError, match="MUJOCO_GL=vulkan; set it to one of: egl, osmesa"):
        CameraRenderer(simulation.model, 32, 32)
