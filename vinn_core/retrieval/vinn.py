"""VINN: the next action is what was done in the recorded frames most like the one seen."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import PolicyConfig
from vinn_core.episodes.dataset import Dataset
from vinn_core.episodes.episode import Action, Observation
from vinn_core.retrieval.embedding import Embedder
from vinn_core.retrieval.index import EmbeddingIndex
from vinn_core.retrieval.regression import local_linear_weights, softmin_weights
from vinn_core.retrieval.store import load_index
from vinn_core.session.policy import Decision, Neighbour
from vinn_core.workspace import Workspace

_FIT_TEMPERATURE = 0.1
"""Of the softmin that weighs the frames of a local linear fit."""
_UNDECIDED = 1e-6
FULLY_OPEN = 0.8
"""A measured opening below this counts as closed at the start: a gripper that holds a cube is about half open."""


@dataclass(frozen=True, eq=False)
class Retrieval:
    """What the recorded frames near an embedding say; the attributes are as those of `Decision`.

    Attributes:
        twist: (6,) float64, see `Action`.
    """

    twist: NDArray[np.float64]
    open_vote: float
    neighbours: tuple[Neighbour, ...]
    search_ms: float


def retrieve(index: EmbeddingIndex, embedding: NDArray[np.float32], config: PolicyConfig) -> Retrieval:
    """Locally weighted regression over the recorded frames nearest to an (E,) embedding, see `VinnPolicy`."""
    started = perf_counter()
    space = index.space(config.metric)
    linear = config.regression == "linear"
    wanted = max(config.fitted_frames, config.neighbours) if linear else config.neighbours
    found = space.query(space.project(embedding), wanted)
    search_ms = (perf_counter() - started) * 1e3

    rows = np.array([row for row, _ in found])
    distances = np.array([distance for _, distance in found])
    actions = index.actions[rows].astype(np.float64)
    k = min(config.neighbours, len(found))
    weights = softmin_weights(distances[:k], config.temperature)
    shares = weights
    if linear:
        around = softmin_weights(distances, _FIT_TEMPERATURE)
        shares = local_linear_weights(index.embeddings[rows] - embedding, around, config.ridge)
    neighbours = tuple(
        Neighbour(int(index.episodes[row]), int(index.steps[row]), distance, float(weight))
        for (row, distance), weight in zip(found[:k], weights, strict=True)
    )
    open_vote = float(weights @ index.wants_open(rows[:k], config.gripper_lookahead))
    return Retrieval(shares @ actions[: len(shares), :6], open_vote, neighbours, search_ms)


class VinnPolicy:
    """Locally weighted regression over the nearest recorded frames (VINN, section 3.3).

    The twist is the weighted mean of the neighbours' twists, or the value of a plane fitted through more of them, see
    `PolicyConfig.regression`. The metric says which frames are near; the plane lies over the whole embedding, because
    directions that the metric leaves out still tell how the action changes. The gripper follows the majority of the
    neighbours by weight, because a half-closed mean would neither hold nor release.

    `config` may be replaced at any time, from any thread; it takes effect at the next `act`.
    """

    def __init__(self, embedder: Embedder, index: EmbeddingIndex, config: PolicyConfig) -> None:
        self.config = config
        self._embedder = embedder
        self._index = index
        self._gripper_is_open: bool | None = None

    @property
    def cameras(self) -> tuple[str, ...]:
        """The images that an observation must have."""
        return self._embedder.cameras

    @property
    def index(self) -> EmbeddingIndex:
        """What is searched."""
        return self._index

    @property
    def embedder(self) -> Embedder:
        """What makes an embedding of an observation."""
        return self._embedder

    def reset(self) -> None:
        self._gripper_is_open = None

    def act(self, observation: Observation) -> Decision:
        """Raises DatasetError when the observation lacks one of `cameras`."""
        started = perf_counter()
        embedding = self._embedder.embed(observation)
        encode_ms = (perf_counter() - started) * 1e3
        retrieval = retrieve(self._index, embedding, self.config)
        action = Action(retrieval.twist.astype(np.float32), self._gripper(observation, retrieval.open_vote))
        return Decision(action, retrieval.neighbours, retrieval.open_vote, encode_ms, retrieval.search_ms)

    def _gripper(self, observation: Observation, open_vote: float) -> float:
        """The gripper command, 1.0 or 0.0; an undecided vote leaves it as it is."""
        if self._gripper_is_open is None:
            self._gripper_is_open = observation.gripper_opening >= FULLY_OPEN
        if abs(open_vote - 0.5) > _UNDECIDED:
            self._gripper_is_open = open_vote > 0.5
        return 1.0 if self._gripper_is_open else 0.0


def load_policy(workspace: Workspace, index_name: str, config: PolicyConfig | None = None) -> VinnPolicy:
    """The policy of a stored index with its encoder; without `config` the index's own defaults.

    Raises:
        EmbeddingIndexError: the index is missing, damaged, or made by another encoder or from other episodes.
        EncoderError: the encoder cannot be loaded.
    """
    index = load_index(workspace.indexes_folder / index_name)
    index.check_dataset(Dataset(workspace))
    from vinn_core.encoder.network import load_encoder  # after what may be refused: torch takes seconds to load

    encoder = load_encoder(workspace.encoders_folder / index.info.encoder)
    index.check_encoder(encoder.fingerprint)
    return VinnPolicy(Embedder(encoder, index.transform), index, config or index.info.config.policy())
