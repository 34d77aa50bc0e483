"""The rows of an index, gathered from the episodes: features, proprioception and action of every useful frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from vinn_core.episodes.file import EpisodeSummary, load_frames, load_motion
from vinn_core.errors import EmbeddingIndexError
from vinn_core.progress import Report, StageProgress, StopRequest
from vinn_core.retrieval.embedding import FrameEncoder, proprioception

BATCH = 64
"""Frames embedded at a time."""
IDLE_LINEAR, IDLE_ANGULAR, IDLE_OPENING = 2e-3, 1e-2, 5e-3
"""Slower than this [m/s], [rad/s] and [fraction of the stroke per tick] is standing still."""


@dataclass(frozen=True, eq=False)
class IndexRows:
    """N frames as an index keeps them, ordered by episode and step.

    Attributes:
        features: camera -> (N, F) float32.
        proprioception: (N, 5) float64.
        actions: (N, 7) float32.
        episodes: (N,) int32, episode number of each row.
        steps: (N,) int32, 0-based step of each row within its episode.
        cache: raw features of all frames of each episode, to be reused by the next build.
    """

    features: Mapping[str, NDArray[np.float32]]
    proprioception: NDArray[np.float64]
    actions: NDArray[np.float32]
    episodes: NDArray[np.int32]
    steps: NDArray[np.int32]
    cache: Mapping[str, NDArray[np.float32]]


def collect_rows(
    summaries: Sequence[EpisodeSummary],
    encoder: FrameEncoder,
    *,
    encoder_name: str,
    leave_out_idle: bool,
    cache: Mapping[str, NDArray[np.float32]],
    report: Report,
    stop: StopRequest,
) -> IndexRows | None:
    """Embed the frames that `cache` does not have yet and gather all rows; None when asked to stop.

    Raises:
        EmbeddingIndexError: there are no episodes, none in which the arm moves, a camera is missing in one, or the
            encoder gives undefined features.
    """
    if not summaries:
        raise EmbeddingIndexError("There is no successful episode to index yet: record or collect some first.")
    embedded = _embed_episodes(summaries, encoder, encoder_name, cache=cache, report=report, stop=stop)
    if embedded is None:
        return None
    steps, bodies, actions = [], [], []
    for summary in summaries:
        if stop:
            return None
        kept, body, acted = motion_rows(summary, leave_out_idle)
        steps.append(kept)
        bodies.append(body)
        actions.append(acted)
    if not sum(map(len, steps)):
        raise EmbeddingIndexError("In every episode the arm only stands still: record one in which it moves.")
    return IndexRows(
        features={
            camera: np.concatenate([embedded[_key(s, camera)][kept] for s, kept in zip(summaries, steps, strict=True)])
            for camera in encoder.cameras
        },
        proprioception=np.concatenate(bodies),
        actions=np.concatenate(actions),
        episodes=np.repeat([summary.number for summary in summaries], [len(kept) for kept in steps]).astype(np.int32),
        steps=np.concatenate(steps).astype(np.int32),
        cache=embedded,
    )


def motion_rows(
    summary: EpisodeSummary, leave_out_idle: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float32]]:
    """What an index keeps of one episode beside its images: steps (n,), proprioception (n, 5) and actions (n, 7).

    Raises DatasetError when the file is damaged.
    """
    motion = load_motion(summary.path)
    kept = moving_steps(motion.actions, motion.gripper_openings) if leave_out_idle else np.arange(len(motion))
    body = proprioception(motion.ee_positions, motion.ee_quaternions, motion.gripper_openings)
    return kept, body[kept], motion.actions[kept]


def moving_steps(actions: NDArray[np.float32], openings: NDArray[np.floating]) -> NDArray[np.int64]:
    """The steps of an episode without the standing still at its start and end: it would teach the policy to wait.

    Args:
        actions: (T, 7).
        openings: (T,) measured gripper opening, which tells waiting from closing the gripper.
    """
    moves = np.linalg.norm(actions[:, :3], axis=1) > IDLE_LINEAR
    moves |= np.linalg.norm(actions[:, 3:6], axis=1) > IDLE_ANGULAR
    moves[1:] |= np.diff(actions[:, 6]) != 0
    moves[:-1] |= np.abs(np.diff(openings)) > IDLE_OPENING
    moving = np.flatnonzero(moves)
    return np.arange(moving[0], moving[-1] + 1) if len(moving) else moving


def _embed_episodes(
    summaries: Sequence[EpisodeSummary],
    encoder: FrameEncoder,
    encoder_name: str,
    *,
    cache: Mapping[str, NDArray[np.float32]],
    report: Report,
    stop: StopRequest,
) -> dict[str, NDArray[np.float32]] | None:
    """Raw features of every frame by `_key`, from the cache where it has them; None when asked to stop."""
    wanted = {_key(summary, camera): (summary, camera) for summary in summaries for camera in encoder.cameras}
    for summary, camera in wanted.values():
        if camera not in summary.cameras:
            raise EmbeddingIndexError(
                f"Episode {summary.number} has no camera '{camera}' (it has: {', '.join(summary.cameras)}), which the "
                f"encoder '{encoder_name}' needs: delete the episode, or train an encoder on the cameras it has."
            )
    features = {key: cache[key] for key in wanted if key in cache}
    total = sum(summary.length for key, (summary, _) in wanted.items() if key not in features)
    done, started = 0, monotonic()
    for key, (summary, camera) in wanted.items():
        if key in features:
            continue
        frames, parts = load_frames(summary.path, camera), []
        for first in range(0, len(frames), BATCH):
            if stop:
                return None
            parts.append(encoder.embed(frames[first : first + BATCH]))
            if not np.isfinite(parts[-1]).all():
                raise EmbeddingIndexError(
                    f"The encoder '{encoder_name}' gives infinite or undefined features: train it again."
                )
            done += len(parts[-1])
            seconds_left = (monotonic() - started) / done * (total - done)
            report(StageProgress("Embedding frames", done, total, "image", seconds_left))
        features[key] = np.concatenate(parts)
    return features


def _key(summary: EpisodeSummary, camera: str) -> str:
    return f"{summary.fingerprint}.{camera}"
