"""Recorded episodes play back: by states and by actions they end where they ended, and they look as they looked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest
from demonstrations import Demonstrator

from vinn_core.config import WorkspaceConfig
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.episodes.episode import Episode
from vinn_core.errors import DatasetError, SceneError
from vinn_core.rollouts.replay import replay_episode, replay_in
from vinn_core.workspace import Workspace
from vinn_core.world.rendering import CameraRenderer
from vinn_core.world.simulation import Simulation
from vinn_core.world.tasks import load_task

SIZE = 48
SAMPLE = Path(__file__).resolve().parents[2] / "data" / "sample_workspace"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """Episode 1 is of the fixed look, episode 2 of a varied one; both with noise."""
    config = WorkspaceConfig(look="varied", image_size=SIZE)
    with Workspace.open(tmp_path_factory.mktemp("replay"), config) as workspace:
        for look, seed in (("none", 3), ("varied", 4)):
            with Demonstrator(look, noise=1.0, cameras=config.cameras, size=SIZE) as demonstrator:
                episode = demonstrator.demonstrate(seed).episode
            assert episode is not None
            save_episode(workspace.episodes_folder, episode)
        yield workspace


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("by_states", [True, False], ids=["states", "actions"])
def test_a_replay_ends_where_the_episode_ended_and_solves_the_task(
    workspace: Workspace, number: int, by_states: bool
) -> None:
    result = replay_episode(workspace, number, by_states)
    assert result.to_dict() == {
        "episode": number,
        "by": "states" if by_states else "actions",
        "steps": len(Dataset(workspace).load(number)),
        "final_state_error": 0.0,
        "final_object_error_m": 0.0,
        "success": True,
    }
    json.dumps(result.to_dict())


def test_a_replay_by_actions_tells_how_far_off_it_ends(workspace: Workspace) -> None:
    episode = Dataset(workspace).load(1)
    still = replace(episode, executed_actions=episode.executed_actions * np.float32([0] * 6 + [1]))
    simulation = Simulation(load_task("lift"))
    result = replay_in(simulation, still, number=1, by_states=False)
    lifted = float(np.linalg.norm(_cube(simulation, episode.states[-1]) - _cube(simulation, episode.states[0])))
    assert result.success is False
    assert result.final_object_error_m == pytest.approx(lifted, abs=2e-3)
    assert result.final_state_error > 0.05


def _cube(simulation: Simulation, state: np.ndarray) -> np.ndarray:
    start = 1 + simulation.model.joint("cube").qposadr[0]
    return state[start : start + 3]


def test_an_episode_of_one_frame_replays(workspace: Workspace) -> None:
    whole = Dataset(workspace).load(1)
    names = ("ee_positions", "ee_quaternions", "gripper_openings", "times", "actions", "executed_actions", "states")
    short = replace(
        whole,
        images={camera: frames[:1] for camera, frames in whole.images.items()},
        **{name: getattr(whole, name)[:1] for name in names},
    )
    result = replay_in(Simulation(load_task("lift")), short, number=1, by_states=True)
    assert (result.steps, result.final_object_error_m, result.success) == (1, 0.0, False)


@pytest.mark.parametrize("number", [1, 2])
def test_stored_states_render_to_exactly_the_recorded_images(workspace: Workspace, number: int) -> None:
    episode = Dataset(workspace).load(number)
    simulation = Simulation(load_task("lift"))
    simulation.reset(episode.info.seed, episode.info.look)
    with CameraRenderer(simulation.model, SIZE, SIZE) as renderer:
        for step in (len(episode) - 1, 0, len(episode) // 2):
            simulation.set_state(episode.states[step])
            for camera, frames in episode.images.items():
                np.testing.assert_array_equal(renderer.render(simulation.data, camera), frames[step])
            np.testing.assert_array_equal(simulation.ee_position, episode.ee_positions[step])


@pytest.mark.parametrize("number", [1, 2])
def test_the_scene_in_the_file_shows_the_recorded_images(workspace: Workspace, number: int) -> None:
    """With plain MuJoCo, from the file alone; the text has fewer digits than the model, so a few pixels may differ."""
    episode = Dataset(workspace).load(number)
    model = mujoco.MjModel.from_xml_string(episode.info.model_xml)
    data = mujoco.MjData(model)
    step = len(episode) // 2
    data.qpos[:] = episode.states[step, 1 : 1 + model.nq]
    mujoco.mj_forward(model, data)
    with CameraRenderer(model, SIZE, SIZE) as renderer:
        for camera, frames in episode.images.items():
            difference = np.abs(renderer.render(data, camera).astype(int) - frames[step]).max(axis=2)
            assert (difference > 3).mean() < 0.01, camera


def test_an_episode_that_is_not_there_is_told_with_those_that_are(workspace: Workspace) -> None:
    with pytest.raises(DatasetError, match=r"no episode 9 in .*; there are 1 to 2"):
        replay_episode(workspace, 9, by_states=True)


def test_an_episode_of_another_task_or_scene_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    episode = Dataset(workspace).load(1)
    with Workspace.open(tmp_path) as other:
        _save(other, replace(episode, info=replace(episode.info, task="juggle")))
        _save(other, replace(episode, states=episode.states[:, :9]))
        with pytest.raises(SceneError, match="no task 'juggle'; known tasks: lift"):
            replay_episode(other, 1, by_states=True)
        with pytest.raises(SceneError, match="a state of 9 numbers does not fit this scene"):
            replay_episode(other, 2, by_states=True)


def _save(workspace: Workspace, episode: Episode) -> None:
    save_episode(workspace.episodes_folder, episode)


def test_the_sample_of_the_first_version_still_plays(tmp_path: Path) -> None:
    with Workspace.open(Path(shutil.copytree(SAMPLE, tmp_path / "sample"))) as sample:
        by_states = replay_episode(sample, 1, by_states=True)
    assert by_states.final_object_error_m == 0.0
