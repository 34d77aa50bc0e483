from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from vinn_core.config import IndexConfig, PolicyConfig
from vinn_core.episodes.episode import Observation
from vinn_core.retrieval.embedding import EmbeddingTransform
from vinn_core.retrieval.index import EmbeddingIndex, IndexInfo
from vinn_core.retrieval.regression import softmin_weights
from vinn_core.retrieval.vinn import VinnPolicy


class GivenVector:
    """An embedder that reads the vector from the observation's position."""

    cameras = ("wrist",)

    def embed(self, observation: Observation) -> NDArray[np.float32]:
        return observation.ee_position[:1].astype(np.float32)


def _observation(place: float = 0.0, opening: float = 1.0) -> Observation:
    return Observation({}, np.array([place, 0.0, 0.0]), np.array([1.0, 0, 0, 0]), opening, 0.0)


def _policy(places: list[float], actions: NDArray[np.float32], k: int = 5, temperature: float = 0.1) -> VinnPolicy:
    """Rows on a line, at `places`; row i is step i of episode 7."""
    rows = len(places)
    features = {"wrist": np.zeros((1, 1), np.float32)}
    transform = EmbeddingTransform.fit(features, np.zeros((1, 5)), IndexConfig())
    info = IndexInfo("encoder", "fingerprint", "dataset", {7: "episode"}, IndexConfig(), 1000)
    vectors = np.array(places, dtype=np.float32)[:, None]
    index = EmbeddingIndex(
        vectors,
        np.full(rows, 7, np.int32),
        np.arange(rows, dtype=np.int32),
        actions=actions,
        transform=transform,
        info=info,
    )
    return VinnPolicy(GivenVector(), index, PolicyConfig(k, temperature, regression="mean", gripper_lookahead=0))  # type: ignore[arg-type]


def _actions(rows: int) -> NDArray[np.float32]:
    actions = np.random.default_rng(0).uniform(-0.1, 0.1, (rows, 7)).astype(np.float32)
    actions[:, 6] = 1.0
    return actions


def _grippers(commands: list[float]) -> NDArray[np.float32]:
    actions = np.zeros((len(commands), 7), np.float32)
    actions[:, 6] = commands
    return actions


def test_weights_sum_to_one_and_fall_with_distance() -> None:
    weights = softmin_weights(np.array([0.5, 0.6, 0.9, 2.0]), 0.3)
    assert weights.sum() == pytest.approx(1.0)
    assert (np.diff(weights) < 0).all()


def test_weights_follow_the_formula() -> None:
    distances = np.array([1.0, 2.0, 3.0])
    expected = np.exp(-distances / (0.5 * 2.0))
    np.testing.assert_allclose(softmin_weights(distances, 0.5), expected / expected.sum())


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_weights_do_not_depend_on_the_scale_of_the_embedding(scale: float) -> None:
    distances = np.array([0.5, 0.7, 0.8])
    np.testing.assert_allclose(softmin_weights(distances * scale, 0.1), softmin_weights(distances, 0.1), rtol=1e-9)


@pytest.mark.parametrize(
    ("distances", "expected"),
    [([0.0, 0.0, 0.0], [1 / 3] * 3), ([0.0, 1.0], [1.0, 0.0]), ([5e-324, 5e-324], [0.5, 0.5]), ([0.0], [1.0])],
)
def test_weights_are_defined_when_a_recorded_frame_is_met_exactly(
    distances: list[float], expected: list[float]
) -> None:
    np.testing.assert_allclose(softmin_weights(np.array(distances), 1e-3), expected, atol=1e-12)


def test_a_tiny_temperature_copies_the_nearest_frame() -> None:
    actions = _actions(4)
    decision = _policy([0.3, 0.1, 0.2, 0.4], actions, k=4, temperature=1e-6).act(_observation())
    np.testing.assert_array_equal(decision.action.twist, actions[1, :6])


def test_a_huge_temperature_takes_the_plain_mean() -> None:
    actions = _actions(4)
    decision = _policy([0.3, 0.1, 0.2, 0.4], actions, k=4, temperature=1e6).act(_observation())
    np.testing.assert_allclose(decision.action.twist, actions[:, :6].mean(axis=0), atol=1e-6)


def test_the_neighbours_shown_are_those_that_made_the_action() -> None:
    actions = _actions(5)
    decision = _policy([0.3, 0.1, 0.2, 0.4, 9.0], actions, k=3, temperature=0.5).act(_observation())
    assert [(n.episode, n.step) for n in decision.neighbours] == [(7, 1), (7, 2), (7, 0)]
    assert [n.distance for n in decision.neighbours] == pytest.approx([0.1, 0.2, 0.3])
    assert sum(n.weight for n in decision.neighbours) == pytest.approx(1.0)
    mixed = sum(n.weight * actions[n.step, :6].astype(np.float64) for n in decision.neighbours)
    np.testing.assert_allclose(decision.action.twist, mixed, atol=1e-7)


def test_equally_distant_frames_are_taken_in_the_order_of_their_rows() -> None:
    policy = _policy([0.5, -0.5, 0.5, -0.5], _actions(4), k=4)
    assert [n.step for n in policy.act(_observation()).neighbours] == [0, 1, 2, 3]


def test_k_and_temperature_change_while_it_runs() -> None:
    policy = _policy([0.1, 0.2, 0.3], _actions(3), k=3)
    policy.config = PolicyConfig(neighbours=1, regression="mean")
    assert len(policy.act(_observation()).neighbours) == 1
    policy.config = PolicyConfig(neighbours=50, regression="mean")
    assert len(policy.act(_observation()).neighbours) == 3


