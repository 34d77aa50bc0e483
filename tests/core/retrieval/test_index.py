from __future__ import annotations

import errno
import json
import sys
import tracemalloc
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vinn_core.config import IndexConfig, IndexJob, PolicyConfig
from vinn_core.episodes.episode import Episode, EpisodeInfo, Source
from vinn_core.episodes.file import EpisodeSummary
from vinn_core.errors import EmbeddingIndexError
from vinn_core.progress import JobEvent, StageProgress, StopRequest
from vinn_core.retrieval import build, rows, store, vinn
from vinn_core.retrieval.build import build_index
from vinn_core.retrieval.embedding import Embedder, EmbeddingTransform
from vinn_core.retrieval.index import EmbeddingIndex, IndexInfo
from vinn_core.retrieval.metric import FEWEST_DEMONSTRATIONS
from vinn_core.retrieval.rows import moving_steps
from vinn_core.retrieval.store import index_names, index_origin, list_indexes, load_index
from vinn_core.retrieval.vinn import load_policy


class CountingEncoder:
    """Average colours of the four quarters of an image; counts the frames it has seen."""

    def __init__(self, fingerprint: str = "encoder-1", cameras: tuple[str, ...] = ("wrist",)) -> None:
        self.fingerprint, self.cameras, self.seen = fingerprint, cameras, 0
        self.after_each_batch: Callable[[], None] = lambda: None

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.seen += len(frames)
        self.after_each_batch()
        quarters = frames.reshape(len(frames), 2, 4, 2, 4, 3).mean(axis=(2, 4))
        return quarters.reshape(len(frames), -1).astype(np.float32)


def make_episode(seed: int, length: int = 12) -> Episode:
    random = np.random.default_rng(seed)
    actions = random.uniform(0.02, 0.1, (length, 7)).astype(np.float32)
    actions[:, 6] = 1.0
    return Episode(
        EpisodeInfo("lift", "none", seed, 10.0, Source.EXPERT, True, "", "2026-01-01T00:00:00+00:00", ""),
        {name: random.integers(0, 256, (length, 8, 8, 3), dtype=np.uint8) for name in ("wrist", "front")},
        random.random((length, 3)),
        random.standard_normal((length, 4)),
        np.ones(length),
        np.arange(length) / 10,
        actions,
        actions,
        random.random((length, 4)),
    )


@dataclass
class Recorded:
    """An episode as the dataset lists it."""

    number: int
    episode: Episode
    fingerprint: str
    success: bool | None = True
    usable = EpisodeSummary.usable

    @property
    def path(self) -> Path:
        return Path(f"{self.number:06d}.hdf5")

    @property
    def length(self) -> int:
        return len(self.episode)

    @property
    def cameras(self) -> tuple[str, ...]:
        return tuple(self.episode.images)


class Bench:
    """A workspace folder with a dataset in memory."""

    def __init__(self, root: Path) -> None:
        self.workspace: Any = SimpleNamespace(
            indexes_folder=root / "indexes", encoders_folder=root / "encoders", bench=self
        )
        self.recorded: list[Recorded] = []
        self.encoder = CountingEncoder()
        self.events: list[JobEvent] = []
        self.stop = StopRequest()

    def record(self, number: int, length: int = 12, success: bool | None = True) -> Recorded:
        self.recorded.append(Recorded(number, make_episode(number, length), f"episode-{number}", success))
        return self.recorded[-1]

    def build(self, config: IndexConfig | None = None) -> EmbeddingIndex | None:
        config = config or IndexConfig(whiten=6)
        return build_index(
            self.workspace, self.encoder, IndexJob("mine", "first", config), report=self.events.append, stop=self.stop
        )

    def built(self, config: IndexConfig | None = None) -> EmbeddingIndex:
        index = self.build(config)
        assert index is not None
        return index

    @property
    def folder(self) -> Path:
        return self.workspace.indexes_folder / "first"

    def summaries(self) -> list[Recorded]:
        return list(self.recorded)

    def fingerprint(self) -> str:
        return "+".join(item.fingerprint for item in self.recorded)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    by_path = lambda path: next(item.episode for item in bench.recorded if item.path == path)  # noqa: E731
    for module in (build, vinn):
        monkeypatch.setattr(module, "Dataset", lambda workspace: workspace.bench)
    monkeypatch.setattr(rows, "load_motion", by_path)
    monkeypatch.setattr(rows, "load_frames", lambda path, camera: by_path(path).images[camera])
    encoder: Any = ModuleType("vinn_core.encoder.network")
    encoder.load_encoder = lambda folder: bench.encoder
    monkeypatch.setitem(sys.modules, "vinn_core.encoder.network", encoder)
    return bench


