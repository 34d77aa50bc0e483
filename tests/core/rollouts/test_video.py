"""Films of rollouts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from numpy.typing import NDArray

from vinn_core.cli.main import main
from vinn_core.config import IndexConfig, IndexJob, WorkspaceConfig, preset
from vinn_core.encoder.network import create_encoder, save_encoder
from vinn_core.encoder.torch_setup import one_thread
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.episodes.episode import EpisodeBuffer, Source
from vinn_core.progress import JobEvent, StageProgress, StopRequest
from vinn_core.retrieval.build import build_index
from vinn_core.rollouts.evaluation import EvaluationSpec, Evaluator
from vinn_core.rollouts.expert import ExpertPolicy
from vinn_core.rollouts.rollout import Rollout, RolloutRunner
from vinn_core.rollouts.video import film_apart, film_together
from vinn_core.session.loop import Session
from vinn_core.session.messages import RunEnd, SetPolicy
from vinn_core.session.policy import Neighbour
from vinn_core.workspace import Workspace
from vinn_core.world.tasks import load_task

SEED = 3
LINGER = 8
"""Frames that the film stays on the end of each rollout."""


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """The expert's demonstration from SEED, and a policy that can follow it from there."""
    config = WorkspaceConfig(image_size=32, cameras=("wrist",))
    train = preset("tiny", image_size=32, grid_size=2)
    with one_thread(), Workspace.open(tmp_path / "workspace", config) as opened:
        runner = RolloutRunner()
        task = load_task(config.task)
        with Session(
            task, cameras=config.cameras, image_size=32, on_event=runner.notice, make_recorder=EpisodeBuffer
        ) as session:
            session.handle(SetPolicy(ExpertPolicy(session.simulation), Source.EXPERT))
            demonstration = runner.run(session, SEED, record=True).episode
        assert demonstration is not None
        save_episode(opened.episodes_folder, demonstration)
        encoder = create_encoder(train.encoder, 0, train.cameras)
        save_encoder(encoder, opened.encoders_folder / "mine", train=train, frames=0)
        build_index(
            opened,
            encoder,
            IndexJob("mine", index=IndexConfig(neighbours=1)),
            report=lambda event: None,
            stop=StopRequest(),
        )
        yield opened


def frames_of(film: Path) -> NDArray[np.int64]:
    """(T, 480, 1104, 3)."""
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    command = [ffmpeg, "-v", "error", "-i", str(film), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    decoded = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(decoded, dtype=np.uint8).reshape(-1, 480, 1104, 3).astype(np.int64)


def test_film_shows_the_whole_rollout_with_its_neighbours(workspace: Workspace, tmp_path: Path) -> None:
    events: list[JobEvent] = []
    film = tmp_path / "film.mp4"
    evaluator = Evaluator(workspace, EvaluationSpec("vinn", "mine"))
    rollout = evaluator.rollout(SEED)
    evaluator.session.close()
    assert rollout.success
    film_together(workspace, [rollout], film, camera="wrist", report=events.append)
    pictures = frames_of(film)
    assert abs(len(pictures) - LINGER - Dataset(workspace).summaries()[0].length) < 15
    scene, live, nearest = (np.s_[:, :640], np.s_[8:152, 648:792], np.s_[8:152, 800:944])
    start, end = pictures[0], pictures[-1]
    assert np.abs(start[scene] - end[scene]).mean() > 1.0  # the arm has moved
    # It started where the demonstration did: the live frame and its nearest neighbour are the same picture.
    assert np.abs(start[live] - start[nearest]).mean() < 4.0
    assert np.abs(start[live] - end[live]).mean() > 4.0
    stages = [event for event in events if isinstance(event, StageProgress)]
    assert [(event.done, event.total, event.unit) for event in stages] == [(0, 1, "rollout"), (1, 1, "rollout")]


def test_without_an_index_there_is_no_film(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = tmp_path / "film.mp4"
    command = ["evaluate", "--workspace", str(workspace.path), "--index", "other", "--video", str(film)]
    assert main(command) == 2
    assert "no index 'other' yet: build the index first" in capsys.readouterr().err
    assert not film.exists()


def test_a_stored_rollout_is_filmed_as_it_was_with_its_neighbours(workspace: Workspace, tmp_path: Path) -> None:
    demonstration = Dataset(workspace).load(1)
    # As if the policy had followed the demonstration frame by frame: live and neighbour are the same picture.
    neighbours = tuple((Neighbour(1, step, 0.0, 1.0),) for step in range(len(demonstration)))
    states, actions = demonstration.states, demonstration.executed_actions
    rollout = Rollout(demonstration.info, RunEnd.TIME_OUT, states, actions, neighbours)
    [film] = film_apart(workspace, [rollout], tmp_path / "films", camera="wrist", report=lambda event: None)
    assert film == tmp_path / "films" / f"seed-{SEED}.mp4"
    pictures = frames_of(film)
    assert len(pictures) == len(demonstration) + LINGER
    live, nearest = np.s_[8:152, 648:792], np.s_[8:152, 800:944]
    for picture in pictures[: len(demonstration) : 7]:
        assert np.abs(picture[live] - picture[nearest]).mean() < 4.0
    assert np.abs(pictures[0][live] - pictures[-1][live]).mean() > 4.0
