from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vinn_core.config import IndexConfig
from vinn_core.episodes.episode import Observation
from vinn_core.errors import ConfigError, DatasetError
from vinn_core.retrieval import embedding
from vinn_core.retrieval.embedding import Embedder, EmbeddingTransform, proprioception

LEVEL = np.array([[0.0, 1.0, 0.0, 0.0]])  # turned half about x: the gripper points down


def _features(rows: int, columns: int, seed: int = 0) -> NDArray[np.float32]:
    """Features whose variance falls off over the dimensions, as a network's do."""
    random = np.random.default_rng(seed)
    mixed = (
        random.standard_normal((rows, columns)) / np.arange(1, columns + 1) @ random.standard_normal((columns, columns))
    )
    return (mixed + 3.0).astype(np.float32)


def _body(rows: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).standard_normal((rows, 5))


class MeanColourEncoder:
    fingerprint = "mean-colour"
    cameras = ("wrist", "front")

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        return frames.reshape(len(frames), 2, -1, 3).mean(axis=2).reshape(len(frames), 6).astype(np.float32)


def test_gravity_points_out_of_the_gripper_when_it_looks_down() -> None:
    body = proprioception(np.array([[0.3, 0.1, 0.2]]), LEVEL, np.array([0.7]))
    np.testing.assert_allclose(body, [[0.2, 0.0, 0.0, 1.0, 0.7]], atol=1e-12)


def test_gravity_in_the_gripper_frame_agrees_with_mujoco() -> None:
    import mujoco

    quaternion = np.random.default_rng(0).standard_normal(4)
    quaternion /= np.linalg.norm(quaternion)
    rotation = np.zeros(9)
    mujoco.mju_quat2Mat(rotation, quaternion)
    body = proprioception(np.zeros((1, 3)), quaternion[None], np.zeros(1))
    np.testing.assert_allclose(body[0, 1:4], rotation.reshape(3, 3).T @ [0, 0, -1], atol=1e-12)


def test_heading_and_place_on_the_table_do_not_enter_the_proprioception() -> None:
    half_turn_about_z = np.array([[0.0, 0.0, 1.0, 0.0]])  # LEVEL after a half turn about the world's z
    here = proprioception(np.array([[0.3, 0.1, 0.2]]), LEVEL, np.array([1.0]))
    there = proprioception(np.array([[0.1, -0.2, 0.2]]), half_turn_about_z, np.array([1.0]))
    np.testing.assert_allclose(here, there, atol=1e-12)


@pytest.mark.parametrize(("rows", "columns"), [(200, 40), (30, 90)], ids=["more frames", "more features"])
def test_whitened_dimensions_are_uncorrelated_and_equally_strong(rows: int, columns: int) -> None:
    features = {"wrist": _features(rows, columns)}
    transform = EmbeddingTransform.fit(
        features, _body(rows), IndexConfig(whiten=8, whitening_strength=1.0, proprioception_weight=0.0)
    )
    covariance = np.cov(transform.apply(features, _body(rows))[:, :8], rowvar=False)
    np.testing.assert_allclose(covariance / covariance[0, 0], np.eye(8), atol=1e-3)


def test_leading_directions_agree_with_the_full_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    features, body, config = {"wrist": _features(300, 120)}, _body(300), IndexConfig(whiten=10)
    exact = EmbeddingTransform.fit(features, body, config).apply(features, body)
    monkeypatch.setattr(embedding, "EXACT_EIGEN_SIZE", 0)
    np.testing.assert_allclose(EmbeddingTransform.fit(features, body, config).apply(features, body), exact, atol=1e-4)


def test_the_same_features_give_the_same_transform() -> None:
    features, body, config = {"wrist": _features(60, 200)}, _body(60), IndexConfig(whiten=16)
    first, second = (EmbeddingTransform.fit(features, body, config).to_arrays() for _ in range(2))
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_fewer_frames_than_dimensions_give_fewer_components() -> None:
    features = {"wrist": _features(6, 50)}
    transform = EmbeddingTransform.fit(features, _body(6), IndexConfig(whiten=64))
    vectors = transform.apply(features, _body(6))
    assert vectors.shape == (6, 5 + 5)  # six centred frames span five directions
    assert np.isfinite(vectors).all()