def make_index(vectors: NDArray[np.float32], config: IndexConfig | None = None) -> EmbeddingIndex:
    config = config or IndexConfig()
    rows = np.arange(len(vectors), dtype=np.int32)
    info = IndexInfo("mine", "encoder-1", "dataset", {1: "episode-1"}, config, config.search_k)
    transform = EmbeddingTransform.fit({"wrist": vectors[:1]}, np.zeros((1, 5)), config)
    return EmbeddingIndex(
        vectors, rows, rows, actions=np.zeros((len(rows), 7), np.float32), transform=transform, info=info
    )


def random_vectors(rows: int, dimensions: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((rows, dimensions)).astype(np.float32)


def test_every_row_finds_itself_first() -> None:
    vectors = random_vectors(1000, 24)
    index = make_index(vectors)
    for row, vector in enumerate(vectors):
        assert index.query(vector, 3)[0] == (row, 0.0)


def test_exact_query_agrees_with_numpy() -> None:
    vectors, query = random_vectors(300, 10), random_vectors(301, 10)[-1]
    distances = np.linalg.norm(vectors.astype(np.float64) - query, axis=1)
    found = make_index(vectors).query_exact(query, 7)
    assert [row for row, _ in found] == np.argsort(distances)[:7].tolist()
    np.testing.assert_allclose([distance for _, distance in found], np.sort(distances)[:7], rtol=1e-6)


def test_neighbours_under_the_papers_metric_are_exact_to_the_bit_and_ties_go_by_row() -> None:
    vectors = np.repeat(random_vectors(400, 30) * np.float32(1e3) + np.float32(7e3), 2, axis=0)  # every row twice
    space = make_index(vectors).space("euclidean")
    for query in random_vectors(40, 30) * np.float32(1e3) + np.float32(7e3):
        differences = vectors - query
        distances = np.sqrt(np.einsum("nd,nd->n", differences, differences, dtype=np.float64))
        order = np.lexsort((np.arange(len(vectors)), distances))[:9]
        assert space.query(query, 9) == [(int(row), float(distances[row])) for row in order]


def test_asking_under_the_papers_metric_copies_no_rows() -> None:
    vectors = random_vectors(20_000, 64)
    space = make_index(vectors, IndexConfig(trees=1)).space("euclidean")
    space.query(vectors[0], 5)
    tracemalloc.start()
    space.query(vectors[1], 5)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < vectors.nbytes / 4


def test_tuning_raises_the_search_effort_until_the_recall_is_reached() -> None:
    untuned = make_index(random_vectors(3000, 30), IndexConfig(trees=5, search_k=20))
    tuned = copy(untuned)
    tuned.tune()
    hits = {"untuned": 0, "tuned": 0}
    queries = np.random.default_rng(5).standard_normal((200, 30)).astype(np.float32)
    for query in queries:
        exact = {row for row, _ in untuned.query_exact(query, 5)}
        hits["untuned"] += len(exact & {row for row, _ in untuned.query(query, 5)})
        hits["tuned"] += len(exact & {row for row, _ in tuned.query(query, 5)})
    assert hits["untuned"] < 0.9 * 1000  # so that there was something to tune
    assert hits["tuned"] >= 0.98 * 1000
    assert tuned.info.recall >= 0.99


def test_the_same_vectors_give_the_same_answers() -> None:
    vectors = random_vectors(2000, 20)
    first, second = (make_index(vectors, IndexConfig(trees=3, search_k=30)) for _ in range(2))
    for query in random_vectors(50, 20) + 0.3:
        assert first.query(query, 5) == second.query(query, 5)


def test_more_neighbours_than_rows_gives_all_rows() -> None:
    assert sorted(row for row, _ in make_index(random_vectors(4, 3)).query(np.zeros(3, np.float32), 50)) == [0, 1, 2, 3]


def test_a_starved_search_still_gives_k_neighbours() -> None:
    index = make_index(random_vectors(3000, 8), IndexConfig(trees=1, search_k=1))
    for query in random_vectors(20, 8) * 2:
        assert len(index.query(query, 60)) == 60


def test_a_metric_is_learnt_unless_it_is_turned_off(bench: Bench) -> None:
    for number in range(1, FEWEST_DEMONSTRATIONS + 1):
        bench.record(number)
    learnt = bench.built(IndexConfig())
    assert learnt.transform.metric is not None
    np.testing.assert_array_equal(learnt.vectors, learnt.transform.project(learnt.embeddings))
    np.testing.assert_array_equal(learnt.space("euclidean").vectors, learnt.embeddings)
    off = bench.built(IndexConfig(metric_steps=0))
    np.testing.assert_array_equal(off.vectors, off.embeddings)
    np.testing.assert_array_equal(off.embeddings, learnt.embeddings)


def test_both_spaces_of_a_row_find_it(bench: Bench) -> None:
    for number in range(1, FEWEST_DEMONSTRATIONS + 1):
        bench.record(number)
    index = bench.built()
    for metric in ("learnt", "euclidean"):
        space = index.space(metric)
        for row in range(len(index)):
            found = space.query(space.project(index.embeddings[row]), 3)
            assert found[0][1] == 0.0
            assert row in [other for other, distance in found if distance == 0.0]


def test_an_index_of_another_version_asks_to_be_rebuilt(bench: Bench) -> None:
    bench.record(1)
    bench.built()
    facts = json.loads((bench.folder / "index.json").read_text())
    (bench.folder / "index.json").write_text(json.dumps({**facts, "format_version": 1}))
    for ask in (load_index, lambda _: index_origin(bench.workspace, "first")):
        with pytest.raises(EmbeddingIndexError, match="another version of this program: rebuild the index"):
            ask(bench.folder)
    assert [(index.name, index.outdated) for index in list_indexes(bench.folder.parent)] == [("first", True)]


@pytest.mark.parametrize(
    "change", [{"recall": "x"}, {"rows": "many"}, {"created": 3}, {"search_k": None}, {"episodes": 1}]
)
def test_facts_of_the_wrong_kind_are_damage(bench: Bench, change: dict[str, Any]) -> None:
    bench.record(1)
    bench.built()
    facts = json.loads((bench.folder / "index.json").read_text())
    (bench.folder / "index.json").write_text(json.dumps({**facts, **change}))
    with pytest.raises(EmbeddingIndexError, match="index 'first' is damaged .*: rebuild the index"):
        load_index(bench.folder)
    assert list_indexes(bench.folder.parent) == []
    assert index_names(bench.folder.parent) == ["first"]


def test_index_survives_storing(bench: Bench) -> None:
    for number in range(1, FEWEST_DEMONSTRATIONS + 1):
        bench.record(number)
    built = bench.built()
    loaded = load_index(bench.folder)
    assert loaded.info == built.info
    for name in ("embeddings", "vectors", "episodes", "steps", "actions"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(built, name))
    for vector in built.vectors:
        assert loaded.query(vector + 0.01, 5) == built.query(vector + 0.01, 5)


def test_rows_know_their_episode_step_and_action(bench: Bench) -> None:
    bench.record(3, length=5)
    bench.record(8, length=7)
    index = bench.built()
    assert index.episodes.tolist() == [3] * 5 + [8] * 7
    assert index.steps.tolist() == [*range(5), *range(7)]
    np.testing.assert_array_equal(index.actions[5:], bench.recorded[1].episode.actions)


def test_a_recorded_observation_finds_its_own_row(bench: Bench) -> None:
    for number in (1, 2):
        bench.record(number)
    index = bench.built()
    embedder = Embedder(bench.encoder, index.transform)
    for row in range(len(index)):
        recorded = bench.recorded[index.episodes[row] - 1].episode
        vector = embedder.embed(recorded.observation(int(index.steps[row])))
        np.testing.assert_allclose(vector, index.embeddings[row], atol=1e-5)
        assert index.query(vector, 1)[0][0] == row


def test_one_recorded_frame_is_enough(bench: Bench) -> None:
    recorded = bench.record(1, length=1)
    bench.built()
    policy = load_policy(bench.workspace, "first")
    decision = policy.act(recorded.episode.observation(0))
    np.testing.assert_array_equal(decision.action.as_array(), recorded.episode.actions[0])
    assert [(n.episode, n.step, n.weight) for n in decision.neighbours] == [(1, 0, 1.0)]


def test_failed_demonstrations_are_left_out_and_unjudged_ones_are_not(bench: Bench) -> None:
    bench.record(1)
    bench.record(2, success=False)
    bench.record(3, success=None)
    assert set(bench.built().episodes) == {1, 3}


def test_without_usable_episodes_it_says_to_record_some(bench: Bench) -> None:
    bench.record(1, success=False)
    with pytest.raises(EmbeddingIndexError, match="no successful episode.*record or collect"):
        bench.build()


def test_a_camera_missing_in_an_episode_is_named(bench: Bench) -> None:
    bench.record(4)
    bench.encoder = CountingEncoder(cameras=("wrist", "top"))
    with pytest.raises(EmbeddingIndexError, match=r"Episode 4 has no camera 'top' \(it has: wrist, front\).*'mine'"):
        bench.build()


def test_an_encoder_that_gives_nan_is_refused(bench: Bench) -> None:
    bench.record(1)
    bench.encoder.embed = lambda frames: np.full((len(frames), 3), np.nan, np.float32)  # type: ignore[method-assign]
    with pytest.raises(EmbeddingIndexError, match="infinite or undefined"):
        bench.build()


def test_rebuilding_embeds_only_new_episodes(bench: Bench) -> None:
    for number in (1, 2):
        bench.record(number, length=10)
    bench.build()
    assert bench.encoder.seen == 20
    bench.record(3, length=7)
    rebuilt = bench.built()
    assert bench.encoder.seen == 27
    assert set(rebuilt.episodes) == {1, 2, 3}
    assert [e.total for e in bench.events if isinstance(e, StageProgress) and e.stage == "Embedding frames"][-1] == 7
    other = Bench(bench.workspace.indexes_folder.parent / "other")
    np.testing.assert_array_equal(rebuilt.vectors, _built_from_nothing(bench, other).vectors)


def _built_from_nothing(bench: Bench, other: Bench) -> EmbeddingIndex:
    bench.workspace.indexes_folder = other.workspace.indexes_folder
    return bench.built()


def test_another_encoder_embeds_everything_again(bench: Bench) -> None:
    bench.record(1, length=10)
    bench.build()
    bench.encoder = CountingEncoder("encoder-2")
    bench.build()
    assert bench.encoder.seen == 10


def test_a_damaged_cache_only_costs_time(bench: Bench) -> None:
    bench.record(1, length=10)
    bench.build()
    (bench.folder / "features.npz").write_bytes(b"PK\x03\x04 nonsense")
    bench.build()
    assert bench.encoder.seen == 20


def test_progress_counts_images_and_ends_complete(bench: Bench) -> None:
    bench.record(1, length=100)
    bench.build()
    stages = [event for event in bench.events if isinstance(event, StageProgress)]
    embedding = [event for event in stages if event.stage == "Embedding frames"]
    assert [(event.done, event.total, event.unit) for event in embedding] == [(64, 100, "image"), (100, 100, "image")]
    assert stages[-1].stage == "Building index"
    assert stages[-1].done == stages[-1].total


def test_a_stopped_build_leaves_the_old_index(bench: Bench) -> None:
    bench.record(1)
    old = bench.built()
    bench.record(2)
    bench.encoder.after_each_batch = bench.stop.set
    assert bench.build() is None
    assert load_index(bench.folder).info == old.info
    assert [path.name for path in bench.workspace.indexes_folder.iterdir()] == ["first"]


def test_a_full_disk_leaves_the_old_index_and_says_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.record(1)
    old = bench.built()
    bench.record(2)

    def full(*arguments: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store, "_write_arrays", full)
    with pytest.raises(EmbeddingIndexError, match="No space left on device.*before is kept.*Free some disk space"):
        bench.build()
    assert load_index(bench.folder).info == old.info
    assert [path.name for path in bench.workspace.indexes_folder.iterdir()] == ["first"]


def test_a_kill_between_the_two_renames_brings_the_old_index_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.record(1)
    old = bench.built()
    bench.record(2)
    rename = Path.rename

    def killed_after_first_rename(path: Path, target: Path) -> Path:
        if path.name.endswith(".new"):
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", killed_after_first_rename)
    with pytest.raises(KeyboardInterrupt):
        bench.build()
    monkeypatch.undo()
    assert not bench.folder.exists()
    assert load_index(bench.folder).info == old.info


def test_a_missing_index_says_to_build_one(bench: Bench) -> None:
    with pytest.raises(EmbeddingIndexError, match="no index 'first' yet: build the index first"):
        load_policy(bench.workspace, "first")


@pytest.mark.parametrize("name", [*store.CHECKED_FILES, "index.json"])
def test_a_truncated_file_says_to_rebuild(bench: Bench, name: str) -> None:
    bench.record(1)
    bench.build()
    content = (bench.folder / name).read_bytes()
    (bench.folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(EmbeddingIndexError, match="index 'first' is damaged.*: rebuild the index"):
        load_policy(bench.workspace, "first")


def test_a_missing_file_says_to_rebuild(bench: Bench) -> None:
    bench.record(1)
    bench.build()
    (bench.folder / "index.ann").unlink()
    with pytest.raises(EmbeddingIndexError, match="index 'first' is damaged.*: rebuild the index"):
        load_policy(bench.workspace, "first")


def test_an_index_of_another_encoder_is_refused(bench: Bench) -> None:
    bench.record(1)
    bench.build()
    bench.encoder = CountingEncoder("encoder-2")
    with pytest.raises(EmbeddingIndexError, match="The index belongs to another encoder.*: rebuild the index"):
        load_policy(bench.workspace, "first")


def test_a_deleted_episode_is_named(bench: Bench) -> None:
    bench.record(1)
    bench.record(2)
    bench.build()
    del bench.recorded[1]
    with pytest.raises(EmbeddingIndexError, match="Episode 2 of the index is no longer in the dataset: rebuild"):
        load_policy(bench.workspace, "first")


def test_a_changed_episode_is_named(bench: Bench) -> None:
    bench.record(1)
    bench.build()
    bench.recorded[0].fingerprint = "edited"
    with pytest.raises(EmbeddingIndexError, match="Episode 1 of the index has changed since: rebuild"):
        load_policy(bench.workspace, "first")


def test_new_episodes_are_no_error(bench: Bench) -> None:
    bench.record(1)
    bench.build()
    bench.record(2)
    bench.record(3, success=False)
    bench.record(4, success=None)
    assert set(load_policy(bench.workspace, "first").index.episodes) == {1}


def test_policy_settings_default_to_those_of_the_index(bench: Bench) -> None:
    bench.record(1)
    bench.build(IndexConfig(neighbours=3, temperature=0.7))
    assert load_policy(bench.workspace, "first").config == PolicyConfig(3, 0.7)
    assert load_policy(bench.workspace, "first", PolicyConfig(1, 0.2)).config == PolicyConfig(1, 0.2)


def test_index_json_can_be_read_without_the_program(bench: Bench) -> None:
    bench.record(1)
    bench.build()
    facts = json.loads((bench.folder / "index.json").read_text(encoding="utf-8"))
    assert facts["encoder_fingerprint"] == "encoder-1"
    assert facts["dataset_fingerprint"] == "episode-1"
    assert facts["episodes"] == {"1": "episode-1"}
    assert facts["metric"] == "euclidean"
    assert facts["recall"] >= 0.99
    assert facts["config"]["neighbours"] == 5


def test_waiting_at_the_start_and_end_is_left_out(bench: Bench) -> None:
    recorded = bench.record(1, length=12)
    actions = recorded.episode.actions.copy()
    actions[[0, 1, 6, 10, 11], :6] = 0.0
    recorded.episode = replace(recorded.episode, actions=actions)
    assert bench.built(IndexConfig(whiten=4)).steps.tolist() == list(range(2, 10))
    assert len(bench.built(IndexConfig(whiten=4, leave_out_idle=False))) == 12


def test_closing_the_gripper_is_not_waiting() -> None:
    actions = np.zeros((8, 7), np.float32)
    actions[:3, 6] = 1.0  # open for three steps, then told to close; the fingers take two steps
    openings = np.array([1.0, 1.0, 1.0, 1.0, 0.7, 0.5, 0.5, 0.5])
    assert moving_steps(actions, openings).tolist() == [3, 4]


def test_episodes_of_nothing_but_waiting_are_refused(bench: Bench) -> None:
    recorded = bench.record(1)
    still = np.zeros_like(recorded.episode.actions)
    recorded.episode = replace(recorded.episode, actions=still)
    with pytest.raises(EmbeddingIndexError, match="only stands still"):
        bench.build()
