"""Fixtures for the tests of whole journeys: hands at the X server, and a workspace that has a policy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hands import Hands, nobody_sits_here
from window_fixtures import open_window, own_settings, qapp, qapp_args, window, workspace_folder

from vinn_core.config import CollectJob, IndexJob, TrainJob, WorkspaceConfig, preset
from vinn_core.progress import StopRequest
from vinn_core.rollouts.collect import collect
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
        collect(workspace, CollectJob(episodes=4, seed=0, noise=0.0), report=lambda event: None, stop=StopRequest())
    return folder


@pytest.fixture(scope="session")
def taught(demonstrated: Path) -> Path:
    """The same with an (untrained) encoder and an index. Not to be changed: copy it."""
    from vinn_core.encoder.torch_setup import use_one_thread

    use_one_thread()
    from vinn_core.encoder.network import load_encoder
    from vinn_core.retrieval.build import build_index
    from vinn_core.training.run import train_on_workspace

    folder = demonstrated.parent / "taught"
    shutil.copytree(demonstrated, folder)
    with Workspace.open(folder) as workspace:
        stop = StopRequest()
        train_on_workspace(
            workspace, TrainJob("default", train=preset("tiny", epochs=0)), report=lambda event: None, stop=stop
        )
        encoder = load_encoder(workspace.encoders_folder / "default")
        build_index(workspace, encoder, IndexJob("default"), report=lambda event: None, stop=stop)
    return folder
