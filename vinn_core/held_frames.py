"""The recorded frames that an encoder is probed on while it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import IndexConfig
from vinn_core.dataset import EpisodeSummary, load_frames
from vinn_core.embedding import EmbeddingTransform, FrameEncoder
from vinn_core.index_rows import BATCH, motion_rows
from vinn_core.probe import ActionError, leave_one_demonstration_out
from vinn_core.progress import StopRequest

MOST_FRAMES = 600
"""Of each camera: a few seconds to embed on a CPU."""
FEWEST_DEMONSTRATIONS = 8
"""Where fewer would fill MOST_FRAMES, this many are taken, each with gaps: an answer comes from another one."""


@dataclass(frozen=True, eq=False)
class HeldFrames:
    """N frames of some demonstrations, without the standing still at their ends, in memory.

    Attributes:
        images: camera -> (N, H, W, 3) uint8 RGB. proprioception: (N, 5) float64. actions: (N, 7) float32.
        episodes: (N,) int32, the demonstration each frame belongs to; there are at least two.
    """

    images: Mapping[str, NDArray[np.uint8]]
    proprioception: NDArray[np.float64]
    actions: NDArray[np.float32]
    episodes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.actions)

    def action_error(self, encoder: FrameEncoder, stop: StopRequest) -> ActionError | None:
        """How well an index of these frames alone would tell their actions; None when asked to stop. Deterministic.

        Raises:
            FloatingPointError: the encoder gives infinite or undefined features.
        """
        config, features = IndexConfig(), {}
        for camera, frames in self.images.items():
            parts = []
            for first in range(0, len(frames), BATCH):
                if stop:
                    return None
                parts.append(encoder.embed(frames[first : first + BATCH]))
            features[camera] = np.concatenate(parts)
            if not np.isfinite(features[camera]).all():
                raise FloatingPointError("infinite or undefined features")
        vectors = EmbeddingTransform.fit(features, self.proprioception, config).apply(features, self.proprioception)
        return leave_one_demonstration_out(vectors, self.episodes, self.actions, config.neighbours, config.temperature)


def hold_frames(summaries: Sequence[EpisodeSummary], cameras: Sequence[str]) -> HeldFrames | None:
    """Read evenly spaced demonstrations, whole where they are short; None when there are fewer than two.

    Episodes marked as failed are no demonstrations. Deterministic.

    Raises:
        DatasetError: a file is damaged, or lacks a camera.
    """
    rows: list[tuple[EpisodeSummary, NDArray[np.int64]]] = []
    bodies, actions = [], []
    for summary in _evenly_spaced([summary for summary in summaries if summary.success is not False]):
        kept, body, acted = motion_rows(summary)
        rows.append((summary, kept))
        bodies.append(body)
        actions.append(acted)
    if sum(len(kept) > 0 for _, kept in rows) < 2:
        return None
    total = sum(len(kept) for _, kept in rows)
    thinned = np.unique(np.linspace(0, total - 1, min(total, MOST_FRAMES)).round().astype(np.int64))
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


def _evenly_spaced(summaries: Sequence[EpisodeSummary]) -> list[EpisodeSummary]:
    """As many as have MOST_FRAMES frames together, but at least FEWEST_DEMONSTRATIONS."""
    if not summaries:
        return []
    fit = int(MOST_FRAMES / np.mean([summary.length for summary in summaries]))
    number = min(max(fit, FEWEST_DEMONSTRATIONS), len(summaries))
    return [summaries[place] for place in np.linspace(0, len(summaries) - 1, number).round().astype(int)]
