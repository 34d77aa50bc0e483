"""From the recorded frames around the present one to one action."""

from __future__ import annotations

import numpy as np
import pytest

from vinn_core.retrieval.regression import local_linear_weights, softmin_weights

RANDOM = np.random.default_rng(0)
OFFSETS = RANDOM.uniform(0.0, 1.0, (30, 3))  # the query lies in a corner of its neighbours
WEIGHTS = softmin_weights(np.linalg.norm(OFFSETS, axis=1), 0.3)


def test_a_plane_is_met_where_the_mean_misses_it() -> None:
    slope, value = np.array([0.3, -0.2, 0.1]), 0.5
    actions = value + OFFSETS @ slope
    assert local_linear_weights(OFFSETS, WEIGHTS, 1e-9) @ actions == pytest.approx(value, abs=1e-6)
    assert abs(WEIGHTS @ actions - value) > 0.02


@pytest.mark.parametrize("ridge", [0.0, 0.1, 10.0])
def test_the_shares_sum_to_one(ridge: float) -> None:
    assert local_linear_weights(OFFSETS, WEIGHTS, ridge).sum() == pytest.approx(1.0)


def test_an_infinite_ridge_leaves_the_weighted_mean() -> None:
    np.testing.assert_allclose(local_linear_weights(OFFSETS, WEIGHTS, 1e12), WEIGHTS, rtol=1e-6)


def test_frames_in_one_place_are_averaged() -> None:
    same = np.ones((4, 3))
    np.testing.assert_allclose(local_linear_weights(same, np.full(4, 0.25), 0.1), np.full(4, 0.25))


def test_fewer_frames_than_dimensions_do_no_harm() -> None:
    shares = local_linear_weights(RANDOM.normal(size=(3, 20)), np.full(3, 1 / 3), 0.1)
    assert np.isfinite(shares).all()
    assert shares.sum() == pytest.approx(1.0)
