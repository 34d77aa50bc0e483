"""The index and its policy on a real workspace: real episodes, a real encoder, the command line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from episode_samples import CONFIG, SIZE, sample_episode
from numpy.typing import NDArray

from vinn_core.cli.main import main
from vinn_core.config import IndexConfig, IndexJob, TrainConfig, preset
from vinn_core.encoder.network import Encoder, create_encoder, load_encoder, save_encoder
from vinn_core.encoder.torch_setup import one_thread
from vinn_core.episodes.dataset import Dataset, save_episode
from vinn_core.errors import DatasetError, EmbeddingIndexError, EncoderError
from vinn_core.progress import JobEvent, StageProgress, StopRequest
from vinn_core.retrieval.build import build_index
from vinn_core.retrieval.embedding import Embedder
from vinn_core.retrieval.index import EmbeddingIndex
from vinn_core.retrieval.store import load_index
from vinn_core.retrieval.vinn import load_policy
from vinn_core.workspace import Workspace

LENGTH = 12
SMALL = preset("tiny", image_size=SIZE, grid_size=2, cameras=("wrist", "front"))
INDEX = IndexConfig(whiten=16, trees=5, leave_out_idle=False)


@pytest.fixture(autouse=True)
def _one_core() -> Iterator[None]:
    with one_thread():
        yield


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace of three episodes, the encoder "mine" with random weights, and its index."""
    folder = tmp_path_factory.mktemp("original")
    with one_thread(), Workspace.open(folder, CONFIG) as opened:
        for seed in (1, 2, 3):
            record(opened, seed)
        train_nothing(opened, SMALL)
        build(opened)
    return folder


@pytest.fixture
def workspace(original: Path, tmp_path: Path) -> Iterator[Workspace]:
    """A copy of `original`."""
    with Workspace.open(shutil.copytree(original, tmp_path / "workspace")) as opened:
        yield opened


def record(workspace: Workspace, seed: int) -> int:
    return save_episode(workspace.episodes_folder, sample_episode(seed, LENGTH))


def train_nothing(workspace: Workspace, config: TrainConfig, seed: int = 0) -> None:
    """Store start weights as the encoder "mine"."""
    encoder = create_encoder(config.encoder, seed, config.cameras)
    save_encoder(encoder, workspace.encoders_folder / "mine", train=config, frames=0)


def build(workspace: Workspace) -> tuple[EmbeddingIndex, list[JobEvent]]:
    events: list[JobEvent] = []
    encoder = load_encoder(workspace.encoders_folder / "mine")
    index = build_index(workspace, encoder, IndexJob("mine", index=INDEX), report=events.append, stop=StopRequest())
    assert index is not None
    return index, events


def frames_embedded(events: list[JobEvent]) -> int:
    return max((e.done for e in events if isinstance(e, StageProgress) and e.stage == "Embedding frames"), default=0)


def test_every_row_finds_itself_and_knows_its_episode_step_and_action(workspace: Workspace) -> None:
    index = load_index(workspace.indexes_folder / "mine")
    assert len(index) == 3 * LENGTH
    for row, vector in enumerate(index.vectors):
        assert index.query(vector, 3)[0] == (row, 0.0)
        episode = Dataset(workspace).load(int(index.episodes[row]))
        np.testing.assert_array_equal(index.actions[row], episode.actions[index.steps[row]])


def test_a_recorded_observation_is_embedded_onto_its_own_row(workspace: Workspace) -> None:
    index = load_index(workspace.indexes_folder / "mine")
    embedder = Embedder(load_encoder(workspace.encoders_folder / "mine"), index.transform)
    episode = Dataset(workspace).load(2)
    for step in range(LENGTH):
        row = LENGTH + step
        vector = embedder.embed(episode.observation(step))
        np.testing.assert_allclose(vector, index.embeddings[row], atol=1e-5)
        assert index.query(vector, 1)[0][0] == row


def test_policy_repeats_the_action_of_a_frame_it_has_seen(workspace: Workspace) -> None:
    episode = Dataset(workspace).load(3)
    policy = load_policy(workspace, "mine")
    decision = policy.act(episode.observation(5))
    assert (decision.neighbours[0].episode, decision.neighbours[0].step) == (3, 5)
    assert decision.neighbours[0].weight > 0.99
    np.testing.assert_allclose(decision.action.twist, episode.actions[5, :6], atol=0.02)


