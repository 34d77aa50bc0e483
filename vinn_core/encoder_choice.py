"""Did training pay? Start weights against trained ones, by what the policy would do with each.

BYOL teaches indifference to light and colour. That helps where they vary, and costs where a colour tells the objects
apart; no curve of the training shows which. So every fifth demonstration is left out of an index of the others and
asked frame by frame, with metric, plane and gripper vote as at run time. The probe of `vinn_core.held_frames` is
quicker, but sees neither metric nor plane, which make up for much that an embedding lacks. What counts is the mean
error of the linear twist: it told which weights succeed more often where the error over all dimensions did not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from time import monotonic

import numpy as np

from vinn_core.config import IndexConfig
from vinn_core.dataset import EpisodeSummary
from vinn_core.embedding import EmbeddingTransform, FrameEncoder
from vinn_core.held_frames import HeldFrames, hold_frames
from vinn_core.index import EmbeddingIndex, IndexInfo
from vinn_core.metric_learning import learn_metric
from vinn_core.policy import retrieve
from vinn_core.probe import ActionError, action_error
from vinn_core.probe_curve import HeldOutErrors
from vinn_core.progress import Report, StageProgress, StopRequest

FEWEST_DEMONSTRATIONS = 10
"""Of fewer, those left out say too little."""
MOST_FRAMES = 5000
"""Of each camera: half a minute to embed on a CPU."""
HELD_OUT_EVERY = 5
QUERIES = 800
"""At most this many frames are asked about, evenly spaced."""
_STAGE = "Comparing with the start weights"


def compare_with_start(
    summaries: Sequence[EpisodeSummary],
    start: FrameEncoder,
    trained: FrameEncoder,
    report: Report,
    stop: StopRequest,
) -> HeldOutErrors | None:
    """Both errors; None when asked to stop, or of fewer than FEWEST_DEMONSTRATIONS. Deterministic.

    Raises:
        DatasetError: a file is damaged, or lacks a camera.
        FloatingPointError: an encoder gives infinite or undefined features.
    """
    held = hold_frames(summaries, trained.cameras, MOST_FRAMES)
    if held is None or len(np.unique(held.episodes)) < FEWEST_DEMONSTRATIONS:
        return None
    started, total = monotonic(), 2 * held.images_count

    def error_of(encoder: FrameEncoder, done_before: int) -> float | None:
        def progress(embedded: int) -> None:
            done = done_before + embedded
            left = (monotonic() - started) / done * (total - done) if done else None
            report(StageProgress(_STAGE, done, total, "image", left))

        error = held_out_action_error(held, encoder, stop, progress)
        return None if error is None else error.linear

    of_start = error_of(start, 0)
    of_trained = error_of(trained, held.images_count)
    if of_start is None or of_trained is None:
        return None
    report(StageProgress(_STAGE, total, total, "image", 0.0))
    return HeldOutErrors(of_start, of_trained)


def held_out_action_error(
    held: HeldFrames, encoder: FrameEncoder, stop: StopRequest, embedded: Callable[[int], None] = lambda done: None
) -> ActionError | None:
    """Of the default policy, on every fifth demonstration, of an index of the others; None when asked to stop.

    Args:
        embedded: told how many images are embedded, of `held.images_count`.

    Raises:
        FloatingPointError: the encoder gives infinite or undefined features.
    """
    features = held.embed(encoder, stop, embedded)
    if features is None:
        return None
    left_out = np.isin(held.episodes, np.unique(held.episodes)[::HELD_OUT_EVERY])
    indexed = ~left_out
    config = IndexConfig()
    transform = EmbeddingTransform.fit(
        {camera: values[indexed] for camera, values in features.items()}, held.proprioception[indexed], config
    )
    embeddings = transform.apply(features, held.proprioception)
    episodes, actions = held.episodes[indexed], held.actions[indexed]
    metric = learn_metric(embeddings[indexed], episodes, actions, config, lambda event: None, stop)
    if stop:
        return None
    index = EmbeddingIndex(
        embeddings[indexed],
        episodes,
        np.arange(len(episodes), dtype=np.int32),
        actions,
        replace(transform, metric=metric),
        IndexInfo("", encoder.fingerprint, "", {}, config, config.search_k),
    )
    rows = np.flatnonzero(left_out)
    asked = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), QUERIES)).round().astype(np.int64))]
    predicted = np.empty((len(asked), 7))
    for place, row in enumerate(asked):
        if stop:
            return None
        retrieved = retrieve(index, embeddings[row], config.policy())
        predicted[place] = (*retrieved.twist, retrieved.open_vote)
    return action_error(predicted, held.actions[asked], actions.std(axis=0))
