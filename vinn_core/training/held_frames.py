"""The recorded frames that an encoder is probed on while it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import IndexConfig
from vinn_core.episodes.file import EpisodeSummary, load_frames
from vinn_core.progress import StopRequest
from vinn_core.retrieval.action_error import ActionError, leave_one_demonstration_out
from vinn_core.retrieval.embedding import EmbeddingTransform, FrameEncoder
from vinn_core.retrieval.rows import BATCH, motion_rows
from vinn_core.retrieval.sampling import evenly_spaced

MOST_FRAMES = 600
"""Of each camera, while training: a few seconds to embed on a CPU."""
FEWEST_DEMONSTRATIONS = 8
"""Where fewer would fill the former, this many are taken, each with gaps: an answer comes from another one."""


@dataclass(frozen=True, eq=False)
class HeldFrames:
    """N frames of some demonstrations, without the standing still at their ends, in memory.

    Attributes:
        images: camera -> (N, H, W, 3) uint8 RGB.
        proprioception: (N, 5) float64.
        actions: (N, 7) float32.
        episodes: (N,) int32, the demonstration each frame belongs to; there are at least two.
    """

    images: Mapping[str, NDArray[np.uint8]]
    proprioception: NDArray[np.float64]
    actions: NDArray[np.float32]
    episodes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def images_count(self) -> int:
        """Of all cameras."""
        return len(self) * len(self.images)

    def embed(
        self, encoder: FrameEncoder, stop: StopRequest, embedded: Callable[[int], None] = lambda done: None
    ) -> dict[str, NDArray[np.float32]] | None:
        """camera -> (N, F) features; None when asked to stop. `embedded` is told how many images are done.

        Raises:
            FloatingPointError: the encoder gives infinite or undefined features.
        """
        features, done = {}, 0
        for camera, frames in self.images.items():
            parts = []
            for first in range(0, len(frames), BATCH):
                if stop:
                    return None
                embedded(done)
                parts.append(encoder.embed(frames[first : first + BATCH]))
                done += len(parts[-1])
            features[camera] = np.concatenate(parts)
            if not np.isfinite(features[camera]).all():
                raise FloatingPointError("infinite or undefined features")
        return features

    def action_error(self, encoder: FrameEncoder, stop: StopRequest) -> ActionError | None:
        """How well an index of these frames alone would tell their actions; None when asked to stop. Deterministic.

        Raises:
            FloatingPointError: the encoder gives infinite or undefined features.
        """
        config, features = IndexConfig(), self.embed(encoder, stop)
        if features is None:
            return None
        vectors = EmbeddingTransform.fit(features, self.proprioception, config).apply(features, self.proprioception)
        return leave_one_demonstration_out(
            vectors, self.episodes, self.actions, neighbours=config.neighbours, temperature=config.temperature
        )


def hold_frames(
    summaries: Sequence[EpisodeSummary],
    cameras: Sequence[str],
    most_frames: int | None = None,
    *,
    fewest_demonstrations: int = FEWEST_DEMONSTRATIONS,
) -> HeldFrames | None:
    """Read evenly spaced demonstrations, whole where they are short; None when there are fewer than two.

    Episodes marked as failed are no demonstrations. Deterministic.

    Args:
        most_frames: of each camera; default: MOST_FRAMES.
        fewest_demonstrations: are taken even where whole ones would be more frames than that.

    Raises:
        DatasetError: a file is damaged, or lacks a camera.
    """
    most_frames = MOST_FRAMES if most_frames is None else most_frames
    usable = [summary for summary in summaries if summary.usable]
    rows: list[tuple[EpisodeSummary, NDArray[np.int64]]] = []
    bodies, actions = [], []
    for summary in _evenly_spaced(usable, most_frames, fewest_demonstrations):
        kept, body, acted = motion_rows(summary)
        rows.append((summary, kept))
        bodies.append(body)
        actions.append(acted)
    if sum(len(kept) > 0 for _, kept in rows) < 2:
        return None
    total = sum(len(kept) for _, kept in rows)
    thinned = evenly_spaced(total, most_frames)
    return HeldFrames(
        images={
            camera: np.concatenate([load_frames(summary.path, camera)[kept] for summary, kept in rows])[thinned]
            for camera in cameras
        },
        proprioception=np.concatenate(bodies)[thinned],
        actions=np.concatenate(actions)[thinned],
        episodes=np.repeat([summary.number for summary, _ in rows], [len(kept) for _, kept in rows]).astype(np.int32)[
            thinned
        ],
    )


def _evenly_spaced(summaries: Sequence[EpisodeSummary], frames: int, fewest: int) -> list[EpisodeSummary]:
    """As many as have so many frames together, but at least `fewest`."""
    if not summaries:
        return []
    fit = int(frames / np.mean([summary.length for summary in summaries]))
    number = max(fit, fewest)
    return [summaries[place] for place in evenly_spaced(len(summaries), number)]
