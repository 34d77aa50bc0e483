"""What decides the next action: VINN's weighted nearest neighbours, or a recorded episode played back."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import PolicyConfig
from vinn_core.episode import Action, Episode, Observation
from vinn_core.regression import local_linear_weights, softmin_weights

if TYPE_CHECKING:
    from vinn_core.embedding import Embedder
    from vinn_core.index import EmbeddingIndex

_FIT_TEMPERATURE = 0.1
"""Of the softmin that weighs the frames of a local linear fit."""
_UNDECIDED = 1e-6
FULLY_OPEN = 0.8
"""A measured opening below this counts as closed at the start: a gripper that holds a cube is about half open."""


@dataclass(frozen=True)
class Neighbour:
    """One recorded frame that the policy follows.

    Attributes:
        episode: episode number. step: 0-based step within it.
        distance: Euclidean distance between the embeddings (no unit).
        weight: share in the decision; the weights of one decision sum to 1.
    """

    episode: int
    step: int
    distance: float
    weight: float


@dataclass(frozen=True, eq=False)
class Decision:
    """What a policy chose for one control tick.

    Attributes:
        action: what to do. neighbours: what it came from, nearest first; empty for policies without any.
        open_vote: share of the neighbours, by weight, that want the gripper open, in [0, 1]; None without neighbours.
        encode_ms, search_ms: time spent embedding the observation and looking up the neighbours [ms].
    """

    action: Action
    neighbours: tuple[Neighbour, ...] = ()
    open_vote: float | None = None
    encode_ms: float = 0.0
    search_ms: float = 0.0


class Policy(Protocol):
    """Chooses an action each control tick. `cameras` names the images it needs in the observation."""

    @property
    def cameras(self) -> tuple[str, ...]: ...

    def reset(self) -> None:
        """Forget the last rollout; call before each one."""
        ...

    def act(self, observation: Observation) -> Decision: ...


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
        return self._embedder.cameras

    @property
    def index(self) -> EmbeddingIndex:
        return self._index

    @property
    def embedder(self) -> Embedder:
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


class ReplayPolicy:
    """Repeats what the arm was made to do in an episode, open loop, then stands still with the last gripper command."""

    cameras: tuple[str, ...] = ()

    def __init__(self, episode: Episode) -> None:
        self._actions = episode.executed_actions
        self._step = 0

    @property
    def finished(self) -> bool:
        """Whether every recorded action has been played."""
        return self._step >= len(self._actions)

    def reset(self) -> None:
        self._step = 0

    def act(self, observation: Observation) -> Decision:
        if self.finished:
            gripper = float(self._actions[-1, 6]) if len(self._actions) else observation.gripper_opening
            return Decision(Action.hold(gripper))
        action = Action.from_array(self._actions[self._step])
        self._step += 1
        return Decision(action)