def test_policy_asks_for_the_cameras_of_its_encoder(workspace: Workspace) -> None:
    policy = load_policy(workspace, "mine")
    assert policy.cameras == ("wrist", "front")
    observation = Dataset(workspace).load(1).observation(0)
    blind = replace(observation, images={"wrist": observation.images["wrist"]})
    with pytest.raises(DatasetError, match="no camera 'front' in the observation; it has: wrist"):
        policy.act(blind)


def test_an_encoder_trained_again_needs_a_new_index(workspace: Workspace) -> None:
    train_nothing(workspace, SMALL, seed=1)
    with pytest.raises(EmbeddingIndexError, match="belongs to another encoder than the present 'mine'.*rebuild"):
        load_policy(workspace, "mine")
    _, events = build(workspace)
    assert frames_embedded(events) == 2 * 3 * LENGTH  # none of the old features were used
    load_policy(workspace, "mine")


def test_an_index_whose_encoder_was_deleted_names_the_encoder(workspace: Workspace) -> None:
    (workspace.encoders_folder / "mine" / "encoder.pt").unlink()
    with pytest.raises(EncoderError, match="no encoder 'mine'"):
        load_policy(workspace, "mine")


def test_a_deleted_episode_is_named_until_it_is_restored(workspace: Workspace) -> None:
    Dataset(workspace).delete([2])
    with pytest.raises(EmbeddingIndexError, match="Episode 2 of the index is no longer in the dataset: rebuild"):
        load_policy(workspace, "mine")
    Dataset(workspace).restore([2])
    load_policy(workspace, "mine")


def test_a_changed_episode_is_named(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.episodes_folder / "000002.hdf5").unlink()
    save_episode(tmp_path, sample_episode(9, LENGTH))
    (tmp_path / "000001.hdf5").rename(workspace.episodes_folder / "000002.hdf5")
    with pytest.raises(EmbeddingIndexError, match="Episode 2 of the index has changed since: rebuild"):
        load_policy(workspace, "mine")


def test_a_changed_judgement_does_not_make_the_index_stale(workspace: Workspace) -> None:
    Dataset(workspace).set_success(2, False)
    load_policy(workspace, "mine")
    index, events = build(workspace)
    assert set(index.episodes) == {1, 3}
    assert frames_embedded(events) == 0


def test_only_new_episodes_are_embedded(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    new = record(workspace, 4)
    assert set(load_policy(workspace, "mine").index.episodes) == {1, 2, 3}
    seen: list[NDArray[np.uint8]] = []
    embed = Encoder.embed
    monkeypatch.setattr(Encoder, "embed", lambda encoder, frames: seen.append(frames) or embed(encoder, frames))
    command = ["index", "--workspace", str(workspace.path), "--encoder", "mine", "--whiten", "16", "--json"]
    assert main(command) == 0
    episode = Dataset(workspace).load(new)
    np.testing.assert_array_equal(np.concatenate(seen), np.concatenate([episode.images[c] for c in SMALL.cameras]))
    result = json.loads(capsys.readouterr().out)
    assert (result["name"], result["encoder"]) == ("mine", "mine")
    policy = load_policy(workspace, "mine")
    assert set(policy.index.episodes) == {1, 2, 3, new}
    assert len(policy.index) == result["frames"]


def test_an_episode_without_a_camera_of_the_encoder_is_named(workspace: Workspace) -> None:
    episode = sample_episode(5, LENGTH)
    save_episode(workspace.episodes_folder, replace(episode, images={"wrist": episode.images["wrist"]}))
    with pytest.raises(EmbeddingIndexError, match=r"Episode 4 has no camera 'front' \(it has: wrist\)"):
        build(workspace)
    load_policy(workspace, "mine")  # the index there was still works


def test_without_episodes_it_says_to_record_some(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, CONFIG) as workspace:
        train_nothing(workspace, SMALL)
        with pytest.raises(EmbeddingIndexError, match="no successful episode to index yet: record or collect"):
            build(workspace)


def test_one_episode_of_one_frame_is_enough(tmp_path: Path) -> None:
    with Workspace.open(tmp_path, CONFIG) as workspace:
        episode = sample_episode(1, length=1)
        save_episode(workspace.episodes_folder, episode)
        train_nothing(workspace, SMALL)
        build(workspace)
        decision = load_policy(workspace, "mine").act(episode.observation(0))
        np.testing.assert_allclose(decision.action.twist, episode.actions[0, :6])


def test_the_command_line_says_what_is_missing_in_one_line(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", "--workspace", str(workspace.path), "--encoder", "other"]) == 2
    told = capsys.readouterr()
    assert told.err.splitlines()[-1] == "no encoder 'other'; there are: mine."
    assert "Traceback" not in told.err + told.out
