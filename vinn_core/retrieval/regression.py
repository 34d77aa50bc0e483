"""How the actions of recorded frames near the present one become one action: weights that sum to 1."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_PENALTY = 5.0
"""Ridge penalty at `ridge` 1, in units of the neighbours' variance per direction."""


def softmin_weights(distances: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Weights of k neighbours, w_i proportional to exp(-d_i / (temperature * mean d)); (k,) float64 summing to 1.

    VINN (Pari et al. 2021, arXiv 2112.01511, section 3.3) weighs by exp(-d_i). Raw distances make that nearly
    uniform or nearly one-hot depending on the embedding's scale, so they are taken relative to their mean.
    Equal distances, zeros included, get equal weights.
    """
    return softmin_weights_of_rows(np.asarray(distances)[None], temperature)[0]


def softmin_weights_of_rows(distances: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """`softmin_weights` of each row of (Q, k) distances."""
    distances = np.asarray(distances, dtype=np.float64)
    excess = distances - distances.min(axis=1, keepdims=True)
    scale = temperature * distances.mean(axis=1, keepdims=True)
    # All distances are zero, or so small that the product underflows: only the exactly nearest count.
    degenerate = (excess == 0.0).astype(np.float64)
    with np.errstate(over="ignore", under="ignore", divide="ignore", invalid="ignore"):
        weights = np.where(scale > 0.0, np.exp(-excess / scale), degenerate)
    return weights / weights.sum(axis=1, keepdims=True)


def local_linear_weights(
    offsets: NDArray[np.floating], weights: NDArray[np.floating], ridge: float
) -> NDArray[np.float64]:
    """What each of K frames contributes to the local linear regression's value at the query; (K,) summing to 1.

    The mean of the neighbours' actions is right only where they lie around the query; a plane fitted through them
    (Atkeson, Moore and Schaal 1997, "Locally weighted learning", section 4) also corrects for where they lie. Its value
    at the query is linear in the recorded actions, so each frame's share is known; shares may be negative.

    Args:
        offsets: (K, D), frame minus query.
        weights: (K,) summing to 1.
        ridge: flattens the plane; at infinity the result is `weights`.
    """
    offsets, weights = np.asarray(offsets, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    centre = weights @ offsets
    around = offsets - centre
    scatter = (around * weights[:, None]).T @ around
    variance = np.trace(scatter) / len(scatter)
    if variance <= 0.0:  # all frames lie in one place: there is no slope
        return weights
    scatter[np.diag_indices_from(scatter)] += _PENALTY * ridge * variance
    return weights * (1.0 - around @ np.linalg.solve(scatter, centre))
