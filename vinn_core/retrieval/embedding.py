"""From an observation to the vector that is searched: whitened camera features beside a little proprioception.

The same `EmbeddingTransform` serves the recorded frames (a batch, when the index is built) and the live observation
(a single one), so that a recorded frame seen again lands on its own row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import IndexConfig
from vinn_core.episodes.episode import Observation
from vinn_core.errors import ConfigError, DatasetError
from vinn_core.retrieval.sampling import evenly_spaced

FloatArray = NDArray[np.float64]

EXACT_EIGEN_SIZE = 2048
"""Up to this size all eigenvectors are computed; above, only those asked for, by subspace iteration."""
FIT_FRAMES = 8000
"""Whitening is fitted on at most this many frames, evenly spaced."""
RELATIVE_RANK = 1e-9
"""Directions with a smaller share of the largest variance are numerical noise and are left out."""
RELATIVE_EPS = 1e-6
"""Added to the variances, as a share of the largest, so that whitening does not blow up faint directions."""
CONSTANT_SPREAD = 1e-3
"""Proprioception that varies less than this (1 mm, 1 mrad, 0.1 % of the stroke) says nothing and is left out."""


class FrameEncoder(Protocol):
    """What this module needs of an encoder."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the encoder would give other features."""
        ...

    @property
    def cameras(self) -> tuple[str, ...]:
        """The cameras whose frames it was trained on and is shown."""
        ...

    def embed(self, frames: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(B, H, W, 3) uint8 RGB -> (B, F) float32 features."""
        ...


def proprioception(
    positions: NDArray[np.floating], quaternions: NDArray[np.floating], openings: NDArray[np.floating]
) -> FloatArray:
    """What the arm knows of itself without saying where on the table it is; (N, 5) float64.

    The columns are the end effector's height [m], the direction of gravity in the end-effector frame (3, unit
    vector: the tilt, but not the heading) and the gripper opening in [0, 1].

    Args:
        positions: (N, 3) [m], world frame.
        quaternions: (N, 4) wxyz, world frame.
        openings: (N,).
    """
    w, x, y, z = np.asarray(quaternions, dtype=np.float64).T / np.linalg.norm(quaternions, axis=1)
    up_in_ee = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=1)
    return np.column_stack([positions[:, 2], -up_in_ee, openings]).astype(np.float64)


@dataclass(frozen=True, eq=False)
class Block:
    """An affine map of one part of the embedding: (x - mean) @ matrix.

    Attributes:
        mean: (F,) float64.
        matrix: (F, D) float64, or (F,) float64 for a scale per dimension.
    """

    mean: FloatArray
    matrix: FloatArray

    def apply(self, values: NDArray[np.floating]) -> FloatArray:
        """(B, F) -> (B, D) float64. Computed in float64, so that a batch and a single row agree."""
        centred = values.astype(np.float64) - self.mean
        return centred @ self.matrix if self.matrix.ndim == 2 else centred * self.matrix

    def with_mean_norm(self, values: NDArray[np.floating], norm: float) -> Block:
        """The same map scaled so that the mapped `values` have this Euclidean norm on average."""
        average = float(np.linalg.norm(self.apply(values), axis=1).mean())
        return Block(self.mean, self.matrix * (norm / average if average > 0 else 0.0))


@dataclass(frozen=True, eq=False)
class EmbeddingTransform:
    """Turns raw features into the searched vector; fitted once per index and stored with it.

    Every camera's features are whitened by PCA, scaled to unit mean norm and multiplied by the camera's weight;
    the proprioception is standardised and treated likewise. The blocks are concatenated to the embedding.

    Attributes:
        metric: (E, D) float64 that takes embeddings to where Euclidean distance is the learnt metric; None without one.
    """

    cameras: tuple[str, ...]
    camera_blocks: tuple[Block, ...]
    proprioception_block: Block
    metric: FloatArray | None = None

    @classmethod
    def fit(
        cls, features: Mapping[str, NDArray[np.float32]], proprioception: FloatArray, config: IndexConfig
    ) -> EmbeddingTransform:
        """Fit on all rows of an index. Deterministic.

        Args:
            features: camera -> (N, F) float32.
            proprioception: (N, 5) float64.

        Raises:
            ConfigError: `camera_weights` does not have one entry per camera.
        """
        weights = config.camera_weights or (1.0,) * len(features)
        if len(weights) != len(features):
            raise ConfigError(
                f"camera_weights has {len(weights)} entries, but the encoder sees {len(features)} "
                f"cameras: {', '.join(features)}. Give one weight for each."
            )
        blocks = []
        for values, weight in zip(features.values(), weights, strict=True):
            subset = values[evenly_spaced(len(values), FIT_FRAMES)]
            block = _reduction(subset, config)
            blocks.append(block.with_mean_norm(subset, weight))
        spread = proprioception.std(axis=0)
        inverse = np.where(spread > CONSTANT_SPREAD, 1.0 / np.maximum(spread, CONSTANT_SPREAD), 0.0)
        body = Block(proprioception.mean(axis=0), inverse)
        return cls(tuple(features), tuple(blocks), body.with_mean_norm(proprioception, config.proprioception_weight))

    def apply(self, features: Mapping[str, NDArray[np.float32]], proprioception: FloatArray) -> NDArray[np.float32]:
        """camera -> (B, F) features and (B, 5) proprioception -> (B, E) float32 embeddings."""
        blocks = [block.apply(features[camera]) for camera, block in zip(self.cameras, self.camera_blocks, strict=True)]
        return np.hstack([*blocks, self.proprioception_block.apply(proprioception)]).astype(np.float32)

    def project(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """(..., E) embeddings -> (..., D) float32 vectors, whose Euclidean distance is the learnt metric."""
        if self.metric is None:
            return embeddings
        return (embeddings.astype(np.float64) @ self.metric).astype(np.float32)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays to store; the inverse of `from_arrays`."""
        arrays: dict[str, NDArray[Any]] = {"cameras": np.array(self.cameras, dtype=np.str_)}
        named = dict(zip(self.cameras, self.camera_blocks, strict=True))
        for name, block in {**named, "_proprioception": self.proprioception_block}.items():
            arrays[f"{name}/mean"], arrays[f"{name}/matrix"] = block.mean, block.matrix
        if self.metric is not None:
            arrays["_metric"] = self.metric
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Raises KeyError when an array is missing."""
        cameras = tuple(str(name) for name in arrays["cameras"])
        blocks = [Block(arrays[f"{name}/mean"], arrays[f"{name}/matrix"]) for name in (*cameras, "_proprioception")]
        return cls(cameras, tuple(blocks[:-1]), blocks[-1], arrays.get("_metric"))


class Embedder:
    """Turns a live observation into its embedding."""

    def __init__(self, encoder: FrameEncoder, transform: EmbeddingTransform) -> None:
        self._encoder = encoder
        self._transform = transform

    @property
    def cameras(self) -> tuple[str, ...]:
        """The images an observation must have."""
        return self._transform.cameras

    def embed(self, observation: Observation) -> NDArray[np.float32]:
        """The (E,) float32 embedding. Raises DatasetError when the observation lacks a camera."""
        for camera in self.cameras:
            if camera not in observation.images:
                raise DatasetError(
                    f"no camera '{camera}' in the observation; it has: {', '.join(observation.images)}. "
                    "Record with this camera, or train an encoder and build an index without it."
                )
        features = self._encoder.embed(np.stack([observation.images[camera] for camera in self.cameras]))
        body = proprioception(
            observation.ee_position[None], observation.ee_quaternion[None], np.array([observation.gripper_opening])
        )
        by_camera = {camera: features[row : row + 1] for row, camera in enumerate(self.cameras)}
        return self._transform.apply(by_camera, body)[0]


def _reduction(values: NDArray[np.float32], config: IndexConfig) -> Block:
    return _whitening(values, config.whiten, config.whitening_strength) if config.whiten else _centring(values)


def _centring(values: NDArray[np.float32]) -> Block:
    return Block(values.mean(axis=0, dtype=np.float64), np.ones(values.shape[1]))


def _whitening(values: NDArray[np.float32], dimensions: int, strength: float) -> Block:
    """PCA of (N, F) to `dimensions` columns, fewer where the data has fewer; of unit variance at `strength` 1."""
    mean = values.mean(axis=0, dtype=np.float64)
    centred = values.astype(np.float64) - mean
    rows, columns = centred.shape
    # The non-zero eigenvalues of X X^T and X^T X are the same: take the smaller of the two.
    by_rows = rows < columns
    variances, vectors = leading_eigenpairs(centred @ centred.T if by_rows else centred.T @ centred, dimensions)
    kept = variances > max(variances[0] * RELATIVE_RANK, np.finfo(np.float64).tiny)
    variances, vectors = variances[kept], vectors[:, kept]
    components = centred.T @ (vectors / np.sqrt(variances)) if by_rows else vectors
    # An eigenvector's sign is arbitrary: make its largest entry positive.
    largest = np.abs(components).argmax(axis=0)
    components *= np.where(components[largest, np.arange(components.shape[1])] < 0, -1.0, 1.0)
    variances = variances / max(rows - 1, 1)
    eps = RELATIVE_EPS * variances[:1]
    return Block(mean, components / (variances + eps) ** (0.5 * strength))


def leading_eigenpairs(matrix: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """The `count` largest eigenvalues and their eigenvectors of a symmetric matrix, all if there are fewer.

    Args:
        matrix: (n, n) float64.

    Returns:
        (count,) float64, descending, and (n, count) float64, one eigenvector a column.
    """
    size = len(matrix)
    count = min(count, size)
    if size <= EXACT_EIGEN_SIZE:
        values, vectors = np.linalg.eigh(matrix)
        return values[::-1][:count], vectors[:, ::-1][:, :count]
    # Subspace iteration with a margin of directions (Halko et al. 2011, section 4.5): seconds faster than all pairs.
    basis = np.random.default_rng(0).standard_normal((size, min(2 * count + 16, size)))
    leading = np.zeros(count)
    for _ in range(50):
        basis = np.linalg.qr(matrix @ basis)[0]
        values, rotation = np.linalg.eigh(basis.T @ matrix @ basis)
        basis = basis @ rotation[:, ::-1]
        previous, leading = leading, values[::-1][:count]
        if np.allclose(leading, previous, rtol=1e-8, atol=0.0):
            break
    return leading, basis[:, :count]
