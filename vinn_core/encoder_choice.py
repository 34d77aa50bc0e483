"""Did training help? Start weights against trained ones, by what the policy would do with each.

BYOL teaches indifference to light and colour. That helps where they vary, and costs where a colour tells the objects
apart; no curve of the training shows which. So some demonstrations are left out of an index of the others and asked
frame by frame, with metric and plane as at run time. The probe of `vinn_core.held_frames` is quicker, but sees neither,
and they make up for much that an embedding lacks. What counts is the mean error of the linear twist: it told which
weights succeed more often where the error over all dimensions did not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from vinn_core.config import FEWEST_COMPARED_DEMONSTRATIONS, MOST_COMPARED_FRAMES, IndexConfig
from vinn_core.dataset import EpisodeSummary
from vinn_core.embedding import EmbeddingTransform, FrameEncoder
from vinn_core.held_frames import HeldFrames, hold_frames
from vinn_core.index import EmbeddingIndex, IndexInfo
from vinn_core.policy import retrieve
from vinn_core.probe_curve import HeldOutErrors
from vinn_core.progress import Report, StageProgress, StopRequest
from vinn_core.sampling import evenly_spaced

_FOLDS = 5
_FEWEST_LEFT_OUT = 20
"""As many folds as leave out this many demonstrations in turn."""
_QUERIES = 800
"""At most this many frames are asked about in all, evenly spaced."""
_STAGE = "Comparing with the start weights"


def compare_with_start(
    demonstrations: Sequence[EpisodeSummary],
    start: FrameEncoder,
    trained: FrameEncoder,
    report: Report,
    stop: StopRequest,
) -> HeldOutErrors | None:
    """Both errors, of at least FEWEST_COMPARED_DEMONSTRATIONS; None when asked to stop. Deterministic.

    Raises:
        DatasetError: a file is damaged or gone.
        FloatingPointError: an encoder gives infinite or undefined features.
    """
    held = hold_frames(demonstrations, trained.cameras, MOST_COMPARED_FRAMES, FEWEST_COMPARED_DEMONSTRATIONS)
    assert held is not None
    started, total = monotonic(), 2 * held.images_count

    def error_of(encoder: FrameEncoder, done_before: int) -> float | None:
        def progress(embedded: int) -> None:
            done = done_before + embedded
            left = (monotonic() - started) / done * (total - done) if done else None
            report(StageProgress(_STAGE, done, total, "image", left))

        return held_out_error(held, encoder, stop, progress)

    of_start = error_of(start, 0)
    of_trained = error_of(trained, held.images_count)
    if of_start is None or of_trained is None:
        return None
    report(StageProgress(_STAGE, total, total, "image", 0.0))
    return HeldOutErrors(of_start, of_trained)


def held_out_error(
    held: HeldFrames, encoder: FrameEncoder, stop: StopRequest, embedded: Callable[[int], None] = lambda done: None
) -> float | None:
    """Mean length of the error of the default policy's linear twist on demonstrations left out of its index [m/s].

    None when asked to stop.

    Args:
        embedded: told how many images are embedded, of `held.images_count`.

    Raises:
        FloatingPointError: the encoder gives infinite or undefined features.
    """
    features = held.embed(encoder, stop, embedded)
    if features is None:
        return None
    demonstrations = np.unique(held.episodes)
    folds = min(_FOLDS, ceil(_FEWEST_LEFT_OUT / (len(demonstrations) / _FOLDS)))
    errors: list[float] = []
    for fold in range(folds):
        left_out = np.isin(held.episodes, demonstrations[fold::_FOLDS])
        errors += _errors(held, features, left_out, _QUERIES // folds, stop)
        if stop:
            return None
    return float(np.mean(errors))


def _errors(
    held: HeldFrames,
    features: dict[str, NDArray[np.float32]],
    left_out: NDArray[np.bool_],
    queries: int,
    stop: StopRequest,
) -> list[float]:
    """Of some of the frames `left_out` of an index of the others [m/s]; incomplete when asked to stop."""
    from vinn_core.metric_learning import learn_metric

    config, indexed = IndexConfig(), ~left_out
    transform = EmbeddingTransform.fit(
        {camera: values[indexed] for camera, values in features.items()}, held.proprioception[indexed], config
    )
    embeddings = transform.apply(features, held.proprioception)
    episodes, actions = held.episodes[indexed], held.actions[indexed]
    metric = learn_metric(embeddings[indexed], episodes, actions, config, lambda event: None, stop)
    index = EmbeddingIndex(
        embeddings[indexed],
        episodes,
        np.arange(len(episodes), dtype=np.int32),
        actions,
        replace(transform, metric=metric),
        IndexInfo("", "", "", {}, config, config.search_k),
    )
    rows = np.flatnonzero(left_out)
    errors = []
    for row in rows[evenly_spaced(len(rows), queries)]:
        if stop:
            break
        twist = retrieve(index, embeddings[row], config.policy()).twist
        errors.append(float(np.linalg.norm(twist[:3] - held.actions[row, :3])))
    return errors
