"""How well the neighbours of a recorded frame tell what was done there: the offline quality of an embedding.

Every sampled frame asks the frames of all *other* demonstrations (its own would answer with the moment before or
after) and averages their actions as the policy does. Small errors go with closed-loop success, and take a second to
compute instead of minutes of rollouts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vinn_core.errors import DatasetError
from vinn_core.retrieval.regression import softmin_weights_of_rows
from vinn_core.retrieval.sampling import evenly_spaced

QUERIES = 1000
"""At most this many frames are asked about, evenly spaced."""
CONSTANT_ACTION = 1e-6
"""An action dimension that varies less than this is not judged."""


@dataclass(frozen=True)
class ActionError:
    """Error of the neighbours' averaged action against the recorded one.

    Attributes:
        relative: root mean square over the action's dimensions, each in units of its standard deviation over the
            dataset (no unit): 0 is perfect, 1 as good as always giving the mean action.
        linear: mean length of the error of the linear twist [m/s].
        angular: likewise of the angular twist [rad/s].
        gripper: share of frames whose gripper vote is wrong, in [0, 1].
    """

    relative: float
    linear: float
    angular: float
    gripper: float


def leave_one_demonstration_out(
    vectors: NDArray[np.floating],
    episodes: NDArray[np.integer],
    actions: NDArray[np.floating],
    *,
    neighbours: int = 5,
    temperature: float = 0.1,
    queries: int = QUERIES,
) -> ActionError:
    """The action error of an embedding (the offline metric of VINN, Pari et al. 2021, section 4.3). Deterministic.

    Args:
        vectors: (N, D) embeddings.
        episodes: (N,) the demonstration each row belongs to.
        actions: (N, 7).
        neighbours: k, as the policy's.
        temperature: of the softmin, as the policy's.
        queries: at most this many frames are asked about.

    Raises:
        DatasetError: fewer than two demonstrations.
    """
    if len(np.unique(episodes)) < 2:
        raise DatasetError("the action error needs at least two demonstrations; record another one.")
    actions = np.asarray(actions, dtype=np.float64)
    vectors = np.asarray(vectors, dtype=np.float32)
    asked = evenly_spaced(len(vectors), queries)
    squares = np.einsum("nd,nd->n", vectors, vectors)
    predicted = np.empty((len(asked), 7))
    for part in np.array_split(np.arange(len(asked)), max(len(asked) // 250, 1)):
        rows = asked[part]
        distances = np.sqrt(np.maximum(squares[rows, None] + squares - 2.0 * vectors[rows] @ vectors.T, 0.0))
        distances[episodes[rows, None] == episodes] = np.inf
        k = min(neighbours, int(np.isfinite(distances).sum(axis=1).min()))
        near = np.argpartition(distances, k - 1, axis=1)[:, :k]
        weights = softmin_weights_of_rows(np.take_along_axis(distances, near, axis=1), temperature)
        predicted[part] = np.einsum("qk,qka->qa", weights, actions[near])
    return _compare(predicted, actions[asked], actions.std(axis=0))


def _compare(predicted: NDArray[np.float64], wanted: NDArray[np.float64], spread: NDArray[np.float64]) -> ActionError:
    errors = predicted - wanted
    judged = spread > CONSTANT_ACTION
    scaled = errors[:, judged] / spread[judged]
    return ActionError(
        relative=float(np.sqrt((scaled**2).mean())) if judged.any() else 0.0,
        linear=float(np.linalg.norm(errors[:, :3], axis=1).mean()),
        angular=float(np.linalg.norm(errors[:, 3:6], axis=1).mean()),
        gripper=float(((predicted[:, 6] >= 0.5) != (wanted[:, 6] >= 0.5)).mean()),
    )