def test_one_frame_gives_a_finite_vector() -> None:
    features = {"wrist": _features(1, 50)}
    assert np.isfinite(EmbeddingTransform.fit(features, _body(1), IndexConfig()).apply(features, _body(1))).all()


def test_whitening_can_be_turned_off() -> None:
    features = {"wrist": _features(30, 12)}
    transform = EmbeddingTransform.fit(features, _body(30), IndexConfig(whiten=0, proprioception_weight=0.0))
    vectors = transform.apply(features, _body(30))[:, :12]
    ratio = np.linalg.norm(vectors[3] - vectors[4]) / np.linalg.norm(features["wrist"][3] - features["wrist"][4])
    other = np.linalg.norm(vectors[7] - vectors[9]) / np.linalg.norm(features["wrist"][7] - features["wrist"][9])
    assert ratio == pytest.approx(other, rel=1e-5)  # distances keep their proportions


def test_blocks_have_the_mean_norms_asked_for() -> None:
    features = {"wrist": _features(80, 30), "front": 100 * _features(80, 20, seed=1)}
    config = IndexConfig(whiten=8, camera_weights=(1.0, 0.25), proprioception_weight=0.3)
    vectors = EmbeddingTransform.fit(features, _body(80), config).apply(features, _body(80))
    norms = [np.linalg.norm(block, axis=1).mean() for block in np.split(vectors, [8, 16], axis=1)]
    assert norms == pytest.approx([1.0, 0.25, 0.3], rel=1e-5)


def test_constant_proprioception_is_left_out_instead_of_blowing_up() -> None:
    body = _body(40)
    body[:, 4] = 1.0  # the gripper was never closed
    body[:, 3] = 1.0 + 1e-9 * body[:, 3]  # never tilted, but for rounding
    features = {"wrist": _features(40, 10)}
    transform = EmbeddingTransform.fit(features, body, IndexConfig(whiten=4))
    other = body.copy()
    other[:, 3:] = 0.0
    np.testing.assert_array_equal(transform.apply(features, body), transform.apply(features, other))


def test_wrong_number_of_camera_weights_names_the_cameras() -> None:
    features = {"wrist": _features(10, 5), "front": _features(10, 5)}
    with pytest.raises(ConfigError, match="1 entries.*2 cameras: wrist, front"):
        EmbeddingTransform.fit(features, _body(10), IndexConfig(camera_weights=(1.0,)))


def test_transform_survives_storing() -> None:
    features, body = {"wrist": _features(50, 20), "front": _features(50, 30)}, _body(50)
    transform = EmbeddingTransform.fit(features, body, IndexConfig(whiten=6))
    again = EmbeddingTransform.from_arrays(transform.to_arrays())
    assert again.cameras == ("wrist", "front")
    np.testing.assert_array_equal(again.apply(features, body), transform.apply(features, body))


def test_a_live_observation_lands_where_the_recorded_batch_put_it() -> None:
    random, encoder = np.random.default_rng(0), MeanColourEncoder()
    images = {name: random.integers(0, 256, (50, 8, 8, 3), dtype=np.uint8) for name in encoder.cameras}
    positions, quaternions, openings = random.random((50, 3)), random.standard_normal((50, 4)), random.random(50)
    features = {name: encoder.embed(frames) for name, frames in images.items()}
    body = proprioception(positions, quaternions, openings)
    transform = EmbeddingTransform.fit(features, body, IndexConfig(whiten=5))
    batch = transform.apply(features, body)
    embedder = Embedder(encoder, transform)
    for row in range(50):
        frames = {name: values[row] for name, values in images.items()}
        observation = Observation(frames, positions[row], quaternions[row], float(openings[row]), 0.0)
        np.testing.assert_allclose(embedder.embed(observation), batch[row], atol=1e-5)


def test_an_observation_without_the_camera_names_those_it_has() -> None:
    features = {"wrist": _features(10, 6)}
    embedder = Embedder(MeanColourEncoder(), EmbeddingTransform.fit(features, _body(10), IndexConfig()))
    observation = Observation({"front": np.zeros((8, 8, 3), np.uint8)}, np.zeros(3), LEVEL[0], 1.0, 0.0)
    with pytest.raises(DatasetError, match="no camera 'wrist'.*it has: front"):
        embedder.embed(observation)