def test_gripper_follows_the_majority_and_keeps_its_state_when_there_is_none() -> None:
    policy = _policy([0.0, 0.0, 10.0, 20.0, 20.0], _grippers([1, 0, 0, 1, 1]), k=2, temperature=1e6)
    assert policy.act(_observation(0.0, opening=1.0)).action.gripper == 1.0  # one vote each: stays open
    assert policy.act(_observation(8.0)).action.gripper == 1.0  # rows 2 and 0 or 1: still undecided
    policy.config = PolicyConfig(1, 0.1, regression="mean", gripper_lookahead=0)
    assert policy.act(_observation(10.0)).action.gripper == 0.0  # all for closing
    policy.config = PolicyConfig(2, 1e6, regression="mean", gripper_lookahead=0)
    assert policy.act(_observation(0.0)).action.gripper == 0.0  # undecided again: stays closed
    assert policy.act(_observation(20.0)).action.gripper == 1.0  # all for opening


def test_the_first_opening_decides_an_undecided_vote_after_each_reset() -> None:
    policy = _policy([0.0, 0.0], _grippers([1, 0]), k=2)
    assert policy.act(_observation(opening=1.0)).action.gripper == 1.0
    assert policy.act(_observation(opening=0.5)).action.gripper == 1.0
    policy.reset()
    assert policy.act(_observation(opening=0.5)).action.gripper == 0.0  # half open: it holds something


def test_a_neighbour_votes_with_what_its_demonstration_commanded_a_tick_later() -> None:
    policy = _policy([0.0, 1.0, 2.0, 3.0], _grippers([1, 1, 0, 0]), k=1)
    for lookahead, votes in ((0, [1, 1, 0, 0]), (1, [1, 0, 0, 0]), (2, [0, 0, 0, 0])):
        policy.config = PolicyConfig(1, regression="mean", gripper_lookahead=lookahead)
        assert [policy.act(_observation(float(place))).open_vote for place in range(4)] == votes


def test_the_end_of_a_demonstration_votes_for_itself() -> None:
    policy = _policy([0.0, 1.0, 2.0, 3.0], _grippers([0, 0, 1, 1]), k=1)
    policy.index.episodes[2:] = 8
    policy.config = PolicyConfig(1, regression="mean", gripper_lookahead=1)
    assert [policy.act(_observation(float(place))).open_vote for place in range(4)] == [0, 0, 1, 1]


def test_the_same_observations_give_the_same_decisions() -> None:
    policy = _policy([0.3, 0.1, 0.2, 0.4], _actions(4), k=3)
    twists = []
    for _ in range(2):
        policy.reset()
        twists.append(np.stack([policy.act(_observation(place)).action.twist for place in (0.0, 0.25, 0.15)]))
    np.testing.assert_array_equal(twists[0], twists[1])


def test_the_metric_decides_which_frames_are_near() -> None:
    class GivenEmbedding(GivenVector):
        def embed(self, observation: Observation) -> NDArray[np.float32]:
            return observation.ee_position[:2].astype(np.float32)

    learnt_from_second = np.array([[0.0], [1.0]])
    transform = EmbeddingTransform.fit({"wrist": np.zeros((1, 1), np.float32)}, np.zeros((1, 5)), IndexConfig())
    info = IndexInfo("encoder", "fingerprint", "dataset", {7: "episode"}, IndexConfig(), 1000)
    index = EmbeddingIndex(
        np.array([[0.0, 5.0], [9.0, 0.1]], np.float32),
        np.full(2, 7, np.int32),
        np.arange(2, dtype=np.int32),
        actions=_actions(2),
        transform=replace(transform, metric=learnt_from_second),
        info=info,
    )
    policy = VinnPolicy(GivenEmbedding(), index, PolicyConfig(1))  # type: ignore[arg-type]
    for metric, nearest in (("learnt", 1), ("euclidean", 0)):
        policy.config = PolicyConfig(1, metric=metric)
        assert [neighbour.step for neighbour in policy.act(_observation(0.0)).neighbours] == [nearest]


def test_linear_regression_accounts_for_where_the_neighbours_lie() -> None:
    places = [1.0 + 0.01 * row for row in range(100)]  # the observation, at 0, has all its neighbours on one side
    actions = _grippers([1.0] * 100)
    actions[:, 0] = 0.05 + 0.01 * np.array(places)
    policy = _policy(places, actions, k=2)
    averaged = policy.act(_observation(0.0))
    policy.config = PolicyConfig(2, 0.1, regression="linear", fitted_frames=5, ridge=0.0)
    fitted = policy.act(_observation(0.0))
    assert averaged.action.twist[0] > 0.059
    assert fitted.action.twist[0] == pytest.approx(0.05, abs=1e-4)
    assert fitted.action.gripper == averaged.action.gripper
    assert fitted.neighbours == averaged.neighbours


def test_a_plane_takes_all_frames_where_fewer_are_recorded_than_it_asks_for() -> None:
    places = [1.0, 2.0, 3.0, 4.0]
    actions = _grippers([1.0] * 4)
    actions[:, 0] = 0.05 + 0.01 * np.array(places)
    policy = _policy(places, actions, k=2)
    policy.config = PolicyConfig(2, 0.1, regression="linear", fitted_frames=600, ridge=0.0)
    assert policy.act(_observation(0.0)).action.twist[0] == pytest.approx(0.05, abs=1e-4)


def test_a_plane_through_one_frame_is_its_action() -> None:
    actions = _actions(1)
    policy = _policy([1.0], actions, k=2)
    policy.config = PolicyConfig(2, 0.1, regression="linear")
    np.testing.assert_allclose(policy.act(_observation(0.0)).action.twist, actions[0, :6], atol=1e-6)
