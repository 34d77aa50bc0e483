"""EmbeddingIndex: recorded frames as searchable vectors (Annoy), and how one is built, stored and loaded."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray

from vinn_core.config import IndexConfig, PolicyConfig
from vinn_core.embedding import Embedder, EmbeddingTransform, FrameEncoder
from vinn_core.errors import ConfigError, EmbeddingIndexError
from vinn_core.index_files import (
    finish_replacing,
    fresh_folder,
    read_features,
    replace_folder,
    sha256_of_files,
    write_arrays,
)
from vinn_core.index_rows import collect_rows
from vinn_core.policy import VinnPolicy
from vinn_core.progress import Report, StageProgress, StopRequest

if TYPE_CHECKING:
    from vinn_core.dataset import Dataset
    from vinn_core.workspace import Workspace

FORMAT_VERSION = 2
METRIC = "euclidean"
RECALL_NEIGHBOURS = 5
RECALL_WANTED = 0.99
RECALL_QUERIES = 400


@dataclass(frozen=True)
class IndexInfo:
    """What an index knows about its origin; stored as index.json.

    Attributes:
        encoder, encoder_fingerprint: which encoder made the vectors.
        dataset_fingerprint: of the dataset at the time. episodes: fingerprint by episode number, of those indexed.
        config: how it was made. search_k: the nodes Annoy inspects for 5 neighbours, as tuned.
        recall: measured recall@5 against exact search. created: ISO 8601, UTC.
    """

    encoder: str
    encoder_fingerprint: str
    dataset_fingerprint: str
    episodes: Mapping[int, str]
    config: IndexConfig
    search_k: int
    recall: float = 1.0
    created: str = ""


@dataclass(frozen=True, eq=False)
class SearchSpace:
    """The rows of an index under one metric.

    Attributes:
        vectors: (N, D) float32, whose Euclidean distance is the metric.
        project: takes embeddings (..., E) there. query: see `EmbeddingIndex.query`.
    """

    vectors: NDArray[np.float32]
    project: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    query: Callable[[NDArray[np.float32], int], list[tuple[int, float]]]


class EmbeddingIndex:
    """N embeddings with the episode, step and action each belongs to.

    Attributes:
        embeddings: (N, E) float32. vectors: (N, D) float32, the same under the learnt metric; Annoy searches these.
        episodes, steps: (N,) int32, episode number and 0-based step of each row; ascending.
        actions: (N, 7) float32, see `Action`. transform: makes an embedding of an observation's features.
        info: where it came from.
    """

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        episodes: NDArray[np.int32],
        steps: NDArray[np.int32],
        actions: NDArray[np.float32],
        transform: EmbeddingTransform,
        info: IndexInfo,
        vectors: NDArray[np.float32] | None = None,
        annoy: AnnoyIndex | None = None,
    ) -> None:
        self.embeddings, self.episodes, self.steps, self.actions = embeddings, episodes, steps, actions
        self.transform, self.info = transform, info
        self.vectors = transform.project(embeddings) if vectors is None else vectors
        self._annoy = annoy or self._grow_trees()

    def __len__(self) -> int:
        return len(self.vectors)

    def space(self, metric: str) -> SearchSpace:
        """The rows under one of METRICS."""
        if metric == "learnt":
            return SearchSpace(self.vectors, self.transform.project, self.query)

        def query(vector: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
            return _nearest(self.embeddings, np.arange(len(self)), vector, min(k, len(self)))

        return SearchSpace(self.embeddings, lambda embeddings: embeddings, query)

    def query(self, vector: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """The k nearest rows and their Euclidean distances, nearest first, ties by row; all rows when k > N."""
        k = min(k, len(self))
        search_k = self.info.search_k * max(k, RECALL_NEIGHBOURS) // RECALL_NEIGHBOURS
        rows = np.array(self._annoy.get_nns_by_vector(vector, k, search_k), dtype=np.int64)
        if len(rows) < k:  # too few candidates met in the trees
            return self.query_exact(vector, k)
        return _nearest(self.vectors, rows, vector, k)

    def query_exact(self, vector: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """As `query`, comparing with every row."""
        return _nearest(self.vectors, np.arange(len(self)), vector, min(k, len(self)))

    def wants_open(self, rows: NDArray[np.int64], lookahead: int) -> NDArray[np.bool_]:
        """Whether each row's demonstration commanded the gripper open `lookahead` ticks later, or at its end."""
        later = np.minimum(rows + lookahead, np.searchsorted(self.episodes, self.episodes[rows], side="right") - 1)
        return self.actions[later, 6] >= 0.5

    def missing_episodes(self, dataset: Dataset) -> tuple[int, ...]:
        """Numbers of the usable episodes of `dataset` that were recorded after the index was built."""
        return tuple(s.number for s in dataset.summaries() if s.usable and s.number not in self.info.episodes)

    def check_encoder(self, fingerprint: str) -> None:
        """Raises EmbeddingIndexError when the vectors were made by another encoder."""
        if fingerprint != self.info.encoder_fingerprint:
            raise EmbeddingIndexError(
                f"The index belongs to another encoder than the present '{self.info.encoder}' "
                f"({self.info.encoder_fingerprint[:8]}, not {fingerprint[:8]}): rebuild the index."
            )

    def check_dataset(self, dataset: Dataset) -> None:
        """Raises EmbeddingIndexError when an indexed episode is gone or changed. New episodes are no error."""
        present = {summary.number: summary.fingerprint for summary in dataset.summaries()}
        for number, fingerprint in self.info.episodes.items():
            if present.get(number) != fingerprint:
                what = "has changed since" if number in present else "is no longer in the dataset"
                raise EmbeddingIndexError(f"Episode {number} of the index {what}: rebuild the index.")

    def tuned(self) -> EmbeddingIndex:
        """The same index with search_k doubled until the wanted recall is reached, and that recall noted in `info`."""
        index, sample = self, self._recall_sample()
        while True:
            recall = index._recall(sample)
            if recall >= RECALL_WANTED or index.info.search_k >= len(self) * self.info.config.trees:
                return index._with(replace(index.info, recall=recall))
            index = index._with(replace(index.info, search_k=2 * index.info.search_k))

    def _recall_sample(self) -> list[tuple[int, float]]:
        """Sampled rows, each with the exact distance of its fifth neighbour."""
        rows = np.random.default_rng(self.info.config.seed).permutation(len(self))[:RECALL_QUERIES]
        k = min(RECALL_NEIGHBOURS, len(self) - 1)
        candidates = min(2 * k + 8, len(self))
        squares = np.einsum("nd,nd->n", self.vectors, self.vectors)
        sample = []
        for chunk in np.array_split(rows, max(len(rows) // 50, 1)):
            # |a - b|^2 up to a constant by one matrix product; the few best are then compared exactly.
            rough = squares - 2 * self.vectors[chunk] @ self.vectors.T
            best = np.argpartition(rough, candidates - 1, axis=1)[:, :candidates]
            for row, near in zip(chunk, best, strict=True):
                others = _nearest(self.vectors, near[near != row], self.vectors[row], k)
                sample.append((int(row), others[-1][1] if others else 0.0))
        return sample

    def _recall(self, sample: list[tuple[int, float]]) -> float:
        """Share of the 5 exact nearest neighbours that `query` finds, the sampled row itself not counted."""
        k = min(RECALL_NEIGHBOURS, len(self) - 1)
        if k == 0:
            return 1.0
        hits = 0
        for row, farthest in sample:
            found = [distance for other, distance in self.query(self.vectors[row], k + 1) if other != row][:k]
            hits += sum(distance <= farthest for distance in found)  # equally distant rows are equally good
        return hits / (k * len(sample))

    def _with(self, info: IndexInfo) -> EmbeddingIndex:
        return EmbeddingIndex(
            self.embeddings,
            self.episodes,
            self.steps,
            self.actions,
            self.transform,
            info,
            self.vectors,
            self._annoy,
        )

    def _grow_trees(self) -> AnnoyIndex:
        annoy = AnnoyIndex(self.vectors.shape[1], METRIC)
        annoy.set_seed(self.info.config.seed + 1)
        for row, vector in enumerate(self.vectors):
            annoy.add_item(row, vector)
        annoy.build(self.info.config.trees, n_jobs=1)  # with more jobs the trees depend on the number of cores
        return annoy

    def save(self, folder: Path, features: Mapping[str, NDArray[np.float32]] | None = None) -> None:
        """Write everything into `folder`, replacing what was there in one rename when the new one is whole.

        Args:
            features: cache of raw encoder features for the next build.

        Raises:
            EmbeddingIndexError: it cannot be written; an index that was there before is kept.
        """
        fresh = None
        try:
            fresh = fresh_folder(folder)
            self._write(fresh, features or {})
            replace_folder(folder, fresh)
        except OSError as error:
            raise EmbeddingIndexError(
                f"The index '{folder.name}' could not be written ({error.strerror or error}); what was there before "
                "is kept. Free some disk space or check the folder's permissions, then build it again."
            ) from error
        finally:
            if fresh is not None:
                shutil.rmtree(fresh, ignore_errors=True)

    def _write(self, folder: Path, features: Mapping[str, NDArray[np.float32]]) -> None:
        self._annoy.save(str(folder / "index.ann"))
        np.save(folder / "vectors.npy", self.vectors)
        np.save(folder / "embeddings.npy", self.embeddings)
        write_arrays(folder / "rows.npz", {"episode": self.episodes, "step": self.steps, "actions": self.actions})
        write_arrays(folder / "transform.npz", self.transform.to_arrays())
        write_arrays(folder / "features.npz", features)
        facts = {"format_version": FORMAT_VERSION, "metric": METRIC, "rows": len(self), **asdict(self.info)}
        facts["sha256"] = sha256_of_files(folder)
        (folder / "index.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> EmbeddingIndex:
        """Raises EmbeddingIndexError when the index is missing or damaged."""
        finish_replacing(folder)
        if not (folder / "index.json").is_file():
            raise EmbeddingIndexError(f"There is no index '{folder.name}' yet: build the index first.")
        try:
            facts = json.loads((folder / "index.json").read_text(encoding="utf-8"))
            if facts["format_version"] != FORMAT_VERSION:
                raise EmbeddingIndexError(
                    f"The index '{folder.name}' was made by another version of this program: rebuild the index."
                )
            if sha256_of_files(folder) != facts["sha256"]:  # Annoy trusts its file: a damaged one can end the process
                raise ValueError("a file is not what was written")
            info = IndexInfo(
                encoder=facts["encoder"],
                encoder_fingerprint=facts["encoder_fingerprint"],
                dataset_fingerprint=facts["dataset_fingerprint"],
                episodes={int(number): fingerprint for number, fingerprint in facts["episodes"].items()},
                config=IndexConfig.from_dict(facts["config"]),
                search_k=facts["search_k"],
                recall=facts["recall"],
                created=facts["created"],
            )
            embeddings, vectors = np.load(folder / "embeddings.npy"), np.load(folder / "vectors.npy")
            annoy = AnnoyIndex(vectors.shape[1], METRIC)
            annoy.load(str(folder / "index.ann"))
            with np.load(folder / "rows.npz") as rows, np.load(folder / "transform.npz") as arrays:
                transform = EmbeddingTransform.from_arrays(arrays)
                return cls(embeddings, rows["episode"], rows["step"], rows["actions"], transform, info, vectors, annoy)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ConfigError, zipfile.BadZipFile) as error:
            raise EmbeddingIndexError(f"The index '{folder.name}' is damaged ({error}): rebuild the index.") from error


def _nearest(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], vector: NDArray[np.float32], k: int
) -> list[tuple[int, float]]:
    """The k of `rows` that are nearest to `vector`, with their distances; nearest first, ties by row."""
    differences = vectors[rows] - vector
    distances = np.sqrt(np.einsum("nd,nd->n", differences, differences, dtype=np.float64))
    order = np.lexsort((rows, distances))[:k]
    return [(int(rows[i]), float(distances[i])) for i in order]


def build_index(
    workspace: Workspace,
    encoder: FrameEncoder,
    encoder_name: str,
    config: IndexConfig,
    name: str,
    report: Report,
    stop: StopRequest,
) -> EmbeddingIndex | None:
    """Embed the usable episodes, grow the trees and write indexes/`name`; None when asked to stop (nothing is changed).

    Episodes marked as failed are left out. Features of episodes embedded before by the same encoder are reused.

    Raises:
        EmbeddingIndexError: no usable episode, a camera is missing, or the index cannot be written.
    """
    from vinn_core.dataset import Dataset

    dataset = Dataset(workspace)
    usable = [summary for summary in dataset.summaries() if summary.usable]
    folder = workspace.indexes_folder / name
    cache = read_features(folder, encoder.fingerprint)
    rows = collect_rows(usable, encoder, encoder_name, config.leave_out_idle, cache, report, stop)
    if rows is None:
        return None
    report(StageProgress("Building index", 0, len(rows.steps), "frame"))
    transform = EmbeddingTransform.fit(rows.features, rows.proprioception, config)
    embeddings = transform.apply(rows.features, rows.proprioception)
    if config.metric_steps:
        from vinn_core.metric_learning import learn_metric

        metric = learn_metric(embeddings, rows.episodes, rows.actions, config, report, stop)
        transform = replace(transform, metric=metric)
    info = IndexInfo(
        encoder=encoder_name,
        encoder_fingerprint=encoder.fingerprint,
        dataset_fingerprint=dataset.fingerprint(),
        episodes={summary.number: summary.fingerprint for summary in usable},
        config=config,
        search_k=config.search_k if config.search_k > 0 else RECALL_NEIGHBOURS * config.trees,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    index = EmbeddingIndex(embeddings, rows.episodes, rows.steps, rows.actions, transform, info).tuned()
    if stop:
        return None
    index.save(folder, rows.cache)
    report(StageProgress("Building index", len(index), len(index), "frame", 0.0))
    return index


def load_policy(workspace: Workspace, index_name: str, config: PolicyConfig | None = None) -> VinnPolicy:
    """The policy of a stored index with its encoder; without `config` the index's own defaults.

    Raises:
        EmbeddingIndexError: the index is missing, damaged, or made by another encoder or from other episodes.
        EncoderError: the encoder cannot be loaded.
    """
    from vinn_core.dataset import Dataset

    index = EmbeddingIndex.load(workspace.indexes_folder / index_name)
    index.check_dataset(Dataset(workspace))
    from vinn_core.encoder import load_encoder  # after what may be refused: torch takes seconds to load

    encoder = load_encoder(workspace.encoders_folder / index.info.encoder)
    index.check_encoder(encoder.fingerprint)
    return VinnPolicy(Embedder(encoder, index.transform), index, config or index.info.config.policy())
