"""EmbeddingIndex: recorded frames as searchable vectors (Annoy)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from annoy import AnnoyIndex
from numpy.typing import NDArray

from vinn_core.config import IndexConfig, JsonRecord
from vinn_core.episodes.dataset import Dataset
from vinn_core.errors import EmbeddingIndexError
from vinn_core.retrieval.embedding import EmbeddingTransform

METRIC = "euclidean"
RECALL_NEIGHBOURS = 5
RECALL_WANTED = 0.99
RECALL_QUERIES = 400


@dataclass(frozen=True)
class IndexInfo(JsonRecord):
    """What an index knows about its origin.

    Attributes:
        encoder: name of the encoder that made the vectors.
        encoder_fingerprint: of that encoder, as it was then.
        dataset_fingerprint: of the dataset at the time.
        episodes: fingerprint by episode number, of those indexed.
        config: how it was made.
        search_k: the nodes Annoy inspects for 5 neighbours, as tuned.
        recall: measured recall@5 against exact search, in [0, 1].
        created: ISO 8601, UTC.
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
        project: takes embeddings (..., E) float32 there, to (..., D) float32.
        query: see `EmbeddingIndex.query`.
    """

    vectors: NDArray[np.float32]
    project: Callable[[NDArray[np.float32]], NDArray[np.float32]]
    query: Callable[[NDArray[np.float32], int], list[tuple[int, float]]]


class EmbeddingIndex:
    """N embeddings with the episode, step and action each belongs to.

    Args:
        trees: Annoy's file over `vectors`, see `save_trees`; None grows them.

    Attributes:
        embeddings: (N, E) float32.
        vectors: (N, D) float32, the same under the learnt metric; Annoy searches these.
        episodes: (N,) int32, episode number of each row; ascending.
        steps: (N,) int32, 0-based step of each row within its episode; ascending there.
        actions: (N, 7) float32, see `Action`.
        transform: makes an embedding of an observation's features.
        info: where it came from.

    Raises:
        OSError: `trees` cannot be read.
    """

    def __init__(
        self,
        embeddings: NDArray[np.float32],
        episodes: NDArray[np.int32],
        steps: NDArray[np.int32],
        *,
        actions: NDArray[np.float32],
        transform: EmbeddingTransform,
        info: IndexInfo,
        vectors: NDArray[np.float32] | None = None,
        trees: Path | None = None,
    ) -> None:
        self.embeddings, self.episodes, self.steps, self.actions = embeddings, episodes, steps, actions
        self.transform, self.info = transform, info
        self.vectors = transform.project(embeddings) if vectors is None else vectors
        self._annoy = self._grow_trees() if trees is None else self._load_trees(trees)
        self._squares: dict[str, NDArray[np.float64]] = {}
        """(N,) squared lengths of the rows of an attribute, computed when they are first wanted."""

    def __len__(self) -> int:
        return len(self.vectors)

    def space(self, metric: str) -> SearchSpace:
        """The rows under one of METRICS."""
        if metric == "learnt":
            return SearchSpace(self.vectors, self.transform.project, self.query)
        exact = partial(self._nearest_of_all, "embeddings")
        return SearchSpace(self.embeddings, lambda embeddings: embeddings, exact)

    def query(self, vector: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """The k nearest rows and their Euclidean distances, nearest first, ties by row; all rows when k > N.

        Args:
            vector: (D,) float32, under the learnt metric.
        """
        k = min(k, len(self))
        search_k = self.info.search_k * max(k, RECALL_NEIGHBOURS) // RECALL_NEIGHBOURS
        rows = np.array(self._annoy.get_nns_by_vector(vector, k, search_k), dtype=np.int64)
        if len(rows) < k:  # too few candidates met in the trees
            return self.query_exact(vector, k)
        return _nearest(self.vectors, rows, vector, k=k)

    def query_exact(self, vector: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """As `query`, comparing with every row; `vector` is (D,) float32."""
        return self._nearest_of_all("vectors", vector, k)

    def _nearest_of_all(self, name: str, vector: NDArray[np.float32], k: int) -> list[tuple[int, float]]:
        """As `_nearest` of all rows, to the bit, without a copy of them: most are ruled out by one matrix product.

        Args:
            name: of the attribute whose rows are asked, (N, D) float32.
            vector: (D,) float32.
        """
        rows = getattr(self, name)
        if name not in self._squares:
            self._squares[name] = np.einsum("nd,nd->n", rows, rows, dtype=np.float64)
        k = min(k, len(rows))
        lengths = self._squares[name] + float(np.dot(vector.astype(np.float64), vector))
        squares = lengths - 2.0 * (rows @ vector)
        slack = np.finfo(np.float32).eps * rows.shape[1] * lengths  # the product's largest error
        farthest = np.partition(squares + slack, k - 1)[k - 1]
        ruled_out = squares - slack > farthest
        return _nearest(rows, np.flatnonzero(~ruled_out), vector, k=k)

    def wants_open(self, rows: NDArray[np.int64], lookahead: int) -> NDArray[np.bool_]:
        """Whether each row's demonstration commanded the gripper open `lookahead` ticks later, or at its end.

        Args:
            rows: (K,) of the index.

        Returns:
            (K,) bool.
        """
        later = np.minimum(rows + lookahead, np.searchsorted(self.episodes, self.episodes[rows], side="right") - 1)
        return self.actions[later, 6] >= 0.5

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

    def tune(self) -> None:
        """Double search_k until the wanted recall is reached, and note that recall in `info`."""
        sample = self._recall_sample()
        while True:
            recall = self._recall(sample)
            self.info = replace(self.info, recall=recall)
            if recall >= RECALL_WANTED or self.info.search_k >= len(self) * self.info.config.trees:
                return
            self.info = replace(self.info, search_k=2 * self.info.search_k)

    def _recall_sample(self) -> list[tuple[int, float]]:
        """Sampled rows, each with the exact distance of its fifth neighbour."""
        rows = np.random.default_rng(self.info.config.seed).permutation(len(self))[:RECALL_QUERIES]
        return [(int(row), max(self._distances(row, self.query_exact), default=0.0)) for row in rows]

    def _recall(self, sample: list[tuple[int, float]]) -> float:
        """Share of the 5 exact nearest neighbours that `query` finds, the sampled row itself not counted."""
        k = min(RECALL_NEIGHBOURS, len(self) - 1)
        if k == 0:
            return 1.0
        # Equally distant rows are equally good.
        hits = sum(distance <= farthest for row, farthest in sample for distance in self._distances(row, self.query))
        return hits / (k * len(sample))

    def _distances(self, row: int, query: Callable[[NDArray[np.float32], int], list[tuple[int, float]]]) -> list[float]:
        """Of the 5 rows that `query` finds nearest to `row`, that itself left out; all others where there are fewer."""
        found = query(self.vectors[row], RECALL_NEIGHBOURS + 1)
        return [distance for other, distance in found if other != row][:RECALL_NEIGHBOURS]

    def _grow_trees(self) -> AnnoyIndex:
        annoy = AnnoyIndex(self.vectors.shape[1], METRIC)
        annoy.set_seed(self.info.config.seed + 1)
        for row, vector in enumerate(self.vectors):
            annoy.add_item(row, vector)
        annoy.build(self.info.config.trees, n_jobs=1)  # with more jobs the trees depend on the number of cores
        return annoy

    def _load_trees(self, path: Path) -> AnnoyIndex:
        annoy = AnnoyIndex(self.vectors.shape[1], METRIC)
        annoy.load(str(path))
        return annoy

    def save_trees(self, path: Path) -> None:
        """Write Annoy's file, which `EmbeddingIndex` takes as `trees`. Raises OSError."""
        self._annoy.save(str(path))


def _nearest(
    vectors: NDArray[np.float32], rows: NDArray[np.int64], vector: NDArray[np.float32], *, k: int
) -> list[tuple[int, float]]:
    """The k of `rows` that are nearest to `vector`, with their distances; nearest first, ties by row.

    Args:
        vectors: (N, D) float32.
        rows: (R,) of them.
        vector: (D,) float32.
    """
    differences = vectors[rows] - vector
    distances = np.sqrt(np.einsum("nd,nd->n", differences, differences, dtype=np.float64))
    order = np.lexsort((rows, distances))[:k]
    return [(int(rows[i]), float(distances[i])) for i in order]
