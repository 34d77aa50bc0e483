"""Did training help? Start weights against trained ones, by what the policy would do with each.

BYOL teaches indifference to light and colour. That helps where they vary, and costs where a colour tells the objects
apart; no curve of the training shows which. So some demonstrations are left out of an index of the others and asked
frame by frame, with metric and plane as at run time. The probe of `vinn_core.training.held_frames` is quicker, but
sees neither, and they make up for much that an embedding lacks. What counts is the mean error of the linear twist: it
told which weights succeed more often where the error over all dimensions did not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import ceil
from time import monotonic

import numpy as np
from numpy.typing import NDArray

import vinn_core.encoder.torch_setup  # noqa: F401  # before torch
from vinn_core.config import FEWEST_COMPARED_DEMONSTRATIONS, MOST_COMPARED_FRAMES, IndexConfig, TrainConfig
from vinn_core.encoder.history import HeldOutErrors
from vinn_core.encoder.network import Encoder, create_encoder
from vinn_core.episodes.file import EpisodeSummary
from vinn_core.errors import DatasetError, EncoderError
from vinn_core.progress import Message, Report, StageProgress, StopRequest
from vinn_core.retrieval.embedding import EmbeddingTransform, FrameEncoder
from vinn_core.retrieval.index import EmbeddingIndex, IndexInfo
from vinn_core.retrieval.metric import learn_metric
from vinn_core.retrieval.sampling import evenly_spaced
from vinn_core.retrieval.vinn import retrieve
from vinn_core.training.held_frames import HeldFrames, hold_frames
from vinn_core.training.probe import EncoderProbe

import torch  # isort: skip  # after torch_setup

_FOLDS = 5
_FEWEST_LEFT_OUT = 20
"""As many folds as leave out this many demonstrations in turn."""
_QUERIES = 800
"""At most this many frames are asked about in all, evenly spaced."""
_STAGE = "Comparing with the start weights"


class WeightChoice:
    """Which weights a run keeps at its end: those that its probe chose, or the start weights if training did harm.

    Args:
        device: of the encoder.
        demonstrations: on which start and trained weights may be compared.

    Attributes:
        compares: whether they are: that is asked for, and there are enough demonstrations.
    """

    def __init__(self, config: TrainConfig, device: torch.device, demonstrations: Sequence[EpisodeSummary]) -> None:
        self._config = config
        self._device = device
        self._demonstrations = demonstrations
        enough = len(demonstrations) >= FEWEST_COMPARED_DEMONSTRATIONS
        self.compares = enough and config.compare_with_start and config.epochs > 0

    def make(self, encoder: Encoder, probe: EncoderProbe, *, report: Report, stop: StopRequest) -> bool:
        """Put the weights to keep into `encoder`, note whose they are in the probe's curve, and say what is unexpected.

        Returns:
            False when asked to stop meanwhile.

        Raises:
            FloatingPointError: the encoder gives infinite or undefined features.
        """
        probe.choose_weights(encoder)
        if self.compares:
            return self._compare(encoder, probe, report, stop=stop)
        if probe.curve.chosen_epoch == 0:
            text = "BYOL did not improve the action error on this data; the start weights were kept."
            report(Message(text, "warning"))
        return True

    def _compare(self, encoder: Encoder, probe: EncoderProbe, report: Report, *, stop: StopRequest) -> bool:
        config = self._config
        try:
            start = create_encoder(config.encoder, config.seed, config.cameras).to(self._device)
            errors = compare_with_start(self._demonstrations, start, encoder, report=report, stop=stop)
        except (DatasetError, EncoderError, torch.cuda.OutOfMemoryError) as error:
            text = f"Start and trained weights could not be compared; the trained ones are kept. {error}"
            report(Message(text, "warning"))
            return True
        if errors is None:
            return False
        probe.curve = probe.curve.with_comparison(errors)
        if errors.training_made_it_worse:
            encoder.load_state_dict(start.state_dict())
            report(Message(f"BYOL did harm on this data: {errors.in_words()}. The start weights were kept.", "warning"))
        return True


def compare_with_start(
    demonstrations: Sequence[EpisodeSummary],
    start: FrameEncoder,
    trained: FrameEncoder,
    *,
    report: Report,
    stop: StopRequest,
) -> HeldOutErrors | None:
    """Both errors, of at least FEWEST_COMPARED_DEMONSTRATIONS; None when asked to stop. Deterministic.

    Raises:
        DatasetError: a file is damaged or gone.
        FloatingPointError: an encoder gives infinite or undefined features.
    """
    held = hold_frames(
        demonstrations, trained.cameras, MOST_COMPARED_FRAMES, fewest_demonstrations=FEWEST_COMPARED_DEMONSTRATIONS
    )
    assert held is not None
    started, total = monotonic(), 2 * held.images_count

    def error_of(encoder: FrameEncoder, done_before: int) -> float | None:
        def progress(embedded: int) -> None:
            done = done_before + embedded
            left = (monotonic() - started) / done * (total - done) if done else None
            report(StageProgress(_STAGE, done, total, "image", left))

        return held_out_error(held, encoder, stop, embedded=progress)

    of_start = error_of(start, 0)
    of_trained = error_of(trained, held.images_count)
    if of_start is None or of_trained is None:
        return None
    report(StageProgress(_STAGE, total, total, "image", 0.0))
    return HeldOutErrors(of_start, of_trained)


def held_out_error(
    held: HeldFrames, encoder: FrameEncoder, stop: StopRequest, *, embedded: Callable[[int], None] = lambda done: None
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
        errors += _errors(held, features, left_out, queries=_QUERIES // folds, stop=stop)
        if stop:
            return None
    return float(np.mean(errors))


def _errors(
    held: HeldFrames,
    features: dict[str, NDArray[np.float32]],
    left_out: NDArray[np.bool_],
    *,
    queries: int,
    stop: StopRequest,
) -> list[float]:
    """Of some of the frames `left_out` of an index of the others [m/s]; incomplete when asked to stop."""
    config, indexed = IndexConfig(), ~left_out
    transform = EmbeddingTransform.fit(
        {camera: values[indexed] for camera, values in features.items()}, held.proprioception[indexed], config
    )
    embeddings = transform.apply(features, held.proprioception)
    episodes, actions = held.episodes[indexed], held.actions[indexed]
    metric = learn_metric(embeddings[indexed], episodes, actions, config=config, report=lambda event: None, stop=stop)
    index = EmbeddingIndex(
        embeddings[indexed],
        episodes,
        np.arange(len(episodes), dtype=np.int32),
        actions=actions,
        transform=replace(transform, metric=metric),
        info=IndexInfo("", "", "", {}, config, config.search_k),
    )
    rows = np.flatnonzero(left_out)
    errors = []
    for row in rows[evenly_spaced(len(rows), queries)]:
        if stop:
            break
        twist = retrieve(index, embeddings[row], config.policy()).twist
        errors.append(float(np.linalg.norm(twist[:3] - held.actions[row, :3])))
    return errors
