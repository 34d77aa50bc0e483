"""Fixtures for the tests of whole journeys: hands at the X server, and a workspace that has a policy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hands import Hands, nobody_sits_here
from window_fixtures import open_window, own_settings, qapp, qapp_args, window, workspace_folder

from vinn_core.collect import collect
from vinn_core.config import IndexConfig, WorkspaceConfig, preset
from vinn_core.progress import StopRequest
from vinn_core.workspace import Workspace

__all__ = ["open_window", "own_settings", "qapp", "qapp_args", "window", "workspace_folder"]


@pytest.fixture
def hands() -> Iterator[Hands]:
    if not nobody_sits_here():
        pytest.skip("needs a virtual X screen to press keys on (unset DISPLAY and WAYLAND_DISPLAY to get one)")
    hands = Hands()
    yield hands
    hands.close()


@pytest.fixture(scope="session")
def demonstrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of four scripted demonstrations, seeds 0 to 3. Not to be changed: copy it."""
    folder = tmp_path_factory.mktemp("demonstrated") / "workspace"
    with Workspace.open(folder, WorkspaceConfig()) as workspace:
        collect(workspace, 4, 0, 0.0, None, lambda event: None, StopRequest())
    return folder


@pytest.fixture(scope="session")
def taught(demonstrated: Path) -> Path:
    """The same with an (untrained) encoder and an index. Not to be changed: copy it."""
    from vinn_core.torch_setup import use_one_thread

    use_one_thread()
    from vinn_core.encoder import load_encoder
    from vinn_core.index import build_index
    from vinn_core.training import train_on_workspace

    folder = demonstrated.parent / "taught"
    shutil.copytree(demonstrated, folder)
    with Workspace.open(folder) as workspace:
        stop = StopRequest()
        train_on_workspace(workspace, "default", preset("tiny", epochs=0), lambda event: None, stop)
        encoder = load_encoder(workspace.encoders_folder / "default")
        build_index(workspace, encoder, "default", IndexConfig(), "default", lambda event: None, stop)
    return folder
